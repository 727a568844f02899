/* SPDX-License-Identifier: Apache-2.0
 *
 * MeanVarianceNormalization: over axes, by default batch and space.
 */
#include <math.h>
#include <stdlib.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

static enum qb_err mvn_axes(const struct qb_node *n, int rank, bool flag[QB_MAX_DIMS], struct qb_errbuf *eb)
{
	static const int64_t usual[] = { 0, 2, 3 };
	const int64_t *axes = usual;
	int count = qb_node_ints(n, "axes", &axes), a;

	count = qb_node_attr(n, "axes") ? count : 3;
	memset(flag, 0, QB_MAX_DIMS * sizeof(flag[0]));
	for (int i = 0; i < count; i++) {
		QB_TRY(qb__op_axis(n, axes[i], rank, false, &a, eb));
		flag[a] = true;
	}
	return QB_OK;
}

enum qb_err qb__infer_mvn(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	bool flag[QB_MAX_DIMS];

	if (n->input[0]->shape.known) {
		QB_TRY(mvn_axes(n, n->input[0]->shape.ndim, flag, eb));
	}
	return qb__op_infer_float_same(g, n, eb);
}

/* The group that element i belongs to: its index along the axes that are kept. */
static size_t group_of(const struct qb_tensor *x, const bool flag[QB_MAX_DIMS], size_t i)
{
	size_t group = 0, step = 1;

	for (int d = x->ndim - 1; d >= 0; d--) {
		size_t k = i % (size_t)x->dim[d];

		i /= (size_t)x->dim[d];
		if (!flag[d]) {
			group += k * step;
			step *= (size_t)x->dim[d];
		}
	}
	return group;
}

static enum qb_err mvn_f32(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	size_t count = qb_tensor_size(in[0]), groups = 1;
	const float *x = in[0]->data;
	bool flag[QB_MAX_DIMS];
	double *mean, *squares, each;

	QB_TRY(mvn_axes(n, in[0]->ndim, flag, eb));
	for (int i = 0; i < in[0]->ndim; i++) {
		groups *= flag[i] ? 1 : (size_t)in[0]->dim[i];
	}
	mean = qb_aligned_alloc(groups, 2 * sizeof(*mean));
	if (!mean) {
		return qb__op_no_memory(n, eb);
	}
	memset(mean, 0, groups * 2 * sizeof(*mean));
	squares = mean + groups;
	each = groups ? (double)(count / groups) : 1;
	for (size_t i = 0; i < count; i++) {
		mean[group_of(in[0], flag, i)] += (double)x[i] / each;
	}
	for (size_t i = 0; i < count; i++) {
		size_t g = group_of(in[0], flag, i);

		squares[g] += ((double)x[i] - mean[g]) * ((double)x[i] - mean[g]) / each;
	}
	for (size_t i = 0; i < count; i++) {
		size_t g = group_of(in[0], flag, i);

		((float *)out[0].data)[i] = (float)(((double)x[i] - mean[g]) / (sqrt(squares[g]) + 1e-9));
	}
	free(mean);
	return QB_OK;
}

enum qb_err qb__eval_mvn(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f32(mvn_f32, n, in, out, eb);
}
