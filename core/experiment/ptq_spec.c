/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/ptq_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/metrics.h"
#include "core/base/size.h"
#include "core/experiment/export.h"
#include "core/experiment/params.h"

static const char *const granularities[] = {
#define X(id, name) name,
	QB_GRANULARITY_NAMES(X)
#undef X
	"per_group", NULL};
enum { PER_GROUP = QB_PER_BLOCK + 1 }; /* blocks of a format that has none by itself */
static const char *const range_methods[] = {
#define X(id, name) name,
	QB_RANGE_METHODS(X)
#undef X
	NULL};
static const char *const scale_kinds[] = {"real", "power_of_two", NULL};

/* "granularity": "per_group", "group_size": 32 on int4 makes it int4_g32. */
static enum qb_err read_group(const json_t *obj, const char *at, struct qb_scheme_part *part,
	struct qb_errbuf *eb)
{
	char name[QB_FORMAT_NAME_MAX];
	int64_t size = 32;

	QB_TRY(qb_param_int(obj, at, "group_size", 2, 4096, &size, eb));
	if (part->format.block) {
		return qb_fail_field(eb, QB_EJOB, at, "granularity", "%s has its scale per block of %d; leave "
			"granularity out", part->format.name, part->format.block);
	}
	if (snprintf(name, sizeof(name), "%s_g%d", part->format.name, (int)size) >=
		(int)sizeof(name) || part->format.kind != QB_FORMAT_INT || part->format.asymmetric ||
		qb_format_parse(&part->format, name, NULL) != QB_OK) {
		return qb_fail_field(eb, QB_EJOB, at, "granularity", "per_group needs a symmetric integer format, "
			"such as int4");
	}
	return QB_OK;
}

/* What weights and activations have in common. */
static enum qb_err read_part(const json_t *obj, const char *at, struct qb_scheme_part *part,
	struct qb_errbuf *eb)
{
	static const char *const known[] = {"format", "granularity", "group_size", "range",
		"percentile", "scale", "symmetric", NULL};
	int granularity = (int)part->granularity, method = (int)part->range.method;
	int scale = part->range.power_of_two;
	const char *format = NULL;
	bool symmetric = false;

	if (!obj) {
		return QB_OK;
	}
	QB_TRY(qb_param_only(obj, at, known, eb));
	QB_TRY(qb_param_choice(obj, at, "granularity", granularities, &granularity, eb));
	QB_TRY(qb_param_choice(obj, at, "range", range_methods, &method, eb));
	QB_TRY(qb_param_real(obj, at, "percentile", 50, 100, &part->range.percentile, eb));
	QB_TRY(qb_param_choice(obj, at, "scale", scale_kinds, &scale, eb));
	QB_TRY(qb_param_string(obj, at, "format", &format, eb));
	if (format && qb_scheme_part_parse(part, format, eb) != QB_OK) {
		return qb_fail_in_field(eb, QB_EJOB, at, "format");
	}
	part->range.method = (enum qb_range_method)method;
	part->range.power_of_two = scale;
	if (!part->quantized) {
		return QB_OK;
	}
	if (granularity == PER_GROUP) {
		QB_TRY(read_group(obj, at, part, eb));
		granularity = QB_PER_BLOCK;
	} else if (json_object_get(obj, "group_size")) {
		return qb_fail_field(eb, QB_EJOB, at, "group_size", "is for \"granularity\": \"per_group\"");
	} else if (granularity == QB_PER_BLOCK && !part->format.block &&
		!json_object_get(obj, "granularity")) {
		granularity = QB_PER_TENSOR;
	}
	if (part->format.block && json_object_get(obj, "granularity") &&
		granularity != QB_PER_BLOCK) {
		return qb_fail_field(eb, QB_EJOB, at, "granularity", "%s has its scale per block of %d; leave "
			"granularity out", part->format.name, part->format.block);
	}
	if (!part->format.block && granularity == QB_PER_BLOCK) {
		return qb_fail_field(eb, QB_EJOB, at, "granularity", "per_block needs a block format such as "
			"mxfp4 or int4_g32");
	}
	part->granularity = (enum qb_granularity)granularity;
	QB_TRY(qb_param_bool(obj, at, "symmetric", &symmetric, eb));
	if (json_object_get(obj, "symmetric") && part->format.kind == QB_FORMAT_INT) {
		/* A symmetric integer keeps the sign: the placement makes it unsigned where nothing is negative. */
		part->format.asymmetric = !symmetric;
		part->format.is_signed = part->format.is_signed || symmetric;
	}
	return QB_OK;
}

/* "weights": "int4", null (stays float) or an object. */
static enum qb_err read_half(const json_t *obj, const char *at, const char *key,
	struct qb_scheme_part *part, struct qb_errbuf *eb)
{
	const json_t *v = json_object_get(obj, key);
	char here[128];

	snprintf(here, sizeof(here), "%s.%s", at, key);
	if (!v || json_is_null(v)) {
		part->quantized = false;
		return QB_OK;
	}
	if (json_is_object(v)) {
		return read_part(v, here, part, eb);
	}
	if (!json_is_string(v)) {
		return qb_fail_field(eb, QB_EJOB, at, key, "must be the name of a format, null (stays float) or an "
			"object with \"format\"");
	}
	if (qb_scheme_part_parse(part, json_string_value(v), eb) != QB_OK) {
		return qb_fail_in_field(eb, QB_EJOB, at, key);
	}
	return QB_OK;
}

static void name_scheme(struct qb_scheme *s)
{
	snprintf(s->name, sizeof(s->name), "%.28s/%.28s",
		s->weights.quantized ? s->weights.format.name : "float32",
		s->activations.quantized ? s->activations.format.name : "float32");
}

/* The job's own "weights" and "activations", for all schemes; either may be NULL. */
struct job_parts {
	const json_t *weights, *activations;
};

/* Granularity of a block format is its own; all else follows the job. */
static void take_defaults(struct qb_scheme_part *to, const struct qb_scheme_part *from)
{
	to->granularity = to->format.block ? QB_PER_BLOCK : from->granularity;
	to->range = from->range;
}

/* A scheme given by its parts, which go before those of the "scheme" that it names; without one, a part left out
 * stays float. */
static enum qb_err read_parts(const json_t *v, const char *at, struct qb_scheme *out,
	struct qb_errbuf *eb)
{
	bool whole = !json_object_get(v, "scheme");

	if (whole || json_object_get(v, "weights")) {
		QB_TRY(read_half(v, at, "weights", &out->weights, eb));
	}
	if (whole || json_object_get(v, "activations")) {
		QB_TRY(read_half(v, at, "activations", &out->activations, eb));
		out->activations.format = qb_activation_format(&out->activations.format);
	}
	return QB_OK;
}

/* What the scheme v says of weights and activations, with what the job says of all. */
static enum qb_err read_halves(const json_t *v, const char *at, const struct job_parts *job,
	struct qb_scheme *out, struct qb_errbuf *eb)
{
	const struct qb_scheme_part weight_defaults = {.granularity = QB_PER_CHANNEL,
		.range = {.method = QB_RANGE_MSE, .percentile = 99.99}};
	const struct qb_scheme_part activation_defaults = {.granularity = QB_PER_TENSOR,
		.range = {.method = QB_RANGE_MSE, .percentile = 99.99}};

	const char *name = json_string_value(v);

	memset(out, 0, sizeof(*out));
	if (json_is_object(v)) {
		QB_TRY(qb_param_string(v, at, "scheme", &name, eb));
	}
	if (name && qb_scheme_parse(out, name, eb) != QB_OK) {
		return qb_fail_in_field(eb, QB_EJOB, at, json_is_object(v) ? "scheme" : "");
	}
	if (out->carried) {
		return QB_OK; /* the file says all */
	}
	if (json_is_object(v)) {
		QB_TRY(read_parts(v, at, out, eb));
	} else if (json_is_string(v)) {
		/* All is said. */
	} else {
		return qb_fail_field(eb, QB_EJOB, at, "", "must be the name of a scheme, such as int8, E4 or w4a8, "
			"or an object with weights and activations");
	}
	take_defaults(&out->weights, &weight_defaults);
	take_defaults(&out->activations, &activation_defaults);
	QB_TRY(read_part(job->weights, "weights", &out->weights, eb));
	QB_TRY(read_part(job->activations, "activations", &out->activations, eb));
	/* What the scheme itself says goes before what the job says of all. */
	return json_is_object(v) ? read_parts(v, at, out, eb) : QB_OK;
}

/* "layers": {"conv1": "float32", "*attention*": {"weights": "int8", "activations": null}}; a half left out follows
 * the scheme. */
static enum qb_err read_layers(const json_t *v, const char *at, const struct job_parts *job,
	struct qb_scheme *out, struct qb_errbuf *eb)
{
	static const char *const known[] = {"weights", "activations", NULL};
	struct qb_scheme_layer *layer;
	const json_t *list, *one;
	const char *name;

	QB_TRY(qb_param_object(v, at, "layers", &list, eb));
	if (!json_object_size(list)) {
		return QB_OK;
	}
	layer = calloc(json_object_size(list), sizeof(*layer));
	if (!layer) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the layers of %s", at);
	}
	out->layer = layer;
	json_object_foreach((json_t *)list, name, one) {
		struct qb_scheme s;
		char here[256];

		snprintf(here, sizeof(here), "%s.layers[\"%.150s\"]", at, name);
		if (json_is_object(one)) {
			QB_TRY(qb_param_only(one, here, known, eb));
		}
		QB_TRY(read_halves(one, here, job, &s, eb));
		layer[out->layers] = (struct qb_scheme_layer){name, out->weights, out->activations};
		if (json_is_string(one) || json_object_get(one, "weights")) {
			layer[out->layers].weights = s.weights;
		}
		if (json_is_string(one) || json_object_get(one, "activations")) {
			layer[out->layers].activations = s.activations;
		}
		out->layers++;
	}
	return QB_OK;
}

/* "w4a8+adaround" */
static void add_methods_to_name(struct qb_scheme *s, const json_t *methods)
{
	for (size_t i = 0; i < json_array_size(methods); i++) {
		const json_t *m = json_array_get(methods, i);
		const char *name = json_string_value(json_is_object(m) ? json_object_get(m, "name") : m);
		size_t n = strlen(s->name);

		snprintf(s->name + n, sizeof(s->name) - n, "+%s", name ? name : "");
	}
}

static enum qb_err read_scheme(const json_t *v, const char *at, const struct job_parts *job,
	struct qb_scheme *out, struct qb_errbuf *eb)
{
	static const char *const known[] = {"name", "scheme", "weights", "activations", "layers",
		"methods", NULL};
	const char *name = NULL;

	if (json_is_object(v)) {
		QB_TRY(qb_param_only(v, at, known, eb));
	}
	QB_TRY(read_halves(v, at, job, out, eb));
	if (!json_is_object(v)) {
		return QB_OK;
	}
	QB_TRY(qb_param_string(v, at, "name", &name, eb));
	if (name && (!*name || strlen(name) >= sizeof(out->name))) {
		return qb_fail_field(eb, QB_EJOB, at, "name", "must have 1 to %zu characters",
			sizeof(out->name) - 1);
	}
	if (name) {
		snprintf(out->name, sizeof(out->name), "%s", name);
	} else {
		if (!json_object_get(v, "scheme")) {
			name_scheme(out);
		}
		add_methods_to_name(out, json_object_get(v, "methods"));
	}
	return read_layers(v, at, job, out, eb);
}

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
	struct job_parts job;
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
		QB_TRY(read_scheme(json_array_get(list, i), at, &job, &s->scheme[i], eb));
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
