/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of two numbers (and of any count of them) with NumPy's broadcasting.
 */
#include <math.h>
#include <stdlib.h>

#include "core/ops/broadcast.h"
#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

static enum qb_err broadcast_inputs(const struct qb_node *n, struct qb_shape *y, struct qb_errbuf *eb)
{
	*y = n->input[0]->shape;
	for (int i = 1; i < n->inputs; i++) {
		struct qb_shape before = *y;

		if (!n->input[i]) {
			return qb_node_fail(eb, QB_EONNX, n, "input %d is left out", i);
		}
		if (!qb_shape_broadcast(&before, &n->input[i]->shape, y)) {
			char t[256], u[256];

			return qb_node_fail(eb, QB_ESHAPE, n, "%s and %s (%s) do not broadcast together",
				qb_shape_text(&before, t, sizeof(t)),
				qb_shape_text(&n->input[i]->shape, u, sizeof(u)), n->input[i]->name);
		}
	}
	return QB_OK;
}

static enum qb_err infer_broadcast(struct qb_node *n, enum qb_dtype dtype, struct qb_errbuf *eb)
{
	struct qb_shape y;

	QB_TRY(broadcast_inputs(n, &y, eb));
	qb__op_set(n, 0, dtype, y);
	return QB_OK;
}

static enum qb_err check_same(const struct qb_node *n, struct qb_errbuf *eb)
{
	for (int i = 1; i < n->inputs; i++) {
		QB_TRY(qb__op_need_same(n, i, eb));
	}
	return QB_OK;
}

/* Add, Mul, Max ...: any count of inputs of one type of number. */
enum qb_err qb__infer_arithmetic(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	(void)g;
	QB_TRY(check_same(n, eb));
	if (n->input[0]->dtype == QB_BOOL) {
		return qb_node_fail(eb, QB_EONNX, n, "input 0, %s, is bool, not a number", n->input[0]->name);
	}
	return infer_broadcast(n, n->input[0]->dtype, eb);
}

/* The exponent may be of another type. */
enum qb_err qb__infer_pow(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	(void)g;
	return infer_broadcast(n, n->input[0]->dtype, eb);
}

enum qb_err qb__infer_compare(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	(void)g;
	QB_TRY(check_same(n, eb));
	return infer_broadcast(n, QB_BOOL, eb);
}

enum qb_err qb__infer_logic(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	QB_TRY(qb__op_need_dtype(n, 0, QB_BOOL, eb));
	return qb__infer_compare(g, n, eb);
}

enum qb_err qb__infer_bitwise(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	if (op_is_float(n->input[0]->dtype)) {
		return qb_node_fail(eb, QB_EONNX, n, "input 0, %s, is not an integer", n->input[0]->name);
	}
	return qb__infer_arithmetic(g, n, eb);
}

/* slope broadcasts to x, not the other way round. */
enum qb_err qb__infer_prelu(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_shape y;

	QB_TRY(check_same(n, eb));
	QB_TRY(broadcast_inputs(n, &y, eb));
	if (y.known && n->input[0]->shape.known && y.ndim != n->input[0]->shape.ndim) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the slope %s has more dimensions than %s", n->input[1]->name,
			n->input[0]->name);
	}
	return qb__op_infer_same(g, n, eb);
}

/* ---- evaluation ---- */

typedef double real_fn(double a, double b);
typedef int64_t whole_fn(int64_t a, int64_t b); /* of the type's own range, wrapping */

struct binary {
	real_fn *real;
	whole_fn *whole;
	whole_fn *whole_unsigned; /* for uint64 where it differs */
};

static void eval_rows(const struct binary *f, const struct qb_tensor *a, const struct qb_tensor *b,
	struct qb_tensor *y)
{
	const struct qb_tensor *operands[2] = { a, b };
	bool real = op_is_float(a->dtype) || op_is_float(b->dtype);
	whole_fn *whole = a->dtype == QB_U64 && f->whole_unsigned ? f->whole_unsigned : f->whole;
	struct qb__rows r;

	for (qb__rows_init(&r, y, operands, 2); qb__rows_next(&r);) {
		for (int64_t i = 0; i < r.row; i++) {
			size_t ia = (size_t)(r.offset[0] + i * r.step[0]), ib = (size_t)(r.offset[1] + i * r.step[1]);
			size_t at = (size_t)(r.at + i);

			if (real) {
				qb__op_store(y->dtype, y->data, at, f->real(qb__op_load(a->dtype, a->data, ia),
					qb__op_load(b->dtype, b->data, ib)));
			} else {
				qb__op_store_int(y->dtype, y->data, at, whole(qb__op_load_int(a->dtype, a->data, ia),
					qb__op_load_int(b->dtype, b->data, ib)));
			}
		}
	}
}

static void eval_rows_f32(const struct binary *f, const struct qb_tensor *a, const struct qb_tensor *b,
	struct qb_tensor *y)
{
	const struct qb_tensor *operands[2] = { a, b };
	struct qb__rows r;

	for (qb__rows_init(&r, y, operands, 2); qb__rows_next(&r);) {
		const float *pa = (const float *)a->data + r.offset[0];
		const float *pb = (const float *)b->data + r.offset[1];
		float *py = (float *)y->data + r.at;

		for (int64_t i = 0; i < r.row; i++) {
			py[i] = (float)f->real((double)pa[i * r.step[0]], (double)pb[i * r.step[1]]);
		}
	}
}

static void eval_binary(const struct binary *f, const struct qb_tensor *const in[], struct qb_tensor *y)
{
	if (in[0]->dtype == QB_F32 && in[1]->dtype == QB_F32 && y->dtype == QB_F32) {
		eval_rows_f32(f, in[0], in[1], y);
	} else {
		eval_rows(f, in[0], in[1], y);
	}
}

static int64_t divide(int64_t a, int64_t b)
{
	return b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

/* As Python does: the sign of the divisor. */
static int64_t modulo(int64_t a, int64_t b)
{
	int64_t r = b == 0 || b == -1 ? 0 : a % b;

	return r && (r < 0) != (b < 0) ? r + b : r;
}

static int64_t remainder_c(int64_t a, int64_t b)
{
	return b == 0 || b == -1 ? 0 : a % b;
}

static double modulo_real(double a, double b)
{
	double r = fmod(a, b);

	return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static int64_t power(int64_t a, int64_t b)
{
	uint64_t r = 1, base = (uint64_t)a;

	if (b < 0) {
		return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
	}
	for (; b; b >>= 1) {
		r *= b & 1 ? base : 1;
		base *= base;
	}
	return (int64_t)r;
}

static int64_t shift_left(int64_t a, int64_t b)
{
	return (uint64_t)b > 63 ? 0 : (int64_t)((uint64_t)a << b);
}

/* Signed types shift in their sign, all of it past their width. */
static int64_t shift_right(int64_t a, int64_t b)
{
	return (uint64_t)b > 63 ? (a < 0 ? -1 : 0) : a >> b;
}

static int64_t shift_right_unsigned(int64_t a, int64_t b)
{
	return (uint64_t)b > 63 ? 0 : (int64_t)((uint64_t)a >> b);
}

#define WRAP(op) ((int64_t)((uint64_t)a op (uint64_t)b))
#define UNSIGNED(expression) ((int64_t)(expression))
#define NAN_OR(test, v) (isnan(a) ? a : isnan(b) ? b : (test) ? a : (v))

/* name, on reals, on integers, on uint64 */
#define BINARY(X) \
	X(add, a + b, WRAP(+), WRAP(+)) \
	X(sub, a - b, WRAP(-), WRAP(-)) \
	X(mul, a * b, WRAP(*), WRAP(*)) \
	X(div, a / b, divide(a, b), b ? UNSIGNED((uint64_t)a / (uint64_t)b) : 0) \
	X(pow, pow(a, b), power(a, b), power(a, b)) \
	X(prelu, a < 0 ? a * b : a, a < 0 ? WRAP(*) : a, a) \
	X(mod_floor, modulo_real(a, b), modulo(a, b), b ? UNSIGNED((uint64_t)a % (uint64_t)b) : 0) \
	X(mod_fmod, fmod(a, b), remainder_c(a, b), b ? UNSIGNED((uint64_t)a % (uint64_t)b) : 0) \
	X(min, NAN_OR(a < b, b), a < b ? a : b, (uint64_t)a < (uint64_t)b ? a : b) \
	X(max, NAN_OR(a > b, b), a > b ? a : b, (uint64_t)a > (uint64_t)b ? a : b) \
	X(equal, a == b, a == b, a == b) \
	X(less, a < b, a < b, (uint64_t)a < (uint64_t)b) \
	X(greater, a > b, a > b, (uint64_t)a > (uint64_t)b) \
	X(less_equal, a <= b, a <= b, (uint64_t)a <= (uint64_t)b) \
	X(greater_equal, a >= b, a >= b, (uint64_t)a >= (uint64_t)b) \
	X(and, a != 0 && b != 0, a && b, a && b) \
	X(or, a != 0 || b != 0, a || b, a || b) \
	X(xor, (a != 0) != (b != 0), !a != !b, !a != !b) \
	X(bit_and, 0, a & b, a & b) \
	X(bit_or, 0, a | b, a | b) \
	X(bit_xor, 0, a ^ b, a ^ b) \
	X(shift_left, 0, shift_left(a, b), shift_left(a, b)) \
	X(shift_right, 0, shift_right(a, b), shift_right_unsigned(a, b))

#define X(name, real_value, whole_value, unsigned_value) \
	static double real_##name(double a, double b) \
	{ \
		(void)a, (void)b; \
		return real_value; \
	} \
	static int64_t whole_##name(int64_t a, int64_t b) \
	{ \
		(void)a, (void)b; \
		return whole_value; \
	} \
	static int64_t unsigned_##name(int64_t a, int64_t b) \
	{ \
		(void)a, (void)b; \
		return unsigned_value; \
	} \
	static const struct binary f_##name = { real_##name, whole_##name, unsigned_##name };
BINARY(X)
#undef X

#define X(name) \
	enum qb_err qb__eval_##name(const struct qb_node *n, const struct qb_tensor *const in[], \
		struct qb_tensor out[], struct qb_errbuf *eb) \
	{ \
		(void)n, (void)eb; \
		eval_binary(&f_##name, in, &out[0]); \
		return QB_OK; \
	}
X(add)
X(sub)
X(mul)
X(div)
X(pow)
X(prelu)
X(equal)
X(less)
X(greater)
X(less_equal)
X(greater_equal)
X(and)
X(or)
X(xor)
X(bit_and)
X(bit_or)
X(bit_xor)
#undef X

enum qb_err qb__eval_mod(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	(void)eb;
	eval_binary(qb_node_int(n, "fmod", 0) ? &f_mod_fmod : &f_mod_floor, in, &out[0]);
	return QB_OK;
}

enum qb_err qb__eval_bit_shift(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	(void)eb;
	eval_binary(strcmp(qb_node_string(n, "direction", ""), "LEFT") == 0 ? &f_shift_left : &f_shift_right, in,
		&out[0]);
	return QB_OK;
}

/* ---- Sum, Mean, Max, Min: of any count ---- */

static void fold_inputs(const struct qb_node *n, const struct qb_tensor *const in[],
	const struct binary *f, struct qb_tensor *y)
{
	const struct qb_tensor *first[2] = { in[0], in[0] };
	struct qb__rows r;

	for (qb__rows_init(&r, y, first, 1); qb__rows_next(&r);) { /* y = in[0], broadcast */
		for (int64_t i = 0; i < r.row; i++) {
			size_t from = (size_t)(r.offset[0] + i * r.step[0]);

			if (op_is_float(y->dtype)) {
				qb__op_store(y->dtype, y->data, (size_t)(r.at + i),
					qb__op_load(in[0]->dtype, in[0]->data, from));
			} else {
				qb__op_store_int(y->dtype, y->data, (size_t)(r.at + i),
					qb__op_load_int(in[0]->dtype, in[0]->data, from));
			}
		}
	}
	for (int i = 1; i < n->inputs; i++) {
		const struct qb_tensor *pair[2] = { y, in[i] };

		eval_binary(f, pair, y); /* in place: y is read where it is written */
	}
}

enum qb_err qb__eval_variadic(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	bool mean = strcmp(n->type, "Mean") == 0;
	size_t count = qb_tensor_size(&out[0]);

	(void)eb;
	fold_inputs(n, in, strcmp(n->type, "Max") == 0 ? &f_max : strcmp(n->type, "Min") == 0 ? &f_min : &f_add,
		&out[0]);
	for (size_t i = 0; mean && i < count; i++) {
		qb__op_store(out[0].dtype, out[0].data, i,
			qb__op_load(out[0].dtype, out[0].data, i) / (double)n->inputs);
	}
	return QB_OK;
}

/* ---- Where ---- */

enum qb_err qb__infer_where(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	(void)g;
	QB_TRY(qb__op_need_dtype(n, 0, QB_BOOL, eb));
	QB_TRY(qb__op_need_dtype(n, 2, n->input[1]->dtype, eb));
	return infer_broadcast(n, n->input[1]->dtype, eb);
}

enum qb_err qb__eval_where(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	size_t size = qb_dtype_bytes(out[0].dtype);
	struct qb__rows r;

	(void)n, (void)eb;
	for (qb__rows_init(&r, &out[0], in, 3); qb__rows_next(&r);) {
		for (int64_t i = 0; i < r.row; i++) {
			bool c = ((const uint8_t *)in[0]->data)[r.offset[0] + i * r.step[0]];
			int k = c ? 1 : 2;
			size_t from = (size_t)(r.offset[k] + i * r.step[k]);

			memcpy((char *)out[0].data + (size_t)(r.at + i) * size, (const char *)in[k]->data + from * size,
				size);
		}
	}
	return QB_OK;
}
