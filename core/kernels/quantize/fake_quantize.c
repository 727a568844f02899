/* SPDX-License-Identifier: Apache-2.0
 *
 * A run of elements goes through in blocks that stay in the first cache: what each element adds to the sums is written
 * there, then added up. Channels that lie side by side are a block of elements with a scale each.
 */
#include "core/kernels/quantize/fake_quantize.h"

#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/kernels/f32/math.h"
#include "core/kernels/quantize/kernels.h"

enum { BLOCK = 256, LANES = 16 };

static const char *const estimators[] = {
#define X(id, name) name,
	QB_ESTIMATORS(X)
#undef X
};

const char *qb_estimator_name(int estimator)
{
	return estimator >= 0 && estimator < (int)QB_COUNT(estimators) ? estimators[estimator] : NULL;
}

enum qb_err qb_estimator_parse(enum qb_estimator *out, const char *name, struct qb_errbuf *eb)
{
	for (int i = 0; i < (int)QB_COUNT(estimators); i++) {
		if (!strcmp(estimators[i], name)) {
			*out = (enum qb_estimator)i;
			return QB_OK;
		}
	}
	return qb_fail(eb, QB_EINVAL, "there is no estimator \"%s\"; there are ste, lsq, pact, ewgs and dsq", name);
}

enum qb_err qb_fake_quantizer_check(const struct qb_format *f, enum qb_estimator estimator, struct qb_errbuf *eb)
{
	if (f->block) {
		return qb_fail(eb, QB_EUNSUPPORTED, "%s: formats with a scale for each block cannot be trained; take one per tensor "
			"or per channel", f->name);
	}
	if (f->overflows) {
		return qb_fail(eb, QB_EUNSUPPORTED, "%s: a format that overflows has no gradient beyond its range; take one that "
			"saturates", f->name);
	}
	if ((estimator == QB_ESTIMATOR_EWGS || estimator == QB_ESTIMATOR_DSQ) && f->kind != QB_FORMAT_INT) {
		return qb_fail(eb, QB_EUNSUPPORTED, "%s: the estimator %s is of integers, whose steps are even; take lsq", f->name,
			qb_estimator_name((int)estimator));
	}
	return QB_OK;
}

int32_t qb__fake_quantize_zero(const struct qb_format *f, double offset, double scale)
{
	double z = nearbyint(-offset / scale), lo = qb_format_min(f), hi = qb_format_max(f);

	return z == z ? (int32_t)(z < lo ? lo : z > hi ? hi : z) : 0;
}

float qb_fake_quantizer_scale(const struct qb_fake_quantizer *q, int64_t c)
{
	return q->scale[c] >= QB_FAKE_QUANTIZE_SCALE_LEAST ? q->scale[c] : QB_FAKE_QUANTIZE_SCALE_LEAST;
}

int32_t qb_fake_quantizer_zero(const struct qb_fake_quantizer *q, int64_t c)
{
	if (q->offset && q->format.kind == QB_FORMAT_INT) {
		return qb__fake_quantize_zero(&q->format, (double)q->offset[c], (double)qb_fake_quantizer_scale(q, c));
	}
	return q->zero && !q->offset ? q->zero[c] : 0;
}

/* How channels lie: one run of elements for each, or `repeat` rows of `width` channels, a scale for each element. */
struct tiles {
	bool side_by_side;
	int64_t runs, run;     /* of one channel each, in turn */
	int64_t width, repeat;
};

static struct tiles tiles_of(int64_t channels, int64_t outer, int64_t inner)
{
	struct tiles t = {.runs = outer * channels, .run = inner};

	if (channels == 1) {
		return (struct tiles){.runs = 1, .run = outer * inner};
	}
	if (inner == 1 && outer > 1) {
		t.side_by_side = true;
		t.width = QB_MIN(channels, (int64_t)BLOCK);
		t.repeat = QB_MIN(BLOCK / t.width, outer);
	}
	return t;
}

/* What a block of elements has, a number each where channels lie side by side, one for all otherwise. lo and hi are the ends of
 * the range in steps; beyond them dy / ds is middle -/+ reach. */
struct ranges {
	float scale[BLOCK], lo[BLOCK], hi[BLOCK], middle[BLOCK], reach[BLOCK];
	int32_t zero[BLOCK];
};

static void range_at(const struct qb_fake_quantizer *q, const struct qb_grid *g, int64_t c, struct ranges *r, int64_t i)
{
	int32_t zero = qb_fake_quantizer_zero(q, c);
	float shift = q->offset ? 0 : (float)zero;

	r->scale[i] = qb_fake_quantizer_scale(q, c);
	r->zero[i] = zero;
	r->lo[i] = g->lo - (float)zero;
	r->hi[i] = g->hi - (float)zero;
	r->middle[i] = (g->lo + g->hi) / 2 - shift;
	r->reach[i] = (g->hi - g->lo) / 2;
}

/* Of channels c to c + width, again and again. */
static void ranges_at(const struct qb_fake_quantizer *q, const struct qb_grid *g, int64_t c, int64_t width, int64_t repeat,
	struct ranges *r)
{
	for (int64_t i = 0; i < width * repeat; i++) {
		range_at(q, g, c + i % width, r, i);
	}
}

/* ---- forward ---- */

static void forward(const struct qb_grid *g, const struct ranges *r, bool each, const float *x, float *y, int64_t n)
{
	float inverse = 1 / r->scale[0];
	struct qb_run_args a = {.x = x, .y = y, .n = (size_t)n, .scale = r->scale, .zero = r->zero, .stride = each};

	if (!each && qb_grid_divides_fast(g, r->scale[0])) {
		a.inverse = &inverse;
	}
	if (g->kind != QB_FORMAT_INT) {
		a.zero = NULL;
	}
	qb_kernels()->qdq(g, &a);
}

void qb_fake_quantize(const struct qb_fake_quantizer *q, const float *x, float *y, int64_t outer, int64_t inner)
{
	struct tiles t = tiles_of(q->channels, outer, inner);
	struct qb_grid g;
	struct ranges r;

	qb_grid_init(&g, &q->format);
	if (!t.side_by_side) {
		for (int64_t i = 0; i < t.runs; i++) {
			range_at(q, &g, i % q->channels, &r, 0);
			forward(&g, &r, false, x + i * t.run, y + i * t.run, t.run);
		}
		return;
	}
	for (int64_t c = 0, width; c < q->channels; c += width) {
		width = QB_MIN(t.width, q->channels - c);
		ranges_at(q, &g, c, width, t.repeat, &r);
		for (int64_t o = 0, rows; o < outer; o += rows) {
			rows = QB_MIN(t.repeat, outer - o);
			forward(&g, &r, true, x + o * q->channels + c, y + o * q->channels + c, rows * width);
		}
	}
}

/* ---- backward ---- */

/* A block: dx, and what each element adds to the sums. argument: of dsq tanh(k u). q: what is no integer, quantized. */
struct block {
	const struct ranges *r;
	const float *x, *dy;
	float *dx;
	int64_t n;
	float delta, S, k, dk;
	float scale[BLOCK], offset[BLOCK], factor[BLOCK], argument[BLOCK], q[BLOCK];
};

/* Round half to even for |v| < 2^22. */
static inline __attribute__((always_inline)) float nearest(float v)
{
	return (v + 12582912.0f) - 12582912.0f;
}

static inline __attribute__((always_inline)) float clamp(float v, float lo, float hi)
{
	v = v < lo ? lo : v;
	return v > hi ? hi : v;
}

/* u of dsq. */
static inline __attribute__((always_inline)) float between(float v)
{
	float r = nearest(v);

	return (v - (r > v ? r - 1 : r)) - 0.5f;
}

/* estimator, each and integer are known when compiled. */
static inline __attribute__((always_inline)) void gradient_loop(struct block *b, int estimator, int each, int integer)
{
	const struct ranges *ranges = b->r;
	const float delta = b->delta, half = b->S / 2, rise = b->S * b->S / 2, k = b->k, dk = b->dk;
	/* Of all, in registers. */
	const float s0 = ranges->scale[0], lo0 = ranges->lo[0], hi0 = ranges->hi[0];
	const float middle0 = ranges->middle[0], reach0 = ranges->reach[0];
	const int64_t n = b->n;

#ifndef __clang__
#pragma GCC ivdep
#endif
	for (int64_t i = 0; i < n; i++) {
		const float s = each ? ranges->scale[i] : s0, lo = each ? ranges->lo[i] : lo0, hi = each ? ranges->hi[i] : hi0;
		const float middle = each ? ranges->middle[i] : middle0, reach = each ? ranges->reach[i] : reach0;
		const float x = b->x[i], g = b->dy[i], v = x / s, t = b->argument[i];
		const float r = nearest(clamp(v, lo, hi)), wide = nearest(clamp(v, lo - 1, hi + 1));
		const float sign = g > 0 ? 1.0f : g < 0 ? -1.0f : 0.0f;
		float D = 1, inner = integer ? r - v : (b->q[i] - x) / s;
		int in = estimator == QB_ESTIMATOR_PACT ? (v > lo) & (v < hi) : (v >= lo) & (v <= hi);

		if (estimator == QB_ESTIMATOR_STE && integer) {
			in = (wide >= lo) & (wide <= hi);
		} else if (estimator == QB_ESTIMATOR_PACT) {
			inner = 0;
		} else if (estimator == QB_ESTIMATOR_EWGS) {
			D = 1 + delta * sign * (v - r);
			inner = r - D * v;
		} else if (estimator == QB_ESTIMATOR_DSQ) {
			D = half * k * (1 - t * t);
			inner = r - D * v;
			b->factor[i] = in ? s * g * (rise * t + half * (1 - t * t) * between(v) * dk) : 0;
		}
		b->scale[i] = g * (in ? inner : v >= hi ? middle + reach : middle - reach);
		b->offset[i] = in ? 0 : g;
		b->dx[i] = in ? g * D : 0;
	}
}

static inline __attribute__((always_inline)) void gradient_of(struct block *b, int estimator, const int each, int integer)
{
	switch (estimator * 2 + (integer ? 1 : 0)) {
	case 2 * QB_ESTIMATOR_STE: gradient_loop(b, QB_ESTIMATOR_STE, each, 0); break;
	case 2 * QB_ESTIMATOR_STE + 1: gradient_loop(b, QB_ESTIMATOR_STE, each, 1); break;
	case 2 * QB_ESTIMATOR_LSQ: gradient_loop(b, QB_ESTIMATOR_LSQ, each, 0); break;
	case 2 * QB_ESTIMATOR_LSQ + 1: gradient_loop(b, QB_ESTIMATOR_LSQ, each, 1); break;
	case 2 * QB_ESTIMATOR_PACT: gradient_loop(b, QB_ESTIMATOR_PACT, each, 0); break;
	case 2 * QB_ESTIMATOR_PACT + 1: gradient_loop(b, QB_ESTIMATOR_PACT, each, 1); break;
	case 2 * QB_ESTIMATOR_EWGS + 1: gradient_loop(b, QB_ESTIMATOR_EWGS, each, 1); break;
	case 2 * QB_ESTIMATOR_DSQ + 1: gradient_loop(b, QB_ESTIMATOR_DSQ, each, 1); break;
	}
}

static inline __attribute__((always_inline)) void gradient_each_body(struct block *b, int estimator, int integer)
{
	gradient_of(b, estimator, 1, integer);
}

static inline __attribute__((always_inline)) void gradient_one_body(struct block *b, int estimator, int integer)
{
	gradient_of(b, estimator, 0, integer);
}

/* tanh's arguments of dsq. */
static inline __attribute__((always_inline)) void arguments_body(struct block *b, int each)
{
	for (int64_t i = 0; i < b->n; i++) {
		b->argument[i] = b->k * between(clamp(b->x[i] / b->r->scale[each * i], b->r->lo[each * i], b->r->hi[each * i]));
	}
}

/* sums[LANES] += each sixteenth of x [n]; a block of float32 at a time. */
static inline __attribute__((always_inline)) void add_lanes_body(const float *restrict x, int64_t n, double *restrict sums)
{
	float part[LANES] = {0};
	int64_t i = 0;

	for (; i + LANES <= n; i += LANES) {
		for (int l = 0; l < LANES; l++) {
			part[l] += x[i + l];
		}
	}
	for (int l = 0; l < LANES; l++) {
		sums[l] += (double)part[l];
	}
	for (; i < n; i++) {
		sums[i % LANES] += (double)x[i];
	}
}

/* sums[i] += x[i] */
static inline __attribute__((always_inline)) void add_each_body(const float *restrict x, int64_t n, double *restrict sums)
{
	for (int64_t i = 0; i < n; i++) {
		sums[i] += (double)x[i];
	}
}

QB_FOR_EVERY_LEVEL(static, gradient_each, (struct block *b, int estimator, int integer), (b, estimator, integer))
QB_FOR_EVERY_LEVEL(static, gradient_one, (struct block *b, int estimator, int integer), (b, estimator, integer))
QB_FOR_EVERY_LEVEL(static, arguments, (struct block *b, int each), (b, each))
QB_FOR_EVERY_LEVEL(static, add_lanes, (const float *x, int64_t n, double *sums), (x, n, sums))
QB_FOR_EVERY_LEVEL(static, add_each, (const float *x, int64_t n, double *sums), (x, n, sums))

static void gradient_block(const struct qb_fake_quantizer *q, const struct qb_grid *g, bool each, struct block *b)
{
	bool integer = q->format.kind == QB_FORMAT_INT;

	if (!integer) {
		forward(g, b->r, each, b->x, b->q, b->n);
	}
	if (q->estimator == QB_ESTIMATOR_DSQ) {
		arguments(b, each);
		qb_f32_tanh(b->argument, b->argument, b->n);
	}
	(each ? gradient_each : gradient_one)(b, (int)q->estimator, integer);
}

static double sum_lanes(const double *lane)
{
	double sum = 0;

	for (int l = 0; l < LANES; l++) {
		sum += lane[l];
	}
	return sum;
}

struct backward {
	const struct qb_fake_quantizer *q;
	const struct qb_grid *g;
	const float *x, *dy;
	float *dx;
	struct qb_fake_quantizer_gradient *sums;
};

/* A run of channel c. */
static void run_backward(const struct backward *w, struct block *b, int64_t from, int64_t run, int64_t c)
{
	double scale[LANES] = {0}, offset[LANES] = {0}, factor[LANES] = {0};

	for (int64_t i = 0; i < run; i += b->n) {
		b->n = QB_MIN((int64_t)BLOCK, run - i);
		b->x = w->x + from + i;
		b->dy = w->dy + from + i;
		b->dx = w->dx + from + i;
		gradient_block(w->q, w->g, false, b);
		add_lanes(b->scale, b->n, scale);
		if (w->sums->offset) {
			add_lanes(b->offset, b->n, offset);
		}
		if (w->q->estimator == QB_ESTIMATOR_DSQ) {
			add_lanes(b->factor, b->n, factor);
		}
	}
	w->sums->scale[c] += sum_lanes(scale);
	if (w->sums->offset) {
		w->sums->offset[c] += sum_lanes(offset);
	}
	w->sums->factor += sum_lanes(factor);
}

/* Rows of `width` channels from c on. */
static void rows_backward(const struct backward *w, struct block *b, int64_t from, int64_t rows, int64_t width, int64_t c)
{
	double factor[LANES] = {0};

	b->n = rows * width;
	b->x = w->x + from;
	b->dy = w->dy + from;
	b->dx = w->dx + from;
	gradient_block(w->q, w->g, true, b);
	for (int64_t i = 0; i < rows; i++) {
		add_each(b->scale + i * width, width, w->sums->scale + c);
		if (w->sums->offset) {
			add_each(b->offset + i * width, width, w->sums->offset + c);
		}
	}
	if (w->q->estimator == QB_ESTIMATOR_DSQ) {
		add_lanes(b->factor, b->n, factor);
		w->sums->factor += sum_lanes(factor);
	}
}

void qb_fake_quantize_gradient(const struct qb_fake_quantizer *q, const float *x, const float *dy, float *dx,
	int64_t outer, int64_t inner, struct qb_fake_quantizer_gradient *sums)
{
	const double alpha = (double)q->factor;
	struct tiles t = tiles_of(q->channels, outer, inner);
	struct qb_grid g;
	struct ranges r;
	struct backward w = {q, &g, x, dy, dx, sums};
	struct block b = {.r = &r, .delta = q->factor};

	if (q->estimator == QB_ESTIMATOR_DSQ) {
		b.S = (float)(1 / (1 - alpha));
		b.k = (float)log(2 / alpha - 1);
		b.dk = (float)(-2 / (alpha * (2 - alpha)));
	}
	memset(sums->scale, 0, (size_t)q->channels * sizeof(*sums->scale));
	if (sums->offset) {
		memset(sums->offset, 0, (size_t)q->channels * sizeof(*sums->offset));
	}
	sums->factor = 0;
	qb_grid_init(&g, &q->format);
	if (!t.side_by_side) {
		for (int64_t i = 0; i < t.runs; i++) {
			range_at(q, &g, i % q->channels, &r, 0);
			run_backward(&w, &b, i * t.run, t.run, i % q->channels);
		}
		return;
	}
	for (int64_t c = 0, width; c < q->channels; c += width) {
		width = QB_MIN(t.width, q->channels - c);
		/* Whole rows of few channels are one block; of many, a piece of one row. */
		ranges_at(q, &g, c, width, width == q->channels ? t.repeat : 1, &r);
		for (int64_t o = 0, rows; o < outer; o += rows) {
			rows = width == q->channels ? QB_MIN(t.repeat, outer - o) : 1;
			rows_backward(&w, &b, o * q->channels + c, rows, width, c);
		}
	}
}
