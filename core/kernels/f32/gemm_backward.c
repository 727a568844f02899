/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/gemm_backward.h"

#include <math.h>

#include "core/base/cpu.h"
#include "core/base/size.h"

enum {
	MR = 6, NR = 16, LANES = 8, /* the register tile, and lanes of a register */
	NARROW_MR = 12,             /* rows of a tile of one register's columns */
	CHUNK_ROWS = 192,           /* of y at most that are computed together */
	PACKED_ROWS = 96,           /* of them, from which on the columns of a tile are copied together first */
	PACKED_COLUMNS = 96,        /* of y, from which on the rows of tiles are */
};

static void product_plain(const struct qb_f32_outer *p)
{
	for (int64_t r = 0; r < p->rows; r++) {
		for (int64_t c = 0; c < p->columns; c++) {
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

/* A tile of y: `count` rows from i on, columns from j on. a: [depth][count], this tile's of A together, b: [depth][NR], of B; NULL:
 * where the indirection buffers have them. vectors: 1 or 2; the last of them has `width` lanes, all of them where it is full. */
INLINE_AVX2 void tile_avx2(const struct qb_f32_outer *p, const float *a, const float *b, const bool packed, const int count,
	const int vectors, const bool full, int width, int64_t i, int64_t j)
{
	const __m256i mask = lanes(width);
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
		const float *from = packed ? a + k * count : p->a[k] + at_a, *with = b ? b + k * NR : p->b[k] + at_b;
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

INLINE_AVX2 void wide_avx2(const struct qb_f32_outer *p, const float *a, const float *b, const bool packed, const int count, int64_t i,
	int64_t j, int width)
{
	if (width == NR) {
		tile_avx2(p, a, b, packed, count, 2, true, LANES, i, j);
	} else {
		tile_avx2(p, a, b, packed, count, 2, false, width - LANES, i, j);
	}
}

INLINE_AVX2 void narrow_avx2(const struct qb_f32_outer *p, const float *a, const float *b, const bool packed, const int count, int64_t i,
	int64_t j, int width)
{
	if (width == LANES) {
		tile_avx2(p, a, b, packed, count, 1, true, LANES, i, j);
	} else {
		tile_avx2(p, a, b, packed, count, 1, false, width, i, j);
	}
}

typedef void height_fn(const struct qb_f32_outer *p, const float *a, const float *b, int64_t i, int64_t j, int width);

#define HEIGHT(name, kind, packed, n) \
	AVX2 static void name##_##n##_avx2(const struct qb_f32_outer *p, const float *a, const float *b, int64_t i, int64_t j, int width) \
	{ \
		kind##_avx2(p, a, b, packed, n, i, j, width); \
	}
#define HEIGHTS(name, kind, packed) \
	HEIGHT(name, kind, packed, 1) HEIGHT(name, kind, packed, 2) HEIGHT(name, kind, packed, 3) HEIGHT(name, kind, packed, 4) \
	HEIGHT(name, kind, packed, 5) HEIGHT(name, kind, packed, 6)
HEIGHTS(wide, wide, false) HEIGHTS(packed, wide, true) HEIGHTS(narrow, narrow, false)
HEIGHT(narrow, narrow, false, 7) HEIGHT(narrow, narrow, false, 8) HEIGHT(narrow, narrow, false, 9) HEIGHT(narrow, narrow, false, 10)
HEIGHT(narrow, narrow, false, 11) HEIGHT(narrow, narrow, false, 12)

static height_fn *const wide[MR] = {wide_1_avx2, wide_2_avx2, wide_3_avx2, wide_4_avx2, wide_5_avx2, wide_6_avx2};
static height_fn *const packed[MR] = {packed_1_avx2, packed_2_avx2, packed_3_avx2, packed_4_avx2, packed_5_avx2, packed_6_avx2};
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

/* Rows [from, to) of y, in tiles of nearly equal height: 16 are better as 5s and 6s than as 6s and a 4. */
struct rows {
	int64_t from, to, tiles;
};

static struct rows rows_of(int64_t from, int64_t to, int most)
{
	return (struct rows){from, to, (to - from + most - 1) / most};
}

static int64_t tile_at(const struct rows *r, int64_t t)
{
	return r->from + (r->to - r->from) * t / r->tiles;
}

/* The rows of A's tiles together, one tile after the other, each [depth][its height]. What a store writes too much the next one
 * writes over. */
AVX2 static void copy_rows(const struct qb_f32_outer *p, const struct rows *r, float *a)
{
	for (int64_t t = 0; t < r->tiles; t++) {
		int64_t i = tile_at(r, t), count = tile_at(r, t + 1) - i;
		bool full = i + LANES <= p->rows;
		const __m256i mask = lanes((int)QB_MIN((int64_t)LANES, p->rows - i));

		for (int64_t k = 0; k < p->depth; k++, a += count) {
			_mm256_storeu_ps(a, load(p->a[k] + p->a_offset + i, full, mask));
		}
	}
}

/* a: by copy_rows, of tiles as they are for wide columns, or NULL. */
static void columns_avx2(const struct qb_f32_outer *p, const struct rows *r, const float *a, int64_t j, int width)
{
	const struct rows tall = width > LANES ? *r : rows_of(r->from, r->to, NARROW_MR);
	float copy[QB_F32_OUTER_DEPTH * NR];
	const float *b = NULL;

	if (r->to - r->from >= PACKED_ROWS) {
		copy_columns(p, j, width, copy);
		b = copy;
	}
	for (int64_t t = 0; t < tall.tiles; t++) {
		int64_t i = tile_at(&tall, t), count = tile_at(&tall, t + 1) - i;

		if (width <= LANES) {
			narrow[count - 1](p, NULL, b, i, j, width);
		} else if (a) {
			packed[count - 1](p, a + (i - r->from) * p->depth, b, i, j, width);
		} else {
			wide[count - 1](p, NULL, b, i, j, width);
		}
	}
}

/* Some rows of y at a time, whose part of A stays in the second cache for all columns. */
static void product_avx2(const struct qb_f32_outer *p)
{
	const int64_t parts = (p->rows + CHUNK_ROWS - 1) / CHUNK_ROWS;
	float copy[CHUNK_ROWS * QB_F32_OUTER_DEPTH + LANES];
	const float *a = NULL;

	for (int64_t i = 0; i < parts; i++) {
		const struct rows r = rows_of(p->rows * i / parts, p->rows * (i + 1) / parts, MR);

		if (p->columns >= PACKED_COLUMNS) {
			copy_rows(p, &r, copy);
			a = copy;
		}
		for (int64_t j = 0; j < p->columns; j += NR) {
			columns_avx2(p, &r, a, j, (int)QB_MIN((int64_t)NR, p->columns - j));
		}
	}
}
#endif

/* In order of what they need of the processor. */
static const struct {
	unsigned needs;
	void (*product)(const struct qb_f32_outer *p);
} levels[] = {
	{0, product_plain},
#if defined(__x86_64__)
	{QB_FLAG_AVX2, product_avx2},
#endif
};

void qb_f32_outer(const struct qb_f32_outer *p)
{
	int level = QB_COUNT(levels) - 1;

	while (!qb_cpu_has(levels[level].needs)) {
		level--;
	}
	levels[level].product(p);
}
