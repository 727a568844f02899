/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tensor/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/size.h"

static const struct {
	enum qb_dtype dtype;
	const char *name;
	size_t bytes;
	int onnx;
	const char *safetensors;
} dtypes[] = {
	{QB_DTYPE_NONE, "unknown", 0, 0, ""},
#define X(type, name, bytes, onnx, st) {type, name, bytes, onnx, st},
	QB_DTYPES(X)
#undef X
};

const char *qb_dtype_name(enum qb_dtype dtype)
{
	return dtypes[dtype].name;
}

bool qb_dtype_is_integer(enum qb_dtype dtype)
{
	return dtype >= QB_U8 && dtype <= QB_BOOL;
}

size_t qb_dtype_bytes(enum qb_dtype dtype)
{
	return dtypes[dtype].bytes;
}

enum qb_dtype qb_dtype_from_name(const char *name)
{
	for (size_t i = 1; i < QB_COUNT(dtypes); i++) {
		if (!strcmp(dtypes[i].name, name)) {
			return dtypes[i].dtype;
		}
	}
	return QB_DTYPE_NONE;
}

int qb_dtype_to_onnx(enum qb_dtype dtype)
{
	return dtypes[dtype].onnx;
}

enum qb_dtype qb_dtype_from_safetensors(const char *name)
{
	for (size_t i = 1; i < QB_COUNT(dtypes); i++) {
		if (*name && !strcmp(dtypes[i].safetensors, name)) {
			return dtypes[i].dtype;
		}
	}
	return QB_DTYPE_NONE;
}

enum qb_dtype qb_dtype_from_onnx(int onnx)
{
	for (size_t i = 1; i < QB_COUNT(dtypes); i++) {
		if (dtypes[i].onnx == onnx) {
			return dtypes[i].dtype;
		}
	}
	return QB_DTYPE_NONE;
}

enum qb_err qb_tensor_count(const struct qb_tensor *t, size_t *count, struct qb_errbuf *eb)
{
	size_t n = 1;

	for (int i = 0; i < t->ndim; i++) {
		if (t->dim[i] < 0 || qb_mul_overflows(n, (size_t)t->dim[i], &n)) {
			char shape[256];

			return qb_fail(eb, QB_ESHAPE, "the shape %s is negative or too large",
				qb_shape_print(t->dim, t->ndim, shape, sizeof(shape)));
		}
	}
	*count = n;
	return QB_OK;
}

enum qb_err qb_tensor_bytes(const struct qb_tensor *t, size_t *bytes, struct qb_errbuf *eb)
{
	size_t n;

	QB_TRY(qb_tensor_count(t, &n, eb));
	if (qb_mul_overflows(n, qb_dtype_bytes(t->dtype), &n)) {
		return qb_fail(eb, QB_ESHAPE, "%zu elements of %s are too large", n,
			qb_dtype_name(t->dtype));
	}
	*bytes = n;
	return QB_OK;
}

size_t qb_tensor_size(const struct qb_tensor *t)
{
	size_t n = 1;

	for (int i = 0; i < t->ndim; i++) {
		n *= (size_t)t->dim[i];
	}
	return n;
}

int64_t qb_integer_at(enum qb_dtype type, const void *p, size_t i)
{
	switch (type) {
	case QB_U8:
	case QB_BOOL:
		return ((const uint8_t *)p)[i];
	case QB_I8:
		return ((const int8_t *)p)[i];
	case QB_U16:
		return ((const uint16_t *)p)[i];
	case QB_I16:
		return ((const int16_t *)p)[i];
	case QB_U32:
		return ((const uint32_t *)p)[i];
	case QB_I32:
		return ((const int32_t *)p)[i];
	default:
		return ((const int64_t *)p)[i];
	}
}

static float from_bits(uint32_t u)
{
	float x;

	memcpy(&x, &u, 4);
	return x;
}

static float half(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 1023;

	if (e == 31) {
		return from_bits(sign | 0x7f800000u | m << 13);
	}
	if (e == 0) {
		float x = (float)m * 0x1p-24f;

		return sign ? -x : x;
	}
	return from_bits(sign | (e + 112) << 23 | m << 13);
}

bool qb_dtype_is_float8(enum qb_dtype dtype)
{
	return dtype >= QB_F8_E4M3FN && dtype <= QB_F8_E5M2FNUZ;
}

float qb_float8_value(enum qb_dtype dtype, uint8_t code)
{
	bool e4 = dtype == QB_F8_E4M3FN || dtype == QB_F8_E4M3FNUZ;
	bool nuz = dtype == QB_F8_E4M3FNUZ || dtype == QB_F8_E5M2FNUZ;
	int mantissa = e4 ? 3 : 2, bias = (e4 ? 7 : 15) + nuz;
	int e = (code & 0x7f) >> mantissa, m = code & ((1 << mantissa) - 1);
	float x;

	if (nuz ? code == 0x80 : e4 ? (code & 0x7f) == 0x7f : e == 31 && m) {
		return NAN;
	}
	if (!nuz && !e4 && e == 31) {
		return code & 0x80 ? -INFINITY : INFINITY;
	}
	x = ldexpf((float)(e ? m + (1 << mantissa) : m), (e ? e : 1) - bias - mantissa);
	return code & 0x80 ? -x : x;
}

#define CONVERT(type) \
	for (size_t i = 0; i < n; i++) { \
		type v; \
		memcpy(&v, (const char *)src + i * sizeof(v), sizeof(v)); \
		dst[i] = (float)v; \
	} \
	break

void qb_convert_to_f32(enum qb_dtype from, const void *src, float *dst, size_t n)
{
	switch (from) {
	case QB_F32:
		memcpy(dst, src, n * sizeof(*dst));
		break;
	case QB_F64:
		CONVERT(double);
	case QB_F16:
		for (size_t i = 0; i < n; i++) {
			uint16_t h;

			memcpy(&h, (const char *)src + 2 * i, 2);
			dst[i] = half(h);
		}
		break;
	case QB_BF16:
		for (size_t i = 0; i < n; i++) {
			uint16_t h;

			memcpy(&h, (const char *)src + 2 * i, 2);
			dst[i] = from_bits((uint32_t)h << 16);
		}
		break;
	case QB_U8:
	case QB_U4:
		CONVERT(uint8_t);
	case QB_I8:
	case QB_I4:
		CONVERT(int8_t);
	case QB_U16:
		CONVERT(uint16_t);
	case QB_I16:
		CONVERT(int16_t);
	case QB_U32:
		CONVERT(uint32_t);
	case QB_I32:
		CONVERT(int32_t);
	case QB_U64:
		CONVERT(uint64_t);
	case QB_I64:
		CONVERT(int64_t);
	case QB_BOOL:
		for (size_t i = 0; i < n; i++) {
			dst[i] = ((const uint8_t *)src)[i] != 0;
		}
		break;
	case QB_F8_E4M3FN:
	case QB_F8_E4M3FNUZ:
	case QB_F8_E5M2:
	case QB_F8_E5M2FNUZ:
		for (size_t i = 0; i < n; i++) {
			dst[i] = qb_float8_value(from, ((const uint8_t *)src)[i]);
		}
		break;
	case QB_DTYPE_NONE:
		break;
	}
}

char *qb_shape_print(const int64_t *dim, int ndim, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "[");

	for (int i = 0; i < ndim && n < size; i++) {
		n += (size_t)snprintf(out + n, size - n, "%s%lld", i ? "," : "", (long long)dim[i]);
	}
	if (n < size) {
		snprintf(out + n, size - n, "]");
	}
	return out;
}
