/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of rows that are normalized: softmax, layer normalization, cross entropy. Sums run in eight interleaved chains, so
 * that plain C and vectors agree bit for bit.
 */
#ifndef QB_KERNELS_F32_NORM_BACKWARD_H
#define QB_KERNELS_F32_NORM_BACKWARD_H

#include <stdint.h>

/* dx = y * (dy - sum(y * dy)) of n elements, y being softmax's output; dx may be dy. */
void qb_f32_softmax_gradient(const float *y, const float *dy, float *dx, int64_t n);
/* dx of a row x of n elements, and what it adds to the gradients of gain and shift: sums [2][n]. gain [n]. */
void qb_f32_layer_norm_gradient(const float *x, const float *gain, const float *dy, float epsilon, float *dx, double *sums, int64_t n);
/* Cross entropy of softmax(x * scale) and the target: sum of -target * log softmax. */
double qb_f32_cross_entropy(const float *x, float scale, const float *target, int64_t n);
/* dx = factor * (softmax(x * scale) * sum(target) - target) */
void qb_f32_cross_entropy_gradient(const float *x, float scale, const float *target, float factor, float *dx, int64_t n);

#endif
