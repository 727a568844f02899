/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/gemm.h"

#include <math.h>
#include <string.h>

#include "core/base/cpu.h"
#include "core/base/size.h"
#include "core/kernels/f32/math.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,fma")))
#define INLINE_AVX2 __attribute__((target("avx2,fma"), always_inline)) static inline
#endif

#define ALWAYS static inline __attribute__((always_inline))

/* The blocking of Van Zee and van de Geijn (BLIS, ACM TOMS 41, 2015): a register tile of MR rows by one panel, KC deep. */
enum {
	MR = 6,
	KC = 768,            /* accumulators are seldom loaded and stored, and KC rows of two panels stay in a second-level
	                      * cache, which is fast enough for them */
	CACHED = 80 * 1024,  /* elements that stay there too */
	PREFETCH_STEP = 16,  /* elements of a row between two prefetches of the weights that come next */
	SMOOTH_PANELS = 8,   /* panels whose outputs a smooth activation takes together */
	GEMV_PANELS = 4,     /* panels of the register tile of a single row: with one, accumulation would wait for the
	                      * latency of the multiply-add, and for memory */
};

bool qb_f32_is_fast(void)
{
	/* With AVX-512 oneDNN's products are close to the peak. */
	return qb_cpu_has(QB_FLAG_AVX2) && !qb_cpu_has(QB_FLAG_AVX512);
}

/* A block of the depth of some rows against a panel. */
struct block {
	const float *const *row; /* [runs][rows] */
	int64_t rows, runs, depth;
	int64_t from;            /* where in a run the block begins */
	int64_t upper_offset;    /* as in struct qb_f32_gemm */
	const float *w;          /* [runs][w_run / 16][16], at `from` */
	int64_t w_run;
	int64_t panel;           /* from the weights of a panel to those of the next */
	const uint8_t *run_index; /* of the runs in w; NULL: 0, 1 ... */
	const float *next, *stop; /* weights to prefetch, `ahead` cache lines every PREFETCH_STEP elements: all at once would
	                           * fill the processor's line fill buffers, and the accumulation would wait */
	int ahead;
	float *y;
	const float *residual, *bias, *scale, *shift;
	int64_t y_stride;
	int width;               /* outputs of the panel, 1 to 16 */
	bool first, last;        /* blocks of the depth; last: with an epilogue */
	bool residual_last;
	const struct qb_act *act;
};

/* As core/kernels/epilogue.h has it, but for activations that are smooth. */
static float epilogue_plain(const struct block *p, int64_t i, int o, float v, float lo, float hi)
{
	const float *residual = p->residual ? p->residual + i * p->y_stride + o : NULL;

	v += p->bias ? p->bias[o] : 0;
	v = residual && !p->residual_last ? v + *residual : v;
	if (p->act->kind == QB_ACT_LEAKY) {
		v = v < 0 ? v * p->act->lo : v;
	} else {
		v = v < lo ? lo : v;
		v = v > hi ? hi : v;
	}
	v = p->scale ? fmaf(v, p->scale[o], p->shift[o]) : v;
	return residual && p->residual_last ? v + *residual : v;
}

static void clip_bounds(const struct qb_act *a, float *lo, float *hi)
{
	bool clips = a->kind == QB_ACT_RELU || a->kind == QB_ACT_CLIP;

	*lo = clips ? a->lo : -INFINITY;
	*hi = clips ? a->hi : INFINITY;
}

ALWAYS const float *run_weights(const struct block *p, int64_t r)
{
	return p->w + (p->run_index ? p->run_index[r] : r) * p->w_run;
}

static void block_plain(const struct block *p, int64_t rows)
{
	float lo, hi;

	clip_bounds(p->act, &lo, &hi);
	for (int64_t i = 0; i < rows; i++) {
		float *y = p->y + i * p->y_stride;

		for (int o = 0; o < p->width; o++) {
			float sum = p->first ? 0 : y[o];

			for (int64_t r = 0; r < p->runs; r++) {
				const float *x = p->row[r * p->rows + i] + p->from, *w = run_weights(p, r);

				x += o < QB_F32_PANEL / 2 ? 0 : p->upper_offset;
				for (int64_t k = 0; k < p->depth; k++) {
					sum = fmaf(x[k], w[k * QB_F32_PANEL + o], sum);
				}
			}
			y[o] = p->last ? epilogue_plain(p, i, o, sum, lo, hi) : sum;
		}
	}
}

#if defined(__x86_64__)
INLINE_AVX2 __m256i lanes(int width)
{
	static const int32_t on[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

	width = QB_MAX(0, QB_MIN(8, width));
	return _mm256_loadu_si256((const void *)(on + 8 - width));
}

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

	clip_bounds(act, &lo, &hi);
	e.lo = _mm256_set1_ps(e.leaky ? act->lo : lo);
	e.hi = _mm256_set1_ps(hi);
	return e;
}

/* Step by step for all rows. Comparisons in the order that lets NaN through, as plain C does. */
INLINE_AVX2 void epilogue_avx2(const struct block *p, const struct bounds *e, const int tile, const int at, const bool full,
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
INLINE_AVX2 void tile_avx2(struct block *p, const struct bounds *e, const int tile, const bool full, const bool half,
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
		const float *x[MR], *w = run_weights(p, r);

#pragma GCC unroll 6
		for (int i = 0; i < tile; i++) {
			x[i] = p->row[r * p->rows + i] + p->from;
		}
		for (int64_t k = 0; k < depth;) {
			const int64_t stop = QB_MIN(k + PREFETCH_STEP, depth);

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
INLINE_AVX2 void tiles_avx2(const struct block *from, const int tile, int64_t tiles, const bool full, const bool half,
	const bool split)
{
	const struct bounds e = bounds_of(from->act);
	struct block p = *from;

	for (; tiles > 0; tiles--) {
		tile_avx2(&p, &e, tile, full, half, split);
		p.row += tile;
		p.y += tile * p.y_stride;
		p.residual += p.residual ? tile * p.y_stride : 0;
	}
}

/* GEMV: one row and GEMV_PANELS whole panels. */
AVX2 static void run_gemv(const struct block *p)
{
	const struct bounds e = bounds_of(p->act);
	__m256 sum[2 * GEMV_PANELS];

#pragma GCC unroll 8
	for (int i = 0; i < 2 * GEMV_PANELS; i++) {
		sum[i] = p->first ? _mm256_setzero_ps() : _mm256_loadu_ps(p->y + 8 * i);
	}
	for (int64_t r = 0; r < p->runs; r++) {
		const float *x = p->row[r] + p->from, *w = run_weights(p, r);

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
	AVX2 static void tiles_avx2_##n(const struct block *p, int64_t tiles) \
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

static void run_tiles(const struct block *p, int tile, int64_t tiles)
{
	static void (*const sized[])(const struct block *, int64_t) = {tiles_avx2_1, tiles_avx2_2, tiles_avx2_3,
		tiles_avx2_4, tiles_avx2_5, tiles_avx2_6};

	if (qb_cpu_has(QB_FLAG_AVX2)) {
		sized[tile - 1](p, tiles);
	} else {
		block_plain(p, tile * tiles);
	}
}

/* 8 x 8 elements, [8][stride] into [8][16]. */
AVX2 static void transpose_avx2(const float *x, int64_t stride, float *y)
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
static int64_t transpose(const float *x, int64_t stride, int64_t depth, float *panel)
{
	int64_t k = 0;

	for (; qb_cpu_has(QB_FLAG_AVX2) && k + 8 <= depth; k += 8) {
		transpose_avx2(x + k, stride, panel + k * QB_F32_PANEL);
		transpose_avx2(x + 8 * stride + k, stride, panel + k * QB_F32_PANEL + 8);
	}
	return k;
}
#else
static int64_t transpose(const float *x, int64_t stride, int64_t depth, float *panel)
{
	(void)x;
	(void)stride;
	(void)depth;
	(void)panel;
	return 0;
}

static void run_gemv(const struct block *p)
{
	(void)p;
}

static void run_tiles(const struct block *p, int tile, int64_t tiles)
{
	block_plain(p, tile * tiles);
}
#endif

/* All rows in tiles of nearly equal height: 49 rows are better as 5s and 6s than as 6s and a 1. */
static void panel_rows(const struct block *all, const float *next)
{
	struct block p = *all;
	int64_t tiles = (p.rows + MR - 1) / MR, height = p.rows / tiles, taller = p.rows % tiles, lines = p.runs * p.depth;
	int64_t steps = p.runs * ((p.depth + PREFETCH_STEP - 1) / PREFETCH_STEP), rows = taller * (height + 1);

	p.next = next;
	p.stop = next + lines * QB_F32_PANEL;
	p.ahead = (int)((lines + tiles * steps - 1) / (tiles * steps));
	if (taller) {
		run_tiles(&p, (int)height + 1, taller);
		p.next += QB_MIN(taller * steps * p.ahead, lines) * QB_F32_PANEL;
		p.row += rows;
		p.y += rows * p.y_stride;
		p.residual += p.residual ? rows * p.y_stride : 0;
	}
	run_tiles(&p, (int)height, tiles - taller);
}

/* How the depth is cut: a block is some whole runs, or a part of one. */
struct blocking {
	int64_t runs, depth, in_run, count;
};

static struct blocking block_row(const struct qb_f32_gemm *p)
{
	struct blocking b = {.runs = 1, .depth = p->depth, .in_run = 1, .count = p->runs};

	if (p->depth > KC + KC / 2) {
		b.in_run = (p->depth + KC - 1) / KC;
		b.depth = (int64_t)qb_align_up((size_t)((p->depth + b.in_run - 1) / b.in_run), PREFETCH_STEP);
		b.in_run = (p->depth + b.depth - 1) / b.depth;
		b.count = b.in_run * p->runs;
	} else {
		b.runs = QB_MIN(QB_MAX(KC / p->depth, 1), p->runs);
		b.count = (p->runs + b.runs - 1) / b.runs;
		b.runs = (p->runs + b.count - 1) / b.count;
		b.count = (p->runs + b.runs - 1) / b.runs;
	}
	return b;
}

/* Smooth activations, once some panels are done: long rows hide latencies, and rows without gaps are one. */
static void activate_smooth(const struct qb_f32_gemm *p, int64_t rows, int64_t from, int64_t to, float *y,
	int64_t y_stride)
{
	int64_t o = from * QB_F32_PANEL, width = QB_MIN(to * QB_F32_PANEL, p->outputs) - o;

	if (width == y_stride) {
		width *= rows;
		rows = 1;
	}
	for (int64_t i = 0; p->epilogue.act.kind > QB_ACT_LEAKY && i < rows; i++) {
		qb_f32_activate(&p->epilogue.act, y + i * y_stride + o, width);
	}
}

/* The size of the fewest tiles of at most `most` that n takes, nearly equal ones. */
static int64_t tile_size(int64_t n, int64_t most)
{
	int64_t tiles = QB_MAX((n + most - 1) / most, 1);

	return (n + tiles - 1) / tiles;
}

static const float *weights_of(const struct qb_f32_gemm *p, int64_t panel)
{
	return p->weights + panel * (p->run_index ? p->packed_runs : p->runs) * p->depth * QB_F32_PANEL;
}

/* Where block q of a panel begins. */
static const float *block_at(const struct qb_f32_gemm *p, const struct blocking *b, int64_t panel, int64_t q)
{
	int64_t r = q / b->in_run * b->runs;

	r = p->run_index ? p->run_index[r] : r;
	return weights_of(p, panel) + (r * p->depth + q % b->in_run * b->depth) * QB_F32_PANEL;
}

void qb_f32_pack(const float *x, int64_t row, int64_t column, int64_t depth, int64_t width, float *panel)
{
	int64_t k = width == QB_F32_PANEL && row == 1 ? transpose(x, column, depth, panel) : 0;

	for (; k < depth; k++) {
		const float *from = x + k * row;
		float *to = panel + k * QB_F32_PANEL;

		if (width == QB_F32_PANEL && column == 1) {
			memcpy(to, from, QB_F32_PANEL * sizeof(*to));
			continue;
		}
		for (int64_t o = 0; o < QB_F32_PANEL; o++) {
			to[o] = o < width ? from[o * column] : 0;
		}
	}
}

/* The weights after the last of the blocks [start, stop) of a panel. */
static const float *next_weights(const struct qb_f32_gemm *p, const struct blocking *b, int64_t first,
	int64_t last, int64_t panel, int64_t start, int64_t stop)
{
	if (panel + 1 < last) {
		return block_at(p, b, panel + 1, start);
	}
	if (stop < b->count) {
		return block_at(p, b, first, stop);
	}
	return p->prefetch ? p->prefetch : block_at(p, b, panel, start);
}

/* How many panels from j on are taken at once. */
static int64_t panels_at_once(const struct qb_f32_gemm *p, int64_t rows, int64_t j, int64_t last)
{
	return rows == 1 && !p->upper_offset && j + GEMV_PANELS <= last && (j + GEMV_PANELS) * QB_F32_PANEL <= p->outputs &&
		qb_cpu_has(QB_FLAG_AVX2) ? GEMV_PANELS : 1;
}

void qb_f32_gemm(const struct qb_f32_gemm *p, const float *const *row, int64_t rows,
	int64_t first, int64_t last, const float *residual, float *y, int64_t y_stride)
{
	struct blocking b = block_row(p);
	/* As many blocks before the next panel as leave the rows in a second-level cache. */
	int64_t at_once = QB_MAX(CACHED / (rows * b.runs * b.depth), 1);
	struct block s = {.rows = rows, .w_run = p->depth * QB_F32_PANEL, .panel = weights_of(p, 1) - p->weights,
		.upper_offset = p->upper_offset, .y_stride = y_stride, .residual_last = p->epilogue.residual_last, .act = &p->epilogue.act};
	bool bare = !p->epilogue.bias && !residual && !p->epilogue.affine.scale && p->epilogue.act.kind == QB_ACT_NONE;
	int64_t smooth = tile_size(last - first, SMOOTH_PANELS);

	for (int64_t start = 0; start < b.count; start += at_once) {
		int64_t stop = QB_MIN(start + at_once, b.count), done = first;

		for (int64_t j = first, n; j < last; j += n) {
			int64_t o = j * QB_F32_PANEL;

			n = panels_at_once(p, rows, j, last);
			s.bias = p->epilogue.bias ? p->epilogue.bias + o : NULL;
			s.scale = p->epilogue.affine.scale ? p->epilogue.affine.scale + o : NULL;
			s.shift = p->epilogue.affine.scale ? p->epilogue.affine.shift + o : NULL;
			s.width = (int)QB_MIN((int64_t)QB_F32_PANEL, p->outputs - o);
			for (int64_t q = start; q < stop; q++) {
				int64_t r = q / b.in_run * b.runs, from = q % b.in_run * b.depth;

				s.from = p->x_offset + from;
				s.runs = QB_MIN(b.runs, p->runs - r);
				s.depth = QB_MIN(b.depth, p->depth - from);
				s.first = q == 0;
				s.last = q + 1 == b.count && !bare;
				s.row = row + r * rows;
				s.run_index = p->run_index ? p->run_index + r : NULL;
				s.w = p->run_index ? weights_of(p, j) + from * QB_F32_PANEL : block_at(p, &b, j, q);
				s.y = y + o;
				s.residual = residual ? residual + o : NULL;
				if (n > 1) {
					run_gemv(&s);
				} else {
					panel_rows(&s, q + 1 < stop ? block_at(p, &b, j, q + 1)
						: next_weights(p, &b, first, last, j, start, stop));
				}
			}
			if (stop == b.count && (j + n - done >= smooth || j + n == last)) {
				activate_smooth(p, rows, done, j + n, y, y_stride);
				done = j + n;
			}
		}
	}
}
