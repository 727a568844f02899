/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of the sqnr job: the exact error of each format, and the one measured on seeded samples.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/sqnr_sums.h"
#include "core/base/size.h"
#include "core/experiment/jobs/sqnr.h"
#include "core/quant/quantizer.h"

enum { CHUNK = 16384, PART = 256 /* draws, at least, that are one part of struct qb_sqnr_sums */ };

/* One distribution at one value of the swept parameter, under every format. */
struct point {
	const struct qb_sqnr_job *s;
	int d, v;
	struct qb_named_distribution dist;
	struct qb_sqnr_row *row; /* [formats] */
	struct qb_format format[QB_SQNR_FORMATS_MAX];
};

static enum qb_err cost(const struct qb_sqnr_job *s, const struct point *p, const struct qb_format *f,
	const struct qb_distribution *d, struct qb_sqnr *out, struct qb_errbuf *eb)
{
	double range = s->swept && s->parameter == QB_SQNR_RANGE ? s->value[p->v] : s->range;

	return range > 0 ? qb_sqnr_expected(f, range, d, out, eb) : qb_sqnr_optimal(f, d, out, eb);
}

static enum qb_err exact_row(struct point *p, int f, struct qb_errbuf *eb)
{
	const struct qb_sqnr_job *s = p->s;
	struct qb_sqnr_row *r = &p->row[f];
	const struct qb_format *other_format = s->dot_format ? &s->other_format : &p->format[f];
	const struct qb_distribution *other_dist = s->dot_distribution ? &s->other->d : &p->dist.d;
	struct qb_sqnr other;
	double n = (double)s->length;
	enum qb_err err = cost(s, p, &p->format[f], &p->dist.d, &r->s, eb);

	if (err == QB_EUNSUPPORTED) {
		return QB_OK; /* a scale a block: samples alone can tell */
	}
	QB_TRY(err);
	r->exact = true;
	r->dot_mse = NAN;
	other = r->s;
	if (s->dot_format || s->dot_distribution) {
		err = cost(s, p, other_format, other_dist, &other, eb);
		if (err == QB_EUNSUPPORTED) {
			return QB_OK;
		}
		QB_TRY(err);
	}
	r->dot_mse = qb_sqnr_dot_mse_n(&r->s, &other, n);
	r->dot_power = n * r->s.power * other.power +
		n * (n - 1) * r->s.mean * r->s.mean * other.mean * other.mean;
	return QB_OK;
}

/* The quantizer that a row describes; formats with blocks take the samples' range. */
static void quantizer_of(const struct qb_format *f, const struct qb_sqnr_row *r, float most, float *scale,
	int32_t *zero, struct qb_quantizer *q)
{
	*q = (struct qb_quantizer){.format = *f, .axis = -1, .channels = 1, .scale = scale};
	*scale = r->exact && !f->block ? (float)r->s.scale : 1;
	if (!r->exact && f->block_scale == QB_SCALE_E4M3 && most > 0) {
		*scale = (float)(most / (448 * qb_format_max(f)));
	}
	if (f->kind == QB_FORMAT_INT && f->asymmetric && !f->block) {
		*zero = (int32_t)r->s.zero;
		q->zero = zero;
	}
}

static void draw(const struct point *p, int64_t first, size_t n, float *x)
{
	for (size_t i = 0; i < n; i++) {
		x[i] = (float)qb_distribution_draw(&p->dist.d, (uint64_t)p->s->seed,
			(uint64_t)first + i);
	}
}

static float largest_draw(const struct point *p, float *x)
{
	float most = 0;

	for (int64_t i = 0; i < p->s->samples; i += CHUNK) {
		size_t n = (size_t)QB_MIN((int64_t)CHUNK, p->s->samples - i);

		draw(p, i, n, x);
		for (size_t k = 0; k < n; k++) {
			most = fmaxf(most, fabsf(x[k]));
		}
	}
	return most;
}

/* x [n] through q in parts of whole blocks, y [n] as scratch. */
static void add_parts(struct qb_sqnr_sums *to, const struct qb_quantizer *q, const float *x, float *y, int64_t n)
{
	int64_t block = q->format.block ? q->format.block : 1, part = (PART + block - 1) / block * block;

	for (int64_t i = 0; i < n; i += part) {
		struct qb_qdq_sums sums = {0};

		qb_qdq_measure(q, x + i, NULL, y, 1, 1, QB_MIN(part, n - i), &sums);
		qb_sqnr_sums_add(to, &(struct qb_sqnr_part){sums.signal, sums.noise});
	}
}

static enum qb_err measure(struct point *p, struct qb_errbuf *eb)
{
	const struct qb_sqnr_job *s = p->s;
	float *x = malloc(2 * CHUNK * sizeof(*x)), scale[QB_SQNR_FORMATS_MAX], most = 0;
	int32_t zero[QB_SQNR_FORMATS_MAX];
	struct qb_quantizer q[QB_SQNR_FORMATS_MAX];
	struct qb_sqnr_sums sums[QB_SQNR_FORMATS_MAX] = {{0}};
	bool ranged = false;

	if (!x) {
		return qb_fail(eb, QB_ENOMEM, "no memory for samples");
	}
	for (int f = 0; f < s->formats; f++) {
		ranged = ranged || (p->format[f].block && p->format[f].block_scale == QB_SCALE_E4M3);
	}
	most = ranged ? largest_draw(p, x) : 0;
	for (int f = 0; f < s->formats; f++) {
		quantizer_of(&p->format[f], &p->row[f], most, &scale[f], &zero[f], &q[f]);
	}
	for (int64_t i = 0; i < s->samples; i += CHUNK) {
		size_t n = (size_t)QB_MIN((int64_t)CHUNK, s->samples - i);

		draw(p, i, n, x);
		for (int f = 0; f < s->formats; f++) {
			if (p->row[f].there) {
				add_parts(&sums[f], &q[f], x, x + CHUNK, (int64_t)n);
			}
		}
	}
	for (int f = 0; f < s->formats; f++) {
		p->row[f].measured_mse = sums[f].noise / (double)s->samples;
		p->row[f].measured_db = qb_sqnr_sums_db(&sums[f]);
		p->row[f].measured_half_db = qb_sqnr_sums_half_db(&sums[f]);
	}
	free(x);
	return QB_OK;
}

double qb__sqnr_row_db(const struct qb_sqnr_row *r)
{
	return !r->there ? -INFINITY : r->exact ? r->s.sqnr_db : r->measured_db;
}

static void mark_best(const struct point *p)
{
	double best = -INFINITY;

	for (int f = 0; f < p->s->formats; f++) {
		best = fmax(best, qb__sqnr_row_db(&p->row[f])); /* NaN loses */
	}
	for (int f = 0; f < p->s->formats; f++) {
		p->row[f].best = p->row[f].there && qb__sqnr_row_db(&p->row[f]) == best;
	}
}

static enum qb_err run_point(const struct qb_sqnr_job *s, int d, int v, struct qb_errbuf *eb)
{
	struct point p = {.s = s, .d = d, .v = v, .row = qb__sqnr_row_at(s, d, v, 0)};
	enum qb_err err;

	qb_named_distribution_vary(&p.dist, &s->distribution[d],
		s->swept ? qb__sqnr_parameters[s->parameter] : "", s->value[v], s->outlier_sigma);
	err = qb_distribution_check(&p.dist.d, eb);
	if (err != QB_OK) {
		return qb_fail_in(eb, err, "distributions[%d] at %s %g", d, qb__sqnr_parameters[s->parameter],
			s->value[v]);
	}
	for (int f = 0; f < s->formats; f++) {
		struct qb_sqnr_row *r = &p.row[f];

		p.format[f] = s->format[f];
		r->there = !s->swept || s->parameter != QB_SQNR_BITS ||
			qb_format_at_width(&s->format[f], (int)s->value[v], &p.format[f]);
		snprintf(r->format, sizeof(r->format), "%s", p.format[f].name);
		r->bits = qb_format_bits_per_value(&p.format[f]);
		r->measured_mse = r->measured_db = r->measured_half_db = NAN;
		if (r->there) {
			QB_TRY(exact_row(&p, f, eb));
		}
	}
	if (s->samples) {
		QB_TRY(measure(&p, eb));
	}
	mark_best(&p);
	return QB_OK;
}

enum qb_err qb__sqnr_run_points(const struct qb_sqnr_job *s, struct qb_errbuf *eb)
{
	int points = s->distributions * s->values, done = 0;
	enum qb_err failed = QB_OK;

#pragma omp parallel for schedule(dynamic) num_threads(s->job->host->threads)
	for (int i = 0; i < points; i++) {
		struct qb_errbuf own = {0};
		enum qb_err err, before;

#pragma omp atomic read
		before = failed;
		if (before != QB_OK) {
			continue;
		}
		err = run_point(s, i / s->values, i % s->values, &own);
#pragma omp critical(qb_sqnr_points)
		{
			done++;
			if (err == QB_OK) {
				err = qb_job_progress(s->job, "sqnr", (double)done / points, &own, "%d of %d points",
					done, points);
			}
			if (err != QB_OK && failed == QB_OK) {
#pragma omp atomic write
				failed = err;
				*eb = own;
			}
		}
	}
	return failed;
}
