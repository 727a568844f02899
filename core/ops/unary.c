/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of one number: activations, exponentials, rounding, tests.
 */
#include <math.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

/* p: up to two parameters, read from attributes once a tensor. */
typedef double unary_fn(double x, const double *p);

static void map(const struct qb_tensor *x, struct qb_tensor *y, unary_fn *fn, const double *p)
{
	size_t n = qb_tensor_size(x);

	if (x->dtype == QB_F32 && y->dtype == QB_F32) {
		for (size_t i = 0; i < n; i++) {
			((float *)y->data)[i] = (float)fn((double)((const float *)x->data)[i], p);
		}
		return;
	}
	for (size_t i = 0; i < n; i++) {
		qb__op_store(y->dtype, y->data, i, fn(qb__op_load(x->dtype, x->data, i), p));
	}
}

/* name, value of x with parameters p[0] and p[1], attribute and default of each ("" none) */
#define UNARY(X) \
	X(exp, exp(x), "", 0, "", 0) \
	X(log, log(x), "", 0, "", 0) \
	X(sqrt, sqrt(x), "", 0, "", 0) \
	X(reciprocal, 1 / x, "", 0, "", 0) \
	X(erf, erf(x), "", 0, "", 0) \
	X(floor, floor(x), "", 0, "", 0) \
	X(ceil, ceil(x), "", 0, "", 0) \
	X(round, nearbyint(x), "", 0, "", 0) \
	X(sin, sin(x), "", 0, "", 0) \
	X(cos, cos(x), "", 0, "", 0) \
	X(tan, tan(x), "", 0, "", 0) \
	X(asin, asin(x), "", 0, "", 0) \
	X(acos, acos(x), "", 0, "", 0) \
	X(atan, atan(x), "", 0, "", 0) \
	X(sinh, sinh(x), "", 0, "", 0) \
	X(cosh, cosh(x), "", 0, "", 0) \
	X(tanh, tanh(x), "", 0, "", 0) \
	X(asinh, asinh(x), "", 0, "", 0) \
	X(acosh, acosh(x), "", 0, "", 0) \
	X(atanh, atanh(x), "", 0, "", 0) \
	X(sigmoid, 1 / (1 + exp(-x)), "", 0, "", 0) \
	X(softplus, x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)), "", 0, "", 0) \
	X(softsign, x / (1 + fabs(x)), "", 0, "", 0) \
	X(mish, x * tanh(x > 0 ? x + log1p(exp(-x)) : log1p(exp(x))), "", 0, "", 0) \
	X(hard_swish, x * fmax(0, fmin(1, x / 6 + 0.5)), "", 0, "", 0) \
	X(hard_sigmoid, fmax(0, fmin(1, p[0] * x + p[1])), "alpha", 0.2f, "beta", 0.5f) \
	X(leaky_relu, x < 0 ? p[0] * x : x, "alpha", 0.01f, "", 0) \
	X(elu, x < 0 ? p[0] * expm1(x) : x, "alpha", 1, "", 0) \
	X(celu, fmax(0, x) + fmin(0, p[0] * expm1(x / p[0])), "alpha", 1, "", 0) \
	X(selu, p[1] * (x > 0 ? x : p[0] * expm1(x)), "alpha", 1.67326319217681884765625f, "gamma", \
		1.05070102214813232421875f) \
	X(thresholded_relu, x > p[0] ? x : 0, "alpha", 1, "", 0) \
	X(shrink, x < -p[0] ? x + p[1] : x > p[0] ? x - p[1] : 0, "lambd", 0.5f, "bias", 0) \
	X(swish, x / (1 + exp(-p[0] * x)), "alpha", 1, "", 0) \
	X(relu, x < 0 ? 0 : x, "", 0, "", 0) \
	X(is_nan, isnan(x), "", 0, "", 0)

#define X(name, value, a0, d0, a1, d1) \
	static double f_##name(double x, const double *p) \
	{ \
		(void)p; \
		return value; \
	} \
	enum qb_err qb__eval_##name(const struct qb_node *n, const struct qb_tensor *const in[], \
		struct qb_tensor out[], struct qb_errbuf *eb) \
	{ \
		double p[2] = { (double)qb_node_float(n, a0, d0), (double)qb_node_float(n, a1, d1) }; \
	\
		(void)eb; \
		map(in[0], &out[0], f_##name, p); \
		return QB_OK; \
	}
UNARY(X)
#undef X

enum qb_err qb__infer_unary_float(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	return qb__op_infer_float_same(g, n, eb);
}

enum qb_err qb__infer_unary_number(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	if (n->input[0]->dtype == QB_BOOL) {
		return qb_node_fail(eb, QB_EONNX, n, "input 0, %s, is bool, not a number", n->input[0]->name);
	}
	return qb__op_infer_same(g, n, eb);
}

enum qb_err qb__infer_float_test(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	qb__op_set(n, 0, QB_BOOL, n->input[0]->shape);
	return QB_OK;
}

static double f_is_inf(double x, const double *p)
{
	return isinf(x) && (x > 0 ? p[0] != 0 : p[1] != 0);
}

enum qb_err qb__eval_is_inf(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	double p[2] = { (double)qb_node_int(n, "detect_positive", 1), (double)qb_node_int(n, "detect_negative", 1) };

	(void)eb;
	map(in[0], &out[0], f_is_inf, p);
	return QB_OK;
}

static double f_gelu(double x, const double *p)
{
	(void)p;
	return 0.5 * x * (1 + erf(x * M_SQRT1_2));
}

static double f_gelu_tanh(double x, const double *p)
{
	(void)p;
	return 0.5 * x * (1 + tanh(M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x)));
}

enum qb_err qb__eval_gelu(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	(void)eb;
	map(in[0], &out[0], strcmp(qb_node_string(n, "approximate", "none"), "tanh") == 0 ? f_gelu_tanh : f_gelu,
		NULL);
	return QB_OK;
}

/* ---- exact on integers too ---- */

enum sign_kind { SIGN_ABS, SIGN_NEG, SIGN_SIGN };

static void map_sign(const struct qb_tensor *x, struct qb_tensor *y, enum sign_kind kind)
{
	size_t n = qb_tensor_size(x);

	for (size_t i = 0; i < n; i++) {
		if (op_is_float(x->dtype)) {
			double v = qb__op_load(x->dtype, x->data, i);

			qb__op_store(y->dtype, y->data, i, kind == SIGN_ABS ? fabs(v) : kind == SIGN_NEG ? -v :
				isnan(v) ? v : (double)((v > 0) - (v < 0)));
		} else {
			int64_t v = qb__op_load_int(x->dtype, x->data, i);
			int64_t minus = (int64_t)(0 - (uint64_t)v);
			bool negative = op_is_signed(x->dtype) && v < 0;

			qb__op_store_int(y->dtype, y->data, i, kind == SIGN_ABS ? (negative ? minus : v) :
				kind == SIGN_NEG ? minus : negative ? -1 : v != 0);
		}
	}
}

#define X(name, kind) \
	enum qb_err qb__eval_##name(const struct qb_node *n, const struct qb_tensor *const in[], \
		struct qb_tensor out[], struct qb_errbuf *eb) \
	{ \
		(void)n, (void)eb; \
		map_sign(in[0], &out[0], kind); \
		return QB_OK; \
	}
X(abs, SIGN_ABS)
X(neg, SIGN_NEG)
X(sign, SIGN_SIGN)
#undef X

enum qb_err qb__infer_not(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	QB_TRY(qb__op_need_dtype(n, 0, QB_BOOL, eb));
	return qb__op_infer_same(g, n, eb);
}

enum qb_err qb__eval_not(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	size_t count = qb_tensor_size(in[0]);

	(void)n, (void)eb;
	for (size_t i = 0; i < count; i++) {
		((uint8_t *)out[0].data)[i] = !((const uint8_t *)in[0]->data)[i];
	}
	return QB_OK;
}

enum qb_err qb__infer_bitwise_not(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	if (op_is_float(n->input[0]->dtype) || n->input[0]->dtype == QB_BOOL) {
		return qb_node_fail(eb, QB_EONNX, n, "input 0, %s, is not an integer", n->input[0]->name);
	}
	return qb__op_infer_same(g, n, eb);
}

enum qb_err qb__eval_bitwise_not(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	size_t count = qb_tensor_size(in[0]);

	(void)n, (void)eb;
	for (size_t i = 0; i < count; i++) {
		qb__op_store_int(out[0].dtype, out[0].data, i, ~qb__op_load_int(in[0]->dtype, in[0]->data, i));
	}
	return QB_OK;
}

/* ---- Clip: bounds are attributes before opset 11, inputs since ---- */

enum qb_err qb__infer_clip(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	for (int i = 1; i < 3; i++) {
		QB_TRY(qb__op_need_same(n, i, eb));
		if (op_in(n, i) && n->input[i]->shape.known &&
		    qb_shape_product(&n->input[i]->shape, 0, n->input[i]->shape.ndim) != 1 &&
		    qb_shape_concrete(&n->input[i]->shape)) {
			return qb_node_fail(eb, QB_ESHAPE, n, "bound %s is not one number", n->input[i]->name);
		}
	}
	return qb__infer_unary_number(g, n, eb);
}

enum qb_err qb__eval_clip(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_tensor *min = op_arg(n, in, 1), *max = op_arg(n, in, 2), *x = in[0];
	size_t count = qb_tensor_size(x);
	double lo = min ? qb__op_load(min->dtype, min->data, 0) : (double)qb_node_float(n, "min", -INFINITY);
	double hi = max ? qb__op_load(max->dtype, max->data, 0) : (double)qb_node_float(n, "max", INFINITY);

	(void)eb;
	for (size_t i = 0; i < count; i++) {
		if (op_is_float(x->dtype)) {
			double v = qb__op_load(x->dtype, x->data, i);

			v = v < lo ? lo : v;
			qb__op_store(x->dtype, out[0].data, i, v > hi ? hi : v);
		} else {
			int64_t v = qb__op_load_int(x->dtype, x->data, i);

			v = min ? QB_MAX(v, qb__op_load_int(min->dtype, min->data, 0)) : v;
			v = max ? QB_MIN(v, qb__op_load_int(max->dtype, max->data, 0)) : v;
			qb__op_store_int(x->dtype, out[0].data, i, v);
		}
	}
	return QB_OK;
}

/* ---- Cast ---- */

enum qb_err qb__infer_cast(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	enum qb_dtype to = qb_dtype_from_onnx((int)QB_MIN(QB_MAX(qb_node_int(n, "to", 0), 0), 1000));

	(void)g;
	if (strcmp(n->type, "CastLike") == 0) {
		to = n->input[1]->dtype;
	}
	if (to == QB_DTYPE_NONE) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "element type %lld is not supported",
			(long long)qb_node_int(n, "to", 0));
	}
	qb__op_set(n, 0, to, n->input[0]->shape);
	return QB_OK;
}

/* The code of an 8-bit float that does not saturate: what rounds beyond its largest value becomes infinity where there is
 * one, NaN elsewhere. The next value up, were there one, shows whether it does. */
static uint8_t overflowing_code(enum qb_dtype dtype, double v)
{
	bool five = dtype == QB_F8_E5M2 || dtype == QB_F8_E5M2FNUZ, nuz = dtype != QB_F8_E4M3FN && dtype != QB_F8_E5M2;
	double largest = five ? 57344 : nuz ? 240 : 448, half = five ? 4096 : nuz ? 8 : 16;
	uint8_t code, sign = signbit(v) ? 0x80 : 0;

	qb__op_store(dtype, &code, 0, v);
	/* Halfway goes to the even one: up, as the largest value is odd but for e4m3fn's. */
	if (fabs(v) > largest + half || (fabs(v) == largest + half && dtype != QB_F8_E4M3FN)) {
		code = nuz ? 0x80 : five ? (uint8_t)(sign | 0x7c) : (uint8_t)(sign | 0x7f);
	}
	return code;
}

enum qb_err qb__eval_cast(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	size_t count = qb_tensor_size(in[0]);
	bool real = op_is_float(in[0]->dtype) || qb_dtype_is_float8(in[0]->dtype);
	bool wraps = out[0].dtype == QB_I4 || out[0].dtype == QB_U4;
	bool overflows = qb_dtype_is_float8(out[0].dtype) && !qb_node_int(n, "saturate", 1);

	(void)eb;
	for (size_t i = 0; i < count; i++) {
		if (overflows) {
			((uint8_t *)out[0].data)[i] = overflowing_code(out[0].dtype,
				qb__op_load(in[0]->dtype, in[0]->data, i));
		} else if (!wraps && (real || op_is_float(out[0].dtype) || qb_dtype_is_float8(out[0].dtype))) {
			qb__op_store(out[0].dtype, out[0].data, i, qb__op_load(in[0]->dtype, in[0]->data, i));
		} else {
			qb__op_store_int(out[0].dtype, out[0].data, i,
				qb__op_load_int(in[0]->dtype, in[0]->data, i));
		}
	}
	return QB_OK;
}
