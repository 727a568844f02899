/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of softmax and layer normalization, and the rules of normalizations.
 */
#include <math.h>
#include <stdlib.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/rule.h"
#include "core/ops/shape_rule.h"

/* ---- SoftmaxGradient(y, dy) -> dx = y * (dy - sum(y * dy)), sums along `axis` (default -1); y is softmax's output ---- */

enum qb_err qb__infer_softmax_gradient(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	int axis;

	QB_TRY(qb__op_need_same(n, 1, eb));
	QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", -1), n->input[0]->shape.ndim, false, &axis, eb));
	if (!qb_shape_equal(&n->input[0]->shape, &n->input[1]->shape)) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the output and its gradient differ in shape");
	}
	return qb__op_infer_float_same(g, n, eb);
}

static enum qb_err softmax_gradient_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t axis = qb_node_int(n, "axis", -1), dim, inner, lines;

	(void)eb;
	axis += axis < 0 ? in[0]->ndim : 0;
	dim = in[0]->dim[axis];
	inner = op_span(in[0], (int)axis + 1, in[0]->ndim);
	lines = op_span(in[0], 0, (int)axis) * inner;
	for (int64_t l = 0; l < lines; l++) {
		int64_t at = l / inner * dim * inner + l % inner;
		const double *y = (const double *)in[0]->data + at, *dy = (const double *)in[1]->data + at;
		double *dx = (double *)out[0].data + at, sum = 0;

		for (int64_t i = 0; i < dim; i++) {
			sum += y[i * inner] * dy[i * inner];
		}
		for (int64_t i = 0; i < dim; i++) {
			dx[i * inner] = y[i * inner] * (dy[i * inner] - sum);
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_softmax_gradient(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(softmax_gradient_f64, n, in, out, eb);
}

/* ---- LayerNormalizationGradient(x, scale, dy) -> dx, dscale, dbias: scale, dscale and dbias have the shape of the
 * normalized dimensions [axis, rank). Attributes: LayerNormalization's axis and epsilon. ---- */

enum qb_err qb__infer_layer_norm_gradient(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_shape inner;
	int axis;

	QB_TRY(qb__op_need_same(n, 1, eb));
	QB_TRY(qb__op_need_same(n, 2, eb));
	QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", -1), x->ndim, false, &axis, eb));
	inner = qb_shape_make(x->ndim - axis, x->dim + axis);
	if (!qb_shape_equal(x, &n->input[2]->shape) || !qb_shape_equal(&inner, &n->input[1]->shape)) {
		return qb_node_fail(eb, QB_ESHAPE, n, "its scale has not the shape of the normalized dimensions, or its "
			"gradient not that of its input");
	}
	qb__op_set(n, 1, n->input[0]->dtype, inner);
	qb__op_set(n, 2, n->input[0]->dtype, inner);
	return qb__op_infer_float_same(g, n, eb);
}

/* xhat [n]: x less its mean, over its deviation; returns 1 / deviation. */
static double normalize(const double *x, double *xhat, int64_t n, double epsilon)
{
	double sum = 0, squares = 0, inverse;

	for (int64_t i = 0; i < n; i++) {
		sum += x[i];
	}
	for (int64_t i = 0; i < n; i++) {
		xhat[i] = x[i] - sum / (double)n;
		squares += xhat[i] * xhat[i];
	}
	inverse = 1 / sqrt(squares / (double)n + epsilon);
	for (int64_t i = 0; i < n; i++) {
		xhat[i] *= inverse;
	}
	return inverse;
}

/* With h = dy * scale: dx = (h - mean(h) - xhat * mean(h * xhat)) / deviation. */
static void row_gradient(const double *xhat, const double *scale, const double *dy, double inverse, int64_t n, double *dx)
{
	double sum = 0, product = 0;

	for (int64_t i = 0; i < n; i++) {
		sum += dy[i] * scale[i];
		product += dy[i] * scale[i] * xhat[i];
	}
	for (int64_t i = 0; i < n; i++) {
		dx[i] = inverse * (dy[i] * scale[i] - sum / (double)n - xhat[i] * product / (double)n);
	}
}

static enum qb_err layer_norm_gradient_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t axis = qb_node_int(n, "axis", -1), outer, inner;
	double epsilon = (double)qb_node_float(n, "epsilon", 1e-5f), *xhat;

	axis += axis < 0 ? in[0]->ndim : 0;
	outer = op_span(in[0], 0, (int)axis);
	inner = op_span(in[0], (int)axis, in[0]->ndim);
	xhat = qb_aligned_alloc((size_t)inner, sizeof(*xhat));
	if (!xhat) {
		return qb__op_no_memory(n, eb);
	}
	for (int64_t o = 0; o < outer; o++) {
		const double *dy = (const double *)in[2]->data + o * inner;
		double inverse = normalize((const double *)in[0]->data + o * inner, xhat, inner, epsilon);

		row_gradient(xhat, in[1]->data, dy, inverse, inner, (double *)out[0].data + o * inner);
		for (int64_t i = 0; op_wants(n, out, 1) && i < inner; i++) {
			((double *)out[1].data)[i] += dy[i] * xhat[i];
		}
		for (int64_t i = 0; op_wants(n, out, 2) && i < inner; i++) {
			((double *)out[2].data)[i] += dy[i];
		}
	}
	free(xhat);
	return QB_OK;
}

enum qb_err qb__eval_layer_norm_gradient(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(layer_norm_gradient_f64, n, in, out, eb);
}

/* ---- rules ---- */

#define RULE(name) \
	enum qb_err qb__gradient_##name(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, \
		const bool *wanted, struct qb_value **dx, struct qb_errbuf *eb)

/* Before opset 13 softmax is one of matrices, the tensor flattened at its axis: the shape and axis of the rule. */
static struct qb_shape softmax_shape(const struct qb_node *n, int *axis)
{
	const struct qb_shape *x = &n->input[0]->shape;
	int64_t a = qb_node_int(n, "axis", n->opset < 13 ? 1 : -1);

	a += a < 0 ? x->ndim : 0;
	*axis = n->opset < 13 ? 1 : (int)a;
	return n->opset < 13 ? qb_shape_make(2, (int64_t[]){qb_shape_product(x, 0, (int)a),
		qb_shape_product(x, (int)a, x->ndim)}) : *x;
}

RULE(softmax)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	int axis;
	struct qb_shape shape = softmax_shape(n, &axis);
	struct qb_node *s = qb__rule_begin(&r, QB_OP_SoftmaxGradient, 2, (struct qb_value *[]){
		qb__rule_reshape(&r, n->output[0], &shape), qb__rule_reshape(&r, dy[0], &shape)}, 1);

	(void)wanted;
	qb_node_add_int(s, "axis", axis);
	dx[0] = qb__rule_reshape(&r, qb__rule_end(&r, s), &n->input[0]->shape);
	return r.err;
}

/* dx = dy - exp(y) * sum(dy) */
RULE(log_softmax)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	int axis;
	struct qb_shape shape = softmax_shape(n, &axis), kept = shape;
	struct qb_value *v = qb__rule_reshape(&r, dy[0], &shape), *y = qb__rule_reshape(&r, n->output[0], &shape), *sum;

	(void)wanted;
	kept.dim[axis] = 1;
	sum = qb__rule_sum_to(&r, v, &kept);
	v = qb__rule_sub(&r, v, qb__rule_mul(&r, qb__rule_1(&r, QB_OP_Exp, y), sum));
	dx[0] = qb__rule_reshape(&r, v, &n->input[0]->shape);
	return r.err;
}

/* y = x / norm: dx = (dy - d norm/dx * sum(dy * y)) / norm, where the norm's derivative is y (p = 2) or sign(x) (p = 1) */
RULE(lp_norm)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	bool one = qb_node_int(n, "p", 2) == 1;
	int64_t axis = qb_node_int(n, "axis", -1);
	struct qb_value *x = n->input[0], *y = n->output[0], *norm, *v;
	struct qb_shape kept = x->shape;

	(void)wanted;
	axis += axis < 0 ? x->shape.ndim : 0;
	kept.dim[axis] = 1;
	norm = qb__rule_2(&r, one ? QB_OP_ReduceL1 : QB_OP_ReduceL2, x, qb__rule_list(&r, 1, &axis));
	v = qb__rule_sum_to(&r, qb__rule_mul(&r, dy[0], y), &kept);
	v = qb__rule_mul(&r, one ? qb__rule_1(&r, QB_OP_Sign, x) : y, v);
	dx[0] = qb__rule_div(&r, qb__rule_sub(&r, dy[0], v), norm);
	return r.err;
}

/* The gradient of normalizing x over its dimensions from axis on: dx; and, where it is not NULL, of scale and bias. */
static struct qb_value *layer_norm(struct qb__rule *r, const struct qb_node *n, struct qb_value *x, struct qb_value *scale,
	struct qb_value *dy, int axis, struct qb_value *parameters[2])
{
	struct qb_node *l = qb__rule_begin(r, QB_OP_LayerNormalizationGradient, 3, (struct qb_value *[]){x, scale, dy}, 3);
	struct qb_value *dx;

	qb_node_add_int(l, "axis", axis);
	qb_node_add_float(l, "epsilon", qb_node_float(n, "epsilon", 1e-5f));
	dx = qb__rule_end(r, l);
	for (int i = 0; r->err == QB_OK && parameters && i < 2; i++) {
		parameters[i] = l->output[1 + i];
	}
	return dx;
}

RULE(layer_norm)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_value *scale, *parameters[2] = {NULL, NULL};
	struct qb_shape inner;
	int64_t axis = qb_node_int(n, "axis", -1);

	for (int i = 1; i < n->outputs; i++) {
		if (dy[i]) {
			return qb__rule_refuse(&r, "the loss depends on its mean or its deviation, which have no gradient");
		}
	}
	axis += axis < 0 ? x->ndim : 0;
	inner = qb_shape_make(x->ndim - (int)axis, x->dim + axis);
	scale = qb__rule_expand(&r, n->input[1], &inner);
	dx[0] = layer_norm(&r, n, n->input[0], scale, dy[0], (int)axis, parameters);
	if (wanted[1]) {
		dx[1] = qb__rule_sum_to(&r, parameters[0], &n->input[1]->shape);
	}
	if (op_in(n, 2) && wanted[2]) {
		dx[2] = qb__rule_sum_to(&r, parameters[1], &n->input[2]->shape);
	}
	return r.err;
}

/* [1,C,1,...]: a vector of channels that broadcasts along x */
static struct qb_value *channels(struct qb__rule *r, struct qb_value *v, const struct qb_shape *x)
{
	struct qb_shape wide = *x;

	for (int i = 0; i < wide.ndim; i++) {
		wide.dim[i] = i == 1 || wide.ndim == 1 ? x->dim[i] : 1;
	}
	return x->ndim > 1 ? qb__rule_reshape(r, v, &wide) : v;
}

/* v, summed over all but the channels */
static struct qb_value *channel_sums(struct qb__rule *r, struct qb_value *v, const struct qb_shape *vector)
{
	struct qb_shape wide;

	if (r->err != QB_OK) {
		return NULL;
	}
	wide = v->shape;
	for (int i = 0; i < wide.ndim; i++) {
		wide.dim[i] = i == 1 ? wide.dim[i] : 1;
	}
	return qb__rule_reshape(r, qb__rule_sum_to(r, v, &wide), vector);
}

/* With its statistics frozen a batch norm is affine. */
RULE(batch_norm)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	const struct qb_shape *x = &n->input[0]->shape, *vector = &n->input[1]->shape;
	struct qb_value *epsilon = qb__rule_number(&r, n->input[4], (double)qb_node_float(n, "epsilon", 1e-5f));
	struct qb_value *deviation = qb__rule_1(&r, QB_OP_Sqrt, qb__rule_add(&r, n->input[4], epsilon)), *v;

	if (wanted[3] || wanted[4]) {
		return qb__rule_refuse(&r, "its mean and variance are statistics, not parameters that have a gradient");
	}
	if (x->ndim < 2) {
		return qb__rule_refuse(&r, "it has no channels, and no gradient then");
	}
	if (wanted[0]) {
		v = channels(&r, qb__rule_div(&r, n->input[1], deviation), x);
		dx[0] = qb__rule_mul(&r, dy[0], v);
	}
	if (wanted[1]) {
		v = qb__rule_sub(&r, n->input[0], channels(&r, n->input[3], x));
		v = channel_sums(&r, qb__rule_mul(&r, dy[0], v), vector);
		dx[1] = qb__rule_div(&r, v, deviation);
	}
	if (wanted[2]) {
		dx[2] = channel_sums(&r, dy[0], vector);
	}
	return r.err;
}

static struct qb_value *ones(struct qb__rule *r, const struct qb_value *like, int64_t count)
{
	struct qb_shape shape = qb_shape_make(1, &count);

	return qb__rule_expand(r, qb__rule_number(r, like, 1), &shape);
}

/* Instance and group normalization: [N * groups] rows, each normalized by itself; then a gain and an offset a channel (or,
 * before opset 21, a group). */
static enum qb_err grouped(struct qb__rule *r, struct qb_node *n, int64_t groups, struct qb_value *dy, const bool *wanted,
	struct qb_value **dx)
{
	const struct qb_shape *x = &n->input[0]->shape;
	int64_t rows = x->dim[0] * groups, size = qb_shape_product(x, 0, x->ndim) / QB_MAX(rows, 1);
	int64_t parameters = n->input[1]->shape.dim[0];
	struct qb_shape flat = qb_shape_make(2, (int64_t[]){rows, size});
	struct qb_shape split = qb_shape_make(3, (int64_t[]){x->dim[0], parameters, rows * size / QB_MAX(x->dim[0] * parameters, 1)});
	struct qb_value *in = qb__rule_reshape(r, n->input[0], &flat), *v, *one = ones(r, n->input[0], size);
	struct qb_node *l;

	dy = qb__rule_reshape(r, dy, &split);
	if (wanted[0]) {
		v = qb__rule_reshape(r, qb__rule_mul(r, dy, channels(r, n->input[1], &split)), &flat);
		dx[0] = qb__rule_reshape(r, layer_norm(r, n, in, one, v, 1, NULL), x);
	}
	if (wanted[1]) {
		l = qb__rule_begin(r, QB_OP_LayerNormalization, 2, (struct qb_value *[]){in, one}, 1);
		qb_node_add_float(l, "epsilon", qb_node_float(n, "epsilon", 1e-5f));
		v = qb__rule_reshape(r, qb__rule_end(r, l), &split);
		dx[1] = channel_sums(r, qb__rule_mul(r, dy, v), &n->input[1]->shape);
	}
	if (wanted[2]) {
		dx[2] = channel_sums(r, dy, &n->input[2]->shape);
	}
	return r->err;
}

RULE(instance_norm)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	return grouped(&r, n, n->input[0]->shape.dim[1], dy[0], wanted, dx);
}

RULE(group_norm)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	return grouped(&r, n, qb_node_int(n, "num_groups", 1), dy[0], wanted, dx);
}

/* The sum over `before` channels before each, itself and `after` channels behind it: a convolution of [N,1,C,inner] by ones. */
static struct qb_value *channel_window(struct qb__rule *r, struct qb_value *v, const struct qb_shape *x, int64_t before,
	int64_t after)
{
	struct qb_shape flat = qb_shape_make(4, (int64_t[]){x->dim[0], 1, x->dim[1], qb_shape_product(x, 2, x->ndim)});
	struct qb_shape kernel = qb_shape_make(4, (int64_t[]){1, 1, before + 1 + after, 1});
	struct qb_value *w = qb__rule_expand(r, qb__rule_number(r, v, 1), &kernel);
	struct qb_node *c = qb__rule_begin(r, QB_OP_Conv, 2, (struct qb_value *[]){qb__rule_reshape(r, v, &flat), w}, 1);

	qb__rule_ints(r, c, "pads", 4, (int64_t[]){before, 0, after, 0});
	return qb__rule_reshape(r, qb__rule_end(r, c), x);
}

/* y = x * s^-beta with s = bias + alpha / size * (sum of x^2 over a window of channels):
 * dx = dy * s^-beta - 2 alpha beta / size * x * (sum of dy * x * s^(-beta - 1) over the channels whose window it is in) */
RULE(lrn)
{
	struct qb__rule rule = qb__rule_of(g, n, eb), *r = &rule;
	struct qb_value *x = n->input[0], *s, *power, *size, *v;
	double alpha = (double)qb_node_float(n, "alpha", 1e-4f), beta = (double)qb_node_float(n, "beta", 0.75f);
	/* What reaches beyond all channels sums no more. */
	int64_t wide = qb_node_int(n, "size", 1), before = QB_MIN((wide - 1) / 2, x->shape.dim[1]);
	int64_t after = QB_MIN(wide / 2, x->shape.dim[1]);

	(void)wanted;
	size = qb__rule_number(r, x, (double)wide);
	s = channel_window(r, qb__rule_mul(r, x, x), &x->shape, before, after);
	s = qb__rule_div(r, qb__rule_scale(r, s, alpha), size);
	s = qb__rule_add(r, s, qb__rule_number(r, x, (double)qb_node_float(n, "bias", 1)));
	power = qb__rule_2(r, QB_OP_Pow, s, qb__rule_number(r, x, -beta));
	v = qb__rule_div(r, qb__rule_mul(r, qb__rule_mul(r, dy[0], x), power), s);
	v = qb__rule_mul(r, x, channel_window(r, v, &x->shape, after, before));
	v = qb__rule_div(r, qb__rule_scale(r, qb__rule_scale(r, v, 2 * alpha), beta), size);
	dx[0] = qb__rule_sub(r, qb__rule_mul(r, dy[0], power), v);
	return r->err;
}
