/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions by Winograd F(m x m, r x r) (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016):
 * tiles of outputs from tiles of inputs by fewer products than outputs times kernel elements. A dilated image is as many
 * images as phases.
 */
#include <string.h>

#include "core/base/cpu.h"
#include "core/base/size.h"
#include "core/exec/lower/f32/choice.h"
#include "core/exec/lower/f32/conv_igemm.h"
#include "core/kernels/f32/gemm.h"
#include "core/kernels/f32/math.h"
#include "core/kernels/f32/winograd.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

enum {
	OUT_MOST = QB_WINOGRAD_OUT_MOST, POINTS_MOST = QB_WINOGRAD_SIZE_MOST * QB_WINOGRAD_SIZE_MOST,
	LINE = 16,                      /* numbers of a line of the cache */
	TILES_MIN = 12, TILES_MAX = 48, /* at a time, more or less */
	FEW_TILES = 8, FEW_TILES_FAR = 16, /* fewer than this wait for weights: for some, and for MANY_TRANSFORMED */
	MANY_TRANSFORMED = 1 << 20,
	MANY_ELEMENTS = 384 * 1024,
	SHARED = 1 << 20,               /* transformed weights that each scheme of a plan may have */
	CACHED = 32 * 1024,             /* numbers, transformed inputs and outputs, that stay near */
	MANY_WEIGHTS = 8192,            /* so many filters are read again for each block of tiles */
	/* Products that a number's transforms cost; counted higher where schemes are simulated, for the bits that filtering
	 * loses decide roundings there. */
	TRANSFORM = 16, TRANSFORM_OBSERVED = 25,
};

struct winograd {
	enum qb_f32_winograd_form form;
	int out, size, points; /* of a tile's sides; size * size */
	struct qb_dense d;
	struct qb_epilogue epilogue;
	int64_t depth, width;        /* channels and outputs, rounded up as the transforms want them */
	int64_t tiles, at_once;      /* of all images */
	int64_t wide[2], phases;     /* tiles of one phase of one image, and phases along one side */
	int threads;
	const float *zeros;
};

/* The first output of a tile, its image, and where the tile is among those of its phase. */
struct origin {
	int64_t image, y, x, column, row, phase;
};

static void place(const struct winograd *w, struct origin *o)
{
	o->y = o->phase / w->phases + o->row * w->out * w->phases;
	o->x = o->phase % w->phases + o->column * w->out * w->phases;
}

static struct origin origin_of(const struct winograd *w, int64_t tile)
{
	int64_t plane = w->wide[0] * w->wide[1], phases = w->phases * w->phases;
	struct origin o = {.image = tile / plane / phases, .column = tile % w->wide[1], .row = tile % plane / w->wide[1],
		.phase = tile / plane % phases};

	place(w, &o);
	return o;
}

/* The next tile's, without divisions. */
static void advance(const struct winograd *w, struct origin *o)
{
	o->x += w->out * w->phases;
	if (++o->column < w->wide[1]) {
		return;
	}
	o->column = 0;
	if (++o->row == w->wide[0]) {
		o->row = 0;
		if (++o->phase == w->phases * w->phases) {
			o->phase = 0;
			o->image++;
		}
	}
	place(w, o);
}

/* [side][side] pointers to pixels `step` apart, the first at line y and column x of an image [height][width][channels];
 * pixels outside are `outside`. */
static void point_at_pixels(const float *x, int64_t y0, int64_t x0, int64_t step, int side, const int64_t size[2], int64_t channels,
	const float *outside, const float **to)
{
	int64_t last = (side - 1) * step, line = step * size[1] * channels;
	const float *at = x + (y0 * size[1] + x0) * channels;

	if (y0 >= 0 && x0 >= 0 && y0 + last < size[0] && x0 + last < size[1]) {
		for (int i = 0; i < side; i++, at += line) {
			for (int k = 0; k < side; k++) {
				*to++ = at + k * step * channels;
			}
		}
		return;
	}
	for (int i = 0; i < side; i++) {
		int64_t iy = y0 + i * step;

		for (int k = 0; k < side; k++) {
			int64_t ix = x0 + k * step;
			bool inside = iy >= 0 && iy < size[0] && ix >= 0 && ix < size[1];

			*to++ = inside ? x + (iy * size[1] + ix) * channels : outside;
		}
	}
}

static void transform_input(const struct winograd *w, const float *x, const struct origin *o, float *v, int64_t v_step)
{
	const struct qb_dense *d = &w->d;
	const int64_t size[2] = {d->height, d->width};
	const float *row[POINTS_MOST];

	point_at_pixels(x + o->image * d->height * d->width * d->channels, o->y * d->stride[0] - d->pad[0], o->x * d->stride[1] - d->pad[1],
		w->phases, w->size, size, d->channels, w->zeros, row);
	qb_f32_winograd_input(w->form, row, d->channels, v, v_step);
}

static void transform_output(const struct winograd *w, const struct qb_operands *at, const struct qb_epilogue *p, const struct origin *o,
	const float *m, int64_t m_step)
{
	const struct qb_dense *d = &w->d;
	const int64_t size[2] = {d->out_height, d->out_width};
	int64_t image = o->image * d->out_height * d->out_width * d->outputs;
	const float *residual[OUT_MOST * OUT_MOST], *to[OUT_MOST * OUT_MOST];
	float *y[OUT_MOST * OUT_MOST];

	point_at_pixels((const float *)at->write[0] + image, o->y, o->x, w->phases, w->out, size, d->outputs, NULL, to);
	if (d->residual) {
		point_at_pixels((const float *)at->read[QB_DENSE_RESIDUAL] + image, o->y, o->x, w->phases, w->out, size, d->outputs, NULL,
			residual);
	}
	for (int i = 0; i < w->out * w->out; i++) {
		y[i] = (float *)to[i];
	}
	qb_f32_winograd_output(w->form, m, m_step, d->outputs, p, d->residual ? residual : NULL, y);
	for (int i = 0; i < w->out * w->out && w->epilogue.act.kind > QB_ACT_LEAKY; i++) {
		if (y[i]) {
			qb_f32_activate(&w->epilogue.act, y[i], d->outputs);
		}
	}
}

/* Which of the transformed weights point i of a tile takes. */
static int weight_of(const struct winograd *w, int i)
{
	int most = qb_f32_winograd_forms[w->form].weights, y = i / w->size, x = i % w->size;

	return QB_MIN(y, most - 1) * most + QB_MIN(x, most - 1);
}

/* Blocks of nearly equal size: 49 tiles are one. */
static int64_t blocks_of(const struct winograd *w, int64_t tiles)
{
	return QB_MAX((tiles + w->at_once / 2) / w->at_once, INT64_C(1));
}

static int64_t most_at_once(const struct winograd *w)
{
	return w->at_once * 3 / 2 + 1;
}

/* Of one thread. Each point's numbers end with a line that is not used: at powers of two they would share their places
 * in the cache. */
static size_t scratch_numbers(const struct winograd *w)
{
	return (size_t)(w->points * (most_at_once(w) * (w->depth + w->width) + 2 * LINE));
}

static void run_tiles(const struct winograd *w, const struct qb_operands *at, float *scratch, int64_t first,
	int64_t last)
{
	const struct qb_dense *d = &w->d;
	float *v = scratch, *m = scratch + w->points * (most_at_once(w) * w->depth + LINE);
	size_t panels = qb_align_up((size_t)d->outputs, QB_F32_PANEL) / QB_F32_PANEL;
	const float *weights[POINTS_MOST];
	struct qb_f32_products p = {.count = w->points, .depth = d->channels, .outputs = d->outputs, .x = v, .x_row = w->depth,
		.weights = weights, .y = m, .y_row = w->width};
	struct qb_epilogue epilogue = w->epilogue;
	struct origin in = origin_of(w, first), out = in;

	epilogue.bias = d->bias ? at->read[QB_DENSE_BIAS] : NULL;
	for (int i = 0; i < w->points; i++) {
		weights[i] = (const float *)at->read[QB_DENSE_WEIGHT] + (size_t)weight_of(w, i) * panels * QB_F32_PANEL * (size_t)d->channels;
	}
	for (int64_t count, blocks = blocks_of(w, last - first); first < last; first += count, blocks--) {
		count = (last - first + blocks - 1) / blocks;
		for (int64_t t = 0; t < count; t++, advance(w, &in)) {
			transform_input(w, at->read[QB_DENSE_X], &in, v + t * w->depth, count * w->depth + LINE);
		}
		p.rows = count;
		p.x_product = count * w->depth + LINE;
		p.y_product = count * w->width + LINE;
		qb_f32_products(&p);
		for (int64_t t = 0; t < count; t++, advance(w, &out)) {
			transform_output(w, at, &epilogue, &out, m + t * w->width, count * w->width + LINE);
		}
	}
}

static void run_part(const void *context, const struct qb_operands *at, int64_t t)
{
	const struct winograd *w = context;

	run_tiles(w, at, (float *)at->scratch[0] + (size_t)t * scratch_numbers(w), w->tiles * t / w->threads, w->tiles * (t + 1) / w->threads);
}

static void run_winograd(const void *context, const struct qb_operands *at)
{
	const struct winograd *w = context;

	qb_threads_loop(w->threads, w->threads, run_part, w, at);
}

static size_t transformed_numbers(const struct winograd *w)
{
	size_t side = (size_t)qb_f32_winograd_forms[w->form].weights;

	return side * side * qb_align_up((size_t)w->d.outputs, QB_F32_PANEL) * (size_t)w->d.channels;
}

/* G g G' of each filter, in double precision: [side * side][outputs / 16][channels][16]. */
static void transform_weights(const void *context, const float *from, float *to)
{
	const struct winograd *w = context;
	const struct qb_f32_winograd *form = &qb_f32_winograd_forms[w->form];
	size_t outputs = qb_align_up((size_t)w->d.outputs, QB_F32_PANEL), c = (size_t)w->d.channels;
	int side = form->weights, kernel = form->kernel;

	for (size_t o = 0; o < (size_t)w->d.outputs; o++) {
		for (size_t k = 0; k < c; k++) {
			const float *f = from + (o * c + k) * (size_t)(kernel * kernel);
			double half[6][3] = {{0}};

			for (int i = 0; i < side * kernel * kernel; i++) {
				int y = i / kernel / kernel, t = i / kernel % kernel, x = i % kernel;

				half[y][x] += form->g[y][t] * (double)f[t * kernel + x];
			}
			for (int i = 0; i < side * side; i++) {
				const double *h = half[i / side], *q = form->g[i % side];
				double sum = h[0] * q[0] + h[1] * q[1] + h[2] * q[2];

				to[(((size_t)i * (outputs / QB_F32_PANEL) + o / QB_F32_PANEL) * c + k) * QB_F32_PANEL +
					o % QB_F32_PANEL] = (float)sum;
			}
		}
	}
}

/* In multiply-adds. Transformed weights are more: with few tiles to share them, reading them costs as much as so many tiles do. The
 * transforms of an element cost some multiply-adds; with AVX-512, where these are twice as fast and memory is not, more of them,
 * and most where elements leave the second-level cache. */
static int64_t cost_of(const struct winograd *w, int transform)
{
	int64_t pairs = w->d.channels * w->d.outputs, sides = w->d.channels + w->d.outputs;
	int side = qb_f32_winograd_forms[w->form].weights;
	int64_t few = side * side * pairs > MANY_TRANSFORMED ? FEW_TILES_FAR : FEW_TILES;

	if (qb_cpu_has(QB_FLAG_AVX512)) {
		few *= 2;
		transform += transform / 2;
		transform *= w->points * QB_MIN(w->tiles, (int64_t)TILES_MAX) * sides > MANY_ELEMENTS ? 2 : 1;
	}
	return QB_MAX(w->points * w->tiles, side * side * few) * pairs + w->points * transform * w->tiles * sides;
}

/* The plain sum's, likewise. Few panels keep AVX-512 waiting for loads. */
static int64_t plain_cost(const struct qb_dense *d)
{
	int64_t cost = qb_dense_cost(d) * d->channels * d->outputs;

	if (qb_cpu_has(QB_FLAG_AVX512)) {
		cost += d->outputs <= QB_F32_PANEL ? cost / 2 : d->outputs <= 2 * QB_F32_PANEL ? cost / 4 : 0;
	}
	return cost;
}

/* The form that costs least; false where none costs less than the plain sum by a tenth. */
static bool choose_form(struct winograd *w, int transform)
{
	const struct qb_dense *d = &w->d;
	int64_t most = plain_cost(d) / 10 * 9, least = INT64_MAX;

	for (int f = 0; f < QB_WINOGRAD_FORMS; f++) {
		const struct qb_f32_winograd *form = &qb_f32_winograd_forms[f];
		struct winograd as = *w;
		int64_t out[2] = {d->out_height, d->out_width}, cost;

		if (d->kernel[0] != form->kernel || d->kernel[1] != form->kernel ||
			d->stride[0] != form->stride || d->stride[1] != form->stride ||
			(w->phases > 1 && form->stride > 1)) {
			continue;
		}
		as.form = (enum qb_f32_winograd_form)f;
		as.out = form->out;
		as.size = form->size;
		as.points = form->size * form->size;
		as.tiles = d->images * w->phases * w->phases;
		for (int i = 0; i < 2; i++) {
			as.wide[i] = ((out[i] + w->phases - 1) / w->phases + form->out - 1) / form->out;
			as.tiles *= as.wide[i];
		}
		cost = cost_of(&as, transform);
		if (cost <= most && cost < least) {
			least = cost;
			*w = as;
		}
	}
	return least < INT64_MAX;
}

enum qb_err qb_plan_winograd(struct qb_builder *b, const struct qb_lowered *op, const struct qb_dense *d,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct winograd w = {.d = *d, .epilogue = qb_lowered_epilogue(op), .phases = d->dilation[0],
		.threads = qb_builder_threads(b)};
	struct qb_call call = {.fn = run_winograd, QB_CONTEXT(w)};
	int id;

	if (!qb_f32_ours(QB_F32_WINOGRAD) || d->w_at || d->groups != 1 ||
		d->dilation[0] != d->dilation[1] || !choose_form(&w, qb_builder_is_frozen(b) ? TRANSFORM : TRANSFORM_OBSERVED) ||
		(!qb_builder_is_frozen(b) && transformed_numbers(&w) > SHARED)) {
		return QB_EUNSUPPORTED;
	}
	w.depth = (int64_t)qb_align_up((size_t)d->channels, QB_WINOGRAD_ROUND);
	w.width = (int64_t)qb_align_up((size_t)d->outputs, QB_WINOGRAD_ROUND);
	w.at_once = CACHED / (w.points * (w.depth + w.width));
	w.at_once = QB_MAX(w.at_once, d->channels * d->outputs >= MANY_WEIGHTS ? TILES_MAX : TILES_MIN);
	w.at_once = QB_MIN(w.at_once, (int64_t)TILES_MAX);
	w.zeros = qb_builder_alloc(b, (size_t)d->channels, sizeof(float));
	if (!w.zeros) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a row of zeros");
	}
	QB_TRY(qb_builder_made_weight(b, d->w, transform_weights, &w, sizeof(w), transformed_numbers(&w), &id, eb));
	call.reads[QB_DENSE_WEIGHT] = QB_CALL_WEIGHT(id);
	QB_TRY(qb_dense_operands(b, d, &call, eb));
	call.name = qb_f32_winograd_forms[w.form].name;
	call.scratch[0] = (size_t)w.threads * scratch_numbers(&w) * sizeof(float);
	return qb_builder_call(b, n, &call, eb);
}
