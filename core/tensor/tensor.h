/* SPDX-License-Identifier: Apache-2.0
 *
 * A dense row-major array and its element types.
 */
#ifndef QB_TENSOR_TENSOR_H
#define QB_TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

enum { QB_MAX_DIMS = 8 };

/* type, name (numpy's), bytes, ONNX TensorProto.DataType, safetensors name. Types of 4 bits have a byte to themselves in
 * memory, an int8's or a uint8's; files that pack them are unpacked by their readers. */
#define QB_DTYPES(X) \
	X(QB_F32, "float32", 4, 1, "F32") \
	X(QB_F64, "float64", 8, 11, "F64") \
	X(QB_F16, "float16", 2, 10, "F16") \
	X(QB_BF16, "bfloat16", 2, 16, "BF16") \
	X(QB_U8, "uint8", 1, 2, "U8") \
	X(QB_I8, "int8", 1, 3, "I8") \
	X(QB_U16, "uint16", 2, 4, "U16") \
	X(QB_I16, "int16", 2, 5, "I16") \
	X(QB_U32, "uint32", 4, 12, "U32") \
	X(QB_I32, "int32", 4, 6, "I32") \
	X(QB_U64, "uint64", 8, 13, "U64") \
	X(QB_I64, "int64", 8, 7, "I64") \
	X(QB_BOOL, "bool", 1, 9, "BOOL") \
	X(QB_I4, "int4", 1, 22, "") \
	X(QB_U4, "uint4", 1, 21, "") \
	X(QB_F8_E4M3FN, "float8_e4m3fn", 1, 17, "F8_E4M3") \
	X(QB_F8_E4M3FNUZ, "float8_e4m3fnuz", 1, 18, "F8_E4M3FNUZ") \
	X(QB_F8_E5M2, "float8_e5m2", 1, 19, "F8_E5M2") \
	X(QB_F8_E5M2FNUZ, "float8_e5m2fnuz", 1, 20, "F8_E5M2FNUZ")

enum qb_dtype {
	QB_DTYPE_NONE,
#define X(type, name, bytes, onnx, st) type,
	QB_DTYPES(X)
#undef X
};

struct qb_tensor {
	enum qb_dtype dtype;
	int ndim;
	int64_t dim[QB_MAX_DIMS]; /* all >= 0 */
	void *data;               /* row-major; whoever made the tensor says who owns it */
};

const char *qb_dtype_name(enum qb_dtype dtype);
size_t qb_dtype_bytes(enum qb_dtype dtype);
bool qb_dtype_is_float8(enum qb_dtype dtype);
bool qb_dtype_is_integer(enum qb_dtype dtype); /* of 8 to 64 bits, and bool */
enum qb_dtype qb_dtype_from_name(const char *name);  /* QB_DTYPE_NONE if unknown */
enum qb_dtype qb_dtype_from_onnx(int onnx);
int qb_dtype_to_onnx(enum qb_dtype dtype);
enum qb_dtype qb_dtype_from_safetensors(const char *name);

/* Elements and bytes; QB_ESHAPE when a dimension is negative or the product overflows. */
enum qb_err qb_tensor_count(const struct qb_tensor *t, size_t *count, struct qb_errbuf *eb);
enum qb_err qb_tensor_bytes(const struct qb_tensor *t, size_t *bytes, struct qb_errbuf *eb);
/* Elements of a tensor already checked. */
size_t qb_tensor_size(const struct qb_tensor *t);

/* Element i of integers or booleans; of uint64 those above INT64_MAX are negative. */
int64_t qb_integer_at(enum qb_dtype type, const void *p, size_t i);

/* Converts n elements to float32 (int64 and float64 round to nearest even); bool is 0 or 1. */
void qb_convert_to_f32(enum qb_dtype from, const void *src, float *dst, size_t n);

/* The number that a code of an 8-bit float means (OCP 8-bit Floating Point 1.0; fnuz: ONNX's float8 page). */
float qb_float8_value(enum qb_dtype dtype, uint8_t code);

/* "[3,224,224]" into out; returns out. */
char *qb_shape_print(const int64_t *dim, int ndim, char *out, size_t size);

/* To the next index [ndim] of the dimensions dim in row-major order, the first after the last; returns how far the element lies
 * from the one before, by the strides. */
static inline int64_t qb_index_next(int64_t *index, int ndim, const int64_t *dim, const int64_t *stride)
{
	int64_t step = 0;

	for (int d = ndim - 1; d >= 0; d--) {
		step += stride[d];
		if (++index[d] < dim[d]) {
			break;
		}
		step -= stride[d] * dim[d];
		index[d] = 0;
	}
	return step;
}

#endif
