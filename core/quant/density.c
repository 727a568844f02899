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
	struct qb_density_edge *edge = calloc((size_t)bins + 1, sizeof(*edge));
	double *value = malloc(2 * GRID_MAX * sizeof(*value));

	if (!edge || !value) {
		free(edge);
		free(value);
		return false;
	}
	*d = (struct qb_density){.first = first, .bins = bins, .width = width, .inverse = 1 / width,
		.zeros = (double)o->zeros, .edge = edge, .value = value, .format = f, .clip_weight = 1};
	d->scaled = d->value + GRID_MAX;
	for (int i = 0; i <= bins; i++) {
		d->edge[i].x = fmin(fmax((first + i) * width, o->lo), o->hi);
	}
	for (int i = 0; i < bins; i++) {
		uint64_t n = qb__observer_bin(o, first + i + QB_OBSERVER_SIDE);
		double c = (double)(first + i == 0 ? n - o->zeros : n);
		double a = d->edge[i].x, b = d->edge[i + 1].x;

		d->edge[i + 1].m0 = d->edge[i].m0 + c;
		d->edge[i + 1].m1 = d->edge[i].m1 + c * (a + b) / 2;
		d->edge[i + 1].m2 = d->edge[i].m2 + c * (a * a + a * b + b * b) / 3;
	}
	if (f->bits <= 12) {
		d->values = qb_format_values(f, d->value, GRID_MAX);
	}
	return true;
}

void qb_density_fini(struct qb_density *d)
{
	free(d->edge);
	free(d->value);
	d->edge = NULL;
	d->value = NULL;
}

struct moments {
	double m0, m1, m2;
};

static inline __attribute__((always_inline)) struct moments below(const struct qb_density *d, double x)
{
	double at = x * d->inverse - d->first, a, b, n, t;
	int i = at <= 0 ? 0 : at >= d->bins ? d->bins - 1 : (int)at;

	a = d->edge[i].x;
	b = d->edge[i + 1].x;
	if (x >= b) {
		return (struct moments){d->edge[i + 1].m0, d->edge[i + 1].m1, d->edge[i + 1].m2};
	}
	if (x <= a) {
		return (struct moments){d->edge[i].m0, d->edge[i].m1, d->edge[i].m2};
	}
	t = b - a == d->width ? (x - a) * d->inverse : (x - a) / (b - a);
	n = (d->edge[i + 1].m0 - d->edge[i].m0) * t;
	return (struct moments){d->edge[i].m0 + n, d->edge[i].m1 + n * (a + x) / 2,
		d->edge[i].m2 + n * (a * a + a * x + x * x) / 3};
}

void qb_density_below(void *density, double x, double *count, double *sum)
{
	const struct qb_density *d = density;
	const struct moments m = below(d, x);

	*count = m.m0 + (x > 0 ? d->zeros : 0);
	*sum = m.m1;
}

/* What lies between the two moments becomes g. */
static inline __attribute__((always_inline)) void add_cell(struct qb_fit *f, const struct moments *from,
	const struct moments *to, double g, double weight)
{
	double m0 = to->m0 - from->m0, m1 = to->m1 - from->m1, m2 = to->m2 - from->m2;

	f->noise += weight * (m2 - 2 * g * m1 + g * g * m0);
	f->cross += weight * g * (g * m0 - m1);
	f->power += g * g * m0;
}

/* What is cut off, weight times. */
static void add_clipped(const struct qb_density *d, struct qb_fit *f, double lo, double hi, double weight)
{
	struct moments none = {0, 0, 0}, at_lo = below(d, lo), at_hi = below(d, hi);
	struct moments all = {d->edge[d->bins].m0, d->edge[d->bins].m1, d->edge[d->bins].m2};
	struct qb_fit cut = {0, 0, 0};

	add_cell(&cut, &none, &at_lo, lo, weight);
	add_cell(&cut, &at_hi, &all, hi, weight);
	f->noise += cut.noise;
	f->cross += cut.cross;
}

/* Integers too many to walk through: a uniform step, and what is cut off. */
static struct qb_fit wide_fit(const struct qb_density *d, double step, double lo, double hi)
{
	struct qb_fit f = {0, 0, 0};

	add_clipped(d, &f, lo, hi, d->clip_weight);
	f.noise += (below(d, hi).m0 - below(d, lo).m0) * step * step / 12;
	f.cross = 0;
	return f;
}

static double nearest_to_zero(const struct qb_density *d)
{
	int from = 0, to = d->values - 1;

	while (from < to) {
		int i = (from + to) / 2;

		if (d->scaled[i] + d->scaled[i + 1] < 0) {
			from = i + 1;
		} else {
			to = i;
		}
	}
	return d->scaled[from];
}

/* Cells that no element falls into have no error: the walk begins and ends where the data does. */
static struct qb_fit grid_fit(const struct qb_density *d)
{
	const double *g = d->scaled, first = d->edge[0].x, last = d->edge[d->bins].x;
	struct moments from = {0, 0, 0}, to, all = {d->edge[d->bins].m0, d->edge[d->bins].m1, d->edge[d->bins].m2};
	struct qb_fit f = {0, 0, 0};
	double zero = d->zeros > 0 ? nearest_to_zero(d) : 0;
	int i = 0;

	f.noise = f.cross = f.power = zero * zero * d->zeros;
	while (i + 1 < d->values && (g[i] + g[i + 1]) / 2 <= first) {
		i++;
	}
	for (; i + 1 < d->values && (g[i] + g[i + 1]) / 2 < last; i++) {
		to = below(d, (g[i] + g[i + 1]) / 2);
		add_cell(&f, &from, &to, g[i], 1);
		from = to;
	}
	add_cell(&f, &from, &all, g[i], 1);
	if (d->clip_weight != 1) {
		add_clipped(d, &f, g[0], g[d->values - 1], d->clip_weight - 1);
	}
	return f;
}

static void place_grid(struct qb_density *d, double scale, double zero)
{
	for (int i = 0; i < d->values; i++) {
		d->scaled[i] = scale * (d->value[i] - zero);
	}
}

static struct qb_fit fit_one(struct qb_density *d, double scale, double zero)
{
	place_grid(d, scale, zero);
	return d->values ? grid_fit(d) : wide_fit(d, scale, scale * (qb_format_min(d->format) - zero),
		scale * (qb_format_max(d->format) - zero));
}

void qb_density_fit(void *density, const double *scale, const double *zero, int count, struct qb_fit *out)
{
	for (int i = 0; i < count; i++) {
		out[i] = fit_one(density, scale[i], zero[i]);
	}
}

double qb_density_error(void *density, float lo, float hi)
{
	struct qb_density *d = density;
	float scale;
	int32_t zero;

	return qb_quantizer_scale(d->format, lo, hi, &scale, &zero) ? fit_one(d, (double)scale, zero).noise : INFINITY;
}

static double bin_count(const struct qb_density *d, int i)
{
	return d->edge[i + 1].m0 - d->edge[i].m0;
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
		*p += d->edge[from].m0;
	}
	if (i == to - 1) {
		*p += d->edge[d->bins].m0 - d->edge[to].m0;
	}
	return *p > 0 ? *p * log(*p) : 0;
}

double qb_density_divergence(void *density, float lo, float hi)
{
	struct qb_density *d = density;
	double total = d->edge[d->bins].m0, kept, sum = 0;
	float scale;
	int32_t zero;
	int from, to;

	if (d->values < 2 || !qb_quantizer_scale(d->format, lo, hi, &scale, &zero)) {
		return INFINITY;
	}
	place_grid(d, (double)scale, zero);
	kept_bins(d, &from, &to);
	kept = from < to ? d->edge[to].m0 - d->edge[from].m0 : 0;
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
	double n = d->edge[d->bins].m0 + d->zeros, want = q * n, negative = 0;
	int i;

	for (i = 0; i < d->bins && d->edge[i + 1].x <= 0; i++) {
		negative = d->edge[i + 1].m0;
	}
	if (want >= negative && want <= negative + d->zeros && d->zeros > 0) {
		return 0;
	}
	want -= want > negative ? d->zeros : 0;
	for (i = 0; i + 1 < d->bins && d->edge[i + 1].m0 < want; i++) {
		;
	}
	n = d->edge[i + 1].m0 - d->edge[i].m0;
	return n > 0 ? d->edge[i].x + (d->edge[i + 1].x - d->edge[i].x) * fmin((want - d->edge[i].m0) / n, 1)
		     : d->edge[i].x;
}

/* c with the share q of |x| below it, by halving. */
double qb_density_abs_quantile(const struct qb_density *d, double q, double most)
{
	double n = d->edge[d->bins].m0 + d->zeros, a = 0, b = most;

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

