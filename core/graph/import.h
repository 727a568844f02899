/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files of the ONNX importer.
 */
#ifndef QB_GRAPH_IMPORT_H
#define QB_GRAPH_IMPORT_H

#include "core/graph/graph.h"
#include "core/graph/model_file.h"
#include "core/graph/onnx.pb-c.h"

/* Copies a TensorProto into the arena: every field its data may be in, external data too (not where
 * file is NULL). Errors do not say
 * where it was; the caller puts the initializer or the node before them. */
enum qb_err qb__import_tensor(struct qb_arena *arena, struct qb_model_file *file,
	const Onnx__TensorProto *proto, const struct qb_tensor **out, struct qb_errbuf *eb);

/* dtype and shape of a ValueInfoProto. first_is_batch: a first dimension without a number is the batch, and so is
 * every other of the same name; otherwise such dimensions are unknown. */
enum qb_err qb__import_type(const Onnx__ValueInfoProto *info, bool first_is_batch,
	enum qb_dtype *dtype, struct qb_shape *shape, struct qb_errbuf *eb);

/* The names of its dimensions; NULL when memory ends. */
const struct qb_declared *qb__import_declared(struct qb_arena *arena, const Onnx__ValueInfoProto *info);

/* NULL becomes "". */
const char *qb__import_string(const char *s);

#endif
