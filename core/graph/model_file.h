/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes of a model: an .onnx file, or the one .onnx inside a .zip, with the data files beside it.
 */
#ifndef QB_GRAPH_MODEL_FILE_H
#define QB_GRAPH_MODEL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

struct qb_model_file;

enum qb_err qb__model_open(struct qb_model_file **out, const char *path, struct qb_errbuf *eb);
void qb__model_close(struct qb_model_file **file);

/* The .onnx itself. */
const uint8_t *qb__model_bytes(const struct qb_model_file *file, size_t *size);

/* Size of the data file `location`, which is relative to the model's folder and may not leave it. */
enum qb_err qb__model_data_size(struct qb_model_file *file, const char *location, uint64_t *size,
	struct qb_errbuf *eb);
/* Copies [offset, offset + size) of it into dst. */
enum qb_err qb__model_data_read(struct qb_model_file *file, const char *location, uint64_t offset,
	size_t size, void *dst, struct qb_errbuf *eb);

#endif
