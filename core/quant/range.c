/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/range.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/quant/density.h"
#include "core/kernels/quantize/kernels.h"
#include "core/quant/observer.h"
#include "core/quant/quantizer.h"
#include "core/quant/range_search.h"

const char *qb_range_method_name(enum qb_range_method m)
{
	static const char *const names[] = {
#define X(id, name) name,
		QB_RANGE_METHODS(X)
#undef X
	};

	return (size_t)m < QB_COUNT(names) ? names[m] : NULL;
}

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

/* The methods that look for the least of something: what it is, and how it is looked for. */
static bool is_search(enum qb_range_method m)
{
	return m == QB_RANGE_MSE || m == QB_RANGE_SQNR || m == QB_RANGE_ENTROPY;
}

/* The range under which integers are their own codes: scale 1. False where an element is no integer or beyond the codes. */
static bool integer_range(const struct qb_format *f, bool integers, double min, double max, float *lo, float *hi)
{
	double least = qb_format_min(f), most = qb_format_max(f), zero = 0;

	if (f->kind != QB_FORMAT_INT || !integers) {
		return false;
	}
	if (is_affine(f)) {
		zero = least - fmin(min, 0);
	}
	if (min + zero < least || fmax(max, 0) + zero > most) {
		return false;
	}
	qb__range_of(f, 1, zero, lo, hi);
	return true;
}

/* Powers of two */

/* The range under which the format's scale is 2^e, near the one whose zero point belongs to lo. */
static void range_of_exponent(const struct qb_format *f, double lo, int e, float *to_lo, float *to_hi)
{
	double s = ldexp(1, e), min = qb_format_min(f), max = qb_format_max(f), zero;

	if (is_affine(f)) {
		zero = fmin(fmax(nearbyint(min - lo / s), min), max);
		*to_lo = (float)(s * (min - zero));
		*to_hi = (float)(s * (max - zero));
	} else {
		*to_hi = (float)(s * max);
		*to_lo = f->is_signed ? -*to_hi : 0;
	}
}

/* The range of a power of two for the range that a method found: of what it minimises the least, else (error NULL) the
 * first that cuts nothing off. */
static void power_of_two(const struct qb_format *f, qb_range_error_fn *error, void *arg, float *lo,
	float *hi)
{
	struct qb_quantizer q;
	float best_lo, best_hi;
	int e;

	if (qb_quantizer_init(&q, f, -1, 1, lo, hi, NULL) != QB_OK) {
		return;
	}
	e = (int)ceil(log2((double)q.scale[0]));
	qb_quantizer_fini(&q);
	range_of_exponent(f, *lo, e, &best_lo, &best_hi);
	if (error) {
		double least = error(arg, best_lo, best_hi);

		for (int k = e - 2; k <= e + 1; k++) {
			float l, h;
			double now;

			range_of_exponent(f, *lo, k, &l, &h);
			now = error(arg, l, h);
			if (now < least) {
				least = now;
				best_lo = l;
				best_hi = h;
			}
		}
	}
	*lo = best_lo;
	*hi = best_hi;
}

/* The streamed summary */

static void density_percentile(const struct qb_density *d, double percentile, double min,
	double max, float *lo, float *hi)
{
	double tail = (100 - percentile) / 200;

	if (is_affine(d->format)) {
		bool both = min < 0 && max > 0;

		tail = both ? tail : 2 * tail;
		whole_range(d->format, min < 0 ? qb_density_quantile(d, tail) : 0,
			max > 0 ? qb_density_quantile(d, 1 - tail) : 0, lo, hi);
	} else {
		double c = qb_density_abs_quantile(d, percentile / 100, fmax(-min, max));

		whole_range(d->format, -c, c, lo, hi);
	}
}

static double clip_weight(enum qb_range_method m)
{
	return m == QB_RANGE_SQNR ? QB_RANGE_SQNR_CLIP_WEIGHT : 1;
}

/* Where many elements are equal, as those that are clipped at 6 are, the noise has the valleys of few. */
static double density_peers(const struct qb_density *d, double most)
{
	const double all = d->edge[d->bins].m2, much = all / 64;

	for (int i = 0; i < d->bins; i++) {
		if (d->edge[i + 1].m2 - d->edge[i].m2 > much) {
			return 1;
		}
	}
	return all / (most * most);
}

static void density_search(struct qb_density *d, const struct qb_observer *o, float *lo, float *hi)
{
	const struct qb_range_problem p = {.format = d->format, .min = fmin(o->lo, 0), .max = fmax(o->hi, 0),
		.count = (double)o->count, .peers = density_peers(d, fmax(-o->lo, o->hi)),
		.holds_zero = true, .fit = qb_density_fit, .below = qb_density_below, .arg = d};
	double scale, zero;
	float low, high;

	qb__range_search(&p, &scale, &zero);
	qb__range_of(d->format, scale, zero, &low, &high);
	if (qb_density_error(d, low, high) < qb_density_error(d, *lo, *hi)) {
		*lo = low;
		*hi = high;
	}
	/* To a histogram integers are anywhere in their bins, and no grid is exact. */
	if (qb_density_error(d, *lo, *hi) > 0 && integer_range(d->format, !o->fractions, o->lo, o->hi, &low, &high)) {
		*lo = low;
		*hi = high;
	}
}

static void density_range(struct qb_density *d, const struct qb_observer *o,
	const struct qb_range_options *opt, float *lo, float *hi)
{
	const struct qb_format *f = d->format;
	qb_range_error_fn *error = NULL;

	d->clip_weight = clip_weight(opt->method);
	if (opt->method == QB_RANGE_PERCENTILE) {
		density_percentile(d, opt->percentile, o->lo, o->hi, lo, hi);
	} else if (opt->method == QB_RANGE_ENTROPY && o->count >= QB_RANGE_ENTROPY_LEAST) {
		error = qb_density_divergence;
		qb__range_scan(f, fmin(o->lo, 0), fmax(o->hi, 0), error, d, lo, hi);
	} else if (is_search(opt->method)) {
		error = qb_density_error;
		density_search(d, o, lo, hi);
	}
	if (opt->power_of_two) {
		power_of_two(f, error, d, lo, hi);
	}
}

void qb_range_from_observer(const struct qb_observer *o, const struct qb_format *f,
	const struct qb_range_options *opt, float *lo, float *hi)
{
	struct qb_density d;
	/* Grids finer than the histogram lose nothing that it could see. */
	bool fine = (f->kind != QB_FORMAT_INT && f->bits > 12) ||
		(opt->method == QB_RANGE_ENTROPY && f->bits > 12);

	whole_range(f, o->lo, o->hi, lo, hi);
	if (opt->method == QB_RANGE_RUNNING_MINMAX && o->running) {
		whole_range(f, o->run_lo, o->run_hi, lo, hi);
	}
	if (!has_range(f) || *lo == *hi || fine || !qb_density_init(&d, o, f)) {
		return;
	}
	density_range(&d, o, opt, lo, hi);
	qb_density_fini(&d);
}

double qb_range_error_of_observer(const struct qb_observer *o, const struct qb_format *f, float lo,
	float hi)
{
	struct qb_density d;
	double e;

	if (!qb_density_init(&d, o, f)) {
		return INFINITY;
	}
	e = qb_density_error(&d, lo, hi);
	qb_density_fini(&d);
	return e;
}

/* The data itself */

struct data {
	const struct qb_format *format;
	struct qb_grid grid;
	const float *x;
	float *y;
	size_t n;
	double clip_weight;
	/* of asymmetric formats: ascending, and the sums of all before */
	float *sorted;
	double *sum;
};

/* sum (x - nearest end)^2 over what lies beyond the grid. */
static double data_clipped(const struct data *d, double scale, double zero)
{
	double lo = scale * (qb_format_min(d->format) - zero);
	double hi = scale * (qb_format_max(d->format) - zero), e = 0;

	for (size_t i = 0; i < d->n; i++) {
		double over = fmax(fmax(d->x[i] - hi, lo - d->x[i]), 0);

		e += over * over;
	}
	return e;
}

static double data_error(void *arg, float lo, float hi)
{
	struct data *d = arg;
	struct qb_qdq_sums s = {0};
	float scale, inverse;
	int32_t zero;
	struct qb_run_args a = {.x = d->x, .y = d->y, .n = d->n, .scale = &scale, .zero = &zero};

	if (!qb_quantizer_scale(d->format, lo, hi, &scale, &zero)) {
		return INFINITY;
	}
	inverse = 1 / scale;
	a.inverse = qb_grid_divides_fast(&d->grid, scale) ? &inverse : NULL;
	qb_kernels()->measure(&d->grid, &a, &s);
	if (d->clip_weight != 1) {
		s.noise += (d->clip_weight - 1) * data_clipped(d, scale, zero);
	}
	return s.noise;
}

/* The kernels' fit for grids that it does not take. */
static struct qb_fit fit_by_quantizing(const struct data *d, const float *x, float scale)
{
	enum { RUN = 256 };
	float y[RUN], lo = scale * d->grid.lo, hi = scale * d->grid.hi;
	struct qb_fit f = {0, 0, 0};

	for (size_t i = 0, n; i < d->n; i += n) {
		struct qb_run_args a = {.x = x + i, .y = y, .n = QB_MIN(d->n - i, (size_t)RUN), .scale = &scale};

		n = a.n;
		qb_kernels()->qdq(&d->grid, &a);
		for (size_t k = 0; k < n; k++) {
			double e = (double)y[k] - x[i + k], w = x[i + k] < lo || x[i + k] > hi ? d->clip_weight : 1;

			f.noise += w * e * e;
			f.cross += w * e * y[k];
			f.power += (double)y[k] * y[k];
		}
	}
	return f;
}

/* While a search is on, y holds x near 1, whose squares float32 holds. */
static void data_fit(void *arg, const double *scale, const double *zero, int count, struct qb_fit *out)
{
	struct data *d = arg;
	float s[QB_RANGE_LANES], z[QB_RANGE_LANES];
	struct qb_fit fit[QB_RANGE_LANES];
	const struct qb_fit_args a = {d->y, d->n, QB_RANGE_LANES, s, d->sorted ? z : NULL, (float)d->clip_weight};

	for (int i = 0; i < QB_RANGE_LANES; i++) {
		s[i] = (float)scale[QB_MIN(i, count - 1)];
		z[i] = (float)zero[QB_MIN(i, count - 1)];
	}
	if (qb_grid_fits(&d->grid)) {
		qb_kernels()->fit(&d->grid, &a, fit);
		memcpy(out, fit, (size_t)count * sizeof(*out));
		return;
	}
	for (int i = 0; i < count; i++) {
		out[i] = fit_by_quantizing(d, d->y, s[i]);
	}
}

static void data_below(void *arg, double x, double *count, double *sum)
{
	const struct data *d = arg;
	size_t from = 0, to = d->n;

	while (from < to) {
		size_t i = (from + to) / 2;

		if (d->sorted[i] < x) {
			from = i + 1;
		} else {
			to = i;
		}
	}
	*count = (double)from;
	*sum = d->sum[from];
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

/* Copies the finite elements and returns how many there are. */
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

/* Divergence is one of histograms, and one of few elements is mostly of empty bins. */
static void data_entropy(struct data *d, const struct qb_range_options *opt, float *lo, float *hi)
{
	struct qb_observer *o = qb_observer_create();

	if (o) {
		qb_observer_update(o, d->x, d->n);
		qb_range_from_observer(o, d->format, opt, lo, hi);
	}
	qb_observer_destroy(&o);
}

/* y = x times a power of two, whose exponent's negative is returned. *power is its sum of squares. */
static int bring_near_one(const struct data *d, double most, double *power)
{
	const int e = ilogb(most);
	/* Two factors, for float32 may not have the one. */
	const float a = ldexpf(1, -e / 2), b = ldexpf(1, -e - -e / 2);

	*power = 0;
	for (size_t i = 0; i < d->n; i++) {
		d->y[i] = d->x[i] * a * b;
		*power += (double)d->y[i] * d->y[i];
	}
	return e;
}

static bool sort_data(struct data *d)
{
	d->sorted = malloc(d->n * sizeof(*d->sorted));
	d->sum = malloc((d->n + 1) * sizeof(*d->sum));
	if (!d->sorted || !d->sum) {
		return false;
	}
	memcpy(d->sorted, d->y, d->n * sizeof(*d->sorted));
	qsort(d->sorted, d->n, sizeof(*d->sorted), ascending);
	d->sum[0] = 0;
	for (size_t i = 0; i < d->n; i++) {
		d->sum[i + 1] = d->sum[i] + d->sorted[i];
	}
	return true;
}

/* The found range, unless all of the data as it is does as well: then elements on a grid stay on it exactly. */
static void data_search(struct data *d, double min, double max, float *lo, float *hi)
{
	double most = fmax(-min, max), power, scale, zero;
	int e = bring_near_one(d, most, &power);
	const struct qb_range_problem p = {.format = d->format, .min = ldexp(fmin(min, 0), -e),
		.max = ldexp(fmax(max, 0), -e), .count = (double)d->n, .peers = power / pow(ldexp(most, -e), 2),
		.holds_zero = true, .fit = data_fit, .below = data_below, .arg = d};
	float low, high;

	if (!is_affine(d->format) || sort_data(d)) {
		qb__range_search(&p, &scale, &zero);
		qb__range_of(d->format, ldexp(scale, e), zero, &low, &high);
		if (data_error(d, low, high) < data_error(d, *lo, *hi)) {
			*lo = low;
			*hi = high;
		}
	}
	if (integer_range(d->format, qb__are_integers(d->x, d->n), min, max, &low, &high) &&
		data_error(d, low, high) < data_error(d, *lo, *hi)) {
		*lo = low;
		*hi = high;
	}
	free(d->sorted);
	free(d->sum);
	d->sorted = NULL;
}

static void data_range(struct data *d, const struct qb_range_options *opt, double min, double max,
	float *lo, float *hi)
{
	d->clip_weight = clip_weight(opt->method);
	if (opt->method == QB_RANGE_ENTROPY && d->n >= QB_RANGE_ENTROPY_LEAST) {
		data_entropy(d, opt, lo, hi);
		return;
	}
	if (opt->method == QB_RANGE_PERCENTILE) {
		memcpy(d->y, d->x, d->n * sizeof(*d->y));
		data_percentile(d, opt->percentile, min, max, lo, hi);
	} else if (is_search(opt->method)) {
		data_search(d, min, max, lo, hi);
	}
	if (opt->power_of_two) {
		power_of_two(d->format, is_search(opt->method) ? data_error : NULL, d, lo, hi);
	}
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
		/* No memory for the search: the range without clipping. */
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
	if (has_range(f) && *lo != *hi) {
		qb_grid_init(&d.grid, f);
		data_range(&d, opt, min, max, lo, hi);
	}
	free(copy);
}
