/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kernels/f32/gemm.h"

#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/kernels/f32/gemm_levels.h"
#include "core/kernels/f32/math.h"

/* The blocking of Van Zee and van de Geijn (BLIS, ACM TOMS 41, 2015): a register tile of some rows by some panels, KC
 * deep. */
enum {
	KC = 768,            /* accumulators are seldom loaded and stored, and KC rows of two panels stay in a second-level
	                      * cache, which is fast enough for them */
	CACHED = 80 * 1024,  /* elements that stay there too */
	SMOOTH_PANELS = 8,   /* panels whose outputs a smooth activation takes together */
};

/* As core/kernels/epilogue.h has it, but for activations that are smooth. */
static float epilogue_plain(const struct qb__f32_block *p, int64_t i, int o, float v, float lo, float hi)
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

static void block_plain(const struct qb__f32_block *p, int64_t rows)
{
	float lo, hi;

	qb__f32_clip_bounds(p->act, &lo, &hi);
	for (int64_t i = 0; i < rows; i++) {
		float *y = p->y + i * p->y_stride;

		for (int o = 0; o < p->width; o++) {
			float sum = p->first ? 0 : y[o];

			for (int64_t r = 0; r < p->runs; r++) {
				const float *x = p->row[r * p->rows + i] + p->from, *w = qb__f32_run_weights(p, r);

				x += o < QB_F32_PANEL / 2 ? 0 : p->upper_offset;
				for (int64_t k = 0; k < p->depth; k++) {
					sum = fmaf(x[k], w[k * QB_F32_PANEL + o], sum);
				}
			}
			y[o] = p->last ? epilogue_plain(p, i, o, sum, lo, hi) : sum;
		}
	}
}

static void tiles_plain(const struct qb__f32_block *p, int tile, int panels, int64_t tiles)
{
	(void)panels; /* one */
	block_plain(p, tile * tiles);
}

static const uint8_t one_panel[] = {1}, any_height[] = {UINT8_MAX};
static const struct qb__f32_gemm_level plain = {.rows = 1, .panels = one_panel, .heights = any_height, .tiles = tiles_plain};

/* In order of what they need of the processor. */
static const struct qb__f32_gemm_level *const levels[] = {
	&plain,
#if defined(__x86_64__)
	&qb__f32_gemm_avx2,
	&qb__f32_gemm_avx512,
#elif defined(__aarch64__)
	&qb__f32_gemm_neon,
#endif
};

static const struct qb__f32_gemm_level *level_in_force(void)
{
	int i = QB_COUNT(levels) - 1;

	while (!qb_cpu_has(levels[i]->needs)) {
		i--;
	}
	return levels[i];
}

/* All rows in tiles of nearly equal height: 49 rows are better as 5s and 6s than as 6s and a 1. */
static void panel_rows(const struct qb__f32_gemm_level *level, const struct qb__f32_block *all, int panels, const float *next)
{
	struct qb__f32_block p = *all;
	int64_t most = level->heights[panels - 1], tiles = (p.rows + most - 1) / most, height = p.rows / tiles, taller = p.rows % tiles;
	int64_t lines = p.runs * p.depth, steps = p.runs * ((p.depth + QB__F32_PREFETCH_STEP - 1) / QB__F32_PREFETCH_STEP), rows = taller * (height + 1);

	p.next = next;
	p.stop = next + lines * QB_F32_PANEL;
	p.ahead = (int)((lines + tiles * steps - 1) / (tiles * steps));
	if (taller) {
		level->tiles(&p, (int)height + 1, panels, taller);
		p.next += QB_MIN(taller * steps * p.ahead, lines) * QB_F32_PANEL;
		p.row += rows;
		p.y += rows * p.y_stride;
		p.residual += p.residual ? rows * p.y_stride : 0;
	}
	level->tiles(&p, (int)height, panels, tiles - taller);
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
		b.depth = (int64_t)qb_align_up((size_t)((p->depth + b.in_run - 1) / b.in_run), QB__F32_PREFETCH_STEP);
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
	const struct qb__f32_gemm_level *level = level_in_force();
	int64_t k = width == QB_F32_PANEL && row == 1 && level->transpose ? level->transpose(x, column, depth, panel) : 0;

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

/* The weights after the last of the blocks [start, stop) of `panels` panels from `panel` on. */
static const float *next_weights(const struct qb_f32_gemm *p, const struct blocking *b, int64_t first,
	int64_t last, int64_t panel, int64_t panels, int64_t start, int64_t stop)
{
	if (panel + panels < last) {
		return block_at(p, b, panel + panels, start);
	}
	if (stop < b->count) {
		return block_at(p, b, first, stop);
	}
	return p->prefetch ? p->prefetch : block_at(p, b, panel, start);
}

/* Can GEMV take its panels from j on? */
static bool takes_gemv(const struct qb_f32_gemm *p, const struct qb__f32_gemm_level *level, int64_t rows, int64_t j, int64_t last)
{
	return level->gemv && rows == 1 && !p->upper_offset && j + level->gemv_panels <= last &&
		(j + level->gemv_panels) * QB_F32_PANEL <= p->outputs;
}

/* How many panels from j on tiles take at once: nearly equal numbers, as rows. */
static int64_t panels_at_once(const struct qb_f32_gemm *p, const struct qb__f32_gemm_level *level, int64_t rows, int64_t j, int64_t last)
{
	return p->upper_offset ? 1 : tile_size(last - j, level->panels[QB_MIN(rows, level->rows) - 1]);
}

void qb_f32_gemm(const struct qb_f32_gemm *p, const float *const *row, int64_t rows,
	int64_t first, int64_t last, const float *residual, float *y, int64_t y_stride)
{
	const struct qb__f32_gemm_level *level = level_in_force();
	struct blocking b = block_row(p);
	/* As many blocks before the next panel as leave the rows in a second-level cache. */
	int64_t at_once = QB_MAX(CACHED / (rows * b.runs * b.depth), 1);
	struct qb__f32_block s = {.rows = rows, .w_run = p->depth * QB_F32_PANEL, .panel = weights_of(p, 1) - p->weights,
		.upper_offset = p->upper_offset, .y_stride = y_stride, .residual_last = p->epilogue.residual_last, .act = &p->epilogue.act};
	bool bare = !p->epilogue.bias && !residual && !p->epilogue.affine.scale && p->epilogue.act.kind == QB_ACT_NONE;
	int64_t smooth = tile_size(last - first, SMOOTH_PANELS);

	for (int64_t start = 0; start < b.count; start += at_once) {
		int64_t stop = QB_MIN(start + at_once, b.count), done = first;

		for (int64_t j = first, n; j < last; j += n) {
			int64_t o = j * QB_F32_PANEL;
			bool gemv = takes_gemv(p, level, rows, j, last);

			n = gemv ? level->gemv_panels : panels_at_once(p, level, rows, j, last);
			s.bias = p->epilogue.bias ? p->epilogue.bias + o : NULL;
			s.scale = p->epilogue.affine.scale ? p->epilogue.affine.scale + o : NULL;
			s.shift = p->epilogue.affine.scale ? p->epilogue.affine.shift + o : NULL;
			s.width = (int)QB_MIN(n * QB_F32_PANEL, p->outputs - o);
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
				if (gemv) {
					level->gemv(&s);
				} else {
					panel_rows(level, &s, (int)n, q + 1 < stop ? block_at(p, &b, j, q + 1)
						: next_weights(p, &b, first, last, j, n, start, stop));
				}
			}
			if (stop == b.count && (j + n - done >= smooth || j + n == last)) {
				activate_smooth(p, rows, done, j + n, y, y_stride);
				done = j + n;
			}
		}
	}
}

static void product_by_pointers(const struct qb_f32_products *p, int64_t i)
{
	const float *row[QB_F32_ROWS];
	struct qb_f32_gemm one = {.outputs = p->outputs, .runs = 1, .depth = p->depth, .weights = p->weights[i],
		.prefetch = i + 1 < p->count ? p->weights[i + 1] : NULL};

	for (int64_t first = 0, n; first < p->rows; first += n) {
		n = QB_MIN((int64_t)QB_F32_ROWS, p->rows - first);
		for (int64_t k = 0; k < n; k++) {
			row[k] = p->x + i * p->x_product + (first + k) * p->x_row;
		}
		qb_f32_gemm(&one, row, n, 0, (p->outputs + QB_F32_PANEL - 1) / QB_F32_PANEL, NULL, p->y + i * p->y_product + first * p->y_row,
			p->y_row);
	}
}

void qb_f32_products(const struct qb_f32_products *p)
{
	const struct qb__f32_gemm_level *level = level_in_force();
	struct qb__f32_strided s = {.x = p->x, .x_row = p->x_row, .depth = p->depth, .panel = p->depth * QB_F32_PANEL, .y = p->y,
		.y_row = p->y_row, .width = (int)p->outputs};

	for (int64_t i = 0; i < p->count; i++, s.x += p->x_product, s.y += p->y_product) {
		if (!level->strided || p->depth > KC) {
			product_by_pointers(p, i);
			continue;
		}
		s.w = p->weights[i];
		level->strided(&s, p->rows);
	}
}
