/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementwise functions and reductions of float32. Each is one body of fused multiply-adds and comparisons, compiled for
 * every level: results are the same bits. Errors against exact values are below 4e-7 relative, or absolute
 * where a function passes through zero by cancellation.
 */
#ifndef QB_KERNELS_F32_MATH_H
#define QB_KERNELS_F32_MATH_H

#include <stdint.h>

#include "core/kernels/epilogue.h"

/* y may be x. */
typedef void qb_f32_unary_fn(const float *x, float *y, int64_t n);
qb_f32_unary_fn qb_f32_exp, qb_f32_erf, qb_f32_tanh, qb_f32_sigmoid, qb_f32_silu, qb_f32_gelu,
	qb_f32_gelu_tanh, qb_f32_hard_swish;

/* y = act(y), for leaky and smooth activations. */
void qb_f32_activate(const struct qb_act *act, float *y, int64_t n);

/* y = softmax(x * scale + mask) of n elements; mask [n] or NULL. Sums run in eight interleaved chains. */
void qb_f32_softmax(const float *x, float scale, const float *mask, float *y, int64_t n);
/* y = (x - mean) / sqrt(variance + epsilon) * gain + shift of n elements; gain, shift [n], shift may be NULL. */
void qb_f32_layer_norm(const float *x, const float *gain, const float *shift, float epsilon, float *y,
	int64_t n);
/* The same of [channels][each] elements together; gain, shift [channels]. */
void qb_f32_group_norm(const float *x, const float *gain, const float *shift, float epsilon, float *y,
	int64_t channels, int64_t each);

#endif
