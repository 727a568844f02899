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

static enum qb_err read_schemes(struct qb_ptq_spec *s, const json_t *spec, qb_scheme_path *path,
	struct qb_errbuf *eb)
{
	struct qb_job_halves job;
	const json_t *list, *methods;

	QB_TRY(qb_param_array(spec, "", "schemes", &list, eb));
	QB_TRY(qb_param_array(spec, "", "methods", &methods, eb));
	QB_TRY(qb_param_object(spec, "", "weights", &job.weights, eb));
	QB_TRY(qb_param_object(spec, "", "activations", &job.activations, eb));
	if (json_array_size(list) < 1 || json_array_size(list) > QB_PTQ_SCHEMES_MAX) {
		return qb_fail_field(eb, QB_EJOB, "", "schemes", "give 1 to %d schemes, such as [\"int8\", \"E4\"]",
			QB_PTQ_SCHEMES_MAX);
	}
	s->scheme = calloc(json_array_size(list), sizeof(*s->scheme));
	s->methods = calloc(json_array_size(list), sizeof(*s->methods));
	if (!s->scheme || !s->methods) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the schemes");
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		char at[32], other[32];

		path(i, at, sizeof(at));
		s->schemes++; /* whatever it holds is freed */
		QB_TRY(qb_scheme_read(&s->scheme[i], json_array_get(list, i), at, &job, eb));
		QB_TRY(read_methods(&s->methods[i], json_array_get(list, i), at, methods, eb));
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

static enum qb_err read_preprocess(struct qb_ptq_spec *s, const json_t *spec, struct qb_errbuf *eb)
{
	struct qb_preprocess *p = &s->preprocess;
	static const char *const known[] = {"scale", "mean", "std", NULL};
	const json_t *obj;

	QB_TRY(qb_param_object(spec, "", "preprocess", &obj, eb));
	if (obj) {
		QB_TRY(qb_param_only(obj, "preprocess", known, eb));
	}
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

static enum qb_err read_latency(struct qb_ptq_spec *s, const json_t *spec, int threads,
	struct qb_errbuf *eb)
{
	static const char *const known[] = {"threads", "min_seconds", "min_queries",
		"warmup_seconds", "profile", NULL};
	const json_t *v = json_object_get(spec, "latency");
	int64_t n = 1;

	s->latency = !json_is_false(v);
	s->latency_options = (struct qb_latency_options){10, 662, 0.5};
	s->latency_threads = 1;
	if (!v || json_is_boolean(v)) {
		return QB_OK;
	}
	if (!json_is_object(v)) {
		return qb_fail_field(eb, QB_EJOB, "", "latency", "must be an object, or false to leave it out");
	}
	QB_TRY(qb_param_only(v, "latency", known, eb));
	QB_TRY(qb_param_bool(v, "latency", "profile", &s->profile, eb));
	QB_TRY(qb_param_int(v, "latency", "threads", 1, threads, &n, eb));
	s->latency_threads = (int)n;
	QB_TRY(qb_param_real(v, "latency", "min_seconds", 0, 3600, &s->latency_options.min_seconds,
		eb));
	QB_TRY(qb_param_int(v, "latency", "min_queries", 1, 10000000,
		&s->latency_options.min_queries, eb));
	return qb_param_real(v, "latency", "warmup_seconds", 0, 600,
		&s->latency_options.warmup_seconds, eb);
}

enum qb_err qb_ptq_spec_parse(struct qb_ptq_spec *out, const struct qb_job *job,
	qb_scheme_path *path, struct qb_errbuf *eb)
{
	static const char *const known[] = {"type", "model", "data", "metric", "seed", "preprocess",
		"schemes", "weights", "activations", "methods", "calibration", "samples", "latency", "threads",
		"export", "workdir", "fresh", NULL};
	const json_t *spec = job->spec, *calibration;
	int64_t threads = job->host->threads;

	memset(out, 0, sizeof(*out));
	out->metric = "top1";
	out->calibration_samples = 100;
	out->spread = true;
	out->momentum = 0.9;
	out->seed = 1;
	QB_TRY(qb_param_only(spec, "", known, eb));
	QB_TRY(qb_job_input(job, "model", &out->model_path, &out->model_name, eb));
	QB_TRY(qb_job_input(job, "data", &out->data_path, &out->data_name, eb));
	QB_TRY(qb_param_string(spec, "", "metric", &out->metric, eb));
	QB_TRY(qb_metric_check_name(out->metric, eb));
	QB_TRY(qb_param_int(spec, "", "seed", 0, INT64_MAX, &out->seed, eb));
	QB_TRY(qb_param_int(spec, "", "threads", 1, job->host->threads, &threads, eb));
	out->threads = (int)threads;
	QB_TRY(qb_param_int(spec, "", "samples", 1, INT64_MAX, &out->max_samples, eb));
	QB_TRY(qb_param_object(spec, "", "calibration", &calibration, eb));
	if (calibration) {
		static const char *const fields[] = {"samples", "momentum", "spread", "held_out", NULL};

		QB_TRY(qb_param_only(calibration, "calibration", fields, eb));
		QB_TRY(qb_param_int(calibration, "calibration", "samples", 1, 1000000,
			&out->calibration_samples, eb));
		QB_TRY(qb_param_bool(calibration, "calibration", "spread", &out->spread, eb));
		QB_TRY(qb_param_bool(calibration, "calibration", "held_out", &out->held_out, eb));
		QB_TRY(qb_param_real(calibration, "calibration", "momentum", 0, 1, &out->momentum, eb));
	}
	QB_TRY(qb_export_parse(&out->exports, job, eb));
	QB_TRY(read_preprocess(out, spec, eb));
	QB_TRY(read_latency(out, spec, job->host->threads, eb));
	return read_schemes(out, spec, path ? path : in_schemes, eb);
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
