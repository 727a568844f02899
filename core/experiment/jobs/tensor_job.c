/* SPDX-License-Identifier: Apache-2.0
 *
 * The tensor job: every array of a data file, or every weight of a network, under every format.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/sqnr_db.h"
#include "core/base/size.h"
#include "core/experiment/spec/uploads_check.h"
#include "core/experiment/jobs/kinds.h"
#include "core/experiment/jobs/tensor_survey.h"

enum { FORMATS_MAX = 32, TENSORS_MAX = 4096, AXIS_AS_USED = -100, HISTOGRAM_MAX = 8192 };

static const char *const usual_formats[] = {"int8", "int4", "E2", "E3", "E4", "E5", "e4m3fn", "e5m2",
	"mxfp8", "mxfp6", "mxfp4", "nvfp4", NULL};

struct tally {
	double signal, noise;
	int64_t rows, wins;
};

struct tensor_job {
	struct qb_job *job;
	struct qb_tensor_source *source;
	struct qb_format format[FORMATS_MAX];
	struct qb_survey_options opt;
	const json_t *formats; /* names, or NULL for the usual ones */
	unsigned granularities;
	int range, axis, bins, most_threads;
	const json_t *only; /* names, or NULL */
	int64_t elements, bytes, before; /* of what is surveyed; elements of two passes before this tensor */
	const char *now;
	struct tally tally[QB_GRANULARITIES][FORMATS_MAX];
	json_t *tensors, *rows, *skipped;
};

/* Reading the job. */

static const char *const granularities[] = {
#define X(id, name) name,
	QB_GRANULARITY_NAMES(X)
#undef X
	NULL};
static const char *const ranges[] = {"minmax", "mse", NULL};

static void set_defaults(void *out)
{
	struct tensor_job *t = out;

	t->granularities = (1u << QB_GRANULARITIES) - 1;
	t->opt.block = 32;
	t->axis = AXIS_AS_USED;
	t->bins = 128;
	t->opt.outlier_ratio = 6;
}

static const struct qb_field names[] = {{.kind = QB_FIELD_STRING}, {0}};

static const struct qb_field fields[] = {
	{"data", QB_FIELD_UPLOAD, .summary = "a data file's id, or a path for `quantbench run`: .npy, .npz or .safetensors"},
	{"model", QB_FIELD_UPLOAD, .summary = "a model's id, or a path for `quantbench run`: its weights"},
	{"formats", QB_FIELD_LIST, offsetof(struct tensor_job, formats), 1, FORMATS_MAX, .any = names,
		.takes = "names such as \"int8\"", .usual = usual_formats},
	{"granularities", QB_FIELD_CHOICES, offsetof(struct tensor_job, granularities), 1, QB_GRANULARITIES, .choices = granularities,
		.summary = "per_block: groups of `block` with a float32 scale each; formats with blocks of their own are per_block alone"},
	{"block", QB_FIELD_INT, offsetof(struct tensor_job, opt.block), 2, 1024,
		.summary = "elements that share a scale in per_block: a power of two"},
	{"range", QB_FIELD_CHOICE, offsetof(struct tensor_job, range), .choices = ranges},
	{"axis", QB_FIELD_INT, offsetof(struct tensor_job, axis), -QB_MAX_DIMS, QB_MAX_DIMS - 1,
		.summary = "channel axis, from the end if negative; default: a model's weights as they are used, else 0"},
	{"tensors", QB_FIELD_LIST, offsetof(struct tensor_job, only), 1, TENSORS_MAX, .summary = "survey these alone", .any = names,
		.takes = "names of tensors"},
	{"bins", QB_FIELD_INT, offsetof(struct tensor_job, bins), 8, 1024, .summary = "of the histogram, at most"},
	{"outlier_ratio", QB_FIELD_REAL, offsetof(struct tensor_job, opt.outlier_ratio), 1, QB_FIELD_MOST_REAL,
		.summary = "a channel is an outlier when its infinity norm passes this many times the channels' median"},
	{"threads", QB_FIELD_INT, offsetof(struct tensor_job, opt.threads), 1, QB_FIELD_MOST_INT,
		.summary = "worker threads; default: all that the server gives a job", .most = offsetof(struct tensor_job, most_threads)},
	{0}};

static enum qb_err parse_formats(struct tensor_job *t, struct qb_errbuf *eb)
{
	size_t n = t->formats ? json_array_size(t->formats) : QB_COUNT(usual_formats) - 1;

	for (size_t i = 0; i < n; i++) {
		const char *name = t->formats ? json_string_value(json_array_get(t->formats, i)) : usual_formats[i];
		enum qb_err err = name ? qb_format_parse(&t->format[i], name, eb)
				       : qb_fail(eb, QB_EJOB, "takes the name of a format");

		if (err != QB_OK) {
			return qb_fail_in_entry(eb, QB_EJOB, "formats", i);
		}
	}
	t->opt.format = t->format;
	t->opt.formats = (int)n;
	return QB_OK;
}

static enum qb_err parse(struct tensor_job *t, struct qb_errbuf *eb)
{
	const json_t *spec = t->job->spec;

	set_defaults(t);
	t->opt.threads = t->most_threads = t->job->host->threads;
	QB_TRY(qb_job_read(t, t->job, fields, eb));
	if (t->opt.block & (t->opt.block - 1)) {
		return qb_fail_field(eb, QB_EJOB, "", "block", "is %d, must be a power of two", t->opt.block);
	}
	if (!json_object_get(spec, "data") == !json_object_get(spec, "model")) {
		return qb_fail(eb, QB_EJOB, "give either data (.npy, .npz or .safetensors) or model (.onnx)");
	}
	t->opt.range.method = t->range ? QB_RANGE_MSE : QB_RANGE_MINMAX;
	for (int g = 0; g < QB_GRANULARITIES; g++) {
		t->opt.granularity[g] = t->granularities >> g & 1;
	}
	return parse_formats(t, eb);
}

/* Which tensors. */

static bool is_wanted(const struct tensor_job *t, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach(t->only, i, v) {
		if (json_is_string(v) && !strcmp(json_string_value(v), name)) {
			return true;
		}
	}
	return !t->only;
}

static enum qb_err check_names(const struct tensor_job *t, struct qb_errbuf *eb)
{
	const json_t *v;
	size_t i;

	json_array_foreach(t->only, i, v) {
		if (!json_is_string(v) || qb_tensor_source_find(t->source, json_string_value(v)) < 0) {
			qb_fail(eb, QB_EJOB, "%.200s has no tensor \"%.200s\"", qb_tensor_source_name(t->source),
				json_is_string(v) ? json_string_value(v) : "");
			qb_tensor_source_near(t->source, json_string_value(v), eb);
			return qb_fail_in_entry(eb, QB_EJOB, "tensors", i);
		}
	}
	return QB_OK;
}

/* A name from a file, as text that JSON can hold. */
static json_t *name_json(const char *name)
{
	json_t *v = json_string(name);

	return v ? v : json_string("(a name that is not UTF-8)");
}

static enum qb_err axis_of(const struct tensor_job *t, const struct qb_tensor_source_tensor *s, int *axis,
	struct qb_errbuf *eb)
{
	*axis = s->axis;
	if (t->axis != AXIS_AS_USED) {
		*axis = t->axis < 0 ? t->axis + s->ndim : t->axis;
		if (s->ndim > 1 && (*axis < 0 || *axis >= s->ndim)) {
			return qb_fail_field(eb, QB_EJOB, "", "axis", "is %d, but %.100s has %d dimensions", t->axis, s->name,
				s->ndim);
		}
	}
	return QB_OK;
}

/* The result. */

static json_t *outliers_json(const struct qb_survey *s)
{
	json_t *a = json_array();

	for (int i = 0; i < s->outliers && i < QB_OUTLIERS_KEPT; i++) {
		json_array_append_new(a, json_pack("{s:I, s:f, s:o}", "index", (json_int_t)s->outlier[i].channel,
			"infinity_norm", (double)s->outlier[i].infinity_norm, "ratio",
			qb_json_real(s->outlier[i].ratio)));
	}
	return a;
}

/* Bins that are `join` wide begin at multiples of it, also left of 0. */
static int joined(int bin, int join)
{
	return (int)floor((double)bin / join);
}

/* The observer's bins, joined by powers of two until there are few enough. */
static json_t *histogram_json(const struct qb_survey *s, int most)
{
	static const int cap = HISTOGRAM_MAX;
	uint64_t *count = calloc((size_t)cap, sizeof(*count));
	json_t *counts = json_array();
	int first = 0, join = 1, n = 0;
	double width = 0;

	if (count) {
		n = qb_observer_histogram(s->observer, &first, &width, count, cap);
	}
	while (joined(first + n - 1, join) - joined(first, join) >= most) {
		join *= 2;
	}
	for (int at = 0; at < n;) {
		int bin = joined(first + at, join);
		uint64_t sum = 0;

		for (; at < n && joined(first + at, join) == bin; at++) {
			sum += count[at];
		}
		json_array_append_new(counts, json_integer((json_int_t)sum));
	}
	free(count);
	return json_pack("{s:f, s:f, s:o}", "low", joined(first, join) * join * width, "width",
		join * width, "counts", counts);
}

/* Decibels to compare by: no error is more than any. */
static double rank_of(const struct qb_survey_row *r)
{
	return qb_sqnr_exact(r->noise) ? INFINITY : r->sqnr_db;
}

static double best_rank(const struct qb_survey *s, enum qb_granularity g)
{
	double best = -INFINITY;

	for (int i = 0; i < s->rows; i++) {
		if (s->row[i].granularity == g) {
			best = fmax(best, rank_of(&s->row[i]));
		}
	}
	return best;
}

static json_t *best_json(const struct qb_survey *s, const struct tensor_job *t)
{
	json_t *a = json_array();

	for (int g = 0; g < QB_GRANULARITIES; g++) {
		for (int i = 0; i < s->rows; i++) {
			const struct qb_survey_row *r = &s->row[i];

			if (r->granularity == (enum qb_granularity)g && rank_of(r) == best_rank(s, r->granularity)) {
				json_array_append_new(a, json_pack("{s:s, s:s, s:o, s:b}", "granularity",
					qb_granularity_name(r->granularity), "format", t->format[r->format].name,
					"sqnr_db", qb_json_real(r->sqnr_db), "exact",
					qb_sqnr_exact(r->noise)));
				break;
			}
		}
	}
	return a;
}

static json_t *shape_json(const struct qb_tensor_source_tensor *s)
{
	json_t *a = json_array();

	for (int i = 0; i < s->ndim; i++) {
		json_array_append_new(a, json_integer(s->dim[i]));
	}
	return a;
}

static void add_tensor(struct tensor_job *t, const struct qb_tensor_source_tensor *s,
	const struct qb_survey *v)
{
	float lo, hi;
	bool some = qb_observer_count(v->observer) > 0;
	double no = some ? 0 : NAN; /* NaN plus anything is null */

	qb_observer_minmax(v->observer, &lo, &hi);
	json_array_append_new(t->tensors, json_pack("{s:o, s:o, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:i, "
		"s:I, s:I, s:o, s:o, s:o}", "name", name_json(s->name), "shape", shape_json(s), "dtype",
		qb_dtype_name(s->dtype), "elements", (json_int_t)s->elements, "min", some ? qb_json_float(lo) : json_null(),
		"max", some ? qb_json_float(hi) : json_null(), "mean", qb_json_real(no + v->spread.mean), "std",
		qb_json_real(qb_spread_std(&v->spread)), "infinity_norm",
		some ? qb_json_float(fmaxf(fabsf(lo), fabsf(hi))) : json_null(), "kurtosis",
		qb_json_real(qb_spread_kurtosis(&v->spread)), "zeros", (json_int_t)v->zeros, "nonfinite",
		(json_int_t)qb_observer_nonfinite(v->observer), "axis", v->axis, "channels",
		(json_int_t)v->channels, "outlier_count", (json_int_t)v->outliers, "outlier_channels",
		outliers_json(v), "histogram", histogram_json(v, t->bins), "best", best_json(v, t)));
}

static void add_rows(struct tensor_job *t, const struct qb_tensor_source_tensor *s, const struct qb_survey *v)
{
	bool won[QB_GRANULARITIES] = {false};

	for (int i = 0; i < v->rows; i++) {
		const struct qb_survey_row *r = &v->row[i];
		struct tally *sum = &t->tally[r->granularity][r->format];
		bool best = rank_of(r) == best_rank(v, r->granularity);

		sum->rows++;
		sum->signal += r->signal;
		sum->noise += r->noise;
		sum->wins += best && !won[r->granularity];
		won[r->granularity] = won[r->granularity] || best;
		json_array_append_new(t->rows, json_pack("{s:o, s:s, s:s, s:f, s:o, s:o, s:b, s:b}", "tensor",
			name_json(s->name), "granularity", qb_granularity_name(r->granularity), "format",
			t->format[r->format].name, "bits", r->bits, "mse", qb_json_real(r->mse), "sqnr_db",
			qb_json_real(r->sqnr_db), "exact", qb_sqnr_exact(r->noise), "best", best));
	}
}

static json_t *total_json(struct tensor_job *t)
{
	json_t *a = json_array();

	for (int g = 0; g < QB_GRANULARITIES; g++) {
		for (int f = 0; f < t->opt.formats; f++) {
			const struct tally *sum = &t->tally[g][f];
			const char *granularity = qb_granularity_name((enum qb_granularity)g);
			double db = qb_sqnr_db(sum->signal, sum->noise);

			if (!sum->rows) {
				continue;
			}
			json_array_append_new(a, json_pack("{s:s, s:s, s:o, s:b, s:I}", "granularity", granularity,
				"format", t->format[f].name, "sqnr_db", qb_json_real(db), "exact",
				qb_sqnr_exact(sum->noise), "wins", (json_int_t)sum->wins));
			qb_job_metric(t->job, "model", t->format[f].name, granularity, "sqnr", db, "dB");
		}
	}
	return a;
}

/* Running. */

static enum qb_err progress(void *arg, int64_t elements, struct qb_errbuf *eb)
{
	struct tensor_job *t = arg;

	return qb_job_progress(t->job, "survey",
		(double)(t->before + elements) / (2.0 * (double)QB_MAX(t->elements, 1)), eb, "%.100s", t->now);
}

static enum qb_err survey_one(struct tensor_job *t, int i, struct qb_errbuf *eb)
{
	const struct qb_tensor_source_tensor *s = qb_tensor_source_tensor(t->source, i);
	struct qb_survey v;
	int axis;

	QB_TRY(axis_of(t, s, &axis, eb));
	t->now = s->name;
	QB_TRY(qb_survey_run(&v, t->source, i, axis, &t->opt, eb));
	add_tensor(t, s, &v);
	add_rows(t, s, &v);
	qb_survey_fini(&v);
	t->before += 2 * s->elements;
	return QB_OK;
}

static enum qb_err survey_all(struct tensor_job *t, struct qb_errbuf *eb)
{
	int n = qb_tensor_source_count(t->source);

	for (int i = 0; i < n; i++) {
		const struct qb_tensor_source_tensor *s = qb_tensor_source_tensor(t->source, i);

		if (!is_wanted(t, s->name)) {
			continue;
		}
		if (s->skipped) {
			json_array_append_new(t->skipped, json_pack("{s:o, s:s}", "name", name_json(s->name), "why",
				s->skipped));
			continue;
		}
		t->elements += s->elements;
		t->bytes += s->elements * (int64_t)qb_dtype_bytes(s->dtype);
	}
	for (int i = 0; i < n; i++) {
		const struct qb_tensor_source_tensor *s = qb_tensor_source_tensor(t->source, i);

		if (!s->skipped && is_wanted(t, s->name)) {
			QB_TRY(survey_one(t, i, eb));
		}
	}
	return QB_OK;
}

static enum qb_err check(struct qb_job *job, struct qb_errbuf *eb)
{
	struct tensor_job *t = calloc(1, sizeof(*t));
	const json_t *v;
	size_t i;
	enum qb_err err;

	if (!t) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the job");
	}
	t->job = job;
	QB_TRY_OUT(parse(t, eb));
	json_array_foreach(t->only, i, v) {
		err = json_object_get(job->spec, "data") ? qb_described_array(job, json_string_value(v), eb) : QB_OK;
		if (err != QB_OK) {
			qb_fail_in_entry(eb, err, "tensors", i);
			break;
		}
	}
out:
	free(t);
	return err;
}

static enum qb_err run(struct qb_job *job, json_t **result, struct qb_errbuf *eb)
{
	struct tensor_job *t = calloc(1, sizeof(*t));
	enum qb_err err;

	if (!t) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the job");
	}
	t->job = job;
	t->opt.progress = progress;
	t->opt.arg = t;
	QB_TRY_OUT(parse(t, eb));
	t->tensors = json_array();
	t->rows = json_array();
	t->skipped = json_array();
	QB_TRY_OUT(qb_tensor_source_open(&t->source, job, json_object_get(job->spec, "data") ? "data" : "model",
		eb));
	QB_TRY_OUT(check_names(t, eb));
	QB_TRY_OUT(survey_all(t, eb));
	*result = json_pack("{s:s, s:s, s:s, s:i, s:I, s:I, s:O, s:O, s:o, s:O}", "type", "tensor", "source",
		qb_tensor_source_name(t->source), "range", ranges[t->range],
		"block", t->opt.block, "elements", (json_int_t)t->elements, "bytes", (json_int_t)t->bytes,
		"tensors", t->tensors, "rows", t->rows, "total", total_json(t), "skipped", t->skipped);
	err = *result ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the result");
out:
	qb_tensor_source_close(&t->source);
	json_decref(t->tensors);
	json_decref(t->rows);
	json_decref(t->skipped);
	free(t);
	return err;
}

const struct qb_experiment qb_experiment_tensor = {
	.type = "tensor",
	.summary = "what formats cost on the tensors of a file, and their outliers",
	.job = {
		.summary = "A survey of tensors: what every format makes of each, their histograms and their outlier channels.",
		.fields = fields,
		.bytes = sizeof(struct tensor_job),
		.defaults = set_defaults,
	},
	.run = run,
	.check = check,
};
