/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of training graphs: over the dimensions that broadcasting added, and over shards.
 */
#include <stdlib.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/rule.h"
#include "core/ops/shape_rule.h"

/* ---- SumTo(x) -> [shape]: x summed over the dimensions along which `shape` was broadcast to x's shape ---- */

enum qb_err qb__infer_sum_to(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_shape y, wide;

	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_shape_attr(n, &y, eb));
	if (!qb_shape_concrete(x) || !qb_shape_broadcast(&y, x, &wide) || !qb_shape_equal(&wide, x)) {
		char have[256], want[256];

		return qb_node_fail(eb, QB_ESHAPE, n, "the shape %s is not broadcast to the shape %s of its input",
			qb_shape_text(&y, want, sizeof(want)), qb_shape_text(x, have, sizeof(have)));
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

static enum qb_err sum_to_f64(const struct qb_node *n, const struct qb_tensor *const in[], struct qb_tensor out[],
	struct qb_errbuf *eb)
{
	const struct qb_tensor *x = in[0], *y = &out[0];
	size_t count = qb_tensor_size(x);
	int64_t stride[QB_MAX_DIMS], index[QB_MAX_DIMS] = {0}, s = 1, at = 0;
	int shift = x->ndim - y->ndim;

	(void)n, (void)eb;
	for (int d = x->ndim - 1; d >= 0; d--) {
		bool summed = d < shift || y->dim[d - shift] != x->dim[d];

		stride[d] = summed ? 0 : s;
		s *= summed ? 1 : x->dim[d];
	}
	for (size_t i = 0; i < count; i++) {
		((double *)y->data)[at] += ((const double *)x->data)[i];
		at += qb_index_next(index, x->ndim, x->dim, stride);
	}
	return QB_OK;
}

enum qb_err qb__eval_sum_to(const struct qb_node *n, const struct qb_tensor *const in[], struct qb_tensor out[],
	struct qb_errbuf *eb)
{
	return qb__op_as_f64(sum_to_f64, n, in, out, eb);
}

/* ---- ShardSum(x) -> x: the sum of the shards' tensors, the same for every shard. A graph by itself is one shard. ---- */

enum qb_err qb__infer_shard_sum(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	return qb__op_infer_float_same(g, n, eb);
}

/* The loss is the sum of the shards' losses, and every shard's takes from the sum. */
enum qb_err qb__gradient_shard_sum(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	(void)wanted;
	dx[0] = qb__rule_1(&r, QB_OP_ShardSum, dy[0]);
	return r.err;
}

enum qb_err qb__gradient_sum_to(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	(void)wanted;
	dx[0] = qb__rule_expand(&r, dy[0], &n->input[0]->shape);
	return r.err;
}
