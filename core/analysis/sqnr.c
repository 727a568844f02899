/* SPDX-License-Identifier: Apache-2.0 */
#include "core/analysis/sqnr.h"

#include <math.h>
#include <stdlib.h>

#include "core/analysis/sqnr_blocks.h"
#include "core/analysis/sqnr_db.h"
#include "core/base/size.h"
#include "core/quant/range_search.h"

enum { BITS_MAX = 16, OCTAVE_POINTS = 16, OCTAVES = 60, ROOT_STEPS = 60 };
/* Points of the scan, to an octave: where the error has a kink for each value of the grid, and where it has none; and where a
 * little change of an asymmetric scale moves the grid by a step, for 0 is far away. */
enum { POINTS_OF_KINKS = 128, POINTS = 16, POINTS_FAR = 1024 };
/* Of a distribution's power: what may be neglected. */
static const double NEGLIGIBLE = 1e-9;
/* The least range that is tried, of the deviation. */
static const double LEAST = 1.0 / 1024;

/* A format at work on a distribution. */
struct cost {
	const struct qb_format *f;
	const struct qb_distribution *d;
	int values;
	double *value, *edge;
	struct qb_moments *cell;
	double mean, power;
};

static bool is_affine(const struct qb_format *f)
{
	return f->kind == QB_FORMAT_INT && f->asymmetric;
}

static void cost_fini(struct cost *k)
{
	free(k->value);
	free(k->edge);
	free(k->cell);
}

static enum qb_err cost_init(struct cost *k, const struct qb_format *f,
	const struct qb_distribution *d, struct qb_errbuf *eb)
{
	const double no_edge = 0;
	struct qb_moments all[2];
	size_t room;

	QB_TRY(qb_distribution_check(d, eb));
	if (f->block || f->bits > BITS_MAX) {
		return qb_fail(eb, QB_EUNSUPPORTED, "%s: the exact error is known for formats of up to %d bits, with "
			"blocks if they share a power of two", f->name, BITS_MAX);
	}
	room = f->kind == QB_FORMAT_TABLE ? (size_t)f->table_count : (size_t)1 << f->bits;
	*k = (struct cost){.f = f, .d = d, .value = malloc(room * sizeof(*k->value)),
		.edge = malloc(room * sizeof(*k->edge)), .cell = malloc(room * sizeof(*k->cell))};
	if (!k->value || !k->edge || !k->cell) {
		cost_fini(k);
		return qb_fail(eb, QB_ENOMEM, "no memory for the %zu values of %s", room, f->name);
	}
	k->values = qb_format_values(f, k->value, (int)room);
	qb_distribution_cells(d, &no_edge, 1, all);
	k->mean = all[0].m1 + all[1].m1;
	k->power = all[0].m2 + all[1].m2;
	return QB_OK;
}

/* The value that a range becomes. */
static double range_unit(const struct qb_format *f)
{
	double min = qb_format_min(f), max = qb_format_max(f);

	return max > 0 ? max : min < 0 ? -min : 1;
}

/* The same rule as a quantizer's, without its rounding to float32; an asymmetric range lies around the mean. */
static void grid_of(const struct cost *k, double c, double *scale, double *zero)
{
	*zero = 0;
	*scale = k->f->real_scale ? c / range_unit(k->f) : 1;
	if (is_affine(k->f)) {
		*scale = 2 * c / (qb_format_max(k->f) - qb_format_min(k->f));
		*zero = nearbyint(qb_format_min(k->f) - (k->mean - c) / *scale);
	}
}

static void fill_cells(struct cost *k, double scale, double zero)
{
	for (int i = 0; i + 1 < k->values; i++) {
		k->edge[i] = scale * ((k->value[i] + k->value[i + 1]) / 2 - zero);
	}
	qb_distribution_cells(k->d, k->edge, k->values - 1, k->cell);
}

static struct qb_fit fit_at(struct cost *k, double scale, double zero)
{
	struct qb_fit f = {0, 0, 0};

	fill_cells(k, scale, zero);
	for (int i = 0; i < k->values; i++) {
		const struct qb_moments *m = &k->cell[i];
		double g = scale * (k->value[i] - zero);

		f.noise += m->m2 - 2 * g * m->m1 + g * g * m->m0;
		f.cross += g * (g * m->m0 - m->m1);
		f.power += g * g * m->m0;
	}
	return f;
}

/* The error of what lies beyond the grid's ends. */
static double clipped(const struct cost *k, double scale, double zero)
{
	const double lo = scale * (k->value[0] - zero), hi = scale * (k->value[k->values - 1] - zero);
	struct qb_moments m[3];

	qb_distribution_cells(k->d, (const double[]){lo, hi}, 2, m);
	return fmax(m[0].m2 - 2 * lo * m[0].m1 + lo * lo * m[0].m0, 0) +
		fmax(m[2].m2 - 2 * hi * m[2].m1 + hi * hi * m[2].m0, 0);
}

static void describe(struct cost *k, double scale, double zero, struct qb_sqnr *out)
{
	struct qb_sqnr r = {.scale = scale, .zero = zero};

	r.mse = fmax(fit_at(k, scale, zero).noise, 0);
	r.low = scale * (k->value[0] - zero);
	r.high = scale * (k->value[k->values - 1] - zero);
	r.range = is_affine(k->f) ? (r.high - r.low) / 2 : fmax(fabs(r.low), fabs(r.high));
	for (int i = 0; i < k->values; i++) {
		const struct qb_moments *m = &k->cell[i];
		double g = scale * (k->value[i] - zero);

		r.power += m->m2;
		r.mean += m->m1;
		r.mean_q += g * m->m0;
		r.cross += g * m->m1;
		r.power_q += g * g * m->m0;
	}
	r.clip_mse = clipped(k, scale, zero);
	r.sqnr_db = qb_sqnr_db(r.power, r.mse);
	r.mse_db = -10 * log10(r.mse);
	r.dot_mse = qb_sqnr_dot_mse(&r, &r);
	*out = r;
}

enum qb_err qb_sqnr_expected(const struct qb_format *f, double c, const struct qb_distribution *d,
	struct qb_sqnr *out, struct qb_errbuf *eb)
{
	double scale, zero;
	struct cost k;

	if (!(c > 0) || !isfinite(c)) {
		return qb_fail(eb, QB_EINVAL, "the range %g must be positive", c);
	}
	if (qb__sqnr_has_octaves(f)) {
		QB_TRY(qb_distribution_check(d, eb));
		return qb__sqnr_blocks(f, d, out, eb);
	}
	QB_TRY(cost_init(&k, f, d, eb));
	grid_of(&k, c, &scale, &zero);
	describe(&k, scale, zero, out);
	out->range = f->real_scale ? c : out->range;
	cost_fini(&k);
	return QB_OK;
}

/* The search */

static void fit_each(void *arg, const double *scale, const double *zero, int count, struct qb_fit *out)
{
	for (int i = 0; i < count; i++) {
		out[i] = fit_at(arg, scale[i], zero[i]);
	}
}

static void below(void *arg, double x, double *count, double *sum)
{
	const struct cost *k = arg;
	struct qb_moments m[2];

	qb_distribution_cells(k->d, &x, 1, m);
	*count = m[0].m0;
	*sum = m[0].m1;
}

/* Does the density end, or stand at a point, where that moves the error? */
static bool has_kinks(const struct cost *k)
{
	const struct qb_distribution *d = k->d;
	struct qb_distribution whole = *d;
	struct qb_moments m[3];

	if (d->kind == QB_DIST_UNIFORM || d->kind == QB_DIST_EMPIRICAL || d->kind == QB_DIST_MIXTURE) {
		return true;
	}
	whole.clip = 0;
	if (d->clip > 0) {
		qb_distribution_cells(&whole, (const double[]){-d->clip, d->clip}, 2, m);
	}
	return d->clip > 0 && (m[0].m0 + m[2].m0) * d->clip * d->clip > NEGLIGIBLE * k->power;
}

static double smallest_value(const struct cost *k)
{
	double least = INFINITY;

	for (int i = 0; i < k->values; i++) {
		least = k->value[i] != 0 && fabs(k->value[i]) < fabs(least) ? k->value[i] : least;
	}
	return isfinite(least) ? least : 1;
}

/* The scale above which none is better: no grid of twice the scale is nearer to what this one does not cut off, so an octave
 * whose errors but for the clipping exceed the best is the last to try. Lists of values have no octaves. */
static double largest_scale(struct cost *k, const struct qb_range_problem *p, double scale)
{
	double best = INFINITY, inner, most = fmin(qb_distribution_bound(k->d), 20 * sqrt(k->power));

	if (k->f->kind == QB_FORMAT_TABLE) {
		return fmax(2 * most / fabs(smallest_value(k)), scale);
	}
	for (int octave = 0; octave < OCTAVES; octave++, scale *= 2) {
		inner = INFINITY;
		for (int i = 0; i < OCTAVE_POINTS; i++) {
			double s = scale * exp2((double)i / OCTAVE_POINTS), zero = is_affine(k->f) ? qb__range_zero(p, s) : 0;
			double e = fit_at(k, s, zero).noise;

			best = fmin(best, e);
			inner = fmin(inner, e - clipped(k, s, zero));
		}
		if (inner >= best * (1 - NEGLIGIBLE)) {
			break;
		}
	}
	return 2 * scale;
}

/* Where the derivative changes from falling to rising near a scale, by regula falsi (Illinois) with bisection as its guard;
 * the scale itself at a kink. */
static double root(struct cost *k, double scale, double zero)
{
	double a = scale * (1 - 4e-4), z = scale * (1 + 4e-4), c = scale;
	double sa = fit_at(k, a, zero).cross, sz = fit_at(k, z, zero).cross;

	if (!(sa < 0 && sz > 0)) {
		return scale;
	}
	for (int i = 0; i < ROOT_STEPS && z - a > 1e-11 * z; i++) {
		double s;

		c = i % 4 == 3 ? (a + z) / 2 : (a * sz - z * sa) / (sz - sa);
		c = c > a && c < z ? c : (a + z) / 2;
		s = fit_at(k, c, zero).cross;
		if (s == 0) {
			break;
		}
		if (s < 0) {
			a = c;
			sa = s;
			sz *= 0.5;
		} else {
			z = c;
			sz = s;
			sa *= 0.5;
		}
	}
	return fit_at(k, c, zero).noise <= fit_at(k, scale, zero).noise ? c : scale;
}

static int points_of(const struct cost *k, double deviation)
{
	if (is_affine(k->f) && k->f->bits <= 8 && fabs(k->mean) > 2 * deviation) {
		return POINTS_FAR;
	}
	return has_kinks(k) ? POINTS_OF_KINKS : POINTS;
}

static void optimum(struct cost *k, double *scale, double *zero)
{
	double deviation = is_affine(k->f) ? sqrt(fmax(k->power - k->mean * k->mean, 1e-6 * k->power)) : sqrt(k->power);
	double reach = fmin(qb_distribution_bound(k->d), fabs(k->mean) + 1e4 * deviation);
	double unit = is_affine(k->f) ? (qb_format_max(k->f) - qb_format_min(k->f)) / 2 : range_unit(k->f);
	struct qb_range_problem p = {.format = k->f, .min = -reach, .max = reach, .count = 1,
		.points = points_of(k, deviation), .from = LEAST * deviation / unit, .fit = fit_each,
		.below = below, .arg = k};

	p.to = largest_scale(k, &p, deviation / unit);
	qb__range_search(&p, scale, zero);
	*scale = root(k, *scale, *zero);
}

enum qb_err qb_sqnr_optimal(const struct qb_format *f, const struct qb_distribution *d,
	struct qb_sqnr *out, struct qb_errbuf *eb)
{
	double scale = 1, zero = 0, c = 1;
	struct cost k;

	if (qb__sqnr_has_octaves(f)) {
		QB_TRY(qb_distribution_check(d, eb));
		return qb__sqnr_blocks(f, d, out, eb);
	}
	QB_TRY(cost_init(&k, f, d, eb));
	grid_of(&k, c, &scale, &zero);
	if (f->real_scale && k.power > 0) {
		optimum(&k, &scale, &zero);
	}
	if (!is_affine(f)) {
		/* As qb_sqnr_expected has it from the range. */
		c = f->real_scale ? scale * range_unit(f) : 1;
		grid_of(&k, c, &scale, &zero);
	}
	describe(&k, scale, zero, out);
	out->range = f->real_scale && !is_affine(f) ? c : out->range;
	cost_fini(&k);
	return QB_OK;
}
