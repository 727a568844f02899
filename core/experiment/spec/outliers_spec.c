/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/spec/outliers_spec.h"

#include <string.h>

#include "core/analysis/metrics.h"

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

void qb_outliers_spec_defaults(void *out)
{
	struct qb_outliers_spec *s = out;

	qb_train_spec_defaults(&s->train);
	s->train.ptq.calibration_samples = 128;
	s->calibrations = 3;
	s->head_float = true;
}

const struct qb_field qb_outliers_fields[] = {
	{"models", QB_FIELD_UPLOADS, offsetof(struct qb_outliers_spec, asked.models), 1, QB_OUTLIERS_MODELS_MAX, .takes = "models",
		.summary = "trained transformers of the same inputs, to be compared"},
	{"model", QB_FIELD_UPLOAD, .summary = "a single one: a model's id, or a path for `quantbench run`"},
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
	{0}};

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
	QB_TRY(read_models(out, job, eb));
	QB_TRY(qb_job_input(job, "data", &p->data_path, &p->data_name, eb));
	QB_TRY(qb_ptq_spec_read_task(p, job, eb));
	QB_TRY(qb_ptq_spec_read_preprocess(p, job->spec, eb));
	return read_schemes(out, eb);
}

void qb_outliers_spec_fini(struct qb_outliers_spec *s)
{
	qb_train_spec_fini(&s->train);
	json_decref(s->weights);
	json_decref(s->activations);
	json_decref(s->schemes);
}
