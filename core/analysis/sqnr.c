/* SPDX-License-Identifier: Apache-2.0 */
#include "core/analysis/sqnr.h"

#include <math.h>
#include <stdlib.h>

#include "core/analysis/sqnr_blocks.h"
#include "core/analysis/sqnr_db.h"
#include "core/base/size.h"

enum { BITS_MAX = 16, SCAN = 64, BRACKETS = 4, FINE = 20, FINER = 12, ROOT_STEPS = 60 };

/* A format at work on a distribution. */
struct cost {
	const struct qb_format *f;
	const struct qb_distribution *d;
	int values;
	double *value, *edge;
	struct qb_moments *cell;
	double mean;
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
	return QB_OK;
}

/* The same rule as a quantizer's, without its rounding to float32. */
static void grid_of(const struct cost *k, double c, double *scale, double *zero)
{
	double min = qb_format_min(k->f), max = qb_format_max(k->f);

	*zero = 0;
	if (!k->f->real_scale) {
		*scale = 1;
	} else if (is_affine(k->f)) {
		*scale = 2 * c / (max - min);
		*zero = nearbyint(min - (k->mean - c) / *scale);
	} else if (max > 0) {
		*scale = c / max;
	} else {
		*scale = min < 0 ? c / -min : 1;
	}
}

static void fill_cells(struct cost *k, double scale, double zero)
{
	for (int i = 0; i + 1 < k->values; i++) {
		k->edge[i] = scale * ((k->value[i] + k->value[i + 1]) / 2 - zero);
	}
	qb_distribution_cells(k->d, k->edge, k->values - 1, k->cell);
}

/* MSE at range c; *slope, if wanted, is proportional to its derivative. The edges' own motion adds nothing to the
 * derivative: at an edge both neighbours are as far. */
static double error_at(struct cost *k, double c, double *slope)
{
	double scale, zero, e = 0, s = 0;

	grid_of(k, c, &scale, &zero);
	fill_cells(k, scale, zero);
	for (int i = 0; i < k->values; i++) {
		const struct qb_moments *m = &k->cell[i];
		double v = k->value[i] - zero, g = scale * v;

		e += m->m2 - 2 * g * m->m1 + g * g * m->m0;
		s -= v * (m->m1 - g * m->m0);
	}
	if (slope) {
		*slope = s;
	}
	return e;
}

static void describe(struct cost *k, double c, struct qb_sqnr *out)
{
	struct qb_sqnr r = {0};
	double lo, hi;
	struct qb_moments tail[3];

	grid_of(k, c, &r.scale, &r.zero);
	r.mse = fmax(error_at(k, c, NULL), 0);
	lo = r.scale * (k->value[0] - r.zero);
	hi = r.scale * (k->value[k->values - 1] - r.zero);
	r.range = k->f->real_scale ? c : fmax(fabs(lo), fabs(hi));
	for (int i = 0; i < k->values; i++) {
		const struct qb_moments *m = &k->cell[i];
		double g = r.scale * (k->value[i] - r.zero);

		r.power += m->m2;
		r.mean += m->m1;
		r.mean_q += g * m->m0;
		r.cross += g * m->m1;
		r.power_q += g * g * m->m0;
	}
	qb_distribution_cells(k->d, (const double[]){lo, hi}, 2, tail);
	r.clip_mse = fmax(tail[0].m2 - 2 * lo * tail[0].m1 + lo * lo * tail[0].m0, 0) +
		fmax(tail[2].m2 - 2 * hi * tail[2].m1 + hi * hi * tail[2].m0, 0);
	r.sqnr_db = qb_sqnr_db(r.power, r.mse);
	r.mse_db = -10 * log10(r.mse);
	r.dot_mse = qb_sqnr_dot_mse(&r, &r);
	*out = r;
}

enum qb_err qb_sqnr_expected(const struct qb_format *f, double c, const struct qb_distribution *d,
	struct qb_sqnr *out, struct qb_errbuf *eb)
{
	struct cost k;

	if (!(c > 0) || !isfinite(c)) {
		return qb_fail(eb, QB_EINVAL, "the range %g must be positive", c);
	}
	if (qb__sqnr_has_octaves(f)) {
		QB_TRY(qb_distribution_check(d, eb));
		return qb__sqnr_blocks(f, d, out, eb);
	}
	QB_TRY(cost_init(&k, f, d, eb));
	describe(&k, c, out);
	cost_fini(&k);
	return QB_OK;
}

/* The search. Errors of floats repeat from octave to octave, and those of integers ripple as grid values pass the ends
 * of a bounded density; so the scan is refined twice before a root of the derivative is taken. */

struct bracket {
	double from, at, to, error;
};

/* Scans [from, to] geometrically and keeps the deepest local minima. */
static int scan(struct cost *k, double from, double to, int points, struct bracket *best, int cap)
{
	double ratio = pow(to / from, 1.0 / (points - 1)), e[SCAN + 2];
	int kept = 0;

	for (int i = 0; i < points; i++) {
		e[i + 1] = error_at(k, from * pow(ratio, i), NULL);
	}
	e[0] = e[points + 1] = INFINITY;
	for (int i = 1; i <= points; i++) {
		if (e[i] <= e[i - 1] && e[i] < e[i + 1]) {
			double at = from * pow(ratio, i - 1);
			struct bracket b = {at / ratio, at, at * ratio, e[i]};
			int j = kept < cap ? kept++ : cap;

			if (j == cap && best[cap - 1].error <= b.error) {
				continue;
			}
			j = QB_MIN(j, cap - 1);
			while (j > 0 && best[j - 1].error > b.error) {
				best[j] = best[j - 1];
				j--;
			}
			best[j] = b;
		}
	}
	return kept;
}

/* Where the derivative changes from falling to rising, by regula falsi (Illinois) with bisection as its guard. */
static double root(struct cost *k, const struct bracket *b)
{
	double a = b->from, z = b->to, sa, sz, c = b->at;

	error_at(k, a, &sa);
	error_at(k, z, &sz);
	if (is_affine(k->f) || !(sa < 0 && sz > 0)) {
		return c; /* a kink, or the zero point jumps: the scan's answer stands */
	}
	for (int i = 0; i < ROOT_STEPS && z - a > 1e-11 * z; i++) {
		double s;

		c = i % 4 == 3 ? (a + z) / 2 : (a * sz - z * sa) / (sz - sa);
		c = c > a && c < z ? c : (a + z) / 2;
		error_at(k, c, &s);
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
	return c;
}

/* The optimum of one bracket of the coarse scan. */
static struct bracket sharpen(struct cost *k, struct bracket b)
{
	static const int points[] = {FINE, FINER};
	struct bracket finer[1];
	double c, e;

	for (size_t i = 0; i < QB_COUNT(points); i++) {
		if (scan(k, b.from, b.to, points[i], finer, 1) && finer[0].error <= b.error) {
			b = finer[0];
		}
	}
	c = root(k, &b);
	e = error_at(k, c, NULL);
	if (e <= b.error) {
		b.at = c;
		b.error = e;
	}
	return b;
}

static double optimum(struct cost *k, double from, double to)
{
	struct bracket wide[BRACKETS], best = {0, from, 0, INFINITY};
	int n = scan(k, from, to, SCAN, wide, BRACKETS);

	for (int i = 0; i < n; i++) {
		struct bracket b = sharpen(k, wide[i]);

		best = b.error < best.error ? b : best;
	}
	return best.at;
}

enum qb_err qb_sqnr_optimal(const struct qb_format *f, const struct qb_distribution *d,
	struct qb_sqnr *out, struct qb_errbuf *eb)
{
	struct cost k;
	double rms, bound = qb_distribution_bound(d), c = 1;
	const double no_edge = 0;
	struct qb_moments all[2];

	if (qb__sqnr_has_octaves(f)) {
		QB_TRY(qb_distribution_check(d, eb));
		return qb__sqnr_blocks(f, d, out, eb);
	}
	QB_TRY(cost_init(&k, f, d, eb));
	qb_distribution_cells(d, &no_edge, 1, all);
	rms = sqrt(all[0].m2 + all[1].m2);
	if (f->real_scale && rms > 0) {
		/* A range below a twentieth of the rms clips nearly all; above a bound, another octave of floats. */
		c = optimum(&k, rms / 20, fmin(2 * bound, 1000 * rms));
	}
	describe(&k, c, out);
	cost_fini(&k);
	return QB_OK;
}
