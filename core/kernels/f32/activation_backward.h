/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of activations: dx = dy * f'(x) of n elements; dx may be dy. Each is one body of fused multiply-adds and comparisons,
 * compiled for every level: results are the same bits.
 */
#ifndef QB_KERNELS_F32_ACTIVATION_BACKWARD_H
#define QB_KERNELS_F32_ACTIVATION_BACKWARD_H

#include <stdint.h>

/* a, b: clip's bounds, alpha of leaky and elu, alpha and beta of hard_sigmoid. */
typedef void qb_f32_gradient_fn(const float *x, const float *dy, float *dx, int64_t n, float a, float b);
qb_f32_gradient_fn qb_f32_abs_gradient, qb_f32_clip_gradient, qb_f32_elu_gradient, qb_f32_erf_gradient, qb_f32_exp_gradient,
	qb_f32_gelu_gradient, qb_f32_gelu_tanh_gradient, qb_f32_hard_sigmoid_gradient, qb_f32_hard_swish_gradient,
	qb_f32_leaky_gradient, qb_f32_log_gradient, qb_f32_neg_gradient, qb_f32_reciprocal_gradient, qb_f32_relu_gradient,
	qb_f32_sigmoid_gradient, qb_f32_silu_gradient, qb_f32_softplus_gradient, qb_f32_sqrt_gradient, qb_f32_tanh_gradient;

#endif
