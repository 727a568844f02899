/* SPDX-License-Identifier: Apache-2.0
 *
 * The sqnr job: distributions x formats, as the talk's slide, and along the values of one parameter. The exact error
 * stands beside the error measured on seeded samples.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/sqnr.h"
#include "core/analysis/sqnr_db.h"
#include "core/base/size.h"
#include "core/experiment/spec/distributions.h"
#include "core/experiment/jobs/kinds.h"
#include "core/json/params.h"
#include "core/quant/quantizer.h"

enum { DISTRIBUTIONS_MAX = 64, FORMATS_MAX = 64, VALUES_MAX = 256, ROWS_MAX = 1 << 16 };
enum { CHUNK = 16384, DENSITY_POINTS = 241 };
/* Grid values times evaluations, and samples times formats, that a page may ask for: about a second. */
static const double LIVE_WORK = 4e7, LIVE_DRAWS = 1e7;

enum parameter { SWEEP_BITS, SWEEP_NU, SWEEP_CLIP, SWEEP_RANGE, SWEEP_OUTLIER_MASS };
static const char *const parameter_names[] = {"bits", "nu", "clip", "range", "outlier_mass", NULL};

struct row {
	bool there;  /* false: the format does not exist at this value */
	bool exact, best;
	double bits;
	char format[QB_FORMAT_NAME_MAX];
	struct qb_sqnr s;
	double dot_mse, dot_power;
	double measured_mse, measured_db;
};

struct sqnr {
	struct qb_job *job;
	struct { /* as it is asked for; NULL: it is not */
		const json_t *distributions, *formats, *range, *values, *dot_distribution;
		const char *dot_format;
	} asked;
	int distributions, formats, values;
	struct qb_named_distribution *distribution; /* [distributions] and the dot's own */
	struct qb_format format[FORMATS_MAX];
	double range; /* 0: the best one */
	bool swept;
	int parameter; /* enum parameter */
	double value[VALUES_MAX], outlier_sigma;
	bool dot_distribution, dot_format; /* the other operand has its own */
	struct qb_named_distribution *other;
	struct qb_format other_format;
	int64_t length, samples, seed;
	bool density;
	struct row *row; /* [distributions][values][formats] */
};

static struct row *row_at(const struct sqnr *s, int d, int v, int f)
{
	return &s->row[((size_t)d * (size_t)s->values + (size_t)v) * (size_t)s->formats + (size_t)f];
}

/* Reading the job. */

static void set_defaults(void *out)
{
	struct sqnr *s = out;

	s->length = 1;
	s->seed = 1;
	s->samples = 100000;
	s->outlier_sigma = 10;
}

static const struct qb_field names[] = {{.kind = QB_FIELD_STRING, .low = 1}, {0}};
static const struct qb_field one_distribution[] = {{.kind = QB_FIELD_OBJECT, .object = &qb_distribution_object}, {0}};
static const struct qb_field numbers[] = {
	{.kind = QB_FIELD_REAL, .low = -QB_FIELD_MOST_REAL, .high = QB_FIELD_MOST_REAL}, {0}};

static const struct qb_field ranges[] = {
	{.kind = QB_FIELD_CHOICE, .choices = (const char *const[]){"optimal", NULL}},
	{.kind = QB_FIELD_REAL, .low = QB_FIELD_LEAST_REAL, .high = QB_FIELD_MOST_REAL},
	{0}};

static const struct qb_object dot = {.fields = (const struct qb_field[]){
	{"length", QB_FIELD_LONG, offsetof(struct sqnr, length), 1, 1e9, .summary = "products in the sum"},
	{"distribution", QB_FIELD_ANY, offsetof(struct sqnr, asked.dot_distribution), .any = one_distribution},
	{"format", QB_FIELD_STRING, offsetof(struct sqnr, asked.dot_format), .low = 0},
	{0}}};

static const struct qb_object sweep = {.fields = (const struct qb_field[]){
	{"parameter", QB_FIELD_CHOICE, offsetof(struct sqnr, parameter), .choices = parameter_names, .required = true,
		.takes = "must be one of bits, nu, clip, range and outlier_mass",
		.summary = "bits: of integers, and of floats at their exponent bits; nu: of student_t; clip: of all; range: replaces "
			"the best one; outlier_mass: the weight of a mixture's last part, else of a Gaussian mixed in"},
	{"values", QB_FIELD_LIST, offsetof(struct sqnr, asked.values), 1, VALUES_MAX, .any = numbers, .required = true,
		.takes = "values of the parameter"},
	{"outlier_sigma", QB_FIELD_REAL, offsetof(struct sqnr, outlier_sigma), 1e-3, 1e6,
		.summary = "of the Gaussian mixed in, in root mean squares of the distribution"},
	{0}}};

static const struct qb_field fields[] = {
	{"model", QB_FIELD_UPLOAD,
		.summary = "a model's id, or a path for `quantbench run`: empirical distributions of its weights"},
	{"data", QB_FIELD_UPLOAD,
		.summary = "a data file's id, or a path for `quantbench run`: empirical distributions of its arrays"},
	{"distributions", QB_FIELD_LIST, offsetof(struct sqnr, asked.distributions), 1, DISTRIBUTIONS_MAX,
		.any = one_distribution, .required = true, .takes = "objects such as {\"name\": \"gaussian\", \"sigma\": 1}"},
	{"formats", QB_FIELD_LIST, offsetof(struct sqnr, asked.formats), 1, FORMATS_MAX, .any = names, .required = true,
		.takes = "names such as \"int8\""},
	{"range", QB_FIELD_ANY, offsetof(struct sqnr, asked.range), .any = ranges,
		.usual = (const char *const[]){"optimal", NULL},
		.summary = "the largest value c of the scaled grid: optimal is the one of least error"},
	{"dot", QB_FIELD_OBJECT, .object = &dot,
		.summary = "the other operand of a dot product; what is left out is as the row's own"},
	{"sweep", QB_FIELD_OBJECT, .object = &sweep},
	{"samples", QB_FIELD_LONG, offsetof(struct sqnr, samples), 0, 1e7,
		.summary = "random numbers drawn to measure the error beside the exact one; 0: none"},
	{"seed", QB_FIELD_LONG, offsetof(struct sqnr, seed), .low = 0, .high = QB_FIELD_MOST_LONG},
	{"density", QB_FIELD_BOOL, offsetof(struct sqnr, density), .summary = "add each distribution's density, for drawing"},
	{0}};

static enum qb_err parse_formats(struct sqnr *s, struct qb_errbuf *eb)
{
	const json_t *v;
	size_t i;

	json_array_foreach(s->asked.formats, i, v) {
		enum qb_err err = json_is_string(v) ? qb_format_parse(&s->format[i], json_string_value(v), eb)
			: qb_fail(eb, QB_EJOB, "takes the name of a format");

		if (err != QB_OK) {
			return qb_fail_in_entry(eb, QB_EJOB, "formats", i);
		}
	}
	s->formats = (int)i;
	return QB_OK;
}

static enum qb_err parse_distributions(struct sqnr *s, struct qb_errbuf *eb)
{
	const json_t *v;
	size_t i;

	s->distribution = calloc(json_array_size(s->asked.distributions) + 1, sizeof(*s->distribution));
	if (!s->distribution) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the distributions");
	}
	json_array_foreach(s->asked.distributions, i, v) {
		char at[40];

		snprintf(at, sizeof(at), "distributions[%zu]", i);
		s->distributions++;
		QB_TRY(qb_named_distribution_parse(&s->distribution[i], s->job, v, at, eb));
	}
	s->other = &s->distribution[i];
	return QB_OK;
}

static enum qb_err parse_range(struct sqnr *s, struct qb_errbuf *eb)
{
	const json_t *v = s->asked.range;

	if (json_is_string(v) && !strcmp(json_string_value(v), "optimal")) {
		return QB_OK;
	}
	if (v && !json_is_number(v)) {
		return qb_fail_field(eb, QB_EJOB, "", "range", "takes \"optimal\" or a positive number");
	}
	return qb_param_real(s->job->spec, "", "range", ranges[1].low, ranges[1].high, &s->range, eb);
}

static enum qb_err parse_dot(struct sqnr *s, struct qb_errbuf *eb)
{
	s->dot_distribution = s->asked.dot_distribution;
	s->dot_format = s->asked.dot_format;
	if (s->dot_distribution) {
		QB_TRY(qb_named_distribution_parse(s->other, s->job, s->asked.dot_distribution, "dot.distribution", eb));
	}
	if (s->dot_format && qb_format_parse(&s->other_format, s->asked.dot_format, eb) != QB_OK) {
		return qb_fail_in_field(eb, QB_EJOB, "dot", "format");
	}
	return QB_OK;
}

/* What the values of each parameter may be. */
static const struct {
	double low, high;
	bool whole;
} limits[] = {
	[SWEEP_BITS] = {1, 16, true},
	[SWEEP_NU] = {0.01, 1e6, false},
	[SWEEP_CLIP] = {0, 1e30, false},
	[SWEEP_RANGE] = {1e-30, 1e30, false},
	[SWEEP_OUTLIER_MASS] = {0, 0.999, false},
};

static enum qb_err parse_sweep(struct sqnr *s, struct qb_errbuf *eb)
{
	const json_t *v;
	size_t i;

	s->values = 1;
	s->swept = s->asked.values;
	if (!s->swept) {
		return QB_OK;
	}
	json_array_foreach(s->asked.values, i, v) {
		double x = json_number_value(v);

		if (!json_is_number(v) || !(x >= limits[s->parameter].low && x <= limits[s->parameter].high) ||
			(limits[s->parameter].whole && x != floor(x))) {
			qb_fail(eb, QB_EJOB, "%s takes %s from %g to %g", parameter_names[s->parameter],
				limits[s->parameter].whole ? "whole numbers" : "numbers",
				limits[s->parameter].low, limits[s->parameter].high);
			return qb_fail_in_entry(eb, QB_EJOB, "sweep.values", i);
		}
		s->value[i] = x;
	}
	s->values = (int)i;
	return QB_OK;
}

/* A sweep must change something. */
static enum qb_err check_sweep(const struct sqnr *s, struct qb_errbuf *eb)
{
	bool changes = !s->swept || s->parameter == SWEEP_BITS || s->parameter == SWEEP_RANGE;

	for (int i = 0; s->swept && s->parameter == SWEEP_BITS && i < s->formats; i++) {
		if (!qb_format_has_widths(&s->format[i])) {
			qb_fail(eb, QB_EJOB, "%s has no bits to change; a sweep over bits takes integers and floats "
				"such as int8, E4, fp8_e3m4", s->format[i].name);
			return qb_fail_in_entry(eb, QB_EJOB, "formats", (size_t)i);
		}
	}
	for (int i = 0; !changes && i < s->distributions; i++) {
		struct qb_named_distribution varied;

		changes = qb_named_distribution_vary(&varied, &s->distribution[i],
			parameter_names[s->parameter], s->value[0], s->outlier_sigma);
	}
	return changes ? QB_OK : qb_fail_field(eb, QB_EJOB, "sweep", "parameter", "no distribution here has %s",
		parameter_names[s->parameter]);
}

/* What a page may ask for directly. */
static enum qb_err check_work(const struct sqnr *s, struct qb_errbuf *eb)
{
	bool best = s->range == 0 && !(s->swept && s->parameter == SWEEP_RANGE);
	double work = 0, draws = (double)s->samples * s->distributions * s->values * s->formats;

	for (int d = 0; d < s->distributions; d++) {
		const struct qb_distribution *dist = &s->distribution[d].d;
		/* a logistic cell is a quadrature; a mixture is the sum of its parts */
		double each = dist->kind == QB_DIST_MIXTURE ? 2.0 * dist->parts
			: dist->kind == QB_DIST_LOGISTIC ? 15 : 1;

		for (int f = 0; f < s->formats; f++) {
			int bits = s->format[f].bits < 16 ? s->format[f].bits : 16;

			for (int v = 0; v < s->values; v++) {
				int b = s->swept && s->parameter == SWEEP_BITS ? (int)s->value[v] : bits;

				work += each * ldexp(1, b) * (best ? 300 : 2);
			}
		}
	}
	if (work > LIVE_WORK || draws > LIVE_DRAWS) {
		return qb_fail(eb, QB_EJOB, "this takes too long to answer at once; ask for fewer formats, values, bits "
			"or samples, or submit it as a job");
	}
	return QB_OK;
}

static enum qb_err parse(struct sqnr *s, struct qb_errbuf *eb)
{
	set_defaults(s);
	s->samples = s->job->live ? 0 : s->samples;
	QB_TRY(qb_job_read(s, s->job, fields, eb));
	QB_TRY(parse_formats(s, eb));
	QB_TRY(parse_distributions(s, eb));
	QB_TRY(parse_range(s, eb));
	QB_TRY(parse_dot(s, eb));
	QB_TRY(parse_sweep(s, eb));
	QB_TRY(check_sweep(s, eb));
	if ((int64_t)s->distributions * s->formats * s->values > ROWS_MAX) {
		return qb_fail(eb, QB_EJOB, "distributions x formats x values are more than %d rows", ROWS_MAX);
	}
	return s->job->live ? check_work(s, eb) : QB_OK;
}

/* One distribution at one value of the swept parameter, under every format. */
struct point {
	const struct sqnr *s;
	int d, v;
	struct qb_named_distribution dist;
	struct row *row; /* [formats] */
	struct qb_format format[FORMATS_MAX];
};

static enum qb_err cost(const struct sqnr *s, const struct point *p, const struct qb_format *f,
	const struct qb_distribution *d, struct qb_sqnr *out, struct qb_errbuf *eb)
{
	double range = s->swept && s->parameter == SWEEP_RANGE ? s->value[p->v] : s->range;

	return range > 0 ? qb_sqnr_expected(f, range, d, out, eb) : qb_sqnr_optimal(f, d, out, eb);
}

static enum qb_err exact_row(struct point *p, int f, struct qb_errbuf *eb)
{
	const struct sqnr *s = p->s;
	struct row *r = &p->row[f];
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
static void quantizer_of(const struct qb_format *f, const struct row *r, float most, float *scale,
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

static enum qb_err measure(struct point *p, struct qb_errbuf *eb)
{
	const struct sqnr *s = p->s;
	float *x = malloc(2 * CHUNK * sizeof(*x)), scale[FORMATS_MAX], most = 0;
	int32_t zero[FORMATS_MAX];
	struct qb_quantizer q[FORMATS_MAX];
	struct qb_qdq_sums sums[FORMATS_MAX] = {{0}};
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
				qb_qdq_measure(&q[f], x, NULL, x + CHUNK, 1, 1, (int64_t)n, &sums[f]);
			}
		}
	}
	for (int f = 0; f < s->formats; f++) {
		p->row[f].measured_mse = sums[f].noise / (double)s->samples;
		p->row[f].measured_db = qb_sqnr_db(sums[f].signal, sums[f].noise);
	}
	free(x);
	return QB_OK;
}

static double row_db(const struct row *r)
{
	return !r->there ? -INFINITY : r->exact ? r->s.sqnr_db : r->measured_db;
}

static void mark_best(const struct point *p)
{
	double best = -INFINITY;

	for (int f = 0; f < p->s->formats; f++) {
		best = fmax(best, row_db(&p->row[f])); /* NaN loses */
	}
	for (int f = 0; f < p->s->formats; f++) {
		p->row[f].best = p->row[f].there && row_db(&p->row[f]) == best;
	}
}

static enum qb_err run_point(const struct sqnr *s, int d, int v, struct qb_errbuf *eb)
{
	struct point p = {.s = s, .d = d, .v = v, .row = row_at(s, d, v, 0)};
	enum qb_err err;

	qb_named_distribution_vary(&p.dist, &s->distribution[d],
		s->swept ? parameter_names[s->parameter] : "", s->value[v], s->outlier_sigma);
	err = qb_distribution_check(&p.dist.d, eb);
	if (err != QB_OK) {
		return qb_fail_in(eb, err, "distributions[%d] at %s %g", d, parameter_names[s->parameter],
			s->value[v]);
	}
	for (int f = 0; f < s->formats; f++) {
		struct row *r = &p.row[f];

		p.format[f] = s->format[f];
		r->there = !s->swept || s->parameter != SWEEP_BITS ||
			qb_format_at_width(&s->format[f], (int)s->value[v], &p.format[f]);
		snprintf(r->format, sizeof(r->format), "%s", p.format[f].name);
		r->bits = qb_format_bits_per_value(&p.format[f]);
		r->measured_mse = r->measured_db = NAN;
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

static enum qb_err run_points(const struct sqnr *s, struct qb_errbuf *eb)
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

/* The result. */

static json_t *density_json(const struct qb_distribution *clipped)
{
	struct qb_distribution d = *clipped;
	double mean, power, from, to, edge[DENSITY_POINTS + 1], spread, ends[2];
	struct qb_moments m[DENSITY_POINTS + 2];
	json_t *x = json_array(), *p = json_array(), *points = json_array();

	qb_distribution_moments(&d, &mean, &power);
	d.clip = 0;
	spread = 5 * sqrt(fmax(power - mean * mean, 0));
	from = fmax(mean - spread, -qb_distribution_bound(clipped));
	to = fmin(mean + spread, qb_distribution_bound(clipped));
	for (int i = 0; i <= DENSITY_POINTS; i++) {
		edge[i] = from + (to - from) * i / DENSITY_POINTS;
	}
	qb_distribution_cells(&d, edge, DENSITY_POINTS + 1, m);
	for (int i = 0; i < DENSITY_POINTS; i++) {
		json_array_append_new(x, json_real((edge[i] + edge[i + 1]) / 2));
		json_array_append_new(p, json_real(m[i + 1].m0 / (edge[i + 1] - edge[i])));
	}
	if (clipped->clip > 0) {
		ends[0] = -clipped->clip;
		ends[1] = clipped->clip;
		qb_distribution_cells(&d, ends, 2, m);
		json_array_append_new(points, json_pack("[f, f]", ends[0], m[0].m0));
		json_array_append_new(points, json_pack("[f, f]", ends[1], m[2].m0));
	}
	return json_pack("{s:o, s:o, s:o}", "x", x, "p", p, "points", points);
}

static json_t *distributions_json(const struct sqnr *s)
{
	json_t *a = json_array();

	for (int i = 0; i < s->distributions; i++) {
		const struct qb_named_distribution *d = &s->distribution[i];
		double mean, power;
		json_t *o;

		qb_distribution_moments(&d->d, &mean, &power);
		o = json_pack("{s:s, s:s, s:o, s:o, s:o}", "label", d->label, "name", d->name, "mean",
			qb_json_real(mean), "rms", qb_json_real(sqrt(power)), "bound",
			qb_json_real(qb_distribution_bound(&d->d)));
		if (s->density) {
			json_object_set_new(o, "density", density_json(&d->d));
		}
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *row_json(const struct sqnr *s, const char *label, double value, const char *asked, const struct row *r)
{
	double no = r->exact ? 0 : NAN; /* NaN plus anything is null */

	return json_pack("{s:s, s:o, s:s, s:s, s:f, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}",
		"distribution", label, "value", qb_json_real(s->swept ? value : NAN), "asked", asked, "format", r->format,
		"bits", r->bits, "exact", r->exact, "range", qb_json_real(no + r->s.range), "low",
		qb_json_real(no + r->s.low), "high", qb_json_real(no + r->s.high), "scale",
		qb_json_real(no + r->s.scale), "zero", qb_json_real(no + r->s.zero), "power", qb_json_real(no + r->s.power), "mse",
		qb_json_real(no + r->s.mse), "mse_db", qb_json_real(no + r->s.mse_db), "sqnr_db",
		qb_json_real(no + r->s.sqnr_db), "clip_mse", qb_json_real(no + r->s.clip_mse), "dot_mse",
		qb_json_real(no + r->dot_mse), "dot_sqnr_db",
		qb_json_real(no + qb_sqnr_db(r->dot_power, r->dot_mse)), "measured_mse",
		qb_json_real(r->measured_mse), "measured_sqnr_db", qb_json_real(r->measured_db), "best",
		r->best);
}

static const char *winner(const struct sqnr *s, int d, int v)
{
	for (int f = 0; f < s->formats; f++) {
		if (row_at(s, d, v, f)->best) {
			return s->format[f].name;
		}
	}
	return NULL;
}

static json_t *crossings_json(const struct sqnr *s)
{
	json_t *a = json_array();

	for (int d = 0; d < s->distributions; d++) {
		for (int v = 1; v < s->values; v++) {
			const char *before = winner(s, d, v - 1), *after = winner(s, d, v);

			if (before && after && strcmp(before, after) != 0) {
				json_array_append_new(a, json_pack("{s:s, s:f, s:f, s:s, s:s}", "distribution",
					s->distribution[d].label, "from", s->value[v - 1], "to", s->value[v],
					"before", before, "after", after));
			}
		}
	}
	return a;
}

static json_t *rows_json(const struct sqnr *s)
{
	json_t *a = json_array();

	for (int d = 0; d < s->distributions; d++) {
		for (int v = 0; v < s->values; v++) {
			for (int f = 0; f < s->formats; f++) {
				const struct row *r = row_at(s, d, v, f);
				const char *label = s->distribution[d].label;

				if (!r->there) {
					continue;
				}
				json_array_append_new(a, row_json(s, label, s->value[v], s->format[f].name, r));
				if (!s->swept) {
					qb_job_metric(s->job, "model", r->format, label, "sqnr", row_db(r), "dB");
				}
			}
		}
	}
	return a;
}

static json_t *sweep_json(const struct sqnr *s)
{
	json_t *values = json_array();

	for (int i = 0; i < s->values; i++) {
		json_array_append_new(values, json_real(s->value[i]));
	}
	return json_pack("{s:s, s:o}", "parameter", parameter_names[s->parameter], "values", values);
}

static void release(struct sqnr *s)
{
	for (int i = 0; s->distribution && i <= s->distributions; i++) {
		qb_named_distribution_fini(&s->distribution[i]);
	}
	free(s->distribution);
	free(s->row);
	free(s);
}

static enum qb_err check(struct qb_job *job, struct qb_errbuf *eb)
{
	struct sqnr *s = calloc(1, sizeof(*s));
	enum qb_err err;

	if (!s) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the job");
	}
	s->job = job;
	err = parse(s, eb);
	release(s);
	return err;
}

static enum qb_err run(struct qb_job *job, json_t **result, struct qb_errbuf *eb)
{
	struct sqnr *s = calloc(1, sizeof(*s));
	enum qb_err err;

	if (!s) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the job");
	}
	s->job = job;
	QB_TRY_OUT(parse(s, eb));
	s->row = calloc((size_t)(s->distributions * s->values * s->formats), sizeof(*s->row));
	if (!s->row) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for the rows");
		goto out;
	}
	QB_TRY_OUT(run_points(s, eb));
	*result = json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o}", "type", "sqnr", "samples",
		(json_int_t)s->samples, "seed", (json_int_t)s->seed, "sweep",
		s->swept ? sweep_json(s) : json_null(), "distributions", distributions_json(s), "rows",
		rows_json(s), "crossings", crossings_json(s));
	err = *result ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the result");
out:
	release(s);
	return err;
}

const struct qb_experiment qb_experiment_sqnr = {
	.type = "sqnr",
	.summary = "what formats cost on distributions: the exact expected error",
	.live = true,
	.job = {
		.summary = "What number formats cost on distributions: the exact expected error at the best range, and seeded "
			"samples beside it.",
		.fields = fields,
		.bytes = sizeof(struct sqnr),
		.defaults = set_defaults,
	},
	.run = run,
	.check = check,
};
