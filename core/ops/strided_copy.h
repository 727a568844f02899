/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies of elements at regular strides: Transpose, Slice and Expand are this. Bytes are copied, types do not matter.
 */
#ifndef QB_OPS_STRIDED_COPY_H
#define QB_OPS_STRIDED_COPY_H

#include "core/tensor/tensor.h"

/* The strides, in elements, of a dense tensor. */
void qb__op_strides(const struct qb_tensor *t, int64_t stride[QB_MAX_DIMS]);
/* y[index] = x[base + sum index[i] * stride[i]] */
void qb__op_copy_strided(const struct qb_tensor *x, int64_t base, const int64_t stride[QB_MAX_DIMS],
	struct qb_tensor *y);

#endif
