/* SPDX-License-Identifier: Apache-2.0
 *
 * The transforms of Winograd F(m x m, r x r) (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016),
 * channels last. Each element is computed by the same additions and multiplications at every level, whatever the width of its
 * vectors: plain C and vectors agree bit for bit.
 */
#ifndef QB_KERNELS_F32_WINOGRAD_H
#define QB_KERNELS_F32_WINOGRAD_H

#include <stdint.h>

#include "core/kernels/epilogue.h"

/* Along one side: `out` outputs of a kernel come from `size` inputs by as many products, at the points 0, 1, -1, 2 (-2) and
 * infinity. A stride of 2 splits inputs into even ones, filtered by the outer elements of the kernel, and odd ones, which the
 * middle one multiplies as they are: the last four products, all with the same weight. */
enum qb_f32_winograd_form {
	QB_WINOGRAD_4_OF_3, QB_WINOGRAD_3_OF_3, QB_WINOGRAD_2_OF_3, QB_WINOGRAD_4_OF_2, QB_WINOGRAD_4_OF_3_STRIDED,
	QB_WINOGRAD_FORMS
};

struct qb_f32_winograd {
	const char *name;
	int kernel, stride, out, size, weights; /* weights: transformed ones along one side */
	double g[6][3];
};

extern const struct qb_f32_winograd qb_f32_winograd_forms[QB_WINOGRAD_FORMS];

enum {
	QB_WINOGRAD_OUT_MOST = 4, QB_WINOGRAD_SIZE_MOST = 9,
	QB_WINOGRAD_ROUND = 16, /* elements of a row of v and of m are read and written in multiples of this */
};

/* v [size][size][v_step] of one tile, whose pixels [channels] lie at row [size][size]. */
void qb_f32_winograd_input(enum qb_f32_winograd_form f, const float *const *row, int64_t channels, float *v, int64_t v_step);

/* Outputs of one tile of m [size][size][m_step]. y [out][out]: where they go, NULL outside; residual likewise, or NULL. No
 * smooth activation. */
void qb_f32_winograd_output(enum qb_f32_winograd_form f, const float *m, int64_t m_step, int64_t outputs,
	const struct qb_epilogue *p, const float *const *residual, float *const *y);

#endif
