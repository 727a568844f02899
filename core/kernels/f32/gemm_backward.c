/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/gemm_backward.h"

#include <math.h>

#include "core/base/cpu.h"
#include "core/base/size.h"

enum {
	MR = 6, NR = 16, LANES = 8, /* the register tile, and lanes of a register */
	NARROW_MR = 12,             /* rows of a tile of one register's columns */
	PACKED_ROWS = 96,           /* of y, from which on the columns of a tile are copied together first */
};

/* Columns [j, j + width) of y. */
static void columns_plain(const struct qb_f32_outer *p, int64_t j, int width)
{
	for (int64_t r = 0; r < p->rows; r++) {
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
#include "core/kernels/f32/avx2.h"

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

/* b: rows of this tile's columns, NR apart; NULL: where p->b has them. vectors: 1 or 2; the last of them has `width`
 * lanes, all of them where it is full. */
INLINE_AVX2 void tile_avx2(const struct qb_f32_outer *p, const float *b, const int count, const int vectors, const bool full, int width,
	int64_t i, int64_t j)
{
	const __m256i mask = lanes(width);
	const float *const *a = p->a;
	const int64_t at_a = p->a_offset + i, at_b = p->b_offset + j;
	__m256 sum[NARROW_MR], more[MR];

#pragma GCC unroll 12
	for (int r = 0; r < count; r++) {
		sum[r] = _mm256_setzero_ps();
	}
#pragma GCC unroll 6
	for (int r = 0; r < MR; r++) {
		more[r] = _mm256_setzero_ps();
	}
	for (int64_t k = 0; k < p->depth; k++) {
		const float *from = a[k] + at_a, *with = b ? b + k * NR : p->b[k] + at_b;
		const __m256 first = load(with, b || vectors > 1 || full, mask);
		const __m256 second = vectors > 1 ? load(with + LANES, b || full, mask) : first;

#pragma GCC unroll 12
		for (int r = 0; r < count; r++) {
			const __m256 v = _mm256_broadcast_ss(from + r);

			sum[r] = _mm256_fmadd_ps(v, first, sum[r]);
			if (vectors > 1) {
				more[r] = _mm256_fmadd_ps(v, second, more[r]);
			}
		}
	}
#pragma GCC unroll 12
	for (int r = 0; r < count; r++) {
		float *y = p->y + (i + r) * p->y_stride + j;

		add_to(y, vectors > 1 || full, mask, sum[r]);
		if (vectors > 1) {
			add_to(y + LANES, full, mask, more[r]);
		}
	}
}

INLINE_AVX2 void wide_avx2(const struct qb_f32_outer *p, const float *b, const int count, int64_t i, int64_t j, int width)
{
	if (width == NR) {
		tile_avx2(p, b, count, 2, true, LANES, i, j);
	} else {
		tile_avx2(p, b, count, 2, false, width - LANES, i, j);
	}
}

INLINE_AVX2 void narrow_avx2(const struct qb_f32_outer *p, const float *b, const int count, int64_t i, int64_t j, int width)
{
	if (width == LANES) {
		tile_avx2(p, b, count, 1, true, LANES, i, j);
	} else {
		tile_avx2(p, b, count, 1, false, width, i, j);
	}
}

typedef void height_fn(const struct qb_f32_outer *p, const float *b, int64_t i, int64_t j, int width);

#define HEIGHT(kind, n) \
	AVX2 static void kind##_##n##_avx2(const struct qb_f32_outer *p, const float *b, int64_t i, int64_t j, int width) \
	{ \
		kind##_avx2(p, b, n, i, j, width); \
	}
HEIGHT(wide, 1) HEIGHT(wide, 2) HEIGHT(wide, 3) HEIGHT(wide, 4) HEIGHT(wide, 5) HEIGHT(wide, 6)
HEIGHT(narrow, 1) HEIGHT(narrow, 2) HEIGHT(narrow, 3) HEIGHT(narrow, 4) HEIGHT(narrow, 5) HEIGHT(narrow, 6)
HEIGHT(narrow, 7) HEIGHT(narrow, 8) HEIGHT(narrow, 9) HEIGHT(narrow, 10) HEIGHT(narrow, 11) HEIGHT(narrow, 12)

static height_fn *const wide[MR] = {wide_1_avx2, wide_2_avx2, wide_3_avx2, wide_4_avx2, wide_5_avx2, wide_6_avx2};
static height_fn *const narrow[NARROW_MR] = {narrow_1_avx2, narrow_2_avx2, narrow_3_avx2, narrow_4_avx2, narrow_5_avx2, narrow_6_avx2,
	narrow_7_avx2, narrow_8_avx2, narrow_9_avx2, narrow_10_avx2, narrow_11_avx2, narrow_12_avx2};

/* The columns of a tile together: as they lie, rows may fall into few sets of a cache. */
AVX2 static void copy_columns(const struct qb_f32_outer *p, int64_t j, int width, float *b)
{
	for (int64_t k = 0; k < p->depth; k++, b += NR) {
		const float *from = p->b[k] + p->b_offset + j;

		for (int at = 0; at < width; at += LANES) {
			bool full = width - at >= LANES;

			_mm256_storeu_ps(b + at, load(from + at, full, lanes(full ? LANES : width - at)));
		}
	}
}

static void columns_avx2(const struct qb_f32_outer *p, int64_t j, int width)
{
	const int64_t most = width > LANES ? MR : NARROW_MR, tiles = (p->rows + most - 1) / most;
	float copy[QB_F32_OUTER_DEPTH * NR];
	const float *b = NULL;

	if (p->rows >= PACKED_ROWS && p->depth <= QB_F32_OUTER_DEPTH) {
		copy_columns(p, j, width, copy);
		b = copy;
	}
	/* Tiles of nearly equal height: 16 rows are better as 5s and 6s than as 6s and a 4. */
	for (int64_t t = 0; t < tiles; t++) {
		int64_t i = p->rows * t / tiles, count = p->rows * (t + 1) / tiles - i;

		if (width > LANES) {
			wide[count - 1](p, b, i, j, width);
		} else {
			narrow[count - 1](p, b, i, j, width);
		}
	}
}
#endif

/* In order of what they need of the processor. */
static const struct {
	unsigned needs;
	void (*columns)(const struct qb_f32_outer *p, int64_t j, int width);
} levels[] = {
	{0, columns_plain},
#if defined(__x86_64__)
	{QB_FLAG_AVX2, columns_avx2},
#endif
};

void qb_f32_outer(const struct qb_f32_outer *p)
{
	int level = QB_COUNT(levels) - 1;

	while (!qb_cpu_has(levels[level].needs)) {
		level--;
	}
	for (int64_t j = 0; j < p->columns; j += NR) {
		levels[level].columns(p, j, (int)QB_MIN((int64_t)NR, p->columns - j));
	}
}
