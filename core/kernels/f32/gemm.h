/* SPDX-License-Identifier: Apache-2.0
 *
 * The GEMM of float convolutions and dense layers. Weights are packed in panels of 16 outputs; a row of the left side is
 * a number of contiguous runs found through an indirection buffer (M. Dukhan, The Indirect Convolution Algorithm, 2019),
 * so that a convolution reads its channels-last image without im2col. Each output is one chain of fused multiply-adds in
 * the order of the row, whatever the tiling: plain C and vectors agree bit for bit.
 */
#ifndef QB_KERNELS_F32_GEMM_H
#define QB_KERNELS_F32_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/kernels/epilogue.h"

enum {
	QB_F32_PANEL = 16,
	QB_F32_ROWS = 144, /* of a block that stays in a second-level cache */
};

struct qb_f32_gemm {
	int64_t outputs;
	int64_t runs, depth;      /* a row is `runs` runs of `depth` elements */
	int64_t x_offset;         /* elements from where row[] points to where a run begins */
	int64_t upper_offset;     /* not 0: the upper 8 outputs of a whole panel have inputs that lie so much further */
	const float *weights;     /* [ceil(outputs / 16)][runs][depth][16], zeros beyond the last output */
	const uint8_t *run_index; /* [runs]: which of the weights' packed_runs these are; NULL: they are all */
	int64_t packed_runs;
	const float *prefetch;    /* the weights that the next call will want, or NULL */
	struct qb_epilogue epilogue; /* affine and a last residual only without a smooth activation */
};

/* y [rows][y_stride] = epilogue(row . weights) for the outputs of panels [first, last). row[r * rows + i] is where run r of
 * row i starts; residual lies like y, or is NULL. */
void qb_f32_gemm(const struct qb_f32_gemm *p, const float *const *row, int64_t rows,
	int64_t first, int64_t last, const float *residual, float *y, int64_t y_stride);

/* Products without epilogue, all of one shape, of rows that lie evenly: y [outputs] = x [depth] . weights[i]. */
struct qb_f32_products {
	int64_t count, rows, depth, outputs;
	const float *x;              /* [count][rows][depth] */
	int64_t x_product, x_row;    /* elements from one to the next */
	const float *const *weights; /* [count], each [ceil(outputs / 16)][depth][16] as those of struct qb_f32_gemm */
	float *y;                    /* [count][rows][outputs] */
	int64_t y_product, y_row;
};
void qb_f32_products(const struct qb_f32_products *p);

/* A panel [depth][16] of the matrix x [depth][width], whose elements are `row` and `column` apart; zeros beyond its width. */
void qb_f32_pack(const float *x, int64_t row, int64_t column, int64_t depth, int64_t width, float *panel);

#endif
