/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/spec/outliers_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct qb_object calibration = {
	.summary = "samples of data that set the ranges of activations, drawn anew for each seed",
	.fields = (const struct qb_field[]){
		{"samples", QB_FIELD_LONG, offsetof(struct qb_ptq_spec, calibration_samples), 1, 1000000,
			.summary = "in 16 batches, whose extents running_minmax averages"},
		{"seeds", QB_FIELD_INT, offsetof(struct qb_outliers_spec, calibrations), 1, QB_OUTLIERS_CALIBRATIONS_MAX,
			.summary = "how often schemes are calibrated and evaluated, each time by other samples"},
		{"momentum", QB_FIELD_REAL, offsetof(struct qb_ptq_spec, momentum), 0, 1,
			.summary = "of running_minmax: what one of these batches leaves of the range before it"},
		{0}},
};

static const char *const usual_schemes[] = {"w8a8", NULL};
static const char *const usual_methods[] = {"vanilla", "clipped_softmax", "gated", NULL};

static const struct qb_field seed_entry[] = {{.kind = QB_FIELD_LONG, .low = 0, .high = QB_FIELD_MOST_LONG}, {0}};

/* The papers' training in small. */
static void train_defaults(struct qb_train_spec *t)
{
	qb_train_spec_defaults(t);
	t->optimizer = (struct qb_optimizer_spec){.name = QB_OPTIMIZER_ADAMW, .rate = -1, .decay = 0.01, .momentum = 0.9, .epsilon = 1e-8,
		.beta = {0.9, 0.99}};
	t->schedule = QB_SCHEDULE_LINEAR;
	t->warm_up = 1;
	t->clip = 1;
}

void qb_outliers_spec_defaults(void *out)
{
	struct qb_outliers_spec *s = out;

	train_defaults(&s->train);
	s->train.ptq.calibration_samples = 128;
	s->calibrations = 3;
	s->head_float = true;
}

const struct qb_field qb_outliers_fields[] = {
	{"models", QB_FIELD_UPLOADS, offsetof(struct qb_outliers_spec, asked.models), 1, QB_OUTLIERS_MODELS_MAX, .takes = "models",
		.summary = "trained transformers of the same inputs, to be compared"},
	{"model", QB_FIELD_UPLOAD, .summary = "a single one, a model's id, or a path for `quantbench run`; with train, what trains"},
	{"network", QB_FIELD_ANY, offsetof(struct qb_outliers_spec, train.asked.network), .any = qb_network_entries,
		.summary = "what trains, by name, from fresh weights: opt, bert, vit"},
	{"train", QB_FIELD_UPLOAD, .summary = "the training data, where a network is to train under each of the methods"},
	{"methods", QB_FIELD_LIST, offsetof(struct qb_outliers_spec, asked.methods), 1, QB_OUTLIERS_METHODS_MAX, .any = qb_attention_entries,
		.takes = "variants of attention, such as [\"vanilla\", \"gated\"]", .usual = usual_methods,
		.summary = "variants of attention, trained one after the other from the same weights"},
	{"seeds", QB_FIELD_LIST, offsetof(struct qb_outliers_spec, asked.seeds), 1, QB_OUTLIERS_SEEDS_MAX, .any = seed_entry,
		.takes = "whole numbers", .summary = "each method trains with each of them, in place of seed; results have the mean and the spread"},
	QB_PTQ_DATA,
	{"samples", QB_FIELD_LONG, offsetof(struct qb_train_spec, ptq.max_samples), 1, QB_FIELD_MOST_LONG,
		.summary = "look at and evaluate at most so many samples of data"},
	{"schemes", QB_FIELD_LIST, offsetof(struct qb_train_spec, ptq.asked.schemes), 1, QB_PTQ_SCHEMES_MAX, .any = qb_scheme_entries,
		.takes = "schemes, such as [\"w8a8\", \"E4\"]", .usual = usual_schemes,
		.summary = "what the networks are tried in, as a ptq job has them"},
	{"weights", QB_FIELD_ANY, offsetof(struct qb_ptq_spec, asked.halves.weights), .any = qb_part_entry,
		.summary = "of all schemes; what is left out is as in the papers: per_tensor, minmax"},
	{"activations", QB_FIELD_ANY, offsetof(struct qb_ptq_spec, asked.halves.activations), .any = qb_part_entry,
		.summary = "of all schemes; what is left out is as in the papers: per_tensor, running_minmax"},
	{"calibration", QB_FIELD_OBJECT, .object = &calibration},
	{"head_float", QB_FIELD_BOOL, offsetof(struct qb_outliers_spec, head_float),
		.summary = "the layer that makes the scores stays float in all schemes"},
	{"init", QB_FIELD_CHOICE, offsetof(struct qb_outliers_spec, train.init), .choices = qb_train_init_names,
		.summary = "of a model's weights: go on from the given ones, or from fresh ones"},
	{"teacher", QB_FIELD_UPLOAD, .summary = "a model of the same input and output, whose scores are learned as well"},
	QB_TRAIN_OPTIONS,
	{0}};

/* What has no meaning without a training. */
static const struct qb_field training_fields[] = {{.name = "methods"}, {.name = "seeds"}, {.name = "init"}, {.name = "teacher"},
	QB_TRAIN_OPTIONS, {0}};

/* ---- reading ---- */

/* The job's words with the papers' where it has none. */
static json_t *half_with(const json_t *asked, const char *range)
{
	json_t *half = json_is_object(asked) ? json_copy((json_t *)asked) : json_object();
	json_t *usual = json_pack("{s:s, s:s}", "granularity", "per_tensor", "range", range);

	json_object_update_missing(half, usual);
	json_decref(usual);
	return half;
}

static enum qb_err read_schemes(struct qb_outliers_spec *s, struct qb_errbuf *eb)
{
	struct qb_ptq_spec *p = &s->train.ptq;

	s->weights = half_with(p->asked.halves.weights, "minmax");
	s->activations = half_with(p->asked.halves.activations, "running_minmax");
	s->schemes = p->asked.schemes ? json_incref((json_t *)p->asked.schemes) : json_pack("[s]", usual_schemes[0]);
	if (!s->weights || !s->activations || !s->schemes) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the schemes");
	}
	p->asked.halves.weights = s->weights;
	p->asked.halves.activations = s->activations;
	p->asked.schemes = s->schemes;
	return qb_ptq_spec_read_schemes(p, NULL, eb);
}

static enum qb_err read_models(struct qb_outliers_spec *s, const struct qb_job *job, struct qb_errbuf *eb)
{
	bool model = json_object_get(job->spec, "model");
	const char *path, *name;

	if (model == !!s->asked.models) {
		return qb_fail_field(eb, QB_EJOB, "", "model", model ? "and models are both given; give all of them as models"
			: "is missing; give a transformer to look at, or several as models");
	}
	s->models = model ? 1 : (int)json_array_size(s->asked.models);
	for (int i = 0; i < s->models; i++) {
		QB_TRY(qb_outliers_spec_model(s, job, i, &path, &name, eb));
	}
	return qb_outliers_spec_model(s, job, 0, &s->train.ptq.model_path, &s->train.ptq.model_name, eb);
}

/* "clipped_softmax", or with its parameters: "clipped_softmax alpha=2". */
static void name_method(struct qb_outliers_method *m, bool parameters)
{
	size_t n = (size_t)snprintf(m->name, sizeof(m->name), "%s", m->attention.variant->named.name);
	const char *key;
	json_t *v;

	json_object_foreach(m->asked, key, v) {
		char *text = strcmp(key, "name") ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;

		if (text && parameters && n < sizeof(m->name)) {
			n += (size_t)snprintf(m->name + n, sizeof(m->name) - n, " %s=%s", key, text);
		}
		free(text);
	}
}

static bool same_variant(const struct qb_outliers_spec *s, int i)
{
	for (int k = 0; k < s->methods; k++) {
		if (k != i && s->method[k].attention.variant == s->method[i].attention.variant) {
			return true;
		}
	}
	return false;
}

static enum qb_err name_methods(struct qb_outliers_spec *s, struct qb_errbuf *eb)
{
	for (int i = 0; i < s->methods; i++) {
		name_method(&s->method[i], same_variant(s, i));
		for (int k = 0; k < i; k++) {
			if (!strcmp(s->method[k].name, s->method[i].name)) {
				qb_fail(eb, QB_EJOB, "\"%s\" is already methods[%d]", s->method[i].name, k);
				return qb_fail_in_entry(eb, QB_EJOB, "methods", (size_t)i);
			}
		}
	}
	return QB_OK;
}

static enum qb_err read_methods(struct qb_outliers_spec *s, struct qb_errbuf *eb)
{
	json_t *usual = json_pack("[s, s, s]", usual_methods[0], usual_methods[1], usual_methods[2]);
	const json_t *list = s->asked.methods ? s->asked.methods : usual, *v;
	enum qb_err err = QB_OK;
	size_t i;

	json_array_foreach(list, i, v) {
		struct qb_outliers_method *m = &s->method[s->methods++];
		char at[32];

		snprintf(at, sizeof(at), "methods[%zu]", i);
		m->asked = json_is_string(v) ? json_pack("{s:O}", "name", v) : json_incref((json_t *)v);
		QB_TRY_OUT(qb_attention_spec_read(&m->attention, v, at, eb));
	}
	err = name_methods(s, eb);
out:
	json_decref(usual);
	return err;
}

static enum qb_err read_seeds(struct qb_outliers_spec *s, struct qb_errbuf *eb)
{
	const json_t *v;
	size_t i;

	if (!s->asked.seeds) {
		s->seed[s->seeds++] = s->train.ptq.seed;
	}
	json_array_foreach(s->asked.seeds, i, v) {
		bool again = false;

		for (int k = 0; k < s->seeds; k++) {
			again = again || s->seed[k] == json_integer_value(v);
		}
		if (!json_is_integer(v) || json_integer_value(v) < 0 || again) {
			qb_fail(eb, QB_EJOB, again ? "is there twice; each seed is another training" : "must be a whole number from 0 on");
			return qb_fail_in_entry(eb, QB_EJOB, "seeds", i);
		}
		s->seed[s->seeds++] = json_integer_value(v);
	}
	return QB_OK;
}

static enum qb_err read_training(struct qb_outliers_spec *s, const struct qb_job *job, struct qb_errbuf *eb)
{
	if (s->asked.models) {
		return qb_fail_field(eb, QB_EJOB, "", "models", "are reported on as they are; what trains is one model, or a network");
	}
	QB_TRY(qb_train_spec_read_network(&s->train, job, eb));
	QB_TRY(qb_train_spec_read_teacher(&s->train, job, true, eb));
	QB_TRY(read_methods(s, eb));
	QB_TRY(read_seeds(s, eb));
	return qb_train_spec_finish(&s->train, job, eb);
}

/* Nothing trains: what would be passed over is refused. */
static enum qb_err check_no_training(const struct qb_job *job, struct qb_errbuf *eb)
{
	for (const struct qb_field *f = training_fields; f->name; f++) {
		if (json_object_get(job->spec, f->name)) {
			return qb_fail_field(eb, QB_EJOB, "", f->name, "is of a training; give the data to train on as train, or leave it out");
		}
	}
	return QB_OK;
}

static enum qb_err read_report(struct qb_outliers_spec *s, const struct qb_job *job, struct qb_errbuf *eb)
{
	struct qb_ptq_spec *p = &s->train.ptq;

	QB_TRY(read_models(s, job, eb));
	QB_TRY(check_no_training(job, eb));
	QB_TRY(qb_job_input(job, "data", &p->data_path, &p->data_name, eb));
	QB_TRY(qb_ptq_spec_read_task(p, job, eb));
	return qb_ptq_spec_read_preprocess(p, job->spec, eb);
}

struct qb_train_spec qb_outliers_spec_train(const struct qb_outliers_spec *s, int method, int seed)
{
	struct qb_train_spec t = s->train;

	t.attention = s->method[method].attention;
	t.ptq.seed = s->seed[seed];
	return t;
}

enum qb_err qb_outliers_spec_model(const struct qb_outliers_spec *s, const struct qb_job *job, int i, const char **path,
	const char **name, struct qb_errbuf *eb)
{
	return s->asked.models ? qb_job_input_at(job, "models", (size_t)i, path, name, eb) : qb_job_input(job, "model", path, name, eb);
}

enum qb_err qb_outliers_spec_parse(struct qb_outliers_spec *out, const struct qb_job *job, struct qb_errbuf *eb)
{
	struct qb_ptq_spec *p = &out->train.ptq;

	*out = (struct qb_outliers_spec){0};
	qb_outliers_spec_defaults(out);
	p->threads = p->most_threads = job->host->threads;
	QB_TRY(qb_job_read(out, job, qb_outliers_fields, eb));
	out->trains = json_object_get(job->spec, "train") || out->train.asked.network;
	QB_TRY(out->trains ? read_training(out, job, eb) : read_report(out, job, eb));
	return read_schemes(out, eb);
}

void qb_outliers_spec_fini(struct qb_outliers_spec *s)
{
	for (int i = 0; i < s->methods; i++) {
		qb_attention_spec_fini(&s->method[i].attention);
		json_decref(s->method[i].asked);
	}
	qb_train_spec_fini(&s->train);
	json_decref(s->weights);
	json_decref(s->activations);
	json_decref(s->schemes);
}
