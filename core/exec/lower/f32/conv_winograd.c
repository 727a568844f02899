/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions by Winograd F(m x m, r x r) (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016):
 * tiles of outputs from tiles of inputs by fewer products than outputs times kernel elements. A dilated image is as many
 * images as phases.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/f32/conv_igemm.h"
#include "core/kernels/f32/gemm.h"
#include "core/kernels/f32/math.h"
#include "core/exec/lower/lowerings.h"

enum {
	OUT_MOST = 4, SIZE_MOST = 9, POINTS_MOST = SIZE_MOST * SIZE_MOST,
	LANES = 8,
	LINE = 16,                      /* numbers of a line of the cache */
	TILES_MIN = 12, TILES_MAX = 48, /* at a time, more or less */
	SHARED = 1 << 20,               /* transformed weights that each scheme of a plan may have */
	CACHED = 32 * 1024,             /* numbers, transformed inputs and outputs, that stay near */
	MANY_WEIGHTS = 8192,            /* so many filters are read again for each block of tiles */
	/* Products that a number's transforms cost; counted higher where schemes are simulated, for the bits that filtering
	 * loses decide roundings there. */
	TRANSFORM = 16, TRANSFORM_OBSERVED = 25,
};

/* Along one side: `out` outputs of a kernel come from `size` inputs by as many products, at the points 0, 1, -1, 2 (-2) and
 * infinity. A stride of 2 splits inputs into even ones, filtered by the outer elements of the kernel, and odd ones, which the middle one
 * multiplies as they are: the last four products, all with the same weight. */
enum form { FOUR_OF_THREE, THREE_OF_THREE, FOUR_OF_TWO, FOUR_OF_STRIDED, FORMS };

static const struct {
	const char *name;
	int kernel, stride, out, size, weights; /* weights: transformed ones along one side */
	double g[6][3];
} forms[FORMS] = {
	{"winograd 4x4", 3, 1, 4, 6, 6, {{0.25, 0, 0}, {-1.0 / 6, -1.0 / 6, -1.0 / 6}, {-1.0 / 6, 1.0 / 6, -1.0 / 6},
		{1.0 / 24, 1.0 / 12, 1.0 / 6}, {1.0 / 24, -1.0 / 12, 1.0 / 6}, {0, 0, 1}}},
	{"winograd 3x3", 3, 1, 3, 5, 5, {{0.5, 0, 0}, {-0.5, -0.5, -0.5}, {-1.0 / 6, 1.0 / 6, -1.0 / 6},
		{1.0 / 6, 1.0 / 3, 2.0 / 3}, {0, 0, 1}}},
	{"winograd 4x4 of 2x2", 2, 1, 4, 5, 5, {{0.5, 0}, {-0.5, -0.5}, {-1.0 / 6, 1.0 / 6}, {1.0 / 6, 1.0 / 3}, {0, 1}}},
	{"winograd 4x4, stride 2", 3, 2, 4, 9, 6, {{0.5, 0, 0}, {-0.5, 0, -0.5}, {-1.0 / 6, 0, 1.0 / 6},
		{1.0 / 6, 0, 1.0 / 3}, {0, 0, 1}, {0, 1, 0}}},
};

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef int32_t masks __attribute__((vector_size(LANES * sizeof(int32_t)), aligned(4)));

struct winograd {
	enum form form;
	int out, size, points; /* of a tile's sides; size * size */
	struct qb_dense d;
	struct qb_epilogue epilogue;
	int64_t depth, width;        /* channels and outputs, rounded up to whole registers */
	int64_t tiles, at_once;      /* of all images */
	int64_t wide[2], phases;     /* tiles of one phase of one image, and phases along one side */
	int threads;
	const float *zeros;
};

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
ALWAYS void input_six(const lanes *d, int step, lanes *v, int to)
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

ALWAYS void input_five(const lanes *d, int step, lanes *v, int to)
{
	lanes d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
	lanes a = d3 - d1, b = d3 - d2;

	v[0] = 2 * (d0 - d2) + a;
	v[to] = b - 2 * d1;
	v[2 * to] = b - 2 * (d2 - d1);
	v[3 * to] = a;
	v[4 * to] = d4 - d2 - 2 * a;
}

ALWAYS void input_line(const enum form f, const lanes *d, int step, lanes *v, int to)
{
	if (f == FOUR_OF_THREE) {
		input_six(d, step, v, to);
	} else if (f != FOUR_OF_STRIDED) {
		input_five(d, step, v, to);
	} else {
		input_five(d, 2 * step, v, to);
		for (int i = 0; i < 4; i++) {
			v[(5 + i) * to] = d[(2 * i + 1) * step];
		}
	}
}

/* Of the output's: A' m. */
ALWAYS void output_line(const enum form f, const lanes *m, int step, lanes *y, int to)
{
	lanes a = m[step] + m[2 * step], b = m[step] - m[2 * step], c = m[3 * step], e = c;

	if (f == FOUR_OF_THREE) {
		c = m[3 * step] + m[4 * step];
		e = m[3 * step] - m[4 * step];
	}
	y[0] = m[0] + a + c;
	y[to] = b + 2 * e;
	y[2 * to] = a + 4 * c;
	if (f == THREE_OF_THREE) {
		y[2 * to] += m[4 * step];
		return;
	}
	y[3 * to] = b + 8 * e + m[(f == FOUR_OF_THREE ? 5 : 4) * step];
	for (int i = 0; f == FOUR_OF_STRIDED && i < 4; i++) {
		y[i * to] += m[(5 + i) * step];
	}
}

/* row [size][size]: where the tile's pixels lie; v [size][size][v_step]. */
ALWAYS void input_body(const enum form f, const float *const *row, int64_t channels, float *v, int64_t v_step)
{
	const int size = forms[f].size;

	for (int64_t c = 0; c < channels; c += LANES) {
		lanes d[POINTS_MOST], t[POINTS_MOST], u[POINTS_MOST];

		for (int i = 0; i < size * size; i++) {
			load(&d[i], row[i] + c, channels - c);
		}
#pragma GCC unroll 9
		for (int i = 0; i < size; i++) {
			input_line(f, d + i, size, t + i, size);
		}
#pragma GCC unroll 9
		for (int i = 0; i < size; i++) {
			input_line(f, t + i * size, 1, u + i * size, 1);
		}
		for (int i = 0; i < size * size; i++) {
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
	bool clips = w->epilogue.act.kind == QB_ACT_RELU || w->epilogue.act.kind == QB_ACT_CLIP;
	lanes zero = {0};

	e->bias = e->gain = e->shift = zero;
	e->leaky = w->epilogue.act.kind == QB_ACT_LEAKY;
	e->gains = w->epilogue.affine.scale;
	e->adds_last = w->epilogue.residual_last;
	e->lo = zero + (clips || e->leaky ? w->epilogue.act.lo : -INFINITY);
	e->hi = zero + (clips ? w->epilogue.act.hi : INFINITY);
	if (bias) {
		load(&e->bias, bias + c, left);
	}
	if (e->gains) {
		load(&e->gain, w->epilogue.affine.scale + c, left);
		load(&e->shift, w->epilogue.affine.shift + c, left);
	}
}

ALWAYS void end(const struct ending *e, lanes *v, const float *residual, int64_t left)
{
	lanes more = {0}, zero = {0};
	masks where;

	if (residual) {
		load(&more, residual, left);
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

/* m [size][size][m_step]; y [out][out]: where the outputs go, NULL outside; residual likewise or NULL. */
ALWAYS void output_body(const enum form f, const struct winograd *w, const float *m, int64_t m_step, const float *bias,
	const float *const *residual, float *const *y)
{
	const int size = forms[f].size, out = forms[f].out;
	int64_t outputs = w->d.outputs;

	for (int64_t c = 0; c < outputs; c += LANES) {
		lanes d[POINTS_MOST], t[OUT_MOST * SIZE_MOST], u[OUT_MOST * OUT_MOST];
		struct ending e;

		begin_ending(&e, w, bias, c);
		for (int i = 0; i < size * size; i++) {
			d[i] = *(const lanes *)(const void *)(m + i * m_step + c);
		}
#pragma GCC unroll 9
		for (int i = 0; i < size; i++) {
			output_line(f, d + i, size, t + i, size);
		}
#pragma GCC unroll 4
		for (int i = 0; i < out; i++) {
			output_line(f, t + i * size, 1, u + i * out, 1);
		}
		for (int i = 0; i < out * out; i++) {
			if (y[i]) {
				end(&e, &u[i], residual ? residual[i] + c : NULL, outputs - c);
				store(y[i] + c, &u[i], outputs - c);
			}
		}
	}
}

#define SIZED(f) \
	WIDE static void input_##f(const float *const *row, int64_t channels, float *v, int64_t v_step) \
	{ \
		input_body(f, row, channels, v, v_step); \
	} \
	WIDE static void output_##f(const struct winograd *w, const float *m, int64_t m_step, const float *bias, \
		const float *const *residual, float *const *y) \
	{ \
		output_body(f, w, m, m_step, bias, residual, y); \
	}
SIZED(FOUR_OF_THREE) SIZED(THREE_OF_THREE) SIZED(FOUR_OF_TWO) SIZED(FOUR_OF_STRIDED)
#undef SIZED

typedef void input_fn(const float *const *row, int64_t channels, float *v, int64_t v_step);
typedef void output_fn(const struct winograd *w, const float *m, int64_t m_step, const float *bias,
	const float *const *residual, float *const *y);
static input_fn *const input_of[FORMS] = {input_FOUR_OF_THREE, input_THREE_OF_THREE, input_FOUR_OF_TWO,
	input_FOUR_OF_STRIDED};
static output_fn *const output_of[FORMS] = {output_FOUR_OF_THREE, output_THREE_OF_THREE, output_FOUR_OF_TWO,
	output_FOUR_OF_STRIDED};

/* The first output of a tile, and its image. */
struct origin {
	int64_t image, y, x;
};

static struct origin origin_of(const struct winograd *w, int64_t tile)
{
	int64_t plane = w->wide[0] * w->wide[1], phase = tile / plane % (w->phases * w->phases);
	int64_t in = tile % plane;
	struct origin o = {tile / plane / (w->phases * w->phases), phase / w->phases, phase % w->phases};

	o.y += in / w->wide[1] * w->out * w->phases;
	o.x += in % w->wide[1] * w->out * w->phases;
	return o;
}

static void transform_input(const struct winograd *w, const float *x, int64_t tile, float *v,
	int64_t v_step)
{
	const struct qb_dense *d = &w->d;
	struct origin o = origin_of(w, tile);
	const float *row[POINTS_MOST];

	for (int i = 0; i < w->points; i++) {
		int64_t iy = o.y * d->stride[0] - d->pad[0] + i / w->size * w->phases;
		int64_t ix = o.x * d->stride[1] - d->pad[1] + i % w->size * w->phases;
		bool inside = iy >= 0 && iy < d->height && ix >= 0 && ix < d->width;

		row[i] = inside ? x + ((o.image * d->height + iy) * d->width + ix) * d->channels : w->zeros;
	}
	input_of[w->form](row, d->channels, v, v_step);
}

static void transform_output(const struct winograd *w, const struct qb_operands *at, int64_t tile,
	const float *m, int64_t m_step)
{
	const struct qb_dense *d = &w->d;
	struct origin o = origin_of(w, tile);
	const float *residual[OUT_MOST * OUT_MOST];
	float *y[OUT_MOST * OUT_MOST];

	for (int i = 0; i < w->out * w->out; i++) {
		int64_t oy = o.y + i / w->out * w->phases, ox = o.x + i % w->out * w->phases;
		int64_t offset = ((o.image * d->out_height + oy) * d->out_width + ox) * d->outputs;
		bool inside = oy < d->out_height && ox < d->out_width;

		y[i] = inside ? (float *)at->write[0] + offset : NULL;
		residual[i] = inside && d->residual ? (const float *)at->read[QB_DENSE_RESIDUAL] + offset : NULL;
	}
	output_of[w->form](w, m, m_step, d->bias ? at->read[QB_DENSE_BIAS] : NULL, d->residual ? residual : NULL, y);
	for (int i = 0; i < w->out * w->out && w->epilogue.act.kind > QB_ACT_LEAKY; i++) {
		if (y[i]) {
			qb_f32_activate(&w->epilogue.act, y[i], d->outputs);
		}
	}
}

/* Which of the transformed weights point i of a tile takes. */
static int weight_of(const struct winograd *w, int i)
{
	int most = forms[w->form].weights, y = i / w->size, x = i % w->size;

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
	struct qb_f32_gemm p = {.outputs = d->outputs, .runs = 1, .depth = d->channels};

	for (int64_t count, blocks = blocks_of(w, last - first); first < last; first += count, blocks--) {
		count = (last - first + blocks - 1) / blocks;
		for (int64_t t = 0; t < count; t++) {
			transform_input(w, at->read[QB_DENSE_X], first + t, v + t * w->depth, count * w->depth + LINE);
		}
		for (int i = 0; i < w->points; i++) {
			const float *row[2 * TILES_MAX];

			for (int64_t t = 0; t < count; t++) {
				row[t] = v + i * (count * w->depth + LINE) + t * w->depth;
			}
			p.weights = (const float *)at->read[QB_DENSE_WEIGHT] +
				(size_t)weight_of(w, i) * panels * QB_F32_PANEL * (size_t)d->channels;
			qb_f32_gemm(&p, row, count, 0, (int64_t)panels, NULL, m + i * (count * w->width + LINE),
				w->width);
		}
		for (int64_t t = 0; t < count; t++) {
			transform_output(w, at, first + t, m + t * w->width, count * w->width + LINE);
		}
	}
}

static void run_winograd(const void *context, const struct qb_operands *at)
{
	const struct winograd *w = context;
	size_t part = scratch_numbers(w);

#pragma omp parallel for schedule(static) if (w->threads > 1) num_threads(w->threads)
	for (int t = 0; t < w->threads; t++) {
		run_tiles(w, at, (float *)at->scratch[0] + (size_t)t * part,
			w->tiles * t / w->threads, w->tiles * (t + 1) / w->threads);
	}
}

static size_t transformed_numbers(const struct winograd *w)
{
	size_t side = (size_t)forms[w->form].weights;

	return side * side * qb_align_up((size_t)w->d.outputs, QB_F32_PANEL) * (size_t)w->d.channels;
}

/* G g G' of each filter, in double precision: [side * side][outputs / 16][channels][16]. */
static void transform_weights(const void *context, const float *from, float *to)
{
	const struct winograd *w = context;
	const double (*g)[3] = forms[w->form].g;
	size_t outputs = qb_align_up((size_t)w->d.outputs, QB_F32_PANEL), c = (size_t)w->d.channels;
	int side = forms[w->form].weights, kernel = forms[w->form].kernel;

	for (size_t o = 0; o < (size_t)w->d.outputs; o++) {
		for (size_t k = 0; k < c; k++) {
			const float *f = from + (o * c + k) * (size_t)(kernel * kernel);
			double half[6][3] = {{0}};

			for (int i = 0; i < side * kernel * kernel; i++) {
				int y = i / kernel / kernel, t = i / kernel % kernel, x = i % kernel;

				half[y][x] += g[y][t] * (double)f[t * kernel + x];
			}
			for (int i = 0; i < side * side; i++) {
				const double *h = half[i / side], *q = g[i % side];
				double sum = h[0] * q[0] + h[1] * q[1] + h[2] * q[2];

				to[(((size_t)i * (outputs / QB_F32_PANEL) + o / QB_F32_PANEL) * c + k) * QB_F32_PANEL +
					o % QB_F32_PANEL] = (float)sum;
			}
		}
	}
}

/* Transformed weights are more: with few tiles to share them, reading them costs more than is won. And tiles must be full:
 * where phases are as many as pixels, each holds one output of sixteen. A number's transforms cost some TRANSFORM products. */
static bool pays(const struct winograd *w, int transform)
{
	int64_t pairs = w->d.channels * w->d.outputs, sides = w->d.channels + w->d.outputs;

	return 10 * w->points * w->tiles * (pairs + transform * sides) <= 9 * qb_dense_cost(&w->d) * pairs &&
		w->tiles >= 12;
}

/* The form that has the fewest products; false where none fits. */
static bool choose_form(struct winograd *w)
{
	const struct qb_dense *d = &w->d;
	int64_t least = INT64_MAX;

	for (int f = 0; f < FORMS; f++) {
		int64_t out[2] = {d->out_height, d->out_width}, tiles = d->images * w->phases * w->phases, wide[2];
		int points = forms[f].size * forms[f].size;

		if (d->kernel[0] != forms[f].kernel || d->kernel[1] != forms[f].kernel ||
			d->stride[0] != forms[f].stride || d->stride[1] != forms[f].stride ||
			(w->phases > 1 && forms[f].stride > 1)) {
			continue;
		}
		for (int i = 0; i < 2; i++) {
			wide[i] = ((out[i] + w->phases - 1) / w->phases + forms[f].out - 1) / forms[f].out;
			tiles *= wide[i];
		}
		if (points * tiles < least) {
			least = points * tiles;
			w->form = (enum form)f;
			w->out = forms[f].out;
			w->size = forms[f].size;
			w->points = points;
			w->tiles = tiles;
			memcpy(w->wide, wide, sizeof(wide));
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

	if (!qb_f32_is_fast() || d->w_at || d->groups != 1 ||
		d->dilation[0] != d->dilation[1] || !choose_form(&w) || !pays(&w, qb_builder_is_frozen(b) ? TRANSFORM : TRANSFORM_OBSERVED) ||
		(!qb_builder_is_frozen(b) && transformed_numbers(&w) > SHARED)) {
		return QB_EUNSUPPORTED;
	}
	w.depth = (int64_t)qb_align_up((size_t)d->channels, LANES);
	w.width = (int64_t)qb_align_up((size_t)d->outputs, LANES);
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
	call.name = forms[w.form].name;
	call.scratch[0] = (size_t)w.threads * scratch_numbers(&w) * sizeof(float);
	return qb_builder_call(b, n, &call, eb);
}
