/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/density.h"

#include <math.h>
#include <stdlib.h>

#include "core/quant/observer.h"
#include "core/quant/quantizer.h"

/* Grids of more values than this are finer than the histogram's bins: their error is step^2 / 12. */
enum { GRID_MAX = 4096 };

bool qb_density_init(struct qb_density *d, const struct qb_observer *o, const struct qb_format *f)
{
	int first;
	double width;
	int bins = qb_observer_histogram(o, &first, &width, NULL, 0);
	double *p = calloc((size_t)(bins + 1) * 4 + 2 * GRID_MAX, sizeof(*p));

	if (!p) {
		return false;
	}
	*d = (struct qb_density){.first = first, .bins = bins, .width = width,
		.zeros = (double)o->zeros, .edge = p, .m0 = p + bins + 1, .m1 = p + 2 * (bins + 1),
		.m2 = p + 3 * (bins + 1), .value = p + 4 * (bins + 1), .format = f,
		.clip_weight = 1};
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

void qb_density_fini(struct qb_density *d)
{
	free(d->edge);
	d->edge = NULL;
}

struct moments {
	double m0, m1, m2;
};

static struct moments below(const struct qb_density *d, double x)
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
static double wide_error(const struct qb_density *d, double step, double lo, double hi)
{
	struct moments none = {0, 0, 0}, at_lo = below(d, lo), at_hi = below(d, hi);
	struct moments all = {d->m0[d->bins], d->m1[d->bins], d->m2[d->bins]};

	return d->clip_weight * (cell(&none, &at_lo, lo) + cell(&at_hi, &all, hi)) +
		(at_hi.m0 - at_lo.m0) * step * step / 12;
}

/* The part of the error that lies beyond the ends of the grid. */
static double clipped(const struct qb_density *d)
{
	double lo = d->scaled[0], hi = d->scaled[d->values - 1];
	struct moments none = {0, 0, 0}, at_lo = below(d, lo), at_hi = below(d, hi);
	struct moments all = {d->m0[d->bins], d->m1[d->bins], d->m2[d->bins]};

	return d->clip_weight == 1 ? 0 : cell(&none, &at_lo, lo) + cell(&at_hi, &all, hi);
}

/* Cells that no number falls into have no error: the walk begins and ends where the data does. */
static double grid_error(const struct qb_density *d)
{
	const double *g = d->scaled, first = d->edge[0], last = d->edge[d->bins];
	struct moments from = {0, 0, 0}, to, all = {d->m0[d->bins], d->m1[d->bins], d->m2[d->bins]};
	double e = 0, zero = INFINITY;
	int i = 0;

	for (int k = 0; k < d->values; k++) {
		zero = g[k] * g[k] < zero ? g[k] * g[k] : zero;
	}
	while (i + 1 < d->values && (g[i] + g[i + 1]) / 2 <= first) {
		i++;
	}
	for (; i + 1 < d->values && (g[i] + g[i + 1]) / 2 < last; i++) {
		to = below(d, (g[i] + g[i + 1]) / 2);
		e += cell(&from, &to, g[i]);
		from = to;
	}
	e += cell(&from, &all, g[i]);
	return e + zero * d->zeros + (d->clip_weight - 1) * clipped(d);
}

/* Puts the grid where the range has it; false where there is no such quantizer. */
static bool place_grid(struct qb_density *d, float lo, float hi, double *scale, double *zero)
{
	float step;
	int32_t code;

	if (!qb_quantizer_scale(d->format, lo, hi, &step, &code)) {
		return false;
	}
	*scale = step;
	*zero = code;
	for (int i = 0; i < d->values; i++) {
		d->scaled[i] = *scale * (d->value[i] - *zero);
	}
	return true;
}

double qb_density_error(void *density, float lo, float hi)
{
	struct qb_density *d = density;
	double scale, zero;

	if (!place_grid(d, lo, hi, &scale, &zero)) {
		return INFINITY;
	}
	return d->values ? grid_error(d)
		: wide_error(d, scale, scale * (qb_format_min(d->format) - zero),
			scale * (qb_format_max(d->format) - zero));
}

static double bin_count(const struct qb_density *d, int i)
{
	return d->m0[i + 1] - d->m0[i];
}

static double bin_middle(const struct qb_density *d, int i)
{
	return (d->first + i + 0.5) * d->width;
}

/* Bins [*from, *to) are not clipped: their middles lie within half a step of the grid's ends. */
static void kept_bins(const struct qb_density *d, int *from, int *to)
{
	const double *g = d->scaled;
	int n = d->values;
	double lo = g[0] - (g[1] - g[0]) / 2, hi = g[n - 1] + (g[n - 1] - g[n - 2]) / 2;

	for (*from = 0; *from < d->bins && bin_middle(d, *from) < lo; ++*from) {
		;
	}
	for (*to = d->bins; *to > *from && bin_middle(d, *to - 1) > hi; --*to) {
		;
	}
}

/* P log P of bin i, with what lies outside [from, to) counted in the outermost; *p is its P. */
static double plogp(const struct qb_density *d, int i, int from, int to, double *p)
{
	*p = bin_count(d, i);
	if (i == from) {
		*p += d->m0[from];
	}
	if (i == to - 1) {
		*p += d->m0[d->bins] - d->m0[to];
	}
	return *p > 0 ? *p * log(*p) : 0;
}

double qb_density_divergence(void *density, float lo, float hi)
{
	struct qb_density *d = density;
	double scale, zero, total = d->m0[d->bins], kept, sum = 0;
	int from, to;

	if (d->values < 2 || !place_grid(d, lo, hi, &scale, &zero)) {
		return INFINITY;
	}
	kept_bins(d, &from, &to);
	kept = from < to ? d->m0[to] - d->m0[from] : 0;
	if (!(kept > 0)) {
		return INFINITY;
	}
	for (int i = from, k = 0; i < to;) {
		double cell_p = 0, cell_q = 0, filled = 0;

		while (k + 1 < d->values &&
			bin_middle(d, i) > (d->scaled[k] + d->scaled[k + 1]) / 2) {
			k++;
		}
		/* All bins whose nearest value is the k-th. */
		for (; i < to && (k + 1 == d->values ||
			bin_middle(d, i) <= (d->scaled[k] + d->scaled[k + 1]) / 2); i++) {
			double p;

			sum += plogp(d, i, from, to, &p);
			cell_p += p;
			cell_q += bin_count(d, i);
			filled += p > 0;
		}
		/* A share of nothing but what was clipped is as unlikely as one number in all. */
		sum -= cell_p > 0 ? cell_p * log(fmax(cell_q, 1) / filled) : 0;
	}
	return sum / total - log(total) + log(kept);
}

/* x below which the share q of what was seen lies. */
double qb_density_quantile(const struct qb_density *d, double q)
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
double qb_density_abs_quantile(const struct qb_density *d, double q, double most)
{
	double n = d->m0[d->bins] + d->zeros, a = 0, b = most;

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

