/* SPDX-License-Identifier: Apache-2.0
 *
 * Expand and Tile: repeat elements along dimensions.
 */
#include <inttypes.h>

#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"
#include "core/ops/strided_copy.h"

enum qb_err qb__infer_expand(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	int64_t dims[QB_MAX_DIMS];
	const struct qb_shape *want = &n->input[1]->shape;
	struct qb_shape to, y;
	int count;

	(void)g;
	QB_TRY(qb__op_need_dtype(n, 1, QB_I64, eb));
	QB_TRY(qb__op_need_rank(n, 1, 1, 1, eb));
	if (!op_const(n, 1)) {
		bool ranked = want->known && qb_dim_number(want->dim[0]) && want->dim[0] <= QB_MAX_DIMS;

		to = ranked ? qb_shape_ranked((int)want->dim[0]) : qb_shape_unknown();
		qb_shape_broadcast(&n->input[0]->shape, &to, &y);
		for (int i = 0; y.known && i < y.ndim; i++) {
			y.dim[i] = QB_DIM_UNKNOWN;
		}
		qb__op_set(n, 0, n->input[0]->dtype, y);
		return QB_OK;
	}
	count = qb__op_ints(op_const(n, 1), dims, QB_MAX_DIMS);
	for (int i = 0; i < count; i++) {
		if (dims[i] < 0) {
			count = -1;
		}
	}
	if (count < 0) {
		return qb_node_fail(eb, QB_EONNX, n, "the new shape is not a list of up to %d sizes", QB_MAX_DIMS);
	}
	to = qb_shape_make(count, dims);
	if (!qb_shape_broadcast(&n->input[0]->shape, &to, &y)) {
		char t[256], u[256];

		return qb_node_fail(eb, QB_ESHAPE, n, "%s of shape %s does not expand to %s", n->input[0]->name,
			qb_shape_text(&n->input[0]->shape, t, sizeof(t)), qb_shape_text(&to, u, sizeof(u)));
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

enum qb_err qb__eval_expand(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t stride[QB_MAX_DIMS], wide[QB_MAX_DIMS] = { 0 };
	int shift = out[0].ndim - in[0]->ndim;

	(void)n, (void)eb;
	qb__op_strides(in[0], stride);
	for (int i = 0; i < in[0]->ndim; i++) {
		wide[i + shift] = in[0]->dim[i] == 1 ? 0 : stride[i];
	}
	qb__op_copy_strided(in[0], 0, wide, &out[0]);
	return QB_OK;
}

enum qb_err qb__infer_tile(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	int64_t repeats[QB_MAX_DIMS];
	struct qb_shape y = *x;
	int count;

	(void)g;
	QB_TRY(qb__op_need_dtype(n, 1, QB_I64, eb));
	if (!x->known) {
		return qb__op_set_unknown(n, n->input[0]->dtype);
	}
	if (!op_const(n, 1)) {
		qb__op_set(n, 0, n->input[0]->dtype, qb_shape_ranked(x->ndim));
		return QB_OK;
	}
	count = qb__op_ints(op_const(n, 1), repeats, QB_MAX_DIMS);
	if (count != x->ndim) {
		return qb_node_fail(eb, QB_ESHAPE, n, "repeats has %d entries for %d dimensions", count, x->ndim);
	}
	for (int i = 0; i < count; i++) {
		if (repeats[i] < 0) {
			return qb_node_fail(eb, QB_EONNX, n, "repeats holds %" PRId64, repeats[i]);
		}
		y.dim[i] = qb_dim_mul(x->dim[i], repeats[i]);
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

enum qb_err qb__eval_tile(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	size_t size = qb_dtype_bytes(in[0]->dtype), count = qb_tensor_size(&out[0]);
	int64_t stride[QB_MAX_DIMS], index[QB_MAX_DIMS] = { 0 };

	(void)n, (void)eb;
	qb__op_strides(in[0], stride);
	for (size_t i = 0; i < count; i++) {
		int64_t at = 0;

		for (int d = 0; d < out[0].ndim; d++) {
			at += index[d] % in[0]->dim[d] * stride[d];
		}
		memcpy((char *)out[0].data + i * size, (const char *)in[0]->data + (size_t)at * size, size);
		for (int d = out[0].ndim - 1; d >= 0 && ++index[d] == out[0].dim[d]; d--) {
			index[d] = 0;
		}
	}
	return QB_OK;
}
