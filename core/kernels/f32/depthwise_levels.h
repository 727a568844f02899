/* SPDX-License-Identifier: Apache-2.0
 *
 * What the levels of depthwise.c share.
 */
#ifndef QB_KERNELS_F32_DEPTHWISE_LEVELS_H
#define QB_KERNELS_F32_DEPTHWISE_LEVELS_H

#include "core/kernels/f32/depthwise.h"

enum { QB__DEPTHWISE_TILE = 4 }; /* pixels of a register tile */

/* Pixel x, or QB__DEPTHWISE_TILE pixels from x on, whose kernel columns [first, last) are inside. */
struct qb__window {
	const float *const *line; /* [rows] */
	int64_t x, first, last;
};

/* n is 1 or QB__DEPTHWISE_TILE. */
typedef void qb__windows_fn(const struct qb_f32_depthwise *d, const struct qb__window *s, int n, float *y);

/* A line, window by window. */
void qb__f32_depthwise_tiles(qb__windows_fn *windows, const struct qb_f32_depthwise *d, const float *const *line, float *y);

#if defined(__x86_64__)
void qb__f32_depthwise_line_avx2(const struct qb_f32_depthwise *d, const float *const *line, float *y);
/* At least 16 channels. */
void qb__f32_depthwise_line_avx512(const struct qb_f32_depthwise *d, const float *const *line, float *y);
#endif

#endif
