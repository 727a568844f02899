/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/range.h"

#include <math.h>
#include <stdbool.h>

#include "core/base/size.h"
#include "core/quant/density.h"
#include "core/quant/observer.h"
#include "core/quant/range_rules.h"

const char *qb_range_method_name(enum qb_range_method m)
{
	static const char *const names[] = {
#define X(id, name) name,
		QB_RANGE_METHODS(X)
#undef X
	};

	return (size_t)m < QB_COUNT(names) ? names[m] : NULL;
}

static void density_percentile(const struct qb_density *d, double percentile, double min,
	double max, float *lo, float *hi)
{
	double tail = (100 - percentile) / 200;

	if (qb__range_is_affine(d->format)) {
		bool both = min < 0 && max > 0;

		tail = both ? tail : 2 * tail;
		qb__range_whole(d->format, min < 0 ? qb_density_quantile(d, tail) : 0,
			max > 0 ? qb_density_quantile(d, 1 - tail) : 0, lo, hi);
	} else {
		double c = qb_density_abs_quantile(d, percentile / 100, fmax(-min, max));

		qb__range_whole(d->format, -c, c, lo, hi);
	}
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
	if (qb_density_error(d, *lo, *hi) > 0 && qb__range_of_integers(d->format, !o->fractions, o->lo, o->hi, &low, &high)) {
		*lo = low;
		*hi = high;
	}
}

static void density_range(struct qb_density *d, const struct qb_observer *o,
	const struct qb_range_options *opt, float *lo, float *hi)
{
	const struct qb_format *f = d->format;
	qb_range_error_fn *error = NULL;

	d->clip_weight = qb__range_clip_weight(opt->method);
	if (opt->method == QB_RANGE_PERCENTILE) {
		density_percentile(d, opt->percentile, o->lo, o->hi, lo, hi);
	} else if (opt->method == QB_RANGE_ENTROPY && o->count >= QB_RANGE_ENTROPY_LEAST) {
		error = qb_density_divergence;
		qb__range_scan(f, fmin(o->lo, 0), fmax(o->hi, 0), error, d, lo, hi);
	} else if (qb__range_is_search(opt->method)) {
		error = qb_density_error;
		density_search(d, o, lo, hi);
	}
	if (opt->power_of_two) {
		qb__range_power_of_two(f, error, d, lo, hi);
	}
}

void qb_range_from_observer(const struct qb_observer *o, const struct qb_format *f,
	const struct qb_range_options *opt, float *lo, float *hi)
{
	struct qb_density d;
	/* Grids finer than the histogram lose nothing that it could see. */
	bool fine = (f->kind != QB_FORMAT_INT && f->bits > 12) ||
		(opt->method == QB_RANGE_ENTROPY && f->bits > 12);

	qb__range_whole(f, o->lo, o->hi, lo, hi);
	if (opt->method == QB_RANGE_RUNNING_MINMAX && o->running) {
		qb__range_whole(f, o->run_lo, o->run_hi, lo, hi);
	}
	if (!qb__range_is_chosen(f) || *lo == *hi || fine || !qb_density_init(&d, o, f)) {
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
