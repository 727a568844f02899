/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of convolutions, and the rules that use them. Attributes are Conv's (group, strides, dilations, pads or auto_pad,
 * kernel_shape), and `shape`, the output's dimensions.
 */
#include <inttypes.h>

#include "core/ops/conv_loops.h"
#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/rule.h"
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

/* ---- rules ---- */

void qb__rule_window(struct qb__rule *r, struct qb_node *to, const struct qb_window *w, int64_t group)
{
	int64_t pads[2 * QB_WINDOW_DIMS];

	for (int i = 0; i < w->ndim; i++) {
		pads[i] = w->lo[i];
		pads[w->ndim + i] = w->hi[i];
	}
	qb_node_add_int(to, "group", group);
	qb__rule_ints(r, to, "kernel_shape", w->ndim, w->kernel);
	qb__rule_ints(r, to, "strides", w->ndim, w->stride);
	qb__rule_ints(r, to, "dilations", w->ndim, w->dilation);
	qb__rule_ints(r, to, "pads", 2 * w->ndim, pads);
}

/* A node with the window of n; shape: its attribute, or NULL. */
static struct qb_value *windowed(struct qb__rule *r, enum qb_op_id op, struct qb_value *a, struct qb_value *b,
	const struct qb_window *w, const struct qb_shape *shape)
{
	struct qb_node *c = qb__rule_begin(r, op, 2, (struct qb_value *[]){a, b}, 1);

	qb__rule_window(r, c, w, qb_node_int(r->of, "group", 1));
	if (shape) {
		qb__rule_shape(r, c, shape);
	}
	return qb__rule_end(r, c);
}

/* [M]: dy [N,M,...] summed over all but dimension 1 */
static struct qb_value *bias_gradient(struct qb__rule *r, struct qb_value *dy, const struct qb_shape *bias)
{
	struct qb_shape wide = dy->shape;

	for (int i = 0; i < wide.ndim; i++) {
		wide.dim[i] = i == 1 ? wide.dim[i] : 1;
	}
	return qb__rule_reshape(r, qb__rule_sum_to(r, dy, &wide), bias);
}

enum qb_err qb__gradient_conv(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	const struct qb_shape *x = &n->input[0]->shape, *w = &n->input[1]->shape;
	struct qb_window win;

	QB_TRY(qb_window_conv(&win, n, x->ndim - 2, x->dim + 2, w->dim + 2, eb));
	if (wanted[0]) {
		dx[0] = windowed(&r, QB_OP_ConvInputGradient, dy[0], n->input[1], &win, x);
	}
	if (wanted[1]) {
		dx[1] = windowed(&r, QB_OP_ConvWeightGradient, n->input[0], dy[0], &win, w);
	}
	if (op_in(n, 2) && wanted[2]) {
		dx[2] = bias_gradient(&r, dy[0], &n->input[2]->shape);
	}
	return r.err;
}

/* dy without the outputs of a ConvTranspose beyond the reach of its last input, which depend on the bias alone; w->hi becomes
 * what makes a convolution of it as large as the input. */
static struct qb_value *reached(struct qb__rule *r, struct qb_value *dy, struct qb_window *w)
{
	for (int i = 0; i < w->ndim; i++) {
		int64_t reach = (w->in[i] - 1) * w->stride[i] + qb_window_extent(w, i) - w->lo[i];

		dy = qb__rule_slice(r, dy, 2 + i, 0, QB_MIN(reach, w->out[i]));
		w->hi[i] = QB_MAX(reach - w->out[i], 0);
	}
	return dy;
}

/* A ConvTranspose is the input gradient of a convolution from its output to its input. */
enum qb_err qb__gradient_conv_transpose(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy,
	const bool *wanted, struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	const struct qb_shape *x = &n->input[0]->shape, *w = &n->input[1]->shape;
	struct qb_value *inner;
	struct qb_window win;

	QB_TRY(qb_window_transposed(&win, n, x->ndim - 2, x->dim + 2, w->dim + 2, eb));
	inner = wanted[0] || wanted[1] ? reached(&r, dy[0], &win) : NULL;
	if (wanted[0]) {
		dx[0] = windowed(&r, QB_OP_Conv, inner, n->input[1], &win, NULL);
	}
	if (wanted[1]) {
		dx[1] = windowed(&r, QB_OP_ConvWeightGradient, inner, n->input[0], &win, w);
	}
	if (op_in(n, 2) && wanted[2]) {
		dx[2] = bias_gradient(&r, dy[0], &n->input[2]->shape);
	}
	return r.err;
}
