/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions of 3 x 3 with stride 1 by minimal filtering, F(4 x 4, 3 x 3) (Lavin and Gray, "Fast algorithms for
 * convolutional neural networks", 2016): tiles of 4 x 4 outputs from 6 x 6 inputs by 36 matrix products in place of
 * 144. A dilated image is as many images as phases. Only where no scheme replaces the weights, for these lie transformed.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/ops/dense_plan.h"
#include "core/ops/f32_kernels.h"
#include "core/ops/f32_math.h"
#include "core/ops/plans.h"

enum {
	OUT = 4, IN = 6, POINTS = IN * IN,
	LANES = 8,
	TILES_MIN = 12, TILES_MAX = 48, /* at a time */
	CACHED = 128 * 1024,            /* numbers, transformed inputs and outputs, that stay near */
};

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef int32_t masks __attribute__((vector_size(LANES * sizeof(int32_t)), aligned(4)));

struct winograd {
	struct qb_dense d;
	struct qb_act act;
	struct qb_tail tail;
	int64_t depth, width;        /* channels and outputs, rounded up to whole registers */
	int64_t tiles, at_once;      /* of all images */
	int64_t wide[2], phases;     /* tiles of one phase of one image, and phases along one side */
	int threads;
	const float *zeros, *weights; /* [36][outputs / 16][channels][16] */
};

enum { X, BIAS, ADD, SCRATCH, Y };

#define ALWAYS static inline __attribute__((always_inline))
#if defined(__x86_64__)
#define WIDE __attribute__((target("avx2,fma")))
#else
#define WIDE
#endif

/* The last channels may be fewer than a register holds. */
ALWAYS void load(lanes *v, const float *x, int64_t left)
{
	if (left >= LANES) {
		*v = *(const lanes *)(const void *)x;
	} else {
		*v = (lanes){0};
		memcpy(v, x, (size_t)left * sizeof(*x));
	}
}

ALWAYS void store(float *y, const lanes *v, int64_t left)
{
	if (left >= LANES) {
		*(lanes *)(void *)y = *v;
	} else {
		memcpy(y, v, (size_t)left * sizeof(*y));
	}
}

/* v = where ? from : v, lane by lane. */
ALWAYS void choose(lanes *v, const masks *where, const lanes *from)
{
	*v = (lanes)(((masks)*from & *where) | ((masks)*v & ~*where));
}

/* One row or column of the input's transform: B' d. */
ALWAYS void input_line(const lanes *d, int step, lanes *v, int to)
{
	lanes d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step],
	      d5 = d[5 * step];
	lanes a = d4 - 4 * d2, b = d3 - 4 * d1, c = d4 - d2, e = 2 * (d3 - d1);

	v[0] = 4 * d0 - 5 * d2 + d4;
	v[to] = a + b;
	v[2 * to] = a - b;
	v[3 * to] = c + e;
	v[4 * to] = c - e;
	v[5 * to] = 4 * d1 - 5 * d3 + d5;
}

/* Of the output's: A' m. */
ALWAYS void output_line(const lanes *m, int step, lanes *y, int to)
{
	lanes a = m[step] + m[2 * step], b = m[step] - m[2 * step];
	lanes c = m[3 * step] + m[4 * step], e = m[3 * step] - m[4 * step];

	y[0] = m[0] + a + c;
	y[to] = b + 2 * e;
	y[2 * to] = a + 4 * c;
	y[3 * to] = b + 8 * e + m[5 * step];
}

/* row [36]: where the tile's pixels lie; v [36][v_step]. */
ALWAYS void input_body(const float *const *row, int64_t channels, float *v, int64_t v_step)
{
	for (int64_t c = 0; c < channels; c += LANES) {
		lanes d[POINTS], t[POINTS], u[POINTS];

		for (int i = 0; i < POINTS; i++) {
			load(&d[i], row[i] + c, channels - c);
		}
#pragma GCC unroll 6
		for (int i = 0; i < IN; i++) {
			input_line(d + i, IN, t + i, IN);
		}
#pragma GCC unroll 6
		for (int i = 0; i < IN; i++) {
			input_line(t + i * IN, 1, u + i * IN, 1);
		}
		for (int i = 0; i < POINTS; i++) {
			*(lanes *)(void *)(v + i * v_step + c) = u[i];
		}
	}
}

/* What makes outputs of sums, for the channels of one register. lo: also the slope of a leaky activation. */
struct ending {
	lanes bias, lo, hi, gain, shift;
	bool leaky, gains, adds_last;
};

ALWAYS void begin_ending(struct ending *e, const struct winograd *w, const float *bias, int64_t c)
{
	int64_t left = w->d.outputs - c;
	bool clips = w->act.kind == QB_ACT_RELU || w->act.kind == QB_ACT_CLIP;
	lanes zero = {0};

	e->bias = e->gain = e->shift = zero;
	e->leaky = w->act.kind == QB_ACT_LEAKY;
	e->gains = w->tail.gain;
	e->adds_last = w->tail.adds;
	e->lo = zero + (clips || e->leaky ? w->act.lo : -INFINITY);
	e->hi = zero + (clips ? w->act.hi : INFINITY);
	if (bias) {
		load(&e->bias, bias + c, left);
	}
	if (e->gains) {
		load(&e->gain, w->tail.gain + c, left);
		load(&e->shift, w->tail.shift + c, left);
	}
}

ALWAYS void end(const struct ending *e, lanes *v, const float *add, int64_t left)
{
	lanes more = {0}, zero = {0};
	masks where;

	if (add) {
		load(&more, add, left);
	}
	*v += e->bias;
	*v = e->adds_last ? *v : *v + more;
	if (e->leaky) {
		lanes less = *v * e->lo;

		where = *v < zero;
		choose(v, &where, &less);
	} else {
		where = *v < e->lo;
		choose(v, &where, &e->lo);
		where = *v > e->hi;
		choose(v, &where, &e->hi);
	}
	*v = e->gains ? *v * e->gain + e->shift : *v;
	*v = e->adds_last ? *v + more : *v;
}

/* m [36][m_step]; y [16]: where the outputs go, NULL outside; add likewise or NULL. */
ALWAYS void output_body(const struct winograd *w, const float *m, int64_t m_step, const float *bias,
	const float *const *add, float *const *y)
{
	int64_t outputs = w->d.outputs;

	for (int64_t c = 0; c < outputs; c += LANES) {
		lanes d[POINTS], t[OUT * IN], u[OUT * OUT];
		struct ending e;

		begin_ending(&e, w, bias, c);
		for (int i = 0; i < POINTS; i++) {
			d[i] = *(const lanes *)(const void *)(m + i * m_step + c);
		}
#pragma GCC unroll 6
		for (int i = 0; i < IN; i++) {
			output_line(d + i, IN, t + i, IN);
		}
#pragma GCC unroll 4
		for (int i = 0; i < OUT; i++) {
			output_line(t + i * IN, 1, u + i * OUT, 1);
		}
		for (int i = 0; i < OUT * OUT; i++) {
			if (y[i]) {
				end(&e, &u[i], add ? add[i] + c : NULL, outputs - c);
				store(y[i] + c, &u[i], outputs - c);
			}
		}
	}
}

WIDE static void input_wide(const float *const *row, int64_t channels, float *v, int64_t v_step)
{
	input_body(row, channels, v, v_step);
}

WIDE static void output_wide(const struct winograd *w, const float *m, int64_t m_step, const float *bias,
	const float *const *add, float *const *y)
{
	output_body(w, m, m_step, bias, add, y);
}

/* The first output of a tile, and its image. */
struct origin {
	int64_t image, y, x;
};

static struct origin origin_of(const struct winograd *w, int64_t tile)
{
	int64_t plane = w->wide[0] * w->wide[1], phase = tile / plane % (w->phases * w->phases);
	int64_t in = tile % plane;
	struct origin o = {tile / plane / (w->phases * w->phases), phase / w->phases, phase % w->phases};

	o.y += in / w->wide[1] * OUT * w->phases;
	o.x += in % w->wide[1] * OUT * w->phases;
	return o;
}

static void transform_input(const struct winograd *w, const float *x, int64_t tile, float *v,
	int64_t v_step)
{
	const struct qb_dense *d = &w->d;
	struct origin o = origin_of(w, tile);
	const float *row[POINTS];

	for (int i = 0; i < POINTS; i++) {
		int64_t iy = o.y - d->pad[0] + i / IN * w->phases, ix = o.x - d->pad[1] + i % IN * w->phases;
		bool inside = iy >= 0 && iy < d->height && ix >= 0 && ix < d->width;

		row[i] = inside ? x + ((o.image * d->height + iy) * d->width + ix) * d->channels : w->zeros;
	}
	input_wide(row, d->channels, v, v_step);
}

static void transform_output(const struct winograd *w, void *const *buffer, int64_t tile,
	const float *m, int64_t m_step)
{
	const struct qb_dense *d = &w->d;
	struct origin o = origin_of(w, tile);
	const float *add[OUT * OUT];
	float *y[OUT * OUT];

	for (int i = 0; i < OUT * OUT; i++) {
		int64_t oy = o.y + i / OUT * w->phases, ox = o.x + i % OUT * w->phases;
		int64_t at = ((o.image * d->out_height + oy) * d->out_width + ox) * d->outputs;
		bool inside = oy < d->out_height && ox < d->out_width;

		y[i] = inside ? (float *)buffer[Y] + at : NULL;
		add[i] = inside && d->add ? (const float *)buffer[ADD] + at : NULL;
	}
	output_wide(w, m, m_step, d->bias ? buffer[BIAS] : NULL, d->add ? add : NULL, y);
	for (int i = 0; i < OUT * OUT && w->act.kind > QB_ACT_LEAKY; i++) {
		if (y[i]) {
			qb_f32_activate(&w->act, y[i], d->outputs);
		}
	}
}

static void run_tiles(const struct winograd *w, void *const *buffer, float *scratch, int64_t first,
	int64_t last)
{
	const struct qb_dense *d = &w->d;
	float *v = scratch, *m = scratch + POINTS * w->at_once * w->depth;
	size_t panels = qb_align_up((size_t)d->outputs, QB_F32_PANEL) / QB_F32_PANEL;
	struct qb_f32_product p = {.outputs = d->outputs, .runs = 1, .depth = d->channels};

	for (int64_t count; first < last; first += count) {
		count = QB_MIN(w->at_once, last - first);
		for (int64_t t = 0; t < count; t++) {
			transform_input(w, buffer[X], first + t, v + t * w->depth, count * w->depth);
		}
		for (int i = 0; i < POINTS; i++) {
			const float *row[TILES_MAX];

			for (int64_t t = 0; t < count; t++) {
				row[t] = v + (i * count + t) * w->depth;
			}
			p.weights = w->weights + (size_t)i * panels * QB_F32_PANEL * (size_t)d->channels;
			qb_f32_product(&p, row, count, 0, (int64_t)panels, NULL, m + i * count * w->width,
				w->width);
		}
		for (int64_t t = 0; t < count; t++) {
			transform_output(w, buffer, first + t, m + t * w->width, count * w->width);
		}
	}
}

static void run_winograd(const void *context, void *const *buffer)
{
	const struct winograd *w = context;
	size_t part = (size_t)(POINTS * w->at_once * (w->depth + w->width));

#pragma omp parallel for schedule(static) if (w->threads > 1) num_threads(w->threads)
	for (int t = 0; t < w->threads; t++) {
		run_tiles(w, buffer, (float *)buffer[SCRATCH] + (size_t)t * part,
			w->tiles * t / w->threads, w->tiles * (t + 1) / w->threads);
	}
}

/* G g G' of each filter, in double precision. */
static const float *transform_weights(struct qb_builder *b, const struct qb_dense *d)
{
	static const double g[IN][3] = {{0.25, 0, 0}, {-1.0 / 6, -1.0 / 6, -1.0 / 6},
		{-1.0 / 6, 1.0 / 6, -1.0 / 6}, {1.0 / 24, 1.0 / 12, 1.0 / 6},
		{1.0 / 24, -1.0 / 12, 1.0 / 6}, {0, 0, 1}};
	const float *from = d->w->constant->data;
	size_t outputs = qb_align_up((size_t)d->outputs, QB_F32_PANEL), c = (size_t)d->channels;
	float *to = qb_builder_alloc(b, POINTS * outputs * c, sizeof(*to));

	for (size_t o = 0; to && o < (size_t)d->outputs; o++) {
		for (size_t k = 0; k < c; k++) {
			const float *f = from + (o * c + k) * 9;
			double half[IN][3];

			for (int i = 0; i < IN * 3; i++) {
				half[i / 3][i % 3] = g[i / 3][0] * (double)f[i % 3] +
					g[i / 3][1] * (double)f[3 + i % 3] + g[i / 3][2] * (double)f[6 + i % 3];
			}
			for (int i = 0; i < POINTS; i++) {
				const double *h = half[i / IN], *q = g[i % IN];

				to[(((size_t)i * (outputs / QB_F32_PANEL) + o / QB_F32_PANEL) * c + k) * QB_F32_PANEL +
					o % QB_F32_PANEL] = (float)(h[0] * q[0] + h[1] * q[1] + h[2] * q[2]);
			}
		}
	}
	return to;
}

/* Transformed weights are four times as large: with few tiles to share them, reading them costs more than is won. And
 * tiles must be full: where phases are as many as pixels, each holds one output of sixteen. The transforms cost, too. */
static bool pays(const struct winograd *w)
{
	return 3 * POINTS * w->tiles <= 2 * qb_dense_cost(&w->d) && w->tiles >= 12 && w->d.channels >= 16 &&
		w->d.outputs >= 16;
}

static enum qb_err find_buffers(struct qb_builder *b, const struct winograd *w, int buffer[5],
	struct qb_errbuf *eb)
{
	const struct qb_dense *d = &w->d;
	struct qb_place place;
	int id;

	QB_TRY(qb_builder_source(b, d->x, &d->x_md, &place, eb));
	buffer[X] = buffer[BIAS] = buffer[ADD] = place.buffer;
	if (d->bias) {
		struct qb_shape s = {.known = true, .ndim = 1, .dim = {d->outputs}};
		dnnl_memory_desc_t md = qb_dnn_dense(&s);

		QB_TRY(qb_builder_weight(b, d->bias, &md, &md, &id, eb));
		buffer[BIAS] = QB_CALL_WEIGHT(id);
	}
	if (d->add) {
		QB_TRY(qb_builder_source(b, d->add, &d->y_md, &place, eb));
		buffer[ADD] = place.buffer;
	}
	QB_TRY(qb_builder_scratch(b,
		(size_t)(w->threads * POINTS * w->at_once * (w->depth + w->width)) * sizeof(float),
		&buffer[SCRATCH], eb));
	QB_TRY(qb_builder_define(b, d->y, &d->y_md, &place, eb));
	buffer[Y] = place.buffer;
	return QB_OK;
}

enum qb_err qb_plan_winograd(struct qb_builder *b, const struct qb_node *n, const struct qb_dense *d,
	struct qb_errbuf *eb)
{
	struct winograd w = {.d = *d, .act = n->act, .tail = n->tail, .phases = d->dilation[0],
		.threads = qb_builder_threads(b)};
	int buffer[5];

	if (!qb_f32_is_fast() || !qb_builder_fixes_weights(b) || d->groups != 1 || d->kernel[0] != 3 ||
		d->kernel[1] != 3 || d->stride[0] != 1 || d->stride[1] != 1 ||
		d->dilation[0] != d->dilation[1]) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 0; i < 2; i++) {
		int64_t out = i ? d->out_width : d->out_height;

		w.wide[i] = ((out + w.phases - 1) / w.phases + OUT - 1) / OUT;
	}
	w.tiles = d->images * w.phases * w.phases * w.wide[0] * w.wide[1];
	w.depth = (int64_t)qb_align_up((size_t)d->channels, LANES);
	w.width = (int64_t)qb_align_up((size_t)d->outputs, LANES);
	w.at_once = CACHED / (POINTS * (w.depth + w.width));
	/* Many weights are read again for each lot of tiles: then the lots are large. */
	w.at_once = QB_MAX(w.at_once, d->channels * d->outputs > CACHED / 8 ? TILES_MAX : TILES_MIN);
	w.at_once = QB_MIN(w.at_once, (int64_t)TILES_MAX);
	if (!pays(&w)) {
		return QB_EUNSUPPORTED;
	}
	w.zeros = qb_builder_alloc(b, (size_t)d->channels, sizeof(float));
	w.weights = transform_weights(b, d);
	if (!w.zeros || !w.weights) {
		return qb_fail(eb, QB_ENOMEM, "no memory for transformed weights");
	}
	QB_TRY(find_buffers(b, &w, buffer, eb));
	return qb_builder_call(b, n, "winograd 4x4", run_winograd, &w, sizeof(w), buffer, 5, 1, eb);
}
