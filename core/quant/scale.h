/* SPDX-License-Identifier: Apache-2.0
 *
 * Scales and zero points: of a range, and of the blocks of a tensor, each by what it holds.
 */
#ifndef QB_QUANT_SCALE_H
#define QB_QUANT_SCALE_H

#include "core/kernels/quantize/kernels.h"
#include "core/quant/quantizer.h"

/* The scale of a range, finite and in order; zero is written where the format has one. Formats whose blocks have scales get what
 * all of their blocks share: 1, or the float32 scale of a tensor whose block scales are e4m3. */
float qb__scale_of_range(const struct qb_format *f, float lo, float hi, int32_t *zero);

/* The element's grid, and for NVFP4 its scales' grid. */
struct qb_grids {
	struct qb_grid element, scale;
};
void qb__grids_init(struct qb_grids *g, const struct qb_format *f);

/* What the blocks of a row x [n] have, the last of which may be short. zero is written by formats with zero points. */
void qb__blocks_of_row(const struct qb_quantizer *q, const struct qb_grids *g, const float *x, size_t n,
	float *scale, int32_t *zero);

#endif
