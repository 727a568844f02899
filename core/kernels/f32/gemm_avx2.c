/* SPDX-License-Identifier: Apache-2.0
 *
 * AVX2: register tiles of 6 x 16, GEMV of four panels, and the transposition that packs a panel.
 */
#include "core/base/size.h"
#include "core/kernels/f32/gemm_levels.h"

#if defined(__x86_64__)
#include "core/kernels/f32/avx2.h"

enum { MR = 6, GEMV_PANELS = 4 };

INLINE_AVX2 __m256 load(const float *x, int at, bool full, int width)
{
	return full ? _mm256_loadu_ps(x + at) : _mm256_maskload_ps(x + at, lanes(width - at));
}

INLINE_AVX2 void store(float *y, int at, bool full, int width, __m256 v)
{
	if (full) {
		_mm256_storeu_ps(y + at, v);
	} else {
		_mm256_maskstore_ps(y + at, lanes(width - at), v);
	}
}

INLINE_AVX2 void add_residual(const int tile, const float *residual, int64_t stride, const int at, const bool full, int width,
	__m256 *sum)
{
#pragma GCC unroll 6
	for (int i = 0; i < tile; i++) {
		sum[i] = _mm256_add_ps(sum[i], load(residual + i * stride, at, full, width));
	}
}

/* lo: also the slope of a leaky activation. */
struct bounds {
	bool leaky;
	__m256 lo, hi;
};

INLINE_AVX2 struct bounds bounds_of(const struct qb_act *act)
{
	struct bounds e = {.leaky = act->kind == QB_ACT_LEAKY};
	float lo, hi;

	qb__f32_clip_bounds(act, &lo, &hi);
	e.lo = _mm256_set1_ps(e.leaky ? act->lo : lo);
	e.hi = _mm256_set1_ps(hi);
	return e;
}

/* Step by step for all rows. Comparisons in the order that lets NaN through, as plain C does. */
INLINE_AVX2 void epilogue_avx2(const struct qb__f32_block *p, const struct bounds *e, const int tile, const int at, const bool full,
	__m256 *sum)
{
	const __m256 zero = _mm256_setzero_ps(), bias = p->bias ? load(p->bias, at, full, p->width) : zero;

#pragma GCC unroll 6
	for (int i = 0; i < tile; i++) {
		sum[i] = _mm256_add_ps(sum[i], bias);
	}
	if (p->residual && !p->residual_last) {
		add_residual(tile, p->residual, p->y_stride, at, full, p->width, sum);
	}
	if (e->leaky) {
#pragma GCC unroll 6
		for (int i = 0; i < tile; i++) {
			sum[i] = _mm256_blendv_ps(sum[i], _mm256_mul_ps(sum[i], e->lo), _mm256_cmp_ps(sum[i], zero, _CMP_LT_OQ));
		}
	} else {
#pragma GCC unroll 6
		for (int i = 0; i < tile; i++) {
			sum[i] = _mm256_min_ps(e->hi, _mm256_max_ps(e->lo, sum[i]));
		}
	}
	if (p->scale) {
		const __m256 scale = load(p->scale, at, full, p->width), shift = load(p->shift, at, full, p->width);

#pragma GCC unroll 6
		for (int i = 0; i < tile; i++) {
			sum[i] = _mm256_fmadd_ps(sum[i], scale, shift);
		}
	}
	if (p->residual && p->residual_last) {
		add_residual(tile, p->residual, p->y_stride, at, full, p->width, sum);
	}
}

/* half: the panel has 8 outputs at most; split: its halves have inputs of their own (upper_offset). */
INLINE_AVX2 void tile_avx2(struct qb__f32_block *p, const struct bounds *e, const int tile, const bool full, const bool half,
	const bool split)
{
	const int ahead = p->next < p->stop ? p->ahead : 0, width = p->width;
	const int64_t depth = p->depth;
	__m256 a[MR], b[MR];

#pragma GCC unroll 6
	for (int i = 0; i < tile; i++) {
		a[i] = b[i] = _mm256_setzero_ps();
	}
	if (!p->first) {
#pragma GCC unroll 6
		for (int i = 0; i < tile; i++) {
			a[i] = load(p->y + i * p->y_stride, 0, full, width);
			b[i] = half ? b[i] : load(p->y + i * p->y_stride, 8, full, width);
		}
	}
	for (int64_t r = 0; r < p->runs; r++) {
		const float *x[MR], *w = qb__f32_run_weights(p, r);

#pragma GCC unroll 6
		for (int i = 0; i < tile; i++) {
			x[i] = p->row[r * p->rows + i] + p->from;
		}
		for (int64_t k = 0; k < depth;) {
			const int64_t stop = QB_MIN(k + QB__F32_PREFETCH_STEP, depth);

			for (int i = 0; i < ahead; i++, p->next += QB_F32_PANEL) {
				__builtin_prefetch(p->next, 0, 2);
			}
			for (; k < stop; k++) {
				__m256 u = _mm256_loadu_ps(w + k * QB_F32_PANEL);
				__m256 v = half ? u : _mm256_loadu_ps(w + k * QB_F32_PANEL + 8);

#pragma GCC unroll 6
				for (int i = 0; i < tile; i++) {
					__m256 s = _mm256_broadcast_ss(x[i] + k);

					a[i] = _mm256_fmadd_ps(s, u, a[i]);
					s = split ? _mm256_broadcast_ss(x[i] + k + p->upper_offset) : s;
					if (!half) {
						b[i] = _mm256_fmadd_ps(s, v, b[i]);
					}
				}
			}
		}
	}
	if (p->last) {
		epilogue_avx2(p, e, tile, 0, full, a);
		if (!half) {
			epilogue_avx2(p, e, tile, 8, full, b);
		}
	}
#pragma GCC unroll 6
	for (int i = 0; i < tile; i++) {
		store(p->y + i * p->y_stride, 0, full, width, a[i]);
		if (!half) {
			store(p->y + i * p->y_stride, 8, full, width, b[i]);
		}
	}
}

/* Tiles one after the other, from a copy that no store can alias. */
INLINE_AVX2 void tiles_avx2(const struct qb__f32_block *from, const int tile, int64_t tiles, const bool full, const bool half,
	const bool split)
{
	const struct bounds e = bounds_of(from->act);
	struct qb__f32_block p = *from;

	for (; tiles > 0; tiles--) {
		tile_avx2(&p, &e, tile, full, half, split);
		p.row += tile;
		p.y += tile * p.y_stride;
		p.residual += p.residual ? tile * p.y_stride : 0;
	}
}

/* GEMV: one row and GEMV_PANELS whole panels. */
AVX2 static void gemv_avx2(const struct qb__f32_block *p)
{
	const struct bounds e = bounds_of(p->act);
	__m256 sum[2 * GEMV_PANELS];

#pragma GCC unroll 8
	for (int i = 0; i < 2 * GEMV_PANELS; i++) {
		sum[i] = p->first ? _mm256_setzero_ps() : _mm256_loadu_ps(p->y + 8 * i);
	}
	for (int64_t r = 0; r < p->runs; r++) {
		const float *x = p->row[r] + p->from, *w = qb__f32_run_weights(p, r);

		for (int64_t k = 0; k < p->depth; k++) {
			__m256 v = _mm256_broadcast_ss(x + k);

#pragma GCC unroll 8
			for (int i = 0; i < 2 * GEMV_PANELS; i++) {
				const float *from = w + i / 2 * p->panel + k * QB_F32_PANEL + i % 2 * 8;

				sum[i] = _mm256_fmadd_ps(v, _mm256_loadu_ps(from), sum[i]);
			}
		}
	}
#pragma GCC unroll 8
	for (int i = 0; i < 2 * GEMV_PANELS; i++) {
		if (p->last) {
			epilogue_avx2(p, &e, 1, 8 * i, true, &sum[i]);
		}
		_mm256_storeu_ps(p->y + 8 * i, sum[i]);
	}
}

#define SIZED(n) \
	AVX2 static void tiles_avx2_##n(const struct qb__f32_block *p, int64_t tiles) \
	{ \
		if (p->upper_offset) { \
			tiles_avx2(p, n, tiles, true, false, true); \
		} else if (p->width == QB_F32_PANEL) { \
			tiles_avx2(p, n, tiles, true, false, false); \
		} else if (p->width == 8) { \
			tiles_avx2(p, n, tiles, true, true, false); \
		} else if (p->width < 8) { \
			tiles_avx2(p, n, tiles, false, true, false); \
		} else { \
			tiles_avx2(p, n, tiles, false, false, false); \
		} \
	}
SIZED(1) SIZED(2) SIZED(3) SIZED(4) SIZED(5) SIZED(6)
#undef SIZED

static void tiles_avx2_any(const struct qb__f32_block *p, int tile, int panels, int64_t tiles)
{
	static void (*const sized[])(const struct qb__f32_block *, int64_t) = {tiles_avx2_1, tiles_avx2_2, tiles_avx2_3,
		tiles_avx2_4, tiles_avx2_5, tiles_avx2_6};

	(void)panels; /* one */
	sized[tile - 1](p, tiles);
}

/* 8 x 8 elements, [8][stride] into [8][16]. */
AVX2 static void transpose_8x8(const float *x, int64_t stride, float *y)
{
	__m256 a[8], b[8];

#pragma GCC unroll 8
	for (int i = 0; i < 8; i++) {
		a[i] = _mm256_loadu_ps(x + i * stride);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 8; i += 2) {
		b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
		b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
	}
#pragma GCC unroll 2
	for (int i = 0; i < 8; i += 4) {
		a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
		a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xEE);
		a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
		a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xEE);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		_mm256_storeu_ps(y + i * QB_F32_PANEL, _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
		_mm256_storeu_ps(y + (i + 4) * QB_F32_PANEL, _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
	}
}

/* Into a panel; returns how much of the depth. */
int64_t qb__f32_transpose_avx2(const float *x, int64_t stride, int64_t depth, float *panel)
{
	int64_t k = 0;

	for (; k + 8 <= depth; k += 8) {
		transpose_8x8(x + k, stride, panel + k * QB_F32_PANEL);
		transpose_8x8(x + 8 * stride + k, stride, panel + k * QB_F32_PANEL + 8);
	}
	return k;
}

static const uint8_t one_panel[] = {1}, heights[] = {MR};
const struct qb__f32_gemm_level qb__f32_gemm_avx2 = {.needs = QB_FLAG_AVX2, .rows = 1, .panels = one_panel, .heights = heights,
	.tiles = tiles_avx2_any, .gemv_panels = GEMV_PANELS, .gemv = gemv_avx2, .transpose = qb__f32_transpose_avx2};
#endif
