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

#include "core/base/size.h"
#include "core/experiment/jobs/sqnr.h"
#include "core/json/params.h"

enum { DISTRIBUTIONS_MAX = 64, ROWS_MAX = 1 << 16 };
/* Grid values times evaluations, and samples times formats, that a page may ask for: about a second. */
static const double LIVE_WORK = 4e7, LIVE_DRAWS = 1e7;

const char *const qb__sqnr_parameters[] = {"bits", "nu", "clip", "range", "outlier_mass", NULL};

/* Reading the job. */

static void set_defaults(void *out)
{
	struct qb_sqnr_job *s = out;

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
	{"length", QB_FIELD_LONG, offsetof(struct qb_sqnr_job, length), 1, 1e9, .summary = "products in the sum"},
	{"distribution", QB_FIELD_ANY, offsetof(struct qb_sqnr_job, asked.dot_distribution), .any = one_distribution},
	{"format", QB_FIELD_STRING, offsetof(struct qb_sqnr_job, asked.dot_format), .low = 0},
	{0}}};

static const struct qb_object sweep = {.fields = (const struct qb_field[]){
	{"parameter", QB_FIELD_CHOICE, offsetof(struct qb_sqnr_job, parameter), .choices = qb__sqnr_parameters, .required = true,
		.takes = "must be one of bits, nu, clip, range and outlier_mass",
		.summary = "bits: of integers, and of floats at their exponent bits; nu: of student_t; clip: of all; range: replaces "
			"the best one; outlier_mass: the weight of a mixture's last part, else of a Gaussian mixed in"},
	{"values", QB_FIELD_LIST, offsetof(struct qb_sqnr_job, asked.values), 1, QB_SQNR_VALUES_MAX, .any = numbers, .required = true,
		.takes = "values of the parameter"},
	{"outlier_sigma", QB_FIELD_REAL, offsetof(struct qb_sqnr_job, outlier_sigma), 1e-3, 1e6,
		.summary = "of the Gaussian mixed in, in root mean squares of the distribution"},
	{0}}};

static const struct qb_field fields[] = {
	{"model", QB_FIELD_UPLOAD,
		.summary = "a model's id, or a path for `quantbench run`: empirical distributions of its weights"},
	{"data", QB_FIELD_UPLOAD,
		.summary = "a data file's id, or a path for `quantbench run`: empirical distributions of its arrays"},
	{"distributions", QB_FIELD_LIST, offsetof(struct qb_sqnr_job, asked.distributions), 1, DISTRIBUTIONS_MAX,
		.any = one_distribution, .required = true, .takes = "objects such as {\"name\": \"gaussian\", \"sigma\": 1}"},
	{"formats", QB_FIELD_LIST, offsetof(struct qb_sqnr_job, asked.formats), 1, QB_SQNR_FORMATS_MAX, .any = names, .required = true,
		.takes = "names such as \"int8\""},
	{"range", QB_FIELD_ANY, offsetof(struct qb_sqnr_job, asked.range), .any = ranges,
		.usual = (const char *const[]){"optimal", NULL},
		.summary = "the largest value c of the scaled grid: optimal is the one of least error"},
	{"dot", QB_FIELD_OBJECT, .object = &dot,
		.summary = "the other operand of a dot product; what is left out is as the row's own"},
	{"sweep", QB_FIELD_OBJECT, .object = &sweep},
	{"samples", QB_FIELD_LONG, offsetof(struct qb_sqnr_job, samples), 0, 1e7,
		.summary = "random numbers drawn to measure the error beside the exact one; 0: none"},
	{"seed", QB_FIELD_LONG, offsetof(struct qb_sqnr_job, seed), .low = 0, .high = QB_FIELD_MOST_LONG},
	{"density", QB_FIELD_BOOL, offsetof(struct qb_sqnr_job, density), .summary = "add each distribution's density, for drawing"},
	{0}};

static enum qb_err parse_formats(struct qb_sqnr_job *s, struct qb_errbuf *eb)
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

static enum qb_err parse_distributions(struct qb_sqnr_job *s, struct qb_errbuf *eb)
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

static enum qb_err parse_range(struct qb_sqnr_job *s, struct qb_errbuf *eb)
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

static enum qb_err parse_dot(struct qb_sqnr_job *s, struct qb_errbuf *eb)
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
	[QB_SQNR_BITS] = {1, 16, true},
	[QB_SQNR_NU] = {0.01, 1e6, false},
	[QB_SQNR_CLIP] = {0, 1e30, false},
	[QB_SQNR_RANGE] = {1e-30, 1e30, false},
	[QB_SQNR_OUTLIER_MASS] = {0, 0.999, false},
};

static enum qb_err parse_sweep(struct qb_sqnr_job *s, struct qb_errbuf *eb)
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
			qb_fail(eb, QB_EJOB, "%s takes %s from %g to %g", qb__sqnr_parameters[s->parameter],
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
static enum qb_err check_sweep(const struct qb_sqnr_job *s, struct qb_errbuf *eb)
{
	bool changes = !s->swept || s->parameter == QB_SQNR_BITS || s->parameter == QB_SQNR_RANGE;

	for (int i = 0; s->swept && s->parameter == QB_SQNR_BITS && i < s->formats; i++) {
		if (!qb_format_has_widths(&s->format[i])) {
			qb_fail(eb, QB_EJOB, "%s has no bits to change; a sweep over bits takes integers and floats "
				"such as int8, E4, fp8_e3m4", s->format[i].name);
			return qb_fail_in_entry(eb, QB_EJOB, "formats", (size_t)i);
		}
	}
	for (int i = 0; !changes && i < s->distributions; i++) {
		struct qb_named_distribution varied;

		changes = qb_named_distribution_vary(&varied, &s->distribution[i],
			qb__sqnr_parameters[s->parameter], s->value[0], s->outlier_sigma);
	}
	return changes ? QB_OK : qb_fail_field(eb, QB_EJOB, "sweep", "parameter", "no distribution here has %s",
		qb__sqnr_parameters[s->parameter]);
}

/* What a page may ask for directly. */
static enum qb_err check_work(const struct qb_sqnr_job *s, struct qb_errbuf *eb)
{
	bool best = s->range == 0 && !(s->swept && s->parameter == QB_SQNR_RANGE);
	double work = 0, draws = (double)s->samples * s->distributions * s->values * s->formats;

	for (int d = 0; d < s->distributions; d++) {
		const struct qb_distribution *dist = &s->distribution[d].d;
		/* a logistic cell is a quadrature; a mixture is the sum of its parts */
		double each = dist->kind == QB_DIST_MIXTURE ? 2.0 * dist->parts
			: dist->kind == QB_DIST_LOGISTIC ? 15 : 1;

		for (int f = 0; f < s->formats; f++) {
			int bits = s->format[f].bits < 16 ? s->format[f].bits : 16;

			for (int v = 0; v < s->values; v++) {
				int b = s->swept && s->parameter == QB_SQNR_BITS ? (int)s->value[v] : bits;

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

static enum qb_err parse(struct qb_sqnr_job *s, struct qb_errbuf *eb)
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

static void release(struct qb_sqnr_job *s)
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
	struct qb_sqnr_job *s = calloc(1, sizeof(*s));
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
	struct qb_sqnr_job *s = calloc(1, sizeof(*s));
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
	QB_TRY_OUT(qb__sqnr_run_points(s, eb));
	*result = qb__sqnr_result(s);
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
		.bytes = sizeof(struct qb_sqnr_job),
		.defaults = set_defaults,
	},
	.run = run,
	.check = check,
};
