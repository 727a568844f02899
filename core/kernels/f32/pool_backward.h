/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of pools, channels last. Plain C and vectors agree bit for bit.
 */
#ifndef QB_KERNELS_F32_POOL_BACKWARD_H
#define QB_KERNELS_F32_POOL_BACKWARD_H

#include <stdbool.h>
#include <stdint.h>

struct qb_f32_pool_gradient {
	int64_t channels, in[2], out[2], kernel[2], stride[2], dilation[2], before[2], after[2]; /* after, before: padding */
	bool padded; /* the mean counts the padding that a window covers */
};

/* One image: dx [in...][channels] += dy [out...][channels], each to the first of the largest of its window, in row-major
 * order, of x. best [channels] and where [channels] are scratch. */
void qb_f32_max_pool_gradient(const struct qb_f32_pool_gradient *p, const float *x, const float *dy, float *best, int32_t *where, float *dx);
/* The same of means: each to its whole window, divided by what the mean counts. */
void qb_f32_mean_pool_gradient(const struct qb_f32_pool_gradient *p, const float *dy, float *dx);

#endif
