/* SPDX-License-Identifier: Apache-2.0
 *
 * Which array of a data file feeds which input of a network, by names, shapes and types alone: what opening a data set
 * and checking a job before it runs have in common.
 */
#ifndef QB_TENSOR_BINDING_H
#define QB_TENSOR_BINDING_H

#include "core/tensor/archive.h"

/* (x * scale - mean) / std in float32, in that order; one value each, or one a channel (dimension 1 of the input). */
struct qb_preprocess {
	int scales, means, stds;
	const float *scale, *mean, *std;
};

/* What a network wants: dim[0] is the batch and is not compared; negative dimensions fit anything. */
enum { QB_ANY_SHAPE = -1 };
struct qb_input_spec {
	const char *name;
	enum qb_dtype dtype;
	int ndim;                  /* or QB_ANY_SHAPE, where the model does not say: that of the array */
	int64_t dim[QB_MAX_DIMS];
};

struct qb_bound_input {
	struct qb_input_spec spec; /* as asked for, with every dimension after the first as the data has it */
	int entry;
	size_t size;             /* elements of one row */
	int64_t channels, inner; /* of one row, for preprocessing */
};

struct qb_binding {
	int64_t count, rows; /* samples; rows that make one */
	int labels;          /* entry, or -1 */
};

/* bound [inputs]. Arrays are named after the inputs, or "x" where there is one input; labels are the array "y", if there
 * is one. All have the same first dimension; arrays that nothing reads are not looked at.
 *
 * Arrays with one dimension more than the inputs, [N, K, ...], hold samples of K rows each: pairs of sentences, the
 * windows of a sound. The network runs every row; a metric sees the K outputs of a sample together. */
enum qb_err qb_bind_arrays(struct qb_binding *out, struct qb_bound_input *bound,
	const struct qb_archive_entry *entry, int entries, const struct qb_input_spec *input,
	int inputs, const struct qb_preprocess *preprocess, struct qb_errbuf *eb);

/* Elements of one index of the first dimension. */
size_t qb_sample_size(const struct qb_archive_entry *e);

#endif
