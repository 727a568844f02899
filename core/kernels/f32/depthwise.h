/* SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise convolutions, channels last. Sums are chains of fused multiply-adds over the kernel elements that are
 * inside, in the kernel's order: plain C and vectors agree bit for bit.
 */
#ifndef QB_KERNELS_F32_DEPTHWISE_H
#define QB_KERNELS_F32_DEPTHWISE_H

#include <stdint.h>

#include "core/kernels/epilogue.h"

struct qb_f32_depthwise {
	int64_t channels, width, out_width;         /* of a line */
	int64_t rows, columns;                      /* of the kernel */
	int64_t stride, dilation, pad;              /* along the line */
	const float *weights;                       /* [rows][columns][channels] */
	struct qb_epilogue epilogue;                /* bias and activation */
};

/* y [out_width][channels] of the lines that the kernel's rows lie on [rows][width][channels], NULL for those outside. */
void qb_f32_depthwise_line(const struct qb_f32_depthwise *d, const float *const *line, float *y);

#endif
