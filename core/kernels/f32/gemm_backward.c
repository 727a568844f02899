/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/gemm_backward.h"

#include <math.h>

#include "core/base/cpu.h"
#include "core/base/size.h"

enum { MR = 6, NR = 16, LANES = 8 }; /* the register tile */

/* `count` rows of y from row i on, columns [j, j + width). */
static void tile_plain(const struct qb_f32_outer *p, int64_t i, int count, int64_t j, int width)
{
	for (int64_t r = i; r < i + count; r++) {
		for (int64_t c = j; c < j + width; c++) {
			float sum = 0;

			for (int64_t k = 0; k < p->depth; k++) {
				sum = fmaf(p->a[k][p->a_offset + r], p->b[k][p->b_offset + c], sum);
			}
			p->y[r * p->y_stride + c] += sum;
		}
	}
}

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))
#define INLINE_AVX2 __attribute__((target("avx2,fma"), always_inline)) static inline

INLINE_AVX2 __m256i lanes(int width)
{
	static const int32_t on[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

	return _mm256_loadu_si256((const void *)(on + 8 - width));
}

INLINE_AVX2 __m256 load(const float *x, bool full, __m256i mask)
{
	return full ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, mask);
}

INLINE_AVX2 void add_to(float *y, bool full, __m256i mask, __m256 sum)
{
	sum = _mm256_add_ps(load(y, full, mask), sum);
	if (full) {
		_mm256_storeu_ps(y, sum);
	} else {
		_mm256_maskstore_ps(y, mask, sum);
	}
}

/* vectors: 1 or 2; the last of them has `width` lanes, all of them where it is full. */
INLINE_AVX2 void tile_avx2(const struct qb_f32_outer *p, const int count, const int vectors, const bool full, int width, int64_t i,
	int64_t j)
{
	const __m256i mask = lanes(width);
	const float *const *a = p->a, *const *b = p->b;
	const int64_t at_a = p->a_offset + i, at_b = p->b_offset + j;
	__m256 sum[2][MR];

#pragma GCC unroll 6
	for (int r = 0; r < count; r++) {
		sum[0][r] = sum[1][r] = _mm256_setzero_ps();
	}
	for (int64_t k = 0; k < p->depth; k++) {
		const float *from = a[k] + at_a, *with = b[k] + at_b;
		const __m256 first = load(with, vectors > 1 || full, mask);
		const __m256 second = vectors > 1 ? load(with + LANES, full, mask) : first;

#pragma GCC unroll 6
		for (int r = 0; r < count; r++) {
			const __m256 v = _mm256_broadcast_ss(from + r);

			sum[0][r] = _mm256_fmadd_ps(v, first, sum[0][r]);
			sum[1][r] = vectors > 1 ? _mm256_fmadd_ps(v, second, sum[1][r]) : sum[1][r];
		}
	}
#pragma GCC unroll 6
	for (int r = 0; r < count; r++) {
		float *y = p->y + (i + r) * p->y_stride + j;

		add_to(y, vectors > 1 || full, mask, sum[0][r]);
		if (vectors > 1) {
			add_to(y + LANES, full, mask, sum[1][r]);
		}
	}
}

INLINE_AVX2 void width_avx2(const struct qb_f32_outer *p, const int count, int64_t i, int64_t j, int width)
{
	if (width == NR) {
		tile_avx2(p, count, 2, true, LANES, i, j);
	} else if (width > LANES) {
		tile_avx2(p, count, 2, false, width - LANES, i, j);
	} else if (width == LANES) {
		tile_avx2(p, count, 1, true, LANES, i, j);
	} else {
		tile_avx2(p, count, 1, false, width, i, j);
	}
}

#define HEIGHT(n) \
	AVX2 static void height_##n##_avx2(const struct qb_f32_outer *p, int64_t i, int64_t j, int width) \
	{ \
		width_avx2(p, n, i, j, width); \
	}
HEIGHT(1) HEIGHT(2) HEIGHT(3) HEIGHT(4) HEIGHT(5) HEIGHT(6)

static void heights_avx2(const struct qb_f32_outer *p, int64_t i, int count, int64_t j, int width)
{
	static void (*const height[MR])(const struct qb_f32_outer *p, int64_t i, int64_t j, int width) = {
		height_1_avx2, height_2_avx2, height_3_avx2, height_4_avx2, height_5_avx2, height_6_avx2};

	height[count - 1](p, i, j, width);
}
#endif

/* In order of what they need of the processor. */
static const struct {
	unsigned needs;
	void (*tile)(const struct qb_f32_outer *p, int64_t i, int count, int64_t j, int width);
} levels[] = {
	{0, tile_plain},
#if defined(__x86_64__)
	{QB_FLAG_AVX2, heights_avx2},
#endif
};

void qb_f32_outer(const struct qb_f32_outer *p)
{
	int64_t tiles = (p->rows + MR - 1) / MR;
	int level = QB_COUNT(levels) - 1;

	while (!qb_cpu_has(levels[level].needs)) {
		level--;
	}
	for (int64_t j = 0; j < p->columns; j += NR) {
		/* Tiles of nearly equal height: 16 rows are better as 5s and 6s than as 6s and a 4. */
		for (int64_t t = 0; t < tiles; t++) {
			int64_t i = p->rows * t / tiles;

			levels[level].tile(p, i, (int)(p->rows * (t + 1) / tiles - i), j, (int)QB_MIN((int64_t)NR, p->columns - j));
		}
	}
}
