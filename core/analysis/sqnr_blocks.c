/* SPDX-License-Identifier: Apache-2.0
 *
 * The expected error of formats whose blocks share a power of two (OCP MX). The scale depends on the octave of the block's
 * largest magnitude alone, so it is a sum over octaves. With F(a) = P(|x| < a) and h any function of a number and of what
 * becomes of it at octave k, exchangeability of a block's n elements gives
 *   E[h] = sum over k of E[h_k(x); |x| < 2^(k+1)] F(2^(k+1))^(n-1) - E[h_k(x); |x| < 2^k] F(2^k)^(n-1).
 */
#include <math.h>
#include <stdlib.h>

#include "core/analysis/sqnr.h"
#include "core/analysis/sqnr_blocks.h"
#include "core/analysis/sqnr_db.h"
#include "core/base/order.h"

enum { BITS_MAX = 8, OCTAVE_MIN = -140, OCTAVE_MAX = 127 };
/* What lies beyond or below the octaves that are summed, of the whole second moment. */
static const double NEGLIGIBLE = 1e-17;

/* The element's grid, its cells, and the ends of an octave inserted among their edges. */
struct blocks {
	const struct qb_format *f;
	const struct qb_distribution *d;
	int values, largest_exponent;
	double value[1 << BITS_MAX], edge[(1 << BITS_MAX) + 4];
	struct qb_moments cell[(1 << BITS_MAX) + 5];
};

/* Sums over |x| below some end: probability, and of x, Q, x Q, Q^2, error, error beyond the grid. */
struct sums {
	double m0, mean, mean_q, cross, power_q, mse, clip_mse;
};

/* E[...; |x| < end] with the grid scaled by scale. */
static struct sums below(struct blocks *b, double scale, double end)
{
	struct sums s = {0};
	int n = 0, at = 0;

	for (int i = 0; i + 1 < b->values; i++) {
		b->edge[n++] = scale * (b->value[i] + b->value[i + 1]) / 2;
	}
	b->edge[n++] = scale * b->value[0];
	b->edge[n++] = scale * b->value[b->values - 1];
	b->edge[n++] = -end;
	b->edge[n++] = nextafter(end, 0); /* cells hold their right end */
	qsort(b->edge, (size_t)n, sizeof(*b->edge), qb_double_order);
	qb_distribution_cells(b->d, b->edge, n, b->cell);
	for (int i = 1; i < n; i++) {
		const struct qb_moments *m = &b->cell[i];
		double middle = (b->edge[i - 1] + b->edge[i]) / 2, q, e;

		if (b->edge[i - 1] < -end || b->edge[i] >= end) {
			continue;
		}
		while (at + 1 < b->values && scale * (b->value[at] + b->value[at + 1]) / 2 < middle) {
			at++;
		}
		q = scale * b->value[at];
		e = m->m2 - 2 * q * m->m1 + q * q * m->m0;
		s.m0 += m->m0;
		s.mean += m->m1;
		s.mean_q += q * m->m0;
		s.cross += q * m->m1;
		s.power_q += q * q * m->m0;
		s.mse += e;
		s.clip_mse += fabs(middle) > fabs(q) && (at == 0 || at == b->values - 1) ? e : 0;
	}
	return s;
}

static void add(struct qb_sqnr *to, const struct sums *s, double weight)
{
	to->mean_q += weight * s->mean_q;
	to->cross += weight * s->cross;
	to->power_q += weight * s->power_q;
	to->mse += weight * s->mse;
	to->clip_mse += weight * s->clip_mse;
}

/* P(|x| < end), E[x^2; |x| < end] */
static void inside(const struct qb_distribution *d, double end, double *mass, double *power)
{
	const double edge[2] = {-end, nextafter(end, 0)};
	struct qb_moments m[3];

	qb_distribution_cells(d, edge, 2, m);
	*mass = m[1].m0;
	*power = m[1].m2;
}

static void add_octave(struct blocks *b, int k, struct qb_sqnr *out)
{
	double scale = ldexp(1, k - b->largest_exponent < -127 ? -127 : k - b->largest_exponent);
	int others = b->f->block - 1;
	struct sums wide = below(b, scale, ldexp(1, k + 1)), narrow = below(b, scale, ldexp(1, k));

	add(out, &wide, pow(wide.m0, others));
	add(out, &narrow, -pow(narrow.m0, others));
}

enum qb_err qb__sqnr_blocks(const struct qb_format *f, const struct qb_distribution *d,
	struct qb_sqnr *out, struct qb_errbuf *eb)
{
	struct blocks *b = malloc(sizeof(*b));
	struct qb_sqnr r = {.range = NAN, .scale = NAN, .low = NAN, .high = NAN};
	const double no_edge = 0;
	struct qb_moments all[2];
	double mass, power;
	int top = OCTAVE_MAX;

	if (!b) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the values of %s", f->name);
	}
	*b = (struct blocks){.f = f, .d = d, .largest_exponent = ilogb(qb_format_max(f))};
	b->values = qb_format_values(f, b->value, 1 << BITS_MAX);
	qb_distribution_cells(d, &no_edge, 1, all);
	r.power = all[0].m2 + all[1].m2;
	r.mean = all[0].m1 + all[1].m1;
	while (top > OCTAVE_MIN) {
		inside(d, ldexp(1, top), &mass, &power);
		if (r.power - power > NEGLIGIBLE * r.power) {
			break;
		}
		top--;
	}
	for (int k = top; k >= OCTAVE_MIN; k--) {
		add_octave(b, k, &r);
		inside(d, ldexp(1, k), &mass, &power);
		if (power * pow(mass, f->block - 1) <= NEGLIGIBLE * r.power) {
			break;
		}
	}
	free(b);
	r.mse = fmax(r.mse, 0);
	r.clip_mse = fmax(r.clip_mse, 0);
	r.sqnr_db = qb_sqnr_db(r.power, r.mse);
	r.mse_db = -10 * log10(r.mse);
	r.dot_mse = qb_sqnr_dot_mse(&r, &r);
	*out = r;
	return QB_OK;
}

bool qb__sqnr_has_octaves(const struct qb_format *f)
{
	return f->block > 0 && f->block_scale == QB_SCALE_E8M0 && f->bits <= BITS_MAX;
}
