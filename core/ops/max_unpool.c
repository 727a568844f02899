/* SPDX-License-Identifier: Apache-2.0
 *
 * MaxUnpool: x, indices of a MaxPool, output_shape.
 */
#include <inttypes.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

enum qb_err qb__infer_max_unpool(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	const int64_t *kernel, *stride, *pads;
	int k = qb_node_ints(n, "kernel_shape", &kernel), s = qb_node_ints(n, "strides", &stride);
	int p = qb_node_ints(n, "pads", &pads);
	int64_t want[QB_MAX_DIMS];
	struct qb_shape y = *x;

	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_dtype(n, 1, QB_I64, eb));
	QB_TRY(qb__op_need_rank(n, 0, 3, QB_MAX_DIMS, eb));
	if (!x->known || !n->input[1]->shape.known || (op_in(n, 2) && !op_const(n, 2))) {
		qb__op_set(n, 0, n->input[0]->dtype, qb_shape_unknown());
		return QB_OK;
	}
	QB_TRY(qb__op_need_rank(n, 1, x->ndim, x->ndim, eb));
	for (int i = 0; i < x->ndim; i++) {
		QB_TRY(qb__op_need_dim(n, 1, i, x->dim[i], eb));
	}
	if (k != x->ndim - 2 || (s && s != k) || (p && p != 2 * k)) {
		return qb_node_fail(eb, QB_EONNX, n, "kernel_shape, strides and pads do not agree");
	}
	for (int i = 0; i < k; i++) {
		int64_t d = x->dim[2 + i], step = s ? stride[i] : 1, cut = p ? pads[i] + pads[i + k] : 0;

		if (step < 1 || step > 1 << 20 || kernel[i] < 1 || kernel[i] > 1 << 20 || cut < 0 || cut > 1 << 20) {
			return qb_node_fail(eb, QB_EONNX, n, "a window along dimension %d is out of range", i);
		}
		y.dim[2 + i] = qb_dim_number(d) && d < 1 << 30 ? (d - 1) * step - cut + kernel[i] : QB_DIM_UNKNOWN;
		if (qb_dim_number(d) && y.dim[2 + i] < 0) {
			return qb_node_fail(eb, QB_ESHAPE, n, "its output would be negative");
		}
	}
	if (op_const(n, 2)) {
		if (qb__op_ints(op_const(n, 2), want, QB_MAX_DIMS) != x->ndim) {
			return qb_node_fail(eb, QB_EONNX, n, "output_shape does not have %d entries", x->ndim);
		}
		for (int i = 0; i < x->ndim; i++) {
			if (want[i] < 0 || (i < 2 && !qb_dim_compatible(want[i], x->dim[i]))) {
				return qb_node_fail(eb, QB_ESHAPE, n, "output_shape holds %" PRId64, want[i]);
			}
			y.dim[i] = want[i];
		}
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

/* The indices count in the tensor that the windows alone would give; a larger output_shape keeps the places. */
static enum qb_err max_unpool_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const int64_t *kernel, *stride, *pads, *index = in[1]->data;
	int k = qb_node_ints(n, "kernel_shape", &kernel), s = qb_node_ints(n, "strides", &stride);
	int p = qb_node_ints(n, "pads", &pads);
	int64_t from[QB_MAX_DIMS], count = (int64_t)qb_tensor_size(in[0]);

	for (int i = 0; i < k; i++) {
		from[i] = (in[0]->dim[2 + i] - 1) * (s ? stride[i] : 1) - (p ? pads[i] + pads[i + k] : 0) + kernel[i];
	}
	for (int64_t i = 0; i < count; i++) {
		int64_t rest = index[i], at = 0, step = 1, dims[QB_MAX_DIMS];
		bool inside = rest >= 0;

		for (int d = out[0].ndim - 1; d >= 0; d--) {
			int64_t len = d < 2 ? out[0].dim[d] : from[d - 2];

			dims[d] = inside && len ? rest % len : 0;
			rest = len ? rest / len : 0;
		}
		for (int d = out[0].ndim - 1; d >= 0; d--) {
			inside &= dims[d] < out[0].dim[d];
			at += dims[d] * step;
			step *= out[0].dim[d];
		}
		if (!inside || rest) {
			return qb_node_fail(eb, QB_EONNX, n, "index %" PRId64 " is outside its output", index[i]);
		}
		((double *)out[0].data)[at] = ((const double *)in[0]->data)[i];
	}
	return QB_OK;
}

enum qb_err qb__eval_max_unpool(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(max_unpool_f64, n, in, out, eb);
}
