/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of depthwise convolutions, channels last, line by line. Sums are chains of fused multiply-adds along a line: plain C
 * and vectors agree bit for bit.
 */
#ifndef QB_KERNELS_F32_DEPTHWISE_BACKWARD_H
#define QB_KERNELS_F32_DEPTHWISE_BACKWARD_H

#include <stdint.h>

struct qb_f32_depthwise_line {
	int64_t channels, width, out_width; /* of lines of x and of y */
	int64_t columns;                    /* of the kernel */
	int64_t stride, dilation, pad;      /* along the line */
};

/* dw [columns][channels] += the products of a line dy [out_width][channels] with the line x [width][channels] that a row of
 * the kernel lies on. */
void qb_f32_depthwise_weight_gradient(const struct qb_f32_depthwise_line *d, const float *x, const float *dy, float *dw);

/* dx [width][channels] += what a line dy [out_width][channels] gives it by a row of the kernel, w [columns][channels]. */
void qb_f32_depthwise_input_gradient(const struct qb_f32_depthwise_line *d, const float *dy, const float *w, float *dx);

#endif
