/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ops/element.h"

#include <math.h>
#include <string.h>

#include "core/ops/operands.h"

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

void qb__op_to_f64(const struct qb_tensor *t, double *out)
{
	size_t n = qb_tensor_size(t);

	for (size_t i = 0; t->dtype == QB_F32 && i < n; i++) {
		out[i] = (double)((const float *)t->data)[i];
	}
	for (size_t i = 0; t->dtype != QB_F32 && i < n; i++) {
		out[i] = qb__op_load(t->dtype, t->data, i);
	}
}

void qb__op_from_f64(const double *in, struct qb_tensor *t)
{
	size_t n = qb_tensor_size(t);

	for (size_t i = 0; t->dtype == QB_F32 && i < n; i++) {
		((float *)t->data)[i] = (float)in[i];
	}
	for (size_t i = 0; t->dtype != QB_F32 && i < n; i++) {
		qb__op_store(t->dtype, t->data, i, in[i]);
	}
}

/* Floating-point, but not of the type that the kernel knows. */
static bool differs(const struct qb_tensor *t, enum qb_dtype known)
{
	return op_is_float(t->dtype) && t->dtype != known;
}

/* t, its type changed to `known`, with memory for the elements. */
static bool retype(const struct qb_tensor *t, enum qb_dtype known, struct qb_arena *arena, struct qb_tensor *out)
{
	*out = *t;
	out->dtype = known;
	out->data = qb_arena_alloc(arena, qb_tensor_size(t), qb_dtype_bytes(known));
	return out->data;
}

static void load(const struct qb_tensor *from, struct qb_tensor *to)
{
	if (to->dtype == QB_F64) {
		qb__op_to_f64(from, to->data);
	} else {
		qb__op_to_f32(from, to->data);
	}
}

static void store(const struct qb_tensor *from, struct qb_tensor *to)
{
	if (from->dtype == QB_F64) {
		qb__op_from_f64(from->data, to);
	} else {
		qb__op_from_f32(from->data, to);
	}
}

/* A kernel that knows one floating-point type, and the memory for tensors of it. */
struct converted {
	qb__op_kernel *kernel;
	enum qb_dtype known;
	struct qb_arena *arena;
};

static enum qb_err run_converted(const struct converted *c, const struct qb_node *n,
	const struct qb_tensor *const in[], struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_tensor **args = qb_arena_alloc(c->arena, (size_t)n->inputs + 1, sizeof(*args));
	struct qb_tensor *copy = qb_arena_alloc(c->arena, (size_t)(n->inputs + n->outputs), sizeof(*copy));
	struct qb_tensor *result = copy ? copy + n->inputs : NULL;

	if (!args || !copy) {
		return qb__op_no_memory(n, eb);
	}
	for (int i = 0; i < n->inputs; i++) {
		args[i] = in[i];
		if (in[i] && differs(in[i], c->known)) {
			if (!retype(in[i], c->known, c->arena, &copy[i])) {
				return qb__op_no_memory(n, eb);
			}
			load(in[i], &copy[i]);
			args[i] = &copy[i];
		}
	}
	for (int i = 0; i < n->outputs; i++) {
		result[i] = out[i];
		if (differs(&out[i], c->known) && !retype(&out[i], c->known, c->arena, &result[i])) {
			return qb__op_no_memory(n, eb);
		}
	}
	QB_TRY(c->kernel(n, args, result, eb));
	for (int i = 0; i < n->outputs; i++) {
		if (differs(&out[i], c->known)) {
			store(&result[i], &out[i]);
		}
	}
	return QB_OK;
}

static enum qb_err run_as(struct converted c, const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	bool plain = true;
	enum qb_err err;

	for (int i = 0; i < n->inputs; i++) {
		plain &= !in[i] || !differs(in[i], c.known);
	}
	for (int i = 0; i < n->outputs; i++) {
		plain &= !differs(&out[i], c.known);
	}
	if (plain) {
		return c.kernel(n, in, out, eb);
	}
	c.arena = qb_arena_create();
	if (!c.arena) {
		return qb__op_no_memory(n, eb);
	}
	err = run_converted(&c, n, in, out, eb);
	qb_arena_destroy(&c.arena);
	return err;
}

enum qb_err qb__op_as_f32(qb__op_kernel *kernel, const struct qb_node *n,
	const struct qb_tensor *const in[], struct qb_tensor out[], struct qb_errbuf *eb)
{
	return run_as((struct converted){.kernel = kernel, .known = QB_F32}, n, in, out, eb);
}

enum qb_err qb__op_as_f64(qb__op_kernel *kernel, const struct qb_node *n,
	const struct qb_tensor *const in[], struct qb_tensor out[], struct qb_errbuf *eb)
{
	return run_as((struct converted){.kernel = kernel, .known = QB_F64}, n, in, out, eb);
}
