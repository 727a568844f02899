/* SPDX-License-Identifier: Apache-2.0
 *
 * The micro-kernels of gemm.c, a table of them for each CPU level.
 */
#ifndef QB_KERNELS_F32_GEMM_LEVELS_H
#define QB_KERNELS_F32_GEMM_LEVELS_H

#include <math.h>

#include "core/base/cpu.h"
#include "core/kernels/f32/gemm.h"

enum {
	QB__F32_PREFETCH_STEP = 16, /* elements of a row between two prefetches of the weights that come next */
};

/* A block of the depth of some rows against a panel, or some panels that lie `panel` apart. */
struct qb__f32_block {
	const float *const *row; /* [runs][rows] */
	int64_t rows, runs, depth;
	int64_t from;            /* where in a run the block begins */
	int64_t upper_offset;    /* as in struct qb_f32_gemm */
	const float *w;          /* [runs][w_run / 16][16], at `from` */
	int64_t w_run;
	int64_t panel;           /* from the weights of a panel to those of the next */
	const uint8_t *run_index; /* of the runs in w; NULL: 0, 1 ... */
	const float *next, *stop; /* weights to prefetch, of each panel `ahead` cache lines every QB__F32_PREFETCH_STEP elements: all
	                           * at once would fill the processor's line fill buffers, and the accumulation would wait */
	int ahead;
	float *y;
	const float *residual, *bias, *scale, *shift;
	int64_t y_stride;
	int width;               /* outputs of the panels: only the last may have fewer than 16 */
	bool first, last;        /* blocks of the depth; last: with an epilogue */
	bool residual_last;
	const struct qb_act *act;
};

/* Rows of one run, x_row apart, against all panels, without epilogue. */
struct qb__f32_strided {
	const float *x, *w;
	int64_t x_row, depth;
	int64_t panel; /* as in struct qb__f32_block */
	float *y;
	int64_t y_row;
	int width;
};

struct qb__f32_gemm_level {
	unsigned needs;
	int rows;                   /* of the table panels */
	const uint8_t *panels;      /* [rows]: how many are taken at once of 1, 2 ... rows, and of more */
	const uint8_t *heights;     /* [panels]: rows of the highest register tile of 1, 2 ... panels */
	/* `tiles` register tiles of `tile` rows each, one below the other. Of halves with inputs of their own: one panel. */
	void (*tiles)(const struct qb__f32_block *p, int tile, int panels, int64_t tiles);
	/* One row and gemv_panels whole panels: with few, accumulation would wait for the latency of the multiply-add, and for
	 * memory. NULL: tiles do as well. */
	int gemv_panels;
	void (*gemv)(const struct qb__f32_block *p);
	/* The beginning of x [16][stride] into a panel [depth][16]; returns how much of the depth. Or NULL. */
	int64_t (*transpose)(const float *x, int64_t stride, int64_t depth, float *panel);
	/* Or NULL. */
	void (*strided)(const struct qb__f32_strided *p, int64_t rows);
};

#if defined(__x86_64__)
extern const struct qb__f32_gemm_level qb__f32_gemm_avx2, qb__f32_gemm_avx512;

void qb__f32_strided_avx512(const struct qb__f32_strided *p, int64_t rows);
/* AVX2's, for AVX-512 as well. */
int64_t qb__f32_transpose_avx2(const float *x, int64_t stride, int64_t depth, float *panel);
#elif defined(__aarch64__)
extern const struct qb__f32_gemm_level qb__f32_gemm_neon;
#endif

static inline void qb__f32_clip_bounds(const struct qb_act *a, float *lo, float *hi)
{
	bool clips = a->kind == QB_ACT_RELU || a->kind == QB_ACT_CLIP;

	*lo = clips ? a->lo : -INFINITY;
	*hi = clips ? a->hi : INFINITY;
}

static inline const float *qb__f32_run_weights(const struct qb__f32_block *p, int64_t r)
{
	return p->w + (p->run_index ? p->run_index[r] : r) * p->w_run;
}

#endif
