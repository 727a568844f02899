/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ops/strided_copy.h"

#include <string.h>

void qb__op_strides(const struct qb_tensor *t, int64_t stride[QB_MAX_DIMS])
{
	int64_t s = 1;

	for (int i = t->ndim - 1; i >= 0; i--) {
		stride[i] = s;
		s *= t->dim[i];
	}
}

void qb__op_copy_strided(const struct qb_tensor *x, int64_t base, const int64_t stride[QB_MAX_DIMS],
	struct qb_tensor *y)
{
	size_t size = qb_dtype_bytes(x->dtype), count = qb_tensor_size(y);
	int64_t index[QB_MAX_DIMS] = { 0 }, at = base;

	for (size_t i = 0; i < count; i++) {
		memcpy((char *)y->data + i * size, (const char *)x->data + (size_t)at * size, size);
		at += qb_index_next(index, y->ndim, y->dim, stride);
	}
}
