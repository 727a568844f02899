/* SPDX-License-Identifier: Apache-2.0
 *
 * The vector kernel, included once for each instruction set, behind its vector_*.h and with the heights of its register tiles
 * defined: MR, NARROW_MR, TO_MR and TO_NARROW_MR. product is what it gives.
 */
enum {
	NR = 2 * LANES,       /* columns of a register tile; of a narrow one LANES */
	CHUNK_ROWS = 256,     /* of y at most that are computed together */
	PACKED_ROWS = 96,     /* of them, from which on the columns of a tile are copied together first */
	PACKED_COLUMNS = 96,  /* of y, from which on the rows of tiles are */
	AT_ONCE = 8,          /* rows of A that are copied together, and asked for before */
};

INLINE_TARGET VECTOR load(const float *x, bool full, MASK mask)
{
	return full ? LOAD(x) : LOAD_SOME(x, mask);
}

INLINE_TARGET void add_to(float *y, bool first, bool full, MASK mask, VECTOR sum)
{
	sum = first ? sum : ADD(load(y, full, mask), sum);
	if (full) {
		STORE(y, sum);
	} else {
		STORE_SOME(y, mask, sum);
	}
}

/* Row k of A and of B. */
INLINE_TARGET void accumulate(const struct qb_f32_outer *p, const float *a, const float *b, const bool packed, const int count,
	const int vectors, const bool full, const MASK mask, int64_t i, int64_t j, int64_t k, VECTOR *sum, VECTOR *more)
{
	const float *from = packed ? a + k * count : p->a[k] + p->a_offset + i, *with = b ? b + k * NR : p->b[k] + p->b_offset + j;
	const VECTOR first = load(with, b || vectors > 1 || full, mask);
	const VECTOR second = vectors > 1 ? load(with + LANES, b || full, mask) : first;

#pragma GCC unroll 24
	for (int r = 0; r < count; r++) {
		const VECTOR v = SET(from[r]);

		sum[r] = FMA(v, first, sum[r]);
		if (vectors > 1) {
			more[r] = FMA(v, second, more[r]);
		}
	}
}

/* A tile of y: `count` rows from i on, columns from j on. a: [depth][count], this tile's of A together, b: [depth][NR], of B; NULL:
 * where the indirection buffers have them. vectors: 1 or 2; the last of them has `width` lanes, all of them where it is full. */
INLINE_TARGET void tile(const struct qb_f32_outer *p, const float *a, const float *b, const bool packed, const int count,
	const int vectors, const bool full, int width, int64_t i, int64_t j)
{
	const MASK mask = FIRST_LANES(width);
	VECTOR sum[NARROW_MR], more[MR];

#pragma GCC unroll 24
	for (int r = 0; r < count; r++) {
		sum[r] = ZERO();
	}
#pragma GCC unroll 24
	for (int r = 0; r < MR; r++) {
		more[r] = ZERO();
	}
	/* y is asked for row by row meanwhile: its stores would wait for memory otherwise. */
	for (int64_t k = 0, r = 0; r < count; r++) {
		__builtin_prefetch(p->y + (i + r) * p->y_stride + j, 1);
		if (vectors > 1) {
			__builtin_prefetch(p->y + (i + r) * p->y_stride + j + LANES, 1);
		}
		for (const int64_t stop = p->depth * (r + 1) / count; k < stop; k++) {
			accumulate(p, a, b, packed, count, vectors, full, mask, i, j, k, sum, more);
		}
	}
#pragma GCC unroll 24
	for (int r = 0; r < count; r++) {
		float *y = p->y + (i + r) * p->y_stride + j;

		add_to(y, p->first, vectors > 1 || full, mask, sum[r]);
		if (vectors > 1) {
			add_to(y + LANES, p->first, full, mask, more[r]);
		}
	}
}

INLINE_TARGET void wide_tile(const struct qb_f32_outer *p, const float *a, const float *b, const bool packed, const int count, int64_t i,
	int64_t j, int width)
{
	if (width == NR) {
		tile(p, a, b, packed, count, 2, true, LANES, i, j);
	} else {
		tile(p, a, b, packed, count, 2, false, width - LANES, i, j);
	}
}

INLINE_TARGET void narrow_tile(const struct qb_f32_outer *p, const float *a, const float *b, const bool packed, const int count, int64_t i,
	int64_t j, int width)
{
	if (width == LANES) {
		tile(p, a, b, packed, count, 1, true, LANES, i, j);
	} else {
		tile(p, a, b, packed, count, 1, false, width, i, j);
	}
}

typedef void height_fn(const struct qb_f32_outer *p, const float *a, const float *b, int64_t i, int64_t j, int width);

#define HEIGHT(name, kind, packed, n) \
	TARGET static void name##_##n(const struct qb_f32_outer *p, const float *a, const float *b, int64_t i, int64_t j, int width) \
	{ \
		kind(p, a, b, packed, n, i, j, width); \
	}
#define WIDE(n) HEIGHT(wide, wide_tile, false, n)
#define PACKED(n) HEIGHT(packed, wide_tile, true, n)
#define NARROW(n) HEIGHT(narrow, narrow_tile, false, n)
TO_MR(WIDE) TO_MR(PACKED) TO_NARROW_MR(NARROW)

#define WIDE_NAME(n) wide_##n,
#define PACKED_NAME(n) packed_##n,
#define NARROW_NAME(n) narrow_##n,
static height_fn *const wide[MR] = {TO_MR(WIDE_NAME)}, *const packed[MR] = {TO_MR(PACKED_NAME)};
static height_fn *const narrow[NARROW_MR] = {TO_NARROW_MR(NARROW_NAME)};

/* The columns of a tile together: as they lie, rows may fall into few sets of a cache. */
TARGET static void copy_columns(const struct qb_f32_outer *p, int64_t j, int width, float *b)
{
	for (int64_t k = 0; k < p->depth; k++, b += NR) {
		const float *from = p->b[k] + p->b_offset + j;

		for (int at = 0; at < width; at += LANES) {
			bool full = width - at >= LANES;

			STORE(b + at, load(from + at, full, FIRST_LANES(full ? LANES : width - at)));
		}
	}
}

/* Rows [from, to) of y, in tiles of nearly equal height: of at most 6, 16 are better as 5s and 6s than as 6s and a 4. */
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

/* The rows of A's tiles together, one tile after the other, each [depth][its height]. Some rows of A are read from end to end, and the
 * next ones asked for, for they may come from afar; a tile takes its part of all of them at once, because the parts of a row lie where
 * few sets of a cache hold them. What a store writes too much the next row of the tile writes over. */
TARGET static void copy_rows(const struct qb_f32_outer *p, const struct rows *r, float *a)
{
	for (int64_t first = 0; first < p->depth; first += AT_ONCE) {
		int64_t last = QB_MIN(first + AT_ONCE, p->depth);
		float *to = a;

		for (int64_t t = 0; t < r->tiles; t++) {
			int64_t i = tile_at(r, t), count = tile_at(r, t + 1) - i;
			bool full = i + LANES <= p->rows;
			const MASK mask = FIRST_LANES((int)QB_MIN((int64_t)LANES, p->rows - i));

			for (int64_t k = first; k < last; k++) {
				const VECTOR v = load(p->a[k] + p->a_offset + i, full, mask);
				int64_t left = (p->depth - k) * count;

				__builtin_prefetch(p->a[QB_MIN(k + AT_ONCE, p->depth - 1)] + p->a_offset + i);
				if (left >= LANES) {
					STORE(to + k * count, v);
				} else {
					STORE_SOME(to + k * count, FIRST_LANES((int)left), v);
				}
			}
			to += p->depth * count;
		}
	}
}

/* Some rows of B for the columns behind a tile's, which are copied next. */
INLINE_TARGET void fetch_columns(const struct qb_f32_outer *p, int64_t from, int64_t to, int64_t j)
{
	for (int64_t k = from; k < to && j < p->columns; k++) {
		const float *b = p->b[k] + p->b_offset + j;

		__builtin_prefetch(b);
		__builtin_prefetch(b + NR - 1);
	}
}

/* a: by copy_rows, of tiles as they are for wide columns, or NULL. */
TARGET static void columns(const struct qb_f32_outer *p, const struct rows *r, const float *a, int64_t j, int width)
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

		if (b) {
			fetch_columns(p, p->depth * t / tall.tiles, p->depth * (t + 1) / tall.tiles, j + width);
		}
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
static void product(const struct qb_f32_outer *p)
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
			columns(p, &r, a, j, (int)QB_MIN((int64_t)NR, p->columns - j));
		}
	}
}
