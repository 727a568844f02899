/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of softmax and layer normalization.
 */
#include <math.h>
#include <stdlib.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
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
