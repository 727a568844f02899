/* SPDX-License-Identifier: Apache-2.0
 *
 * A dilated window is mostly outside a small image. Then a convolution computes its output tile by tile, each of pixels
 * whose windows have the same kernel elements inside.
 */
#ifndef QB_EXEC_LOWER_F32_CONV_OUTPUT_TILES_H
#define QB_EXEC_LOWER_F32_CONV_OUTPUT_TILES_H

#include "core/exec/lower/f32/conv_igemm.h"

enum {
	QB__OUTPUT_TILES_MAX = 25,
	QB__KERNEL_ELEMENTS_MAX = 64, /* pointers to runs stand on the stack */
	QB__FEW_CHANNELS = 8,         /* fewer than this are copied into rows first: runs would be too short */
};

struct qb__output_tile {
	int64_t y, x, height, width, kernel_elements;
	uint8_t element[QB__KERNEL_ELEMENTS_MAX];
};

/* Fills tile [QB__OUTPUT_TILES_MAX] and returns how many: one, of all pixels and kernel elements, where more would not be faster. */
int qb__output_tiles(const struct qb_dense *d, struct qb__output_tile *tile);

#endif
