/* SPDX-License-Identifier: Apache-2.0
 *
 * MeanVarianceNormalization: over axes, by default batch and space.
 */
#include <math.h>
#include <stdlib.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/rule.h"
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

static enum qb_err mvn_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	size_t count = qb_tensor_size(in[0]), groups = 1;
	const double *x = in[0]->data;
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
		mean[group_of(in[0], flag, i)] += x[i] / each;
	}
	for (size_t i = 0; i < count; i++) {
		size_t g = group_of(in[0], flag, i);

		squares[g] += (x[i] - mean[g]) * (x[i] - mean[g]) / each;
	}
	for (size_t i = 0; i < count; i++) {
		size_t g = group_of(in[0], flag, i);

		((double *)out[0].data)[i] = (x[i] - mean[g]) / (sqrt(squares[g]) + 1e-9);
	}
	free(mean);
	return QB_OK;
}

enum qb_err qb__eval_mvn(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(mvn_f64, n, in, out, eb);
}

/* y = d / s with d = x - mean(x), s = sqrt(mean(d^2)) + 1e-9: with h = dy / s - d * mean(dy * d) / (s^2 * sqrt(mean(d^2))),
 * dx = h - mean(h) */
enum qb_err qb__gradient_mvn(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule rule = qb__rule_of(g, n, eb), *r = &rule;
	struct qb_value *x = n->input[0], *count, *d, *deviation, *s, *h;
	struct qb_shape kept = x->shape;
	bool flag[QB_MAX_DIMS];
	double elements = 1;

	(void)wanted;
	QB_TRY(mvn_axes(n, x->shape.ndim, flag, eb));
	for (int i = 0; i < kept.ndim; i++) {
		kept.dim[i] = flag[i] ? 1 : x->shape.dim[i];
		elements *= flag[i] ? (double)x->shape.dim[i] : 1;
	}
	count = qb__rule_number(r, x, elements);
	d = qb__rule_sub(r, x, qb__rule_div(r, qb__rule_sum_to(r, x, &kept), count));
	h = qb__rule_mul(r, d, d);
	deviation = qb__rule_1(r, QB_OP_Sqrt, qb__rule_div(r, qb__rule_sum_to(r, h, &kept), count));
	s = qb__rule_add(r, deviation, qb__rule_number(r, x, 1e-9));
	h = qb__rule_mul(r, dy[0], d);
	h = qb__rule_div(r, qb__rule_div(r, qb__rule_sum_to(r, h, &kept), count), deviation);
	h = qb__rule_mul(r, d, qb__rule_div(r, h, qb__rule_mul(r, s, s)));
	h = qb__rule_sub(r, qb__rule_div(r, dy[0], s), h);
	dx[0] = qb__rule_sub(r, h, qb__rule_div(r, qb__rule_sum_to(r, h, &kept), count));
	return r->err;
}
