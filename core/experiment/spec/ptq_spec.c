/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/spec/ptq_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/metrics.h"
#include "core/base/size.h"
#include "core/experiment/report/export.h"
#include "core/json/params.h"
#include "core/experiment/spec/scheme_spec.h"

/* The scheme's own methods, or else the job's. */
static enum qb_err read_methods(struct qb_method_list *out, const json_t *scheme, const char *at,
	const json_t *job_methods, struct qb_errbuf *eb)
{
	const json_t *own = NULL;
	char here[64];

	if (json_is_object(scheme)) {
		QB_TRY(qb_param_array(scheme, at, "methods", &own, eb));
	}
	snprintf(here, sizeof(here), "%s.methods", at);
	return qb_method_list_parse(out, own ? own : job_methods, own ? here : "methods", eb);
}

static void in_schemes(size_t i, char *out, size_t size)
{
	snprintf(out, size, "schemes[%zu]", i);
}

enum qb_err qb_ptq_spec_read_schemes(struct qb_ptq_spec *s, qb_scheme_path *path, struct qb_errbuf *eb)
{
	const json_t *list = s->asked.schemes;

	path = path ? path : in_schemes;
	s->scheme = calloc(json_array_size(list), sizeof(*s->scheme));
	s->methods = calloc(json_array_size(list), sizeof(*s->methods));
	if (!s->scheme || !s->methods) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the schemes");
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		char at[32], other[32];

		path(i, at, sizeof(at));
		s->schemes++; /* whatever it holds is freed */
		QB_TRY(qb_scheme_read(&s->scheme[i], json_array_get(list, i), at, &s->asked.halves, eb));
		QB_TRY(read_methods(&s->methods[i], json_array_get(list, i), at, s->asked.methods, eb));
		for (size_t k = 0; k < i; k++) {
			if (!strcmp(s->scheme[k].name, s->scheme[i].name)) {
				path(k, other, sizeof(other));
				return qb_fail_field(eb, QB_EJOB, at, "", "\"%s\" is already %s; give one of "
					"them another name", s->scheme[i].name, other);
			}
		}
	}
	return QB_OK;
}

static enum qb_err read_factor(const json_t *obj, const char *key, float fallback, float *out,
	int *count, struct qb_errbuf *eb)
{
	double *v = malloc(QB_PTQ_CHANNELS_MAX * sizeof(*v));
	enum qb_err err = v ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for preprocess.%s", key);

	if (err == QB_OK) {
		err = qb_param_reals(obj, "preprocess", key, v, QB_PTQ_CHANNELS_MAX, count, eb);
	}
	for (int i = 0; err == QB_OK && i < *count; i++) {
		out[i] = (float)v[i];
	}
	if (err == QB_OK && *count == 0) {
		out[0] = fallback;
		*count = 1;
	}
	free(v);
	return err;
}

enum qb_err qb_ptq_spec_read_preprocess(struct qb_ptq_spec *s, const json_t *spec, struct qb_errbuf *eb)
{
	struct qb_preprocess *p = &s->preprocess;
	const json_t *obj = json_object_get(spec, "preprocess");

	s->factor = calloc(3 * QB_PTQ_CHANNELS_MAX, sizeof(*s->factor));
	if (!s->factor) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the preprocessing");
	}
	p->scale = s->factor;
	p->mean = s->factor + QB_PTQ_CHANNELS_MAX;
	p->std = s->factor + 2 * QB_PTQ_CHANNELS_MAX;
	QB_TRY(read_factor(obj, "scale", 1, s->factor, &p->scales, eb));
	QB_TRY(read_factor(obj, "mean", 0, s->factor + QB_PTQ_CHANNELS_MAX, &p->means, eb));
	QB_TRY(read_factor(obj, "std", 1, s->factor + 2 * QB_PTQ_CHANNELS_MAX, &p->stds, eb));
	for (int i = 0; i < p->stds; i++) {
		if (p->std[i] == 0) {
			qb_fail(eb, QB_EJOB, "is 0, and values are divided by it");
			return qb_fail_in_entry(eb, QB_EJOB, "preprocess.std", (size_t)i);
		}
	}
	return QB_OK;
}

/* The table. */

void qb_ptq_spec_defaults(void *out)
{
	*(struct qb_ptq_spec *)out = (struct qb_ptq_spec){
		.metric = "top1",
		.seed = 1,
		.calibration_samples = 100,
		.spread = true,
		.momentum = 0.9,
		.latency = true,
		.latency_threads = 1,
		.latency_options = {10, 662, 0.5},
	};
	qb_text_config_init(&((struct qb_ptq_spec *)out)->text);
}

static const struct qb_field number[] = {
	{.kind = QB_FIELD_REAL, .low = -QB_FIELD_MOST_REAL, .high = QB_FIELD_MOST_REAL}, {0}};
static const struct qb_field factor[] = {
	{.kind = QB_FIELD_REAL, .low = -QB_FIELD_MOST_REAL, .high = QB_FIELD_MOST_REAL},
	{.kind = QB_FIELD_LIST, .low = 1, .high = QB_PTQ_CHANNELS_MAX, .any = number},
	{0}};

const struct qb_object qb_preprocess_object = {
	.summary = "(x * scale - mean) / std in float32; one value, or one a channel",
	.fields = (const struct qb_field[]){
		{"scale", QB_FIELD_ANY, offsetof(struct qb_ptq_spec, asked.scale), .any = factor},
		{"mean", QB_FIELD_ANY, offsetof(struct qb_ptq_spec, asked.mean), .any = factor},
		{"std", QB_FIELD_ANY, offsetof(struct qb_ptq_spec, asked.std), .any = factor},
		{0}},
};

static const struct qb_object calibration = {.fields = (const struct qb_field[]){
	QB_PTQ_CALIBRATION,
	{"held_out", QB_FIELD_BOOL, offsetof(struct qb_ptq_spec, held_out),
		.summary = "leave the calibration samples out of the evaluation"},
	{0}}};

static const struct qb_field latency_fields[] = {
	{"threads", QB_FIELD_INT, offsetof(struct qb_ptq_spec, latency_threads), 1, QB_FIELD_MOST_INT,
		.most = offsetof(struct qb_ptq_spec, most_threads)},
	{"min_seconds", QB_FIELD_REAL, offsetof(struct qb_ptq_spec, latency_options.min_seconds), .low = 0, .high = 3600},
	{"min_queries", QB_FIELD_LONG, offsetof(struct qb_ptq_spec, latency_options.min_queries), .low = 1, .high = 10000000},
	{"warmup_seconds", QB_FIELD_REAL, offsetof(struct qb_ptq_spec, latency_options.warmup_seconds), .low = 0, .high = 600},
	{"profile", QB_FIELD_BOOL, offsetof(struct qb_ptq_spec, profile),
		.summary = "time every step of float and of native execution as well"},
	{0}};
static const struct qb_object latency_object = {.fields = latency_fields, .bytes = sizeof(struct qb_ptq_spec),
	.defaults = qb_ptq_spec_defaults};
const struct qb_field qb_latency_entries[] = {
	{.kind = QB_FIELD_BOOL}, {.kind = QB_FIELD_OBJECT, .object = &latency_object}, {0}};

const struct qb_field qb_ptq_fields[] = {
	QB_PTQ_UPLOADS,
	{"export", QB_FIELD_CHOICES, offsetof(struct qb_ptq_spec, exports), .choices = qb_export_names,
		.summary = "artifacts: qdq (an ONNX file per scheme that ONNX Runtime runs), encodings (AIMET's form), float (the "
			"network without batch norms), report (HTML)"},
	{"samples", QB_FIELD_LONG, offsetof(struct qb_ptq_spec, max_samples), 1, QB_FIELD_MOST_LONG,
		.summary = "evaluate at most this many samples"},
	{"schemes", QB_FIELD_LIST, offsetof(struct qb_ptq_spec, asked.schemes), 1, QB_PTQ_SCHEMES_MAX, .required = true,
		.any = qb_scheme_entries, .takes = "schemes, such as [\"int8\", \"E4\"]"},
	QB_PTQ_WORDS,
	{"calibration", QB_FIELD_OBJECT, .object = &calibration},
	{"latency", QB_FIELD_ANY, offsetof(struct qb_ptq_spec, asked.latency), .any = qb_latency_entries,
		.summary = "MLPerf's single stream; false leaves it out"},
	{0}};

enum qb_err qb_ptq_spec_read_latency(struct qb_ptq_spec *s, struct qb_errbuf *eb)
{
	const json_t *v = s->asked.latency;

	if (!v) {
		return QB_OK;
	}
	s->latency = !json_is_false(v);
	if (json_is_boolean(v)) {
		return QB_OK;
	}
	if (!json_is_object(v)) {
		return qb_fail_field(eb, QB_EJOB, "", "latency", "must be an object, or false to leave it out");
	}
	return qb_fields_read(s, v, "latency", latency_fields, NULL, eb);
}

static enum qb_err check_exports(const struct qb_ptq_spec *s, const struct qb_job *job, struct qb_errbuf *eb)
{
	if (s->exports && !job->host->workdir && !job->checked) {
		return qb_fail_field(eb, QB_EJOB, "", "export", "there is no folder to write to; give one with --out");
	}
	return QB_OK;
}

enum qb_err qb_ptq_spec_parse(struct qb_ptq_spec *out, const struct qb_job *job,
	qb_scheme_path *path, struct qb_errbuf *eb)
{
	qb_ptq_spec_defaults(out);
	out->threads = out->most_threads = job->host->threads;
	QB_TRY(qb_job_read(out, job, qb_ptq_fields, eb));
	QB_TRY(qb_job_input(job, "model", &out->model_path, &out->model_name, eb));
	QB_TRY(qb_job_input(job, "data", &out->data_path, &out->data_name, eb));
	QB_TRY(qb_ptq_spec_read_task(out, job, eb));
	QB_TRY(check_exports(out, job, eb));
	QB_TRY(qb_ptq_spec_read_preprocess(out, job->spec, eb));
	QB_TRY(qb_ptq_spec_read_latency(out, eb));
	return qb_ptq_spec_read_schemes(out, path, eb);
}

enum qb_err qb_ptq_spec_read_task(struct qb_ptq_spec *s, const struct qb_job *job, struct qb_errbuf *eb)
{
	s->has_text = json_object_get(job->spec, "text");
	if (s->has_text) {
		return qb_text_spec_metric(&s->metric, job->spec, eb);
	}
	/* Of a check the names are ids; it asks the descriptions. */
	return qb_text_is_plain(s->data_name) && !job->checked ? qb_text_spec_missing(eb) : qb_metric_check_name(s->metric, eb);
}

struct qb_data_source qb_ptq_spec_source(const struct qb_ptq_spec *s, const char *path, const char *name)
{
	return (struct qb_data_source){.path = path, .preprocess = &s->preprocess, .text = s->has_text ? &s->text : NULL,
		.plain = qb_text_is_plain(name)};
}

struct qb_sweep_options qb_ptq_sweep_options(const struct qb_ptq_spec *spec)
{
	return (struct qb_sweep_options){
		.metric = spec->metric,
		.threads = spec->threads,
		.calibration_samples = spec->calibration_samples,
		.samples = spec->max_samples,
		.spread = spec->spread,
		.held_out = spec->held_out,
		.momentum = spec->momentum,
		.scheme = spec->scheme,
		.methods = spec->methods,
		.schemes = spec->schemes,
		.seed = (uint64_t)spec->seed,
	};
}

void qb_ptq_spec_fini(struct qb_ptq_spec *spec)
{
	for (int i = 0; i < spec->schemes; i++) {
		free((void *)spec->scheme[i].layer);
		qb_method_list_fini(&spec->methods[i]);
	}
	free(spec->methods);
	spec->methods = NULL;
	free(spec->scheme);
	free(spec->factor);
	spec->scheme = NULL;
	spec->factor = NULL;
}
