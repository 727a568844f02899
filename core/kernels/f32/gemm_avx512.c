/* SPDX-License-Identifier: Apache-2.0
 *
 * AVX-512: register tiles of 6 rows by 4 panels, of 8 rows by fewer, and GEMV of 8 panels. A tile has at least as many sums
 * as hide the latency of two multiply-adds a cycle, and no more rows than there are registers for their addresses.
 */
#include "core/base/size.h"
#include "core/kernels/f32/gemm_levels.h"

#if defined(__x86_64__)
#include "core/kernels/f32/avx512.h"

enum { MR = 8, PANELS = 8 };

struct tile {
	__m512 sum[MR][PANELS];
};

/* lo: also the slope of a leaky activation. */
struct bounds {
	bool leaky;
	__m512 lo, hi;
};

INLINE_AVX512 struct bounds bounds_of(const struct qb_act *act)
{
	struct bounds e = {.leaky = act->kind == QB_ACT_LEAKY};
	float lo, hi;

	qb__f32_clip_bounds(act, &lo, &hi);
	e.lo = _mm512_set1_ps(e.leaky ? act->lo : lo);
	e.hi = _mm512_set1_ps(hi);
	return e;
}

INLINE_AVX512 void add_residual(const struct qb__f32_block *p, struct tile *t, const int rows, const int j, __mmask16 some)
{
#pragma GCC unroll 8
	for (int i = 0; i < rows; i++) {
		const float *residual = p->residual + i * p->y_stride + QB_F32_PANEL * j;

		t->sum[i][j] = _mm512_add_ps(t->sum[i][j], _mm512_maskz_loadu_ps(some, residual));
	}
}

/* Of panel j, step by step for all rows. Comparisons in the order that lets NaN through, as plain C does. */
INLINE_AVX512 void epilogue_avx512(const struct qb__f32_block *p, const struct bounds *e, struct tile *t, const int rows, const int j,
	__mmask16 some)
{
	const __m512 zero = _mm512_setzero_ps();
	const __m512 bias = p->bias ? _mm512_maskz_loadu_ps(some, p->bias + QB_F32_PANEL * j) : zero;

#pragma GCC unroll 8
	for (int i = 0; i < rows; i++) {
		t->sum[i][j] = _mm512_add_ps(t->sum[i][j], bias);
	}
	if (p->residual && !p->residual_last) {
		add_residual(p, t, rows, j, some);
	}
	if (e->leaky) {
#pragma GCC unroll 8
		for (int i = 0; i < rows; i++) {
			__mmask16 less = _mm512_cmp_ps_mask(t->sum[i][j], zero, _CMP_LT_OQ);

			t->sum[i][j] = _mm512_mask_mul_ps(t->sum[i][j], less, t->sum[i][j], e->lo);
		}
	} else {
#pragma GCC unroll 8
		for (int i = 0; i < rows; i++) {
			t->sum[i][j] = _mm512_min_ps(e->hi, _mm512_max_ps(e->lo, t->sum[i][j]));
		}
	}
	if (p->scale) {
		const __m512 scale = _mm512_maskz_loadu_ps(some, p->scale + QB_F32_PANEL * j);
		const __m512 shift = _mm512_maskz_loadu_ps(some, p->shift + QB_F32_PANEL * j);

#pragma GCC unroll 8
		for (int i = 0; i < rows; i++) {
			t->sum[i][j] = _mm512_fmadd_ps(t->sum[i][j], scale, shift);
		}
	}
	if (p->residual && p->residual_last) {
		add_residual(p, t, rows, j, some);
	}
}

/* Element k of every row's run. x: where the runs begin; split: what the upper half of the panel reads lies `upper` further. */
INLINE_AVX512 void step(struct tile *t, const int rows, const int panels, const bool split, const float *const *x, int64_t k,
	const float *w, int64_t panel, int64_t upper)
{
	__m512 u[PANELS];

#pragma GCC unroll 8
	for (int j = 0; j < panels; j++) {
		u[j] = _mm512_loadu_ps(w + j * panel);
	}
#pragma GCC unroll 8
	for (int i = 0; i < rows; i++) {
		__m512 s = _mm512_set1_ps(x[i][k]);

		if (split) {
			s = _mm512_mask_mov_ps(s, 0xff00, _mm512_set1_ps(x[i][k + upper]));
		}
#pragma GCC unroll 8
		for (int j = 0; j < panels; j++) {
			t->sum[i][j] = _mm512_fmadd_ps(s, u[j], t->sum[i][j]);
		}
	}
}

INLINE_AVX512 void tile_avx512(struct qb__f32_block *p, const int rows, const int panels, const bool split)
{
	const int ahead = p->next < p->stop ? p->ahead : 0;
	const int64_t depth = p->depth, panel = p->panel;
	int asked = p->first ? 0 : rows; /* rows of y, whose stores would wait for memory otherwise */
	struct tile t;

#pragma GCC unroll 64
	for (int i = 0; i < rows * panels; i++) {
		t.sum[i / panels][i % panels] = _mm512_setzero_ps();
	}
	if (!p->first) {
#pragma GCC unroll 64
		for (int i = 0; i < rows * panels; i++) {
			const int at = QB_F32_PANEL * (i % panels);

			t.sum[i / panels][i % panels] = _mm512_maskz_loadu_ps(lanes_512(p->width - at),
				p->y + i / panels * p->y_stride + at);
		}
	}
	for (int64_t r = 0; r < p->runs; r++) {
		const float *x[MR], *w = qb__f32_run_weights(p, r);

#pragma GCC unroll 8
		for (int i = 0; i < rows; i++) {
			x[i] = p->row[r * p->rows + i] + p->from;
		}
		for (int64_t k = 0; k < depth;) {
			const int64_t stop = QB_MIN(k + QB__F32_PREFETCH_STEP, depth);

			if (asked < rows) {
#pragma GCC unroll 8
				for (int j = 0; j < panels; j++) {
					__builtin_prefetch(p->y + asked * p->y_stride + QB_F32_PANEL * j, 1);
				}
				asked++;
			}
			for (int i = 0; i < ahead; i++, p->next += QB_F32_PANEL) {
#pragma GCC unroll 8
				for (int j = 0; j < panels; j++) {
					__builtin_prefetch(p->next + j * panel, 0, 2);
				}
			}
			for (; k < stop; k++, w += QB_F32_PANEL) {
				__asm__("" : "+r"(k)); /* or each row would have a pointer of its own to increment */
				step(&t, rows, panels, split, x, k, w, panel, p->upper_offset);
			}
		}
	}
#pragma GCC unroll 8
	for (int j = 0; j < panels; j++) {
		const __mmask16 some = lanes_512(p->width - QB_F32_PANEL * j);

		if (p->last) {
			const struct bounds e = bounds_of(p->act); /* kept across the sum they would take its registers */

			epilogue_avx512(p, &e, &t, rows, j, some);
		}
#pragma GCC unroll 8
		for (int i = 0; i < rows; i++) {
			_mm512_mask_storeu_ps(p->y + i * p->y_stride + QB_F32_PANEL * j, some, t.sum[i][j]);
		}
	}
}

/* Tiles one below the other, from a copy that no store can alias. */
INLINE_AVX512 void tiles_avx512(const struct qb__f32_block *from, const int rows, const int panels, const bool split, int64_t tiles)
{
	struct qb__f32_block p = *from;

	for (; tiles > 0; tiles--) {
		tile_avx512(&p, rows, panels, split);
		p.row += rows;
		p.y += rows * p.y_stride;
		p.residual += p.residual ? rows * p.y_stride : 0;
	}
}

typedef void tiles_fn(const struct qb__f32_block *p, int64_t tiles);

#define TILE(rows, panels) \
	AVX512 static void tile_##rows##_##panels(const struct qb__f32_block *p, int64_t tiles) \
	{ \
		tiles_avx512(p, rows, panels, false, tiles); \
	}
#define SPLIT(rows) \
	AVX512 static void split_##rows(const struct qb__f32_block *p, int64_t tiles) \
	{ \
		tiles_avx512(p, rows, 1, true, tiles); \
	}
#define TILES_3(rows) TILE(rows, 1) TILE(rows, 2) TILE(rows, 3)
#define TILES_4(rows) TILES_3(rows) TILE(rows, 4)
#define TILES_8(rows) TILES_4(rows) TILE(rows, 5) TILE(rows, 6) TILE(rows, 7) TILE(rows, 8)
TILES_8(1) TILES_8(2) TILES_4(3) TILES_4(4) TILES_4(5) TILES_4(6) TILES_3(7) TILES_3(8) /* as heights has it */
SPLIT(1) SPLIT(2) SPLIT(3) SPLIT(4) SPLIT(5) SPLIT(6) SPLIT(7) SPLIT(8)

#define ROW_3(rows) tile_##rows##_1, tile_##rows##_2, tile_##rows##_3
#define ROW_4(rows) ROW_3(rows), tile_##rows##_4
#define ROW_8(rows) ROW_4(rows), tile_##rows##_5, tile_##rows##_6, tile_##rows##_7, tile_##rows##_8
static tiles_fn *const sized[MR][PANELS] = {{ROW_8(1)}, {ROW_8(2)}, {ROW_4(3)}, {ROW_4(4)}, {ROW_4(5)}, {ROW_4(6)}, {ROW_3(7)},
	{ROW_3(8)}};
static tiles_fn *const splits[MR] = {split_1, split_2, split_3, split_4, split_5, split_6, split_7, split_8};
static const uint8_t most_panels[] = {8, 8, 4}, heights[PANELS] = {8, 8, 8, 6, 2, 2, 2, 2};

static void any_tiles(const struct qb__f32_block *p, int tile, int panels, int64_t tiles)
{
	(p->upper_offset ? splits[tile - 1] : sized[tile - 1][panels - 1])(p, tiles);
}

const struct qb__f32_gemm_level qb__f32_gemm_avx512 = {.needs = QB_FLAG_AVX2 | QB_FLAG_AVX512, .rows = QB_COUNT(most_panels),
	.panels = most_panels, .heights = heights, .tiles = any_tiles, .transpose = qb__f32_transpose_avx2,
	.strided = qb__f32_strided_avx512};
#endif
