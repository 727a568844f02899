/* SPDX-License-Identifier: Apache-2.0
 *
 * The tensors of an upload, a data file's arrays or a network's weights, read as float32 in pieces.
 */
#ifndef QB_JOBS_TENSOR_SOURCE_H
#define QB_JOBS_TENSOR_SOURCE_H

#include "core/experiment/experiment.h"
#include "core/tensor/tensor.h"

struct qb_tensor_source_tensor {
	const char *name;
	enum qb_dtype dtype;
	int ndim;
	int64_t dim[QB_MAX_DIMS];
	int64_t elements;
	int axis;            /* channels of a network's weight as its node uses it; else 0; -1: of a scalar */
	const char *skipped; /* NULL, or why it holds no elements to quantize */
};

struct qb_tensor_source;
/* field: "data" or "model" of the job. */
enum qb_err qb_tensor_source_open(struct qb_tensor_source **out, const struct qb_job *job, const char *field,
	struct qb_errbuf *eb);
void qb_tensor_source_close(struct qb_tensor_source **source);
const char *qb_tensor_source_name(const struct qb_tensor_source *source); /* for people */
int qb_tensor_source_count(const struct qb_tensor_source *source);
const struct qb_tensor_source_tensor *qb_tensor_source_tensor(const struct qb_tensor_source *source, int i);
/* Adds the names of tensors near to one that is unknown to the error in eb. */
void qb_tensor_source_near(const struct qb_tensor_source *source, const char *name, struct qb_errbuf *eb);
int qb_tensor_source_find(const struct qb_tensor_source *source, const char *name); /* -1: none */

/* Whether reading anywhere is as good as reading forwards: not inside a .npz. */
bool qb_tensor_source_seekable(const struct qb_tensor_source *source);

/* One tensor being read; each may be used from its own thread. */
struct qb_tensor_source_reader;
enum qb_err qb_tensor_source_reader_open(struct qb_tensor_source_reader **out, const struct qb_tensor_source *source,
	int i, struct qb_errbuf *eb);
void qb_tensor_source_reader_close(struct qb_tensor_source_reader **reader);
/* Elements [first, first + count) in row-major order; reading forwards streams. */
enum qb_err qb_tensor_source_read(struct qb_tensor_source_reader *reader, int64_t first, int64_t count,
	float *dst, struct qb_errbuf *eb);

#endif
