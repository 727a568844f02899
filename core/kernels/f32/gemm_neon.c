/* SPDX-License-Identifier: Apache-2.0
 *
 * 64-bit Arm: register tiles of 6 x 16, and GEMV of four panels.
 */
#include "core/base/size.h"
#include "core/kernels/f32/gemm_levels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define INLINE static inline __attribute__((always_inline))

enum {
	MR = 6,      /* 24 accumulators, 4 vectors of weights and an input of the 32 registers */
	LANES = 4,
	VECTORS = QB_F32_PANEL / LANES,
	GEMV_PANELS = 4,
};

/* Of the last panel, whose outputs are fewer. */
static __attribute__((noinline)) float32x4_t load_part(const float *x, int n)
{
	float part[LANES] = {0};

	for (int i = 0; i < LANES && i < n; i++) {
		part[i] = x[i];
	}
	return vld1q_f32(part);
}

static __attribute__((noinline)) void store_part(float *y, int n, float32x4_t v)
{
	float part[LANES];

	vst1q_f32(part, v);
	for (int i = 0; i < LANES && i < n; i++) {
		y[i] = part[i];
	}
}

INLINE float32x4_t load(const float *x, int at, bool full, int width)
{
	return full ? vld1q_f32(x + at) : load_part(x + at, width - at);
}

INLINE void store(float *y, int at, bool full, int width, float32x4_t v)
{
	if (full) {
		vst1q_f32(y + at, v);
	} else {
		store_part(y + at, width - at, v);
	}
}

/* lo: also the slope of a leaky activation. */
struct bounds {
	bool leaky;
	float32x4_t lo, hi;
};

INLINE struct bounds bounds_of(const struct qb_act *act)
{
	struct bounds e = {.leaky = act->kind == QB_ACT_LEAKY};
	float lo, hi;

	qb__f32_clip_bounds(act, &lo, &hi);
	e.lo = vdupq_n_f32(e.leaky ? act->lo : lo);
	e.hi = vdupq_n_f32(hi);
	return e;
}

/* Comparisons that let NaN through, as plain C does. */
INLINE float32x4_t with_epilogue(const struct qb__f32_block *p, const struct bounds *e, const float *residual, int at, bool full, float32x4_t v)
{
	if (p->bias) {
		v = vaddq_f32(v, load(p->bias, at, full, p->width));
	}
	if (residual && !p->residual_last) {
		v = vaddq_f32(v, load(residual, at, full, p->width));
	}
	if (e->leaky) {
		v = vbslq_f32(vcltq_f32(v, vdupq_n_f32(0)), vmulq_f32(v, e->lo), v);
	} else {
		v = vbslq_f32(vcltq_f32(v, e->lo), e->lo, v);
		v = vbslq_f32(vcgtq_f32(v, e->hi), e->hi, v);
	}
	if (p->scale) {
		v = vfmaq_f32(load(p->shift, at, full, p->width), v, load(p->scale, at, full, p->width));
	}
	if (residual && p->residual_last) {
		v = vaddq_f32(v, load(residual, at, full, p->width));
	}
	return v;
}

/* On the sums of some rows, which have just been stored. */
static void finish(const struct qb__f32_block *p, const struct bounds *e, int rows)
{
	for (int i = 0; i < rows; i++) {
		const float *residual = p->residual ? p->residual + i * p->y_stride : NULL;
		float *y = p->y + i * p->y_stride;

		for (int at = 0; at < p->width; at += LANES) {
			const bool full = at + LANES <= p->width;

			store(y, at, full, p->width, with_epilogue(p, e, residual, at, full, load(y, at, full, p->width)));
		}
	}
}

/* vectors: of the outputs; split: the halves of the panel have inputs of their own (upper_offset). */
INLINE void one_tile(const struct qb__f32_block *p, const struct bounds *e, const int tile, const bool full, const int vectors,
	const bool split)
{
	float32x4_t sum[MR][VECTORS];

#pragma GCC unroll 6
	for (int i = 0; i < tile; i++) {
#pragma GCC unroll 4
		for (int v = 0; v < vectors; v++) {
			sum[i][v] = p->first ? vdupq_n_f32(0) : load(p->y + i * p->y_stride, LANES * v, full, p->width);
		}
	}
	for (int64_t r = 0; r < p->runs; r++) {
		const float *x[MR], *w = qb__f32_run_weights(p, r);

#pragma GCC unroll 6
		for (int i = 0; i < tile; i++) {
			x[i] = p->row[r * p->rows + i] + p->from;
		}
		for (int64_t k = 0; k < p->depth; k++, w += QB_F32_PANEL) {
			float32x4_t weight[VECTORS];

#pragma GCC unroll 4
			for (int v = 0; v < vectors; v++) {
				weight[v] = vld1q_f32(w + LANES * v);
			}
#pragma GCC unroll 6
			for (int i = 0; i < tile; i++) {
				const float32x4_t lower = vld1q_dup_f32(x[i] + k), upper = split ? vld1q_dup_f32(x[i] + k + p->upper_offset) : lower;

#pragma GCC unroll 4
				for (int v = 0; v < vectors; v++) {
					sum[i][v] = vfmaq_f32(sum[i][v], v < VECTORS / 2 ? lower : upper, weight[v]);
				}
			}
		}
	}
#pragma GCC unroll 6
	for (int i = 0; i < tile; i++) {
#pragma GCC unroll 4
		for (int v = 0; v < vectors; v++) {
			store(p->y + i * p->y_stride, LANES * v, full, p->width, sum[i][v]);
		}
	}
	if (p->last) {
		finish(p, e, tile);
	}
}

/* Tiles one after the other, from a copy that no store can alias. */
INLINE void some_tiles(const struct qb__f32_block *from, const int tile, int64_t tiles, const bool full, const int vectors, const bool split)
{
	const struct bounds e = bounds_of(from->act);
	struct qb__f32_block p = *from;

	for (; tiles > 0; tiles--) {
		one_tile(&p, &e, tile, full, vectors, split);
		p.row += tile;
		p.y += tile * p.y_stride;
		p.residual += p.residual ? tile * p.y_stride : 0;
	}
}

#define SIZED(n) \
	static void tiles_##n(const struct qb__f32_block *p, int64_t tiles) \
	{ \
		if (p->upper_offset) { \
			some_tiles(p, n, tiles, true, VECTORS, true); \
		} else if (p->width == QB_F32_PANEL) { \
			some_tiles(p, n, tiles, true, VECTORS, false); \
		} else if (p->width == QB_F32_PANEL / 2) { \
			some_tiles(p, n, tiles, true, VECTORS / 2, false); \
		} else if (p->width < QB_F32_PANEL / 2) { \
			some_tiles(p, n, tiles, false, VECTORS / 2, false); \
		} else { \
			some_tiles(p, n, tiles, false, VECTORS, false); \
		} \
	}
SIZED(1) SIZED(2) SIZED(3) SIZED(4) SIZED(5) SIZED(6)
#undef SIZED

static void tiles_of_any_height(const struct qb__f32_block *p, int tile, int panels, int64_t tiles)
{
	static void (*const sized[])(const struct qb__f32_block *, int64_t) = {tiles_1, tiles_2, tiles_3, tiles_4, tiles_5, tiles_6};

	(void)panels; /* one */
	sized[tile - 1](p, tiles);
}

/* One row and GEMV_PANELS whole panels. */
static void gemv(const struct qb__f32_block *p)
{
	const struct bounds e = bounds_of(p->act);
	float32x4_t sum[GEMV_PANELS * VECTORS];

#pragma GCC unroll 16
	for (int i = 0; i < GEMV_PANELS * VECTORS; i++) {
		sum[i] = p->first ? vdupq_n_f32(0) : vld1q_f32(p->y + LANES * i);
	}
	for (int64_t r = 0; r < p->runs; r++) {
		const float *x = p->row[r] + p->from, *w = qb__f32_run_weights(p, r);

		for (int64_t k = 0; k < p->depth; k++, w += QB_F32_PANEL) {
			const float32x4_t v = vld1q_dup_f32(x + k);

#pragma GCC unroll 16
			for (int i = 0; i < GEMV_PANELS * VECTORS; i++) {
				sum[i] = vfmaq_f32(sum[i], v, vld1q_f32(w + i / VECTORS * p->panel + i % VECTORS * LANES));
			}
		}
	}
#pragma GCC unroll 16
	for (int i = 0; i < GEMV_PANELS * VECTORS; i++) {
		vst1q_f32(p->y + LANES * i, sum[i]);
	}
	if (p->last) {
		finish(p, &e, 1);
	}
}

static const uint8_t one_panel[] = {1}, heights[] = {MR};
const struct qb__f32_gemm_level qb__f32_gemm_neon = {.needs = QB_FLAG_NEON, .rows = 1, .panels = one_panel, .heights = heights,
	.tiles = tiles_of_any_height, .gemv_panels = GEMV_PANELS, .gemv = gemv};
#endif
