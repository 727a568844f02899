/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/range.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/quant/observer.h"
#include "core/quant/quantizer.h"
#include "core/quant/range_search.h"

/* Grids of more values than this are finer than the histogram's bins: their error is step^2 / 12. */
enum { GRID_MAX = 4096 };

static bool is_affine(const struct qb_format *f)
{
	return f->kind == QB_FORMAT_INT && f->asymmetric;
}

static bool has_range(const struct qb_format *f)
{
	return f->real_scale && !f->block;
}

/* [min, max] of the data as a range of the format. */
static void whole_range(const struct qb_format *f, double min, double max, float *lo, float *hi)
{
	if (is_affine(f) || !has_range(f)) {
		*lo = (float)fmin(min, 0);
		*hi = (float)fmax(max, 0);
	} else if (f->is_signed) {
		*hi = (float)fmax(-min, max);
		*hi = fmaxf(*hi, 0);
		*lo = -*hi;
	} else {
		*lo = 0;
		*hi = (float)fmax(max, 0);
	}
}

/* The histogram as a density: uniform inside a bin, a point mass at 0. */

struct density {
	int first, bins;
	double width;
	double zeros;
	double *edge;          /* [bins + 1]; the outermost are the minimum and the maximum */
	double *m0, *m1, *m2;  /* [bins + 1]: sums of 1, x, x^2 below edge[i] */
	const struct qb_format *format;
	double *value, *scaled;
	int values;
};

static bool density_init(struct density *d, const struct qb_observer *o, const struct qb_format *f)
{
	int first;
	double width;
	int bins = qb_observer_histogram(o, &first, &width, NULL, 0);
	double *p = calloc((size_t)(bins + 1) * 4 + 2 * GRID_MAX, sizeof(*p));

	if (!p) {
		return false;
	}
	*d = (struct density){.first = first, .bins = bins, .width = width,
		.zeros = (double)o->zeros, .edge = p, .m0 = p + bins + 1, .m1 = p + 2 * (bins + 1),
		.m2 = p + 3 * (bins + 1), .value = p + 4 * (bins + 1), .format = f};
	d->scaled = d->value + GRID_MAX;
	for (int i = 0; i <= bins; i++) {
		d->edge[i] = fmin(fmax((first + i) * width, o->lo), o->hi);
	}
	for (int i = 0; i < bins; i++) {
		uint64_t n = qb__observer_bin(o, first + i + QB_OBSERVER_SIDE);
		double c = (double)(first + i == 0 ? n - o->zeros : n);
		double a = d->edge[i], b = d->edge[i + 1];

		d->m0[i + 1] = d->m0[i] + c;
		d->m1[i + 1] = d->m1[i] + c * (a + b) / 2;
		d->m2[i + 1] = d->m2[i] + c * (a * a + a * b + b * b) / 3;
	}
	if (f->bits <= 12) {
		d->values = qb_format_values(f, d->value, GRID_MAX);
	}
	return true;
}

struct moments {
	double m0, m1, m2;
};

static struct moments below(const struct density *d, double x)
{
	double at = x / d->width - d->first, a, b, n, t;
	int i = at <= 0 ? 0 : at >= d->bins ? d->bins - 1 : (int)at;

	a = d->edge[i];
	b = d->edge[i + 1];
	if (x >= b) {
		return (struct moments){d->m0[i + 1], d->m1[i + 1], d->m2[i + 1]};
	}
	if (x <= a) {
		return (struct moments){d->m0[i], d->m1[i], d->m2[i]};
	}
	t = (x - a) / (b - a);
	n = (d->m0[i + 1] - d->m0[i]) * t;
	return (struct moments){d->m0[i] + n, d->m1[i] + n * (a + x) / 2,
		d->m2[i] + n * (a * a + a * x + x * x) / 3};
}

/* sum of (x - g)^2 over what lies between the two moments */
static double cell(const struct moments *from, const struct moments *to, double g)
{
	return to->m2 - from->m2 - 2 * g * (to->m1 - from->m1) + g * g * (to->m0 - from->m0);
}

/* Integers too many to walk through: a uniform step, and what is cut off. */
static double wide_error(const struct density *d, double step, double lo, double hi)
{
	struct moments none = {0, 0, 0}, at_lo = below(d, lo), at_hi = below(d, hi);
	struct moments all = {d->m0[d->bins], d->m1[d->bins], d->m2[d->bins]};

	return cell(&none, &at_lo, lo) + cell(&at_hi, &all, hi) +
		(at_hi.m0 - at_lo.m0) * step * step / 12;
}

static double grid_error(const struct density *d)
{
	struct moments from = {0, 0, 0}, to;
	double e = 0, zero = INFINITY;

	for (int i = 0; i < d->values; i++) {
		double g = d->scaled[i];

		if (i + 1 < d->values) {
			to = below(d, (g + d->scaled[i + 1]) / 2);
		} else {
			to = (struct moments){d->m0[d->bins], d->m1[d->bins], d->m2[d->bins]};
		}
		e += cell(&from, &to, g);
		from = to;
		zero = fmin(zero, g * g);
	}
	return e + zero * d->zeros;
}

static double density_error(void *arg, float lo, float hi)
{
	struct density *d = arg;
	struct qb_quantizer q;
	double e, scale, zero;

	if (qb_quantizer_init(&q, d->format, -1, 1, &lo, &hi, NULL) != QB_OK) {
		return INFINITY;
	}
	scale = q.scale[0];
	zero = q.zero ? q.zero[0] : 0;
	qb_quantizer_fini(&q);
	if (!d->values) {
		e = wide_error(d, scale, scale * (qb_format_min(d->format) - zero),
			scale * (qb_format_max(d->format) - zero));
	} else {
		for (int i = 0; i < d->values; i++) {
			d->scaled[i] = scale * (d->value[i] - zero);
		}
		e = grid_error(d);
	}
	return e;
}

/* x below which the share q of what was seen lies. */
static double density_quantile(const struct density *d, double q)
{
	double n = d->m0[d->bins] + d->zeros, want = q * n, negative = 0;
	int i;

	for (i = 0; i < d->bins && d->edge[i + 1] <= 0; i++) {
		negative = d->m0[i + 1];
	}
	if (want >= negative && want <= negative + d->zeros && d->zeros > 0) {
		return 0;
	}
	want -= want > negative ? d->zeros : 0;
	for (i = 0; i + 1 < d->bins && d->m0[i + 1] < want; i++) {
		;
	}
	n = d->m0[i + 1] - d->m0[i];
	return n > 0 ? d->edge[i] + (d->edge[i + 1] - d->edge[i]) * fmin((want - d->m0[i]) / n, 1)
		     : d->edge[i];
}

/* c with the share q of |x| below it, by halving. */
static double density_abs_quantile(const struct density *d, double q, double c)
{
	double n = d->m0[d->bins] + d->zeros, a = 0, b = c;

	for (int i = 0; i < 60; i++) {
		double m = (a + b) / 2;
		double inside = below(d, m).m0 - below(d, -m).m0 + d->zeros;

		if (inside < q * n) {
			a = m;
		} else {
			b = m;
		}
	}
	return b;
}

static void density_percentile(const struct density *d, double percentile, double min, double max,
	float *lo, float *hi)
{
	double tail = (100 - percentile) / 200;

	if (is_affine(d->format)) {
		bool both = min < 0 && max > 0;

		tail = both ? tail : 2 * tail;
		whole_range(d->format, min < 0 ? density_quantile(d, tail) : 0,
			max > 0 ? density_quantile(d, 1 - tail) : 0, lo, hi);
	} else {
		double c = density_abs_quantile(d, percentile / 100, fmax(-min, max));

		whole_range(d->format, -c, c, lo, hi);
	}
}

void qb_range_from_observer(const struct qb_observer *o, const struct qb_format *f,
	const struct qb_range_options *opt, float *lo, float *hi)
{
	struct density d;

	whole_range(f, o->lo, o->hi, lo, hi);
	if (opt->method == QB_RANGE_MINMAX || !has_range(f) || *lo == *hi ||
		(f->kind != QB_FORMAT_INT && f->bits > 12) || !density_init(&d, o, f)) {
		return;
	}
	if (opt->method == QB_RANGE_PERCENTILE) {
		density_percentile(&d, opt->percentile, o->lo, o->hi, lo, hi);
	} else {
		qb__range_search(f, fmin(o->lo, 0), fmax(o->hi, 0), density_error, &d, lo, hi);
	}
	free(d.edge);
}

/* The data itself */

struct data {
	const struct qb_format *format;
	const float *x;
	float *y;
	size_t n;
};

static double data_error(void *arg, float lo, float hi)
{
	struct data *d = arg;
	struct qb_quantizer q;
	struct qb_qdq_sums s = {0};

	if (qb_quantizer_init(&q, d->format, -1, 1, &lo, &hi, NULL) != QB_OK) {
		return INFINITY;
	}
	qb_qdq_measure(&q, d->x, NULL, d->y, 1, 1, (int64_t)d->n, &s);
	qb_quantizer_fini(&q);
	return s.noise;
}

static int ascending(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

/* numpy's default: linear between the two nearest ranks. */
static double sorted_quantile(const float *y, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t i = (size_t)at;

	return i + 1 < n ? y[i] + (at - (double)i) * ((double)y[i + 1] - y[i]) : y[n - 1];
}

static void data_percentile(struct data *d, double percentile, double min, double max, float *lo,
	float *hi)
{
	double tail = (100 - percentile) / 200;

	if (is_affine(d->format)) {
		qsort(d->y, d->n, sizeof(*d->y), ascending);
		tail = min < 0 && max > 0 ? tail : 2 * tail;
		whole_range(d->format, min < 0 ? sorted_quantile(d->y, d->n, tail) : 0,
			max > 0 ? sorted_quantile(d->y, d->n, 1 - tail) : 0, lo, hi);
		return;
	}
	for (size_t i = 0; i < d->n; i++) {
		d->y[i] = fabsf(d->y[i]);
	}
	qsort(d->y, d->n, sizeof(*d->y), ascending);
	max = sorted_quantile(d->y, d->n, percentile / 100);
	whole_range(d->format, -max, max, lo, hi);
}

/* Copies the finite numbers and returns how many there are. */
static size_t keep_finite(const float *x, size_t n, float *y, float *min, float *max)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		if (isfinite(x[i])) {
			*min = k ? fminf(*min, x[i]) : x[i];
			*max = k ? fmaxf(*max, x[i]) : x[i];
			y[k++] = x[i];
		}
	}
	return k;
}

void qb_range_from_data(const float *x, size_t n, const struct qb_format *f,
	const struct qb_range_options *opt, float *lo, float *hi)
{
	float *copy = qb_mul_overflows(n, 2 * sizeof(*copy), &(size_t){0})
		? NULL : malloc(2 * n * sizeof(*copy) + 1);
	float min = 0, max = 0;
	struct data d = {.format = f};

	*lo = *hi = 0;
	if (!copy) {
		/* No room for the search: the range that loses nothing. */
		for (size_t i = 0; i < n; i++) {
			min = x[i] < min && isfinite(x[i]) ? x[i] : min;
			max = x[i] > max && isfinite(x[i]) ? x[i] : max;
		}
		whole_range(f, min, max, lo, hi);
		return;
	}
	d.x = copy;
	d.y = copy + n;
	d.n = keep_finite(x, n, copy, &min, &max);
	whole_range(f, min, max, lo, hi);
	if (opt->method != QB_RANGE_MINMAX && has_range(f) && *lo != *hi) {
		if (opt->method == QB_RANGE_PERCENTILE) {
			memcpy(d.y, d.x, d.n * sizeof(*d.y));
			data_percentile(&d, opt->percentile, min, max, lo, hi);
		} else {
			qb__range_search(f, fmin(min, 0), fmax(max, 0), data_error, &d, lo, hi);
		}
	}
	free(copy);
}
