/* SPDX-License-Identifier: Apache-2.0
 *
 * ActivationGradient(x, dy) -> dy * f'(x), where f is the operator that the attribute `operator` names, with that
 * operator's attributes. Where f has no derivative, f' is the one from the left or from the right, as PyTorch's: 0 for Relu,
 * Abs and Sign at 0; inside its bounds, both included, Clip has 1.
 */
#include <math.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/rule.h"
#include "core/ops/shape_rule.h"

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

static double softplus(double x)
{
	return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double gelu_gradient(double x)
{
	return 0.5 * (1 + erf(x * M_SQRT1_2)) + x * exp(-0.5 * x * x) * 0.5 * M_2_SQRTPI * M_SQRT1_2;
}

static double gelu_tanh_gradient(double x)
{
	double c = M_2_SQRTPI * M_SQRT1_2, t = tanh(c * (x + 0.044715 * x * x * x));

	return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x);
}

static double mish_gradient(double x)
{
	double t = tanh(softplus(x));

	return t + x * (1 - t * t) * sigmoid(x);
}

static double swish_gradient(double x, double alpha)
{
	double s = sigmoid(alpha * x);

	return s + alpha * x * s * (1 - s);
}

/* type, derivative at x with parameters p[0] and p[1], attribute and default of each ("" none); defaults as in unary.c */
#define DERIVATIVES(X) \
	X(Abs, (double)((x > 0) - (x < 0)), "", 0, "", 0) \
	X(Acos, -1 / sqrt(1 - x * x), "", 0, "", 0) \
	X(Acosh, 1 / sqrt(x * x - 1), "", 0, "", 0) \
	X(Asin, 1 / sqrt(1 - x * x), "", 0, "", 0) \
	X(Asinh, 1 / sqrt(x * x + 1), "", 0, "", 0) \
	X(Atan, 1 / (1 + x * x), "", 0, "", 0) \
	X(Atanh, 1 / (1 - x * x), "", 0, "", 0) \
	X(Celu, x > 0 ? 1 : exp(x / p[0]), "alpha", 1, "", 0) \
	X(Clip, x >= p[0] && x <= p[1] ? 1 : 0, "min", -INFINITY, "max", INFINITY) \
	X(Cos, -sin(x), "", 0, "", 0) \
	X(Cosh, sinh(x), "", 0, "", 0) \
	X(Elu, x > 0 ? 1 : p[0] * exp(x), "alpha", 1, "", 0) \
	X(Erf, M_2_SQRTPI * exp(-x * x), "", 0, "", 0) \
	X(Exp, exp(x), "", 0, "", 0) \
	X(Gelu, gelu_gradient(x), "", 0, "", 0) \
	X(HardSigmoid, p[0] * x + p[1] > 0 && p[0] * x + p[1] < 1 ? p[0] : 0, "alpha", 0.2f, "beta", 0.5f) \
	X(HardSwish, x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5, "", 0, "", 0) \
	X(LeakyRelu, x > 0 ? 1 : p[0], "alpha", 0.01f, "", 0) \
	X(Log, 1 / x, "", 0, "", 0) \
	X(Mish, mish_gradient(x), "", 0, "", 0) \
	X(Neg, -1, "", 0, "", 0) \
	X(Reciprocal, -1 / (x * x), "", 0, "", 0) \
	X(Relu, x > 0 ? 1 : 0, "", 0, "", 0) \
	X(Selu, x > 0 ? p[1] : p[1] * p[0] * exp(x), "alpha", 1.67326319217681884765625f, "gamma", 1.05070102214813232421875f) \
	X(Shrink, x < -p[0] || x > p[0] ? 1 : 0, "lambd", 0.5f, "", 0) \
	X(Sigmoid, sigmoid(x) * (1 - sigmoid(x)), "", 0, "", 0) \
	X(Sin, cos(x), "", 0, "", 0) \
	X(Sinh, cosh(x), "", 0, "", 0) \
	X(Softplus, sigmoid(x), "", 0, "", 0) \
	X(Softsign, 1 / ((1 + fabs(x)) * (1 + fabs(x))), "", 0, "", 0) \
	X(Sqrt, 0.5 / sqrt(x), "", 0, "", 0) \
	X(Swish, swish_gradient(x, p[0]), "alpha", 1, "", 0) \
	X(Tan, 1 + tan(x) * tan(x), "", 0, "", 0) \
	X(Tanh, 1 - tanh(x) * tanh(x), "", 0, "", 0) \
	X(ThresholdedRelu, x > p[0] ? 1 : 0, "alpha", 1, "", 0)

typedef double derivative_fn(double x, const double *p);

#define X(type, value, ...) \
	static double d_##type(double x, const double *p) \
	{ \
		(void)x, (void)p; \
		return value; \
	}
DERIVATIVES(X)
#undef X

static double d_gelu_tanh(double x, const double *p)
{
	(void)p;
	return gelu_tanh_gradient(x);
}

static const struct derivative {
	enum qb_op_id id;
	derivative_fn *fn;
	const char *attr[2];
	float fallback[2];
} derivatives[] = {
#define X(type, value, a0, d0, a1, d1) {QB_OP_##type, d_##type, {a0, a1}, {d0, d1}},
	DERIVATIVES(X)
#undef X
};

static const struct derivative *derivative_of(const struct qb_node *n)
{
	enum qb_op_id id = qb_node_operator(n);

	for (size_t i = 0; i < QB_COUNT(derivatives); i++) {
		if (derivatives[i].id == id) {
			return &derivatives[i];
		}
	}
	return NULL;
}

enum qb_err qb__infer_activation_gradient(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	if (!derivative_of(n)) {
		return qb_node_fail(eb, QB_EONNX, n, "operator \"%.60s\" has no derivative here", qb_node_string(n, "operator",
			""));
	}
	QB_TRY(qb__op_need_same(n, 1, eb));
	if (!qb_shape_equal(&n->input[0]->shape, &n->input[1]->shape)) {
		return qb_node_fail(eb, QB_ESHAPE, n, "its input and its gradient differ in shape");
	}
	return qb__op_infer_float_same(g, n, eb);
}

static enum qb_err activation_gradient_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct derivative *d = derivative_of(n);
	derivative_fn *fn = d->fn;
	size_t count = qb_tensor_size(in[0]);
	double p[2];

	(void)eb;
	if (fn == d_Gelu && strcmp(qb_node_string(n, "approximate", "none"), "tanh") == 0) {
		fn = d_gelu_tanh;
	}
	for (int i = 0; i < 2; i++) {
		p[i] = (double)qb_node_float(n, d->attr[i], d->fallback[i]);
	}
	for (size_t i = 0; i < count; i++) {
		((double *)out[0].data)[i] = ((const double *)in[1]->data)[i] * fn(((const double *)in[0]->data)[i], p);
	}
	return QB_OK;
}

enum qb_err qb__eval_activation_gradient(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(activation_gradient_f64, n, in, out, eb);
}

/* ---- rules ---- */

enum qb_err qb__gradient_activation(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy,
	const bool *wanted, struct qb_value **dx, struct qb_errbuf *eb)
{
	static const char *const names[] = {"alpha", "beta", "gamma", "lambd", "approximate", NULL};
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_node *a = qb__rule_begin(&r, QB_OP_ActivationGradient, 2, (struct qb_value *[]){n->input[0], dy[0]}, 1);

	(void)wanted;
	qb_node_add_string(a, "operator", n->type);
	qb__rule_copy_attrs(a, n, names);
	dx[0] = qb__rule_end(&r, a);
	return r.err;
}

enum qb_err qb__gradient_exp(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	(void)wanted;
	dx[0] = qb__rule_mul(&r, dy[0], n->output[0]);
	return r.err;
}

enum qb_err qb__gradient_neg(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	(void)wanted;
	dx[0] = qb__rule_neg(&r, dy[0]);
	return r.err;
}

/* Steps: constant almost everywhere. */
enum qb_err qb__gradient_zero(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	(void)g, (void)n, (void)dy, (void)wanted, (void)dx, (void)eb;
	return QB_OK;
}

static double bound_of(const struct qb_node *n, int i, const char *attr, double fallback)
{
	const struct qb_tensor *t = op_const(n, i);

	return t ? qb__op_load(t->dtype, t->data, 0) : (double)qb_node_float(n, attr, (float)fallback);
}

/* Bounds that are computed or trained: dy where x is within them; what is beyond one is the bound's own gradient. */
static enum qb_err clip_to_values(struct qb__rule *r, struct qb_node *n, struct qb_value *dy, const bool *wanted,
	struct qb_value **dx)
{
	static const enum qb_op_id beyond[] = {QB_OP_Less, QB_OP_Greater};
	struct qb_value *zero = qb__rule_number(r, dy, 0), *inner = dy, *out;

	for (int i = 1; i < 3; i++) {
		if (op_in(n, i)) {
			out = qb__rule_2(r, beyond[i - 1], n->input[0], n->input[i]);
			inner = qb__rule_3(r, QB_OP_Where, out, zero, inner);
			if (wanted[i]) {
				dx[i] = qb__rule_sum_to(r, qb__rule_3(r, QB_OP_Where, out, dy, zero), &n->input[i]->shape);
			}
		}
	}
	dx[0] = wanted[0] ? inner : NULL;
	return r->err;
}

enum qb_err qb__gradient_clip(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_node *a;

	for (int i = 1; i < 3; i++) {
		if (op_in(n, i) && (!op_const(n, i) || wanted[i])) {
			return clip_to_values(&r, n, dy[0], wanted, dx);
		}
	}
	a = qb__rule_begin(&r, QB_OP_ActivationGradient, 2, (struct qb_value *[]){n->input[0], dy[0]}, 1);
	qb_node_add_string(a, "operator", n->type);
	qb_node_add_float(a, "min", (float)bound_of(n, 1, "min", -INFINITY));
	qb_node_add_float(a, "max", (float)bound_of(n, 2, "max", INFINITY));
	dx[0] = qb__rule_end(&r, a);
	return r.err;
}

/* Cast and CastLike between types of floating point; CastLike's second input says a type only. */
enum qb_err qb__gradient_cast(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	if (wanted[0]) {
		dx[0] = dy[0]->dtype == n->input[0]->dtype ? dy[0] : qb__rule_as(&r, dy[0], n->input[0]);
	}
	return r.err;
}
