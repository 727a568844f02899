/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/range.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/quant/quantizer.h"

/* The histogram covers [-width, width) with bins aligned to 0, and width is a power of two: doubling it joins bins in
 * pairs exactly, so what remains is a function of the data alone. Zeros, which ReLU makes many of and every grid holds,
 * are counted apart. */
enum { BINS = 4096, HALF = BINS / 2, LANES = 2, EXPONENT_MIN = -60, EXPONENT_MAX = 120 };

struct qb_observer {
	int exponent; /* width = 2^exponent */
	float lo, hi;
	uint64_t count, zeros, not_numbers;
	uint64_t bin[BINS];
};

struct qb_observer *qb_observer_create(void)
{
	struct qb_observer *o = calloc(1, sizeof(*o));

	if (o) {
		o->exponent = EXPONENT_MIN;
		o->lo = INFINITY;
		o->hi = -INFINITY;
	}
	return o;
}

void qb_observer_destroy(struct qb_observer **o)
{
	free(*o);
	*o = NULL;
}

static void double_width(struct qb_observer *o)
{
	uint64_t joined[BINS] = {0};

	for (int i = 0; i < BINS; i++) {
		/* floor((i - HALF) / 2) + HALF, for both signs */
		joined[((i - HALF) >> 1) + HALF] += o->bin[i];
	}
	memcpy(o->bin, joined, sizeof(joined));
	o->exponent++;
}

static void widen_to(struct qb_observer *o, int exponent)
{
	if (o->count == o->zeros) { /* nothing in the bins yet */
		o->exponent = QB_MAX(o->exponent, exponent);
	}
	while (o->exponent < exponent) {
		double_width(o);
	}
}

/* The least exponent whose width exceeds a. */
static int exponent_for(float a)
{
	int e;

	if (a <= 0) {
		return EXPONENT_MIN;
	}
	frexpf(a, &e); /* a < 2^e; a == 2^(e-1) is allowed, and e is then one more than log2 */
	return QB_MAX(QB_MIN(e, EXPONENT_MAX), EXPONENT_MIN);
}

static void fill(struct qb_observer *o, const float *x, size_t n)
{
	uint32_t bin[LANES][BINS] = {{0}};
	float per_width = ldexpf(HALF, -o->exponent);

	for (size_t i = 0; i < n; i++) {
		/* Truncation after the shift to positive numbers is floor. */
		int k = (int)(x[i] * per_width + HALF);

		/* The sum may round up to BINS. */
		bin[i % LANES][QB_MIN(k, BINS - 1)]++;
	}
	for (int l = 0; l < LANES; l++) {
		for (int i = 0; i < BINS; i++) {
			o->bin[i] += bin[l][i];
		}
	}
}

void qb_observer_update(struct qb_observer *o, const float *x, size_t n)
{
	enum { CHUNK = 1 << 16 };
	float *kept = malloc(QB_MIN(n, (size_t)CHUNK) * sizeof(*kept));

	if (!kept) {
		return;
	}
	while (n) {
		size_t take = QB_MIN(n, (size_t)CHUNK), m = 0;
		float lo = INFINITY, hi = -INFINITY;

		for (size_t i = 0; i < take; i++) {
			bool counts = isfinite(x[i]) && x[i] != 0;

			o->zeros += x[i] == 0;
			o->not_numbers += !isfinite(x[i]);
			kept[m] = x[i];
			m += counts;
			lo = counts && x[i] < lo ? x[i] : lo;
			hi = counts && x[i] > hi ? x[i] : hi;
		}
		if (m) {
			widen_to(o, exponent_for(fmaxf(fabsf(lo), fabsf(hi))));
			fill(o, kept, m);
			o->lo = fminf(o->lo, lo);
			o->hi = fmaxf(o->hi, hi);
		}
		o->count = o->count + take;
		x += take;
		n -= take;
	}
	free(kept);
}

void qb_observer_merge(struct qb_observer *o, const struct qb_observer *other)
{
	struct qb_observer copy = *other;

	widen_to(&copy, o->exponent);
	widen_to(o, copy.exponent);
	for (int i = 0; i < BINS; i++) {
		o->bin[i] += copy.bin[i];
	}
	o->count += copy.count;
	o->zeros += copy.zeros;
	o->not_numbers += copy.not_numbers;
	o->lo = fminf(o->lo, copy.lo);
	o->hi = fmaxf(o->hi, copy.hi);
}

void qb_observer_minmax(const struct qb_observer *o, float *lo, float *hi)
{
	*lo = o->zeros || o->lo > o->hi ? fminf(o->lo, 0) : o->lo;
	*hi = o->zeros || o->lo > o->hi ? fmaxf(o->hi, 0) : o->hi;
}

/* Moments of the observed distribution, taken as uniform inside each bin. */

struct moments {
	double m0, m1, m2;
};

struct cumulative {
	double width;                 /* of a bin */
	double origin;                /* left edge of bin 0 */
	struct moments below[BINS + 1]; /* of all bins left of i */
};

static void accumulate(struct cumulative *c, const struct qb_observer *o)
{
	struct moments sum = {0};

	c->width = ldexp(1, o->exponent) / HALF;
	c->origin = -c->width * HALF;
	for (int i = 0; i < BINS; i++) {
		double n = (double)o->bin[i], a = c->origin + c->width * i, b = a + c->width;

		c->below[i] = sum;
		sum.m0 += n;
		sum.m1 += n * (a + b) / 2;
		sum.m2 += n * (a * a + a * b + b * b) / 3;
	}
	c->below[BINS] = sum;
}

/* Moments of everything left of x. */
static struct moments left_of(const struct cumulative *c, double x)
{
	double at = (x - c->origin) / c->width, a, n, part;
	struct moments m;
	int i;

	if (at <= 0) {
		return (struct moments){0};
	}
	if (at >= BINS) {
		return c->below[BINS];
	}
	i = (int)at;
	m = c->below[i];
	n = c->below[i + 1].m0 - m.m0;
	a = c->origin + c->width * i;
	part = n * (x - a) / c->width;
	m.m0 += part;
	m.m1 += part * (a + x) / 2;
	m.m2 += part * (a * a + a * x + x * x) / 3;
	return m;
}

/* Sum of (x - g)^2 over the mass between two points. */
static double cell(const struct moments *from, const struct moments *to, double g)
{
	return (to->m2 - from->m2) - 2 * g * (to->m1 - from->m1) + g * g * (to->m0 - from->m0);
}

/* The error of a grid scale * (value - zero), values ascending. */
static double grid_error(const struct cumulative *c, const double *value, int n, double scale,
	double zero)
{
	struct moments from = {0}, to;
	double error = 0;

	for (int i = 0; i < n; i++) {
		double g = scale * (value[i] - zero);

		to = i + 1 < n ? left_of(c, scale * ((value[i] + value[i + 1]) / 2 - zero))
			       : c->below[BINS];
		error += cell(&from, &to, g);
		from = to;
	}
	return error;
}

/* Searching a range. error(arg, lo, hi) is what a range costs; (lo, hi) comes in as the whole range. */

typedef double error_fn(void *arg, double lo, double hi);

static void shrink(double lo, double hi, double by_lo, double by_hi, double *out_lo,
	double *out_hi)
{
	*out_lo = lo * by_lo;
	*out_hi = hi * by_hi;
}

/* Least of error over a factor in (0, 1] on one or both ends: a scan, then golden sections around the best. */
static double best_factor(error_fn *error, void *arg, double lo, double hi, bool move_lo,
	bool move_hi, double *least)
{
	enum { SCAN = 40, SECTIONS = 14 };
	const double golden = 0.6180339887498949;
	double best = 1, a, b;

	*least = error(arg, lo, hi);
	for (int i = 1; i < SCAN; i++) {
		double f = (double)i / SCAN, l, h, e;

		shrink(lo, hi, move_lo ? f : 1, move_hi ? f : 1, &l, &h);
		e = error(arg, l, h);
		if (e < *least) {
			*least = e;
			best = f;
		}
	}
	a = fmax(best - 1.0 / SCAN, 0.2 / SCAN);
	b = fmin(best + 1.0 / SCAN, 1);
	for (int i = 0; i < SECTIONS; i++) {
		double f[2] = {b - golden * (b - a), a + golden * (b - a)}, e[2];

		for (int k = 0; k < 2; k++) {
			double l, h;

			shrink(lo, hi, move_lo ? f[k] : 1, move_hi ? f[k] : 1, &l, &h);
			e[k] = error(arg, l, h);
			if (e[k] < *least) {
				*least = e[k];
				best = f[k];
			}
		}
		if (e[0] < e[1]) {
			b = f[1];
		} else {
			a = f[0];
		}
	}
	return best;
}

static void search(error_fn *error, void *arg, bool asymmetric, float *lo, float *hi)
{
	double least, f = best_factor(error, arg, *lo, *hi, true, true, &least);

	*lo = (float)(*lo * f);
	*hi = (float)(*hi * f);
	if (asymmetric && *lo < 0 && *hi > 0) {
		*hi = (float)(*hi * best_factor(error, arg, *lo, *hi, false, true, &least));
		*lo = (float)(*lo * best_factor(error, arg, *lo, *hi, true, false, &least));
	}
}

static bool is_asymmetric(const struct qb_format *f)
{
	return f->kind == QB_FORMAT_INT && f->asymmetric;
}

static void make_symmetric(const struct qb_format *f, float *lo, float *hi)
{
	float c = fmaxf(fabsf(*lo), fabsf(*hi));

	if (!is_asymmetric(f)) {
		*lo = f->is_signed ? -c : 0;
		*hi = f->is_signed ? c : fmaxf(*hi, 0);
	}
}

/* Ranges of an observer */

struct observed {
	struct cumulative *sums;
	const struct qb_format *format;
	double *value;
	int values;
};

static double observed_error(void *arg, double lo, double hi)
{
	struct observed *s = arg;
	float l = (float)lo, h = (float)hi;
	struct qb_quantizer q;
	double e;

	if (qb_quantizer_init(&q, s->format, -1, 1, &l, &h, NULL) != QB_OK) {
		return INFINITY;
	}
	e = grid_error(s->sums, s->value, s->values, q.scale[0], q.zero ? q.zero[0] : 0);
	qb_quantizer_fini(&q);
	return e;
}

static void observed_mse(const struct qb_observer *o, const struct qb_format *f, float *lo,
	float *hi)
{
	enum { CAP = 1 << 16 };
	struct observed s = {.format = f, .sums = malloc(sizeof(*s.sums)),
		.value = malloc(CAP * sizeof(*s.value))};

	if (s.sums && s.value) {
		s.values = qb_format_values(f, s.value, CAP);
		accumulate(s.sums, o);
		search(observed_error, &s, is_asymmetric(f), lo, hi);
	}
	free(s.sums);
	free(s.value);
}

static float quantile(const struct cumulative *c, double mass)
{
	int lo = 0, hi = BINS;
	double in;

	while (hi - lo > 1) {
		int mid = (lo + hi) / 2;

		if (c->below[mid].m0 <= mass) {
			lo = mid;
		} else {
			hi = mid;
		}
	}
	in = c->below[lo + 1].m0 - c->below[lo].m0;
	return (float)(c->origin +
		c->width * (lo + (in > 0 ? (mass - c->below[lo].m0) / in : 0)));
}

static void observed_percentile(const struct qb_observer *o, double percentile, float *lo,
	float *hi)
{
	struct cumulative *c = malloc(sizeof(*c));
	struct qb_observer *all = malloc(sizeof(*all));

	if (c && all) {
		double tail;

		*all = *o;
		all->bin[HALF] += o->zeros;
		accumulate(c, all);
		tail = c->below[BINS].m0 * (1 - percentile / 100) / 2;
		*lo = fmaxf(*lo, fminf(quantile(c, tail), *hi));
		*hi = fminf(*hi, fmaxf(quantile(c, c->below[BINS].m0 - tail), *lo));
	}
	free(all);
	free(c);
}

void qb_range_from_observer(const struct qb_observer *o, const struct qb_format *f,
	const struct qb_range_options *opt, float *lo, float *hi)
{
	qb_observer_minmax(o, lo, hi);
	if (!(*lo <= *hi)) {
		*lo = *hi = 0;
	}
	if (opt->method == QB_RANGE_PERCENTILE) {
		observed_percentile(o, opt->percentile, lo, hi);
	}
	make_symmetric(f, lo, hi);
	if (opt->method == QB_RANGE_MSE && *lo < *hi && f->real_scale && !f->block) {
		observed_mse(o, f, lo, hi);
	}
}

/* Ranges of data at hand */

struct at_hand {
	const float *x;
	size_t n;
	const struct qb_format *format;
	float *y;
};

static double data_error(void *arg, double lo, double hi)
{
	struct at_hand *d = arg;
	float l = (float)lo, h = (float)hi;
	struct qb_qdq_sums s = {0};
	struct qb_quantizer q;

	if (qb_quantizer_init(&q, d->format, -1, 1, &l, &h, NULL) != QB_OK) {
		return INFINITY;
	}
	qb_qdq_measure(&q, d->x, NULL, d->y, 1, 1, (int64_t)d->n, &s);
	qb_quantizer_fini(&q);
	return s.noise;
}

static int float_order(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void data_percentile(const float *x, size_t n, double percentile, float *lo, float *hi)
{
	float *sorted = malloc(n * sizeof(*sorted));
	size_t cut = (size_t)((double)n * (1 - percentile / 100) / 2);

	if (sorted) {
		memcpy(sorted, x, n * sizeof(*sorted));
		qsort(sorted, n, sizeof(*sorted), float_order);
		*lo = sorted[cut];
		*hi = sorted[n - 1 - cut];
	}
	free(sorted);
}

void qb_range_from_data(const float *x, size_t n, const struct qb_format *f,
	const struct qb_range_options *opt, float *lo, float *hi)
{
	struct at_hand d = {.x = x, .n = n, .format = f};

	*lo = INFINITY;
	*hi = -INFINITY;
	for (size_t i = 0; i < n; i++) {
		*lo = isfinite(x[i]) && x[i] < *lo ? x[i] : *lo;
		*hi = isfinite(x[i]) && x[i] > *hi ? x[i] : *hi;
	}
	if (!(*lo <= *hi)) {
		*lo = *hi = 0;
		return;
	}
	if (opt->method == QB_RANGE_PERCENTILE) {
		data_percentile(x, n, opt->percentile, lo, hi);
	}
	make_symmetric(f, lo, hi);
	if (opt->method == QB_RANGE_MSE && *lo < *hi && f->real_scale && !f->block) {
		d.y = malloc(n * sizeof(*d.y));
		if (d.y) {
			search(data_error, &d, is_asymmetric(f), lo, hi);
		}
		free(d.y);
	}
}
