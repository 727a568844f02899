/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of convolutions. Attributes are Conv's (group, strides, dilations, pads or auto_pad, kernel_shape), and
 * `shape`, the output's dimensions.
 */
#include <inttypes.h>

#include "core/ops/conv_loops.h"
#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

/* dy [N,M,out...] fits the convolution of x by w. */
static enum qb_err check(const struct qb_node *n, const struct qb_shape *x, const struct qb_shape *w,
	const struct qb_shape *dy, struct qb_errbuf *eb)
{
	int64_t group = qb_node_int(n, "group", 1);
	struct qb_window win;

	if (!qb_shape_concrete(x) || !qb_shape_concrete(w) || !qb_shape_concrete(dy) || x->ndim < 3 || x->ndim > 5 ||
	    w->ndim != x->ndim || dy->ndim != x->ndim || group < 1 || x->dim[0] != dy->dim[0] || w->dim[0] != dy->dim[1] ||
	    w->dim[0] % group || x->dim[1] != w->dim[1] * group) {
		return qb_node_fail(eb, QB_ESHAPE, n, "its inputs and its attribute shape are of no convolution");
	}
	QB_TRY(qb_window_conv(&win, n, x->ndim - 2, x->dim + 2, w->dim + 2, eb));
	for (int i = 0; i < win.ndim; i++) {
		if (win.out[i] != dy->dim[2 + i]) {
			return qb_node_fail(eb, QB_ESHAPE, n, "dimension %d of the gradient is %" PRId64 ", the convolution's "
				"output has %" PRId64, 2 + i, dy->dim[2 + i], win.out[i]);
		}
	}
	return QB_OK;
}

/* ---- ConvInputGradient(dy [N,M,out...], w [M,C/group,k...]) -> dx [N,C,in...] ---- */

enum qb_err qb__infer_conv_input_gradient(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_shape x;

	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_same(n, 1, eb));
	QB_TRY(qb__op_shape_attr(n, &x, eb));
	QB_TRY(check(n, &x, &n->input[1]->shape, &n->input[0]->shape, eb));
	qb__op_set(n, 0, n->input[0]->dtype, x);
	return QB_OK;
}

static enum qb_err input_gradient_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct qb__conv q;

	QB_TRY(qb__conv_of(&q, n, &out[0], in[1], eb));
	for (int64_t i = 0; i < q.n * q.c; i++) {
		int64_t sample = i / q.c, c = i % q.c, first = c / q.cg * q.mg;

		for (int64_t m = first; m < first + q.mg; m++) {
			qb__conv_scatter(&q, (const double *)in[0]->data + (sample * q.m + m) * q.out_size,
				(const double *)in[1]->data + (m * q.cg + c % q.cg) * q.kernel_size,
				(double *)out[0].data + i * q.in_size);
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_conv_input_gradient(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(input_gradient_f64, n, in, out, eb);
}

/* ---- ConvWeightGradient(x [N,C,in...], dy [N,M,out...]) -> dw [M,C/group,k...] ---- */

enum qb_err qb__infer_conv_weight_gradient(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_shape w;

	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_same(n, 1, eb));
	QB_TRY(qb__op_shape_attr(n, &w, eb));
	QB_TRY(check(n, &n->input[0]->shape, &w, &n->input[1]->shape, eb));
	qb__op_set(n, 0, n->input[0]->dtype, w);
	return QB_OK;
}

static enum qb_err weight_gradient_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct qb__conv q;

	QB_TRY(qb__conv_of(&q, n, in[0], &out[0], eb));
	for (int64_t i = 0; i < q.m * q.cg; i++) {
		int64_t m = i / q.cg, c = m / q.mg * q.cg + i % q.cg;

		for (int64_t s = 0; s < q.n; s++) {
			qb__conv_correlate(&q, (const double *)in[0]->data + (s * q.c + c) * q.in_size,
				(const double *)in[1]->data + (s * q.m + m) * q.out_size,
				(double *)out[0].data + i * q.kernel_size);
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_conv_weight_gradient(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(weight_gradient_f64, n, in, out, eb);
}
