/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ops/operands.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* ---- shape rules ---- */

void qb__op_set(struct qb_node *n, int i, enum qb_dtype dtype, struct qb_shape shape)
{
	if (i < n->outputs && n->output[i]) {
		n->output[i]->dtype = dtype;
		n->output[i]->shape = shape;
	}
}

enum qb_err qb__op_need_rank(const struct qb_node *n, int i, int min, int max, struct qb_errbuf *eb)
{
	const struct qb_value *v = op_in(n, i);

	if (!v || !v->shape.known || (v->shape.ndim >= min && v->shape.ndim <= max)) {
		return QB_OK;
	}
	if (min == max) {
		return qb_node_fail(eb, QB_ESHAPE, n, "input %d, %s, has %d dimensions, not %d", i, v->name,
			v->shape.ndim, min);
	}
	return qb_node_fail(eb, QB_ESHAPE, n, "input %d, %s, has %d dimensions; %d to %d are possible", i, v->name,
		v->shape.ndim, min, max);
}

enum qb_err qb__op_need_float(const struct qb_node *n, int i, struct qb_errbuf *eb)
{
	const struct qb_value *v = op_in(n, i);

	if (v && !op_is_float(v->dtype)) {
		return qb_node_fail(eb, QB_EONNX, n, "input %d, %s, is %s, not floating point", i, v->name,
			qb_dtype_name(v->dtype));
	}
	return QB_OK;
}

enum qb_err qb__op_need_dtype(const struct qb_node *n, int i, enum qb_dtype dtype, struct qb_errbuf *eb)
{
	const struct qb_value *v = op_in(n, i);

	if (v && v->dtype != dtype) {
		return qb_node_fail(eb, QB_EONNX, n, "input %d, %s, is %s, not %s", i, v->name,
			qb_dtype_name(v->dtype), qb_dtype_name(dtype));
	}
	return QB_OK;
}

enum qb_err qb__op_need_same(const struct qb_node *n, int i, struct qb_errbuf *eb)
{
	return qb__op_need_dtype(n, i, n->input[0]->dtype, eb);
}

enum qb_err qb__op_axis(const struct qb_node *n, int64_t axis, int rank, bool past, int *out,
	struct qb_errbuf *eb)
{
	int64_t a = axis < 0 ? axis + rank : axis;

	if (a < 0 || a > rank || (a == rank && !past)) {
		return qb_node_fail(eb, QB_ESHAPE, n, "axis %" PRId64 " does not exist in a tensor of %d dimensions",
			axis, rank);
	}
	*out = (int)a;
	return QB_OK;
}

enum qb_err qb__op_need_dim(const struct qb_node *n, int i, int axis, int64_t want,
	struct qb_errbuf *eb)
{
	const struct qb_value *v = op_in(n, i);
	char text[256];

	if (!v || !v->shape.known || qb_dim_compatible(v->shape.dim[axis], want)) {
		return QB_OK;
	}
	return qb_node_fail(eb, QB_ESHAPE, n, "input %d, %s, has shape %s; dimension %d should be %" PRId64, i,
		v->name, qb_shape_text(&v->shape, text, sizeof(text)), axis, want);
}

enum qb_err qb__op_need_vector(const struct qb_node *n, int i, int64_t want, struct qb_errbuf *eb)
{
	if (!op_in(n, i)) {
		return QB_OK;
	}
	QB_TRY(qb__op_need_rank(n, i, 1, 1, eb));
	return qb__op_need_dim(n, i, 0, want, eb);
}

int qb__op_ints(const struct qb_tensor *t, int64_t *out, int max)
{
	size_t n;

	if (!t || (t->dtype != QB_I64 && t->dtype != QB_I32) || qb_tensor_count(t, &n, NULL) != QB_OK ||
	    n > (size_t)max) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		out[i] = t->dtype == QB_I64 ? ((const int64_t *)t->data)[i] : ((const int32_t *)t->data)[i];
	}
	return (int)n;
}

int qb__op_list(const struct qb_node *n, const struct qb_tensor *const in[], const char *attr, int input,
	int64_t *out, int max)
{
	const int64_t *ints;
	const struct qb_attr *a = qb_node_attr(n, attr);
	int count;

	if (a && a->kind == QB_ATTR_INTS) {
		count = qb_node_ints(n, attr, &ints);
		if (count > max) {
			return OP_LIST_BAD;
		}
		for (int i = 0; i < count; i++) {
			out[i] = ints[i];
		}
		return count;
	}
	if (!op_in(n, input)) {
		return OP_LIST_ABSENT;
	}
	if (!in && !op_const(n, input)) {
		return OP_LIST_UNKNOWN;
	}
	count = qb__op_ints(in ? in[input] : op_const(n, input), out, max);
	return count < 0 ? OP_LIST_BAD : count;
}

enum qb_err qb__op_infer_same(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	(void)g, (void)eb;
	qb__op_set(n, 0, n->input[0]->dtype, n->input[0]->shape);
	return QB_OK;
}

enum qb_err qb__op_infer_float_same(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	QB_TRY(qb__op_need_float(n, 0, eb));
	return qb__op_infer_same(g, n, eb);
}

/* ---- elements ---- */

static float from_half(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000u) << 16, e = h >> 10 & 31u, m = h & 1023u, bits;
	float f;

	if (e == 31) {
		bits = sign | 0x7f800000u | m << 13;
	} else if (e) {
		bits = sign | (e + 112) << 23 | m << 13;
	} else {
		f = (float)m * 0x1p-24f;
		return sign ? -f : f;
	}
	memcpy(&f, &bits, sizeof(f));
	return f;
}

/* Rounds a double once, to nearest even, to a float of `mant` mantissa bits and exponents from emin to emax, and
 * returns its bits without the sign. */
static uint32_t round_small(double v, int mant, int emin, int emax)
{
	double a = fabs(v), q;
	int e, shift;
	uint32_t exponent;

	if (isnan(v)) {
		return (uint32_t)(emax - emin + 2) << mant | 1u << (mant - 1);
	}
	if (isinf(v)) {
		return (uint32_t)(emax - emin + 2) << mant;
	}
	if (a == 0) {
		return 0;
	}
	e = QB_MAX(ilogb(a), emin);
	shift = mant - e;
	q = nearbyint(ldexp(a, shift)); /* at most 2^(mant+1) */
	if (q >= ldexp(1, mant + 1)) {
		q /= 2;
		e++;
	}
	if (e > emax) {
		return (uint32_t)(emax - emin + 2) << mant;
	}
	exponent = q >= ldexp(1, mant) ? (uint32_t)(e - emin + 1) : 0;
	return exponent ? exponent << mant | ((uint32_t)q & ((1u << mant) - 1)) : (uint32_t)q;
}

double qb__op_load(enum qb_dtype dtype, const void *data, size_t i)
{
	uint32_t bits;
	float f;

	switch (dtype) {
	case QB_F32: return (double)((const float *)data)[i];
	case QB_F64: return ((const double *)data)[i];
	case QB_F16: return (double)from_half(((const uint16_t *)data)[i]);
	case QB_BF16:
		bits = (uint32_t)((const uint16_t *)data)[i] << 16;
		memcpy(&f, &bits, sizeof(f));
		return (double)f;
	case QB_U64: return (double)((const uint64_t *)data)[i];
	case QB_F8_E4M3FN: case QB_F8_E4M3FNUZ: case QB_F8_E5M2: case QB_F8_E5M2FNUZ:
		return (double)qb_float8_value(dtype, ((const uint8_t *)data)[i]);
	default: return (double)qb__op_load_int(dtype, data, i);
	}
}

int64_t qb__op_load_int(enum qb_dtype dtype, const void *data, size_t i)
{
	double v;

	switch (dtype) {
	case QB_U8: case QB_U4: return ((const uint8_t *)data)[i];
	case QB_I8: case QB_I4: return ((const int8_t *)data)[i];
	case QB_U16: return ((const uint16_t *)data)[i];
	case QB_I16: return ((const int16_t *)data)[i];
	case QB_U32: return ((const uint32_t *)data)[i];
	case QB_I32: return ((const int32_t *)data)[i];
	case QB_U64: return (int64_t)((const uint64_t *)data)[i];
	case QB_I64: return ((const int64_t *)data)[i];
	case QB_BOOL: return ((const uint8_t *)data)[i] != 0;
	default:
		v = qb__op_load(dtype, data, i);
		return v >= 0x1p63 ? INT64_MAX : v > -0x1p63 ? (int64_t)v : isnan(v) ? 0 : INT64_MIN;
	}
}

static double clamp(double v, double lo, double hi)
{
	return isnan(v) ? 0 : v < lo ? lo : v > hi ? hi : v;
}

/* The nearest code, the even one of two, saturating, by looking at all of them. */
static uint8_t float8_code(enum qb_dtype dtype, double v)
{
	int sign = signbit(v) ? 0x80 : 0, best = 0;
	double least = INFINITY;

	for (int c = 0; c < 0x80; c++) {
		double x = (double)qb_float8_value(dtype, (uint8_t)c), d = fabs(fabs(v) - x);

		if (isnan(v) ? isnan(x) : isinf(v) ? isfinite(x) : isfinite(x) && (d < least || (d == least && c % 2 == 0))) {
			least = d;
			best = c;
		}
	}
	if (dtype == QB_F8_E4M3FNUZ || dtype == QB_F8_E5M2FNUZ) {
		/* The negative zero is NaN. */
		return isnan(v) ? 0x80 : best ? (uint8_t)(sign | best) : 0;
	}
	return (uint8_t)(sign | best);
}

void qb__op_store(enum qb_dtype dtype, void *data, size_t i, double v)
{
	uint16_t sign = signbit(v) ? 0x8000u : 0;

	switch (dtype) {
	case QB_F32: ((float *)data)[i] = (float)v; return;
	case QB_F64: ((double *)data)[i] = v; return;
	case QB_F16: ((uint16_t *)data)[i] = (uint16_t)(sign | round_small(v, 10, -14, 15)); return;
	case QB_BF16: ((uint16_t *)data)[i] = (uint16_t)(sign | round_small(v, 7, -126, 127)); return;
	case QB_U8: ((uint8_t *)data)[i] = (uint8_t)clamp(v, 0, UINT8_MAX); return;
	case QB_I8: ((int8_t *)data)[i] = (int8_t)clamp(v, INT8_MIN, INT8_MAX); return;
	case QB_U16: ((uint16_t *)data)[i] = (uint16_t)clamp(v, 0, UINT16_MAX); return;
	case QB_I16: ((int16_t *)data)[i] = (int16_t)clamp(v, INT16_MIN, INT16_MAX); return;
	case QB_U32: ((uint32_t *)data)[i] = (uint32_t)clamp(v, 0, UINT32_MAX); return;
	case QB_I32: ((int32_t *)data)[i] = (int32_t)clamp(v, INT32_MIN, INT32_MAX); return;
	case QB_U64: ((uint64_t *)data)[i] = v >= 0x1p64 ? UINT64_MAX : v > 0 ? (uint64_t)v : 0; return;
	case QB_I64:
		((int64_t *)data)[i] = v >= 0x1p63 ? INT64_MAX : v > -0x1p63 ? (int64_t)v :
			isnan(v) ? 0 : INT64_MIN;
		return;
	case QB_BOOL: ((uint8_t *)data)[i] = v != 0; return;
	case QB_I4: ((int8_t *)data)[i] = (int8_t)clamp(v, -8, 7); return;
	case QB_U4: ((uint8_t *)data)[i] = (uint8_t)clamp(v, 0, 15); return;
	case QB_F8_E4M3FN: case QB_F8_E4M3FNUZ: case QB_F8_E5M2: case QB_F8_E5M2FNUZ:
		((uint8_t *)data)[i] = float8_code(dtype, v);
		return;
	case QB_DTYPE_NONE: return;
	}
}

void qb__op_store_int(enum qb_dtype dtype, void *data, size_t i, int64_t v)
{
	switch (dtype) {
	case QB_U8: case QB_I8: ((uint8_t *)data)[i] = (uint8_t)v; return;
	case QB_I4: ((int8_t *)data)[i] = (int8_t)(((v & 15) ^ 8) - 8); return;
	case QB_U4: ((uint8_t *)data)[i] = (uint8_t)(v & 15); return;
	case QB_U16: case QB_I16: ((uint16_t *)data)[i] = (uint16_t)v; return;
	case QB_U32: case QB_I32: ((uint32_t *)data)[i] = (uint32_t)v; return;
	case QB_U64: case QB_I64: ((int64_t *)data)[i] = v; return;
	case QB_BOOL: ((uint8_t *)data)[i] = v != 0; return;
	default: qb__op_store(dtype, data, i, (double)v); return;
	}
}

void qb__op_to_f32(const struct qb_tensor *t, float *out)
{
	size_t n = qb_tensor_size(t);

	for (size_t i = 0; i < n; i++) {
		out[i] = (float)qb__op_load(t->dtype, t->data, i);
	}
}

void qb__op_from_f32(const float *in, struct qb_tensor *t)
{
	size_t n = qb_tensor_size(t);

	for (size_t i = 0; i < n; i++) {
		qb__op_store(t->dtype, t->data, i, (double)in[i]);
	}
}

enum qb_err qb__op_no_memory(const struct qb_node *n, struct qb_errbuf *eb)
{
	return qb_node_fail(eb, QB_ENOMEM, n, "out of memory while evaluating it");
}

static bool narrow(const struct qb_tensor *t)
{
	return op_is_float(t->dtype) && t->dtype != QB_F32;
}

/* Other floating-point types are rare enough to be converted around the kernel. */
static enum qb_err run_converted(qb__op_kernel *kernel, const struct qb_node *n,
	const struct qb_tensor *const in[], struct qb_tensor out[], struct qb_arena *arena,
	struct qb_errbuf *eb)
{
	const struct qb_tensor **args = qb_arena_alloc(arena, (size_t)n->inputs + 1, sizeof(*args));
	struct qb_tensor *copy = qb_arena_alloc(arena, (size_t)(n->inputs + n->outputs), sizeof(*copy));
	struct qb_tensor *result = copy ? copy + n->inputs : NULL;

	if (!args || !copy) {
		return qb__op_no_memory(n, eb);
	}
	for (int i = 0; i < n->inputs; i++) {
		args[i] = in[i];
		if (in[i] && narrow(in[i])) {
			copy[i] = *in[i];
			copy[i].dtype = QB_F32;
			copy[i].data = qb_arena_alloc(arena, qb_tensor_size(in[i]), sizeof(float));
			if (!copy[i].data) {
				return qb__op_no_memory(n, eb);
			}
			qb__op_to_f32(in[i], copy[i].data);
			args[i] = &copy[i];
		}
	}
	for (int i = 0; i < n->outputs; i++) {
		result[i] = out[i];
		if (narrow(&out[i])) {
			result[i].dtype = QB_F32;
			result[i].data = qb_arena_alloc(arena, qb_tensor_size(&out[i]), sizeof(float));
			if (!result[i].data) {
				return qb__op_no_memory(n, eb);
			}
		}
	}
	QB_TRY(kernel(n, args, result, eb));
	for (int i = 0; i < n->outputs; i++) {
		if (narrow(&out[i])) {
			qb__op_from_f32(result[i].data, &out[i]);
		}
	}
	return QB_OK;
}

enum qb_err qb__op_as_f32(qb__op_kernel *kernel, const struct qb_node *n,
	const struct qb_tensor *const in[], struct qb_tensor out[], struct qb_errbuf *eb)
{
	bool plain = true;
	struct qb_arena *arena;
	enum qb_err err;

	for (int i = 0; i < n->inputs; i++) {
		plain &= !in[i] || !narrow(in[i]);
	}
	for (int i = 0; i < n->outputs; i++) {
		plain &= !narrow(&out[i]);
	}
	if (plain) {
		return kernel(n, in, out, eb);
	}
	arena = qb_arena_create();
	if (!arena) {
		return qb__op_no_memory(n, eb);
	}
	err = run_converted(kernel, n, in, out, arena, eb);
	qb_arena_destroy(&arena);
	return err;
}

/* ---- broadcasting ---- */

void qb__rows_init(struct qb__rows *r, const struct qb_tensor *out, const struct qb_tensor *const t[],
	int operands)
{
	*r = (struct qb__rows){ .ndim = out->ndim, .operands = operands };
	for (int k = 0; k < operands; k++) {
		int64_t stride = 1;
		int shift = out->ndim - t[k]->ndim;

		for (int i = t[k]->ndim - 1; i >= 0; i--) {
			r->stride[k][i + shift] = t[k]->dim[i] == 1 ? 0 : stride;
			stride *= t[k]->dim[i];
		}
		r->step[k] = out->ndim ? r->stride[k][out->ndim - 1] : 0;
	}
	r->left = (int64_t)qb_tensor_size(out);
	for (int i = 0; i < out->ndim; i++) {
		r->dim[i] = out->dim[i];
	}
	r->row = out->ndim ? out->dim[out->ndim - 1] : 1;
	r->at = -r->row;
}

bool qb__rows_next(struct qb__rows *r)
{
	if (r->left <= 0) {
		return false;
	}
	r->left -= r->row;
	if (r->at < 0) {
		r->at = 0;
		return true;
	}
	r->at += r->row;
	for (int i = r->ndim - 2; i >= 0; i--) {
		r->index[i]++;
		for (int k = 0; k < r->operands; k++) {
			r->offset[k] += r->stride[k][i];
		}
		if (r->index[i] < r->dim[i]) {
			return true;
		}
		r->index[i] = 0;
		for (int k = 0; k < r->operands; k++) {
			r->offset[k] -= r->stride[k][i] * r->dim[i];
		}
	}
	return true;
}
