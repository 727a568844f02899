/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranges of data that is all there, as weights are. Those of what an observer saw are in core/quant/range.c.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/order.h"
#include "core/base/size.h"
#include "core/kernels/quantize/kernels.h"
#include "core/quant/observer.h"
#include "core/quant/quantizer.h"
#include "core/quant/range_rules.h"

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

	if (qb__range_is_affine(d->format)) {
		qsort(d->y, d->n, sizeof(*d->y), qb_float_order);
		tail = min < 0 && max > 0 ? tail : 2 * tail;
		qb__range_whole(d->format, min < 0 ? sorted_quantile(d->y, d->n, tail) : 0,
			max > 0 ? sorted_quantile(d->y, d->n, 1 - tail) : 0, lo, hi);
		return;
	}
	for (size_t i = 0; i < d->n; i++) {
		d->y[i] = fabsf(d->y[i]);
	}
	qsort(d->y, d->n, sizeof(*d->y), qb_float_order);
	max = sorted_quantile(d->y, d->n, percentile / 100);
	qb__range_whole(d->format, -max, max, lo, hi);
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
	qsort(d->sorted, d->n, sizeof(*d->sorted), qb_float_order);
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

	if (!qb__range_is_affine(d->format) || sort_data(d)) {
		qb__range_search(&p, &scale, &zero);
		qb__range_of(d->format, ldexp(scale, e), zero, &low, &high);
		if (data_error(d, low, high) < data_error(d, *lo, *hi)) {
			*lo = low;
			*hi = high;
		}
	}
	if (qb__range_of_integers(d->format, qb__are_integers(d->x, d->n), min, max, &low, &high) &&
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
	d->clip_weight = qb__range_clip_weight(opt->method);
	if (opt->method == QB_RANGE_ENTROPY && d->n >= QB_RANGE_ENTROPY_LEAST) {
		data_entropy(d, opt, lo, hi);
		return;
	}
	if (opt->method == QB_RANGE_PERCENTILE) {
		memcpy(d->y, d->x, d->n * sizeof(*d->y));
		data_percentile(d, opt->percentile, min, max, lo, hi);
	} else if (qb__range_is_search(opt->method)) {
		data_search(d, min, max, lo, hi);
	}
	if (opt->power_of_two) {
		qb__range_power_of_two(d->format, qb__range_is_search(opt->method) ? data_error : NULL, d, lo, hi);
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
		qb__range_whole(f, min, max, lo, hi);
		return;
	}
	d.x = copy;
	d.y = copy + n;
	d.n = keep_finite(x, n, copy, &min, &max);
	qb__range_whole(f, min, max, lo, hi);
	if (qb__range_is_chosen(f) && *lo != *hi) {
		qb_grid_init(&d.grid, f);
		data_range(&d, opt, min, max, lo, hi);
	}
	free(copy);
}
