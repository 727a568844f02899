/* SPDX-License-Identifier: Apache-2.0
 *
 * The outliers job: what makes a transformer hard to quantize. Trained networks side by side, or one that trains under each variant of
 * attention: the metric in float and in W8A8 or any scheme, infinity norms and kurtosis of the residual stream, where the outliers sit,
 * and which heads attend to nothing.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/metrics.h"
#include "core/experiment/jobs/kinds.h"
#include "core/experiment/jobs/outlier_run.h"
#include "core/experiment/jobs/outlier_training.h"
#include "core/experiment/report/describe.h"
#include "core/experiment/report/outlier_rows.h"
#include "core/experiment/report/text_rows.h"
#include "core/experiment/spec/uploads_check.h"
#include "core/ptq/query_samples.h"

/* Of one network's progress: read, or trained, before it is looked at. */
static const double READ = 0.02, TRAINED = 0.9;

struct outliers {
	struct qb_job *job;
	struct qb_outliers_spec spec;
	struct qb_outlier_place place;      /* of the first network's worst tensor */
	json_t *runs;
	struct qb_outlier_numbers *numbers; /* [runs] */
	int64_t train_samples;
	json_t *notes;
	json_t *text;                       /* what results tell of a text, as members */
};

static const struct qb_ptq_spec *ptq_of(const struct outliers *o)
{
	return &o->spec.train.ptq;
}

/* ---- trained networks ---- */

static enum qb_err open_model(struct outliers *o, int i, struct qb_graph **model, struct qb_dataset **data, const char **name,
	struct qb_errbuf *eb)
{
	const struct qb_ptq_spec *p = ptq_of(o);
	const struct qb_data_source source = qb_ptq_spec_source(p, p->data_path, p->data_name);
	const char *path;

	QB_TRY(qb_outliers_spec_model(&o->spec, o->job, i, &path, name, eb));
	QB_TRY(qb_job_progress(o->job, "load", (double)i / o->spec.models, eb, "reading %s", *name));
	QB_TRY(qb_job_in_file(qb_graph_import(model, path, eb), "model", *name, eb));
	QB_TRY(qb_job_in_file(qb_open_data(data, &source, *model, eb), "data", p->data_name, eb));
	if ((*model)->converted && !o->notes) {
		o->notes = qb_model_notes(*model);
	}
	return QB_OK;
}

/* Is there a run of this name? */
static bool has_run(const struct outliers *o, const char *name)
{
	const json_t *run;
	size_t i;

	json_array_foreach(o->runs, i, run) {
		if (!strcmp(json_string_value(json_object_get(run, "name")), name)) {
			return true;
		}
	}
	return false;
}

static void tell_text(struct outliers *o, const struct qb_dataset *data)
{
	if (!o->text) {
		o->text = json_object();
		qb_text_tell(o->text, data, o->numbers[0].samples);
	}
}

static enum qb_err report_on(struct outliers *o, int i, struct qb_errbuf *eb)
{
	double width = 1.0 / o->spec.models;
	struct qb_outlier_subject subject = {.seed = -1, .from = width * (i + READ), .to = width * (i + 1)};
	struct qb_graph *model = NULL;
	struct qb_dataset *data = NULL;
	json_t *row = NULL;
	char id[128];
	enum qb_err err;

	QB_TRY_OUT(open_model(o, i, &model, &data, &subject.name, eb));
	snprintf(id, sizeof(id), i ? "%.100s-%d" : "%.100s", subject.name, i + 1);
	subject.id = has_run(o, subject.name) ? id : subject.name;
	subject.model_name = subject.name;
	subject.model = model;
	subject.data = data;
	QB_TRY_OUT(qb_job_in_file(qb_outlier_run(&row, &o->numbers[i], o->job, &o->spec, &subject, &o->place, eb), "model",
		subject.name, eb));
	tell_text(o, data);
	json_object_set_new(row, "training", json_null());
	json_array_append_new(o->runs, row);
out:
	qb_dataset_close(&data);
	qb_graph_destroy(&model);
	return err;
}

/* ---- trainings ---- */

static enum qb_err train_one(struct outliers *o, int method, int seed, struct qb_errbuf *eb)
{
	int run = method * o->spec.seeds + seed;
	double width = 1.0 / (o->spec.methods * o->spec.seeds), from = width * run;
	struct qb_outlier_subject subject = {.name = o->spec.method[method].name, .model_name = ptq_of(o)->model_name,
		.seed = o->spec.seed[seed], .attention = o->spec.method[method].asked, .from = from + width * TRAINED, .to = from + width};
	struct qb_outlier_training t;
	json_t *row = NULL;
	enum qb_err err;

	QB_TRY_OUT(qb_outlier_training_run(&t, o->job, &o->spec, method, seed, from, subject.from, eb));
	o->train_samples = t.train_samples;
	subject.id = t.id;
	subject.model = t.model;
	subject.data = t.data;
	QB_TRY_OUT(qb_outlier_run(&row, &o->numbers[run], o->job, &o->spec, &subject, &o->place, eb));
	QB_TRY_OUT(qb_outlier_training_tell(&t, row, eb));
	tell_text(o, t.data);
	json_array_append(o->runs, row);
out:
	json_decref(row);
	qb_outlier_training_fini(&t);
	return err;
}

static enum qb_err train_all(struct outliers *o, struct qb_errbuf *eb)
{
	for (int method = 0; method < o->spec.methods; method++) {
		for (int seed = 0; seed < o->spec.seeds; seed++) {
			QB_TRY(train_one(o, method, seed, eb));
		}
	}
	return QB_OK;
}

/* ---- the result ---- */

static const char *name_of(const struct outliers *o, size_t run)
{
	return json_string_value(json_object_get(json_array_get(o->runs, run), "name"));
}

typedef double number_fn(const struct qb_outlier_numbers *n, int scheme);

static double metric_of(const struct qb_outlier_numbers *n, int scheme)
{
	return scheme < 0 ? n->metric : n->scheme_metric[scheme];
}

static double delta_of(const struct qb_outlier_numbers *n, int scheme)
{
	return n->scheme_delta[scheme];
}

static double loss_of(const struct qb_outlier_numbers *n, int scheme)
{
	(void)scheme;
	return n->loss;
}

static double inf_norm_of(const struct qb_outlier_numbers *n, int scheme)
{
	(void)scheme;
	return n->max_inf_norm;
}

static double kurtosis_of(const struct qb_outlier_numbers *n, int scheme)
{
	(void)scheme;
	return n->avg_kurtosis;
}

static double sinks_of(const struct qb_outlier_numbers *n, int scheme)
{
	(void)scheme;
	return n->sink_share;
}

/* Of the runs of a name, their mean and spread; null where there is no such number. */
static json_t *spread(const struct outliers *o, const char *name, number_fn *number, int scheme)
{
	double x[QB_OUTLIERS_RUNS_MAX];
	int count = 0;
	bool known = false;

	for (size_t i = 0; i < json_array_size(o->runs); i++) {
		if (!strcmp(name_of(o, i), name)) {
			x[count] = number(&o->numbers[i], scheme);
			known = known || !isnan(x[count]);
			count++;
		}
	}
	return known || number == metric_of ? qb_spread_row(x, count) : json_null();
}

static json_t *scheme_spreads(const struct outliers *o, const char *name)
{
	json_t *rows = json_array();

	for (int i = 0; i < ptq_of(o)->schemes; i++) {
		json_array_append_new(rows, json_pack("{s:s, s:o, s:o}", "scheme", ptq_of(o)->scheme[i].name, "metric",
			spread(o, name, metric_of, i), "delta", spread(o, name, delta_of, i)));
	}
	return rows;
}

static json_t *summary(const struct outliers *o)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < json_array_size(o->runs); i++) {
		const char *name = name_of(o, i);
		int runs = 0;
		bool first = true;

		for (size_t k = 0; k < json_array_size(o->runs); k++) {
			first = first && (k >= i || strcmp(name_of(o, k), name));
			runs += !strcmp(name_of(o, k), name);
		}
		if (first) {
			json_array_append_new(rows, json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "name", name, "runs", runs,
				"float", spread(o, name, metric_of, -1), "loss", spread(o, name, loss_of, 0), "max_inf_norm",
				spread(o, name, inf_norm_of, 0), "avg_kurtosis", spread(o, name, kurtosis_of, 0), "sink_share",
				spread(o, name, sinks_of, 0), "schemes", scheme_spreads(o, name)));
		}
	}
	return rows;
}

static json_t *scheme_names(const struct outliers *o)
{
	json_t *names = json_array();

	for (int i = 0; i < ptq_of(o)->schemes; i++) {
		json_array_append_new(names, json_string(ptq_of(o)->scheme[i].name));
	}
	return names;
}

static json_t *calibration_seeds(const struct outliers *o)
{
	json_t *seeds = json_array();

	for (int i = 0; i < o->spec.calibrations; i++) {
		json_array_append_new(seeds, json_integer(i + 1));
	}
	return seeds;
}

static enum qb_err result_of(const struct outliers *o, json_t **result, struct qb_errbuf *eb)
{
	const struct qb_ptq_spec *p = ptq_of(o);
	const struct qb_outlier_numbers *n = &o->numbers[0];

	*result = json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:b, s:o, s:{s:I, s:o}, s:O*, s:O, s:o, s:o}", "type", "outliers", "model",
		p->model_name, "data", p->data_name, "metric_name", p->metric, "metric_rises", (int)qb_metric_rises(p->metric), "samples",
		(json_int_t)n->samples, "sequence", (json_int_t)n->tokens, "masked", (int)n->masked, "schemes", scheme_names(o),
		"calibration", "samples", (json_int_t)n->calibration_samples, "seeds", calibration_seeds(o), "notes", o->notes, "runs",
		o->runs, "summary", summary(o), "machine", qb_describe_machine(p->threads));
	if (!*result) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the results");
	}
	if (o->spec.trains) {
		json_object_set_new(*result, "train", json_string(o->spec.train.train_name));
		json_object_set_new(*result, "train_samples", json_integer(o->train_samples));
	}
	json_object_update(*result, o->text);
	return QB_OK;
}

/* ---- the job ---- */

static enum qb_err work(struct outliers *o, struct qb_errbuf *eb)
{
	o->runs = json_array();
	o->numbers = calloc(QB_OUTLIERS_RUNS_MAX, sizeof(*o->numbers));
	if (!o->runs || !o->numbers) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the results");
	}
	for (int i = 0; i < o->spec.models; i++) {
		QB_TRY(report_on(o, i, eb));
	}
	return o->spec.trains ? train_all(o, eb) : QB_OK;
}

/* Each network of a list as if it were the only one. */
static enum qb_err check_uploads(const struct qb_job *job, const struct qb_outliers_spec *spec, struct qb_errbuf *eb)
{
	struct qb_job one = *job;
	enum qb_err err = QB_OK;

	if (!spec->asked.models) {
		return qb_described_network(job, &spec->train.ptq, eb);
	}
	for (int i = 0; i < spec->models && err == QB_OK; i++) {
		char field[32];
		json_t *uploads;

		snprintf(field, sizeof(field), "models/%d", i);
		uploads = json_pack("{s:O*, s:O*}", "model", json_object_get(job->uploads, field), "data",
			json_object_get(job->uploads, "data"));
		one.uploads = uploads;
		err = qb_described_network(&one, &spec->train.ptq, eb);
		json_decref(uploads);
	}
	return err;
}

static enum qb_err check(struct qb_job *job, struct qb_errbuf *eb)
{
	struct qb_outliers_spec spec;
	enum qb_err err = qb_outliers_spec_parse(&spec, job, eb);

	err = err == QB_OK ? check_uploads(job, &spec, eb) : err;
	qb_outliers_spec_fini(&spec);
	return err;
}

static void fini(struct outliers *o)
{
	for (size_t i = 0; o->numbers && i < QB_OUTLIERS_RUNS_MAX; i++) {
		qb_outlier_numbers_fini(&o->numbers[i]);
	}
	free(o->numbers);
	json_decref(o->runs);
	json_decref(o->notes);
	json_decref(o->text);
	qb_outliers_spec_fini(&o->spec);
}

static enum qb_err run(struct qb_job *job, json_t **result, struct qb_errbuf *eb)
{
	struct outliers o = {.job = job};
	enum qb_err err;

	QB_TRY_OUT(qb_outliers_spec_parse(&o.spec, job, eb));
	QB_TRY_OUT(work(&o, eb));
	QB_TRY_OUT(result_of(&o, result, eb));
out:
	fini(&o);
	return err;
}

const struct qb_experiment qb_experiment_outliers = {
	.type = "outliers",
	.summary = "outliers of transformers, and what they cost in INT8",
	.job = {
		.summary = "Outliers of transformers: infinity norms, kurtosis, attention sinks, and the metric in float and in W8A8.",
		.fields = qb_outliers_fields,
		.bytes = sizeof(struct qb_outliers_spec),
		.defaults = qb_outliers_spec_defaults,
	},
	.run = run,
	.check = check,
};
