/* SPDX-License-Identifier: Apache-2.0
 *
 * The qat job: a network repairs itself for a scheme, where the job says so for wider ones first. Post-training quantization on the
 * training data is where it starts; what it ends with is measured, timed and exported by the code that ptq jobs use.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/experiment/jobs/kinds.h"
#include "core/experiment/jobs/qat_rows.h"
#include "core/experiment/jobs/qat_training.h"
#include "core/experiment/report/describe.h"
#include "core/experiment/report/export.h"
#include "core/experiment/report/scheme_rows.h"
#include "core/experiment/report/text_rows.h"
#include "core/experiment/spec/uploads_check.h"

/* Shares of the progress bar. */
static const double LOADED = 0.01, EVALUATED = 0.9;

struct qat {
	struct qb_job *job;
	struct qb_qat_spec spec;
	struct qb_qat_training training;
	/* Of the first stage, where there are stages: the network as it came. */
	struct qb_training_inputs came_in;
	struct qb_sweep *came;
	char *stage_path;            /* the network that the last stage left */
	json_t *stages, *stage_files; /* rows of the result and of its artifacts */
	struct qb_ptq_latency *latency;
};

static const struct qb_ptq_spec *ptq_of(const struct qat *q)
{
	return &q->spec.train.ptq;
}

/* Its float network is the one that the job was given. */
static const struct qb_sweep *as_it_came(const struct qat *q)
{
	return q->came ? q->came : q->training.start;
}

/* ---- stages ---- */

struct stage_host {
	struct qb_host host;
	const struct qb_host *of;
};

/* What pages draw by steps is of the last training. */
static void stage_event(void *arg, json_t *event)
{
	const struct stage_host *h = arg;
	const char *kind = json_string_value(json_object_get(event, "event"));

	if (!kind || strcmp(kind, "metric")) {
		h->of->event(h->of->arg, event);
	}
}

static enum qb_err stage_wait(void *arg, const char *section, struct qb_errbuf *eb)
{
	const struct stage_host *h = arg;

	return h->of->wait_go(h->of->arg, section, eb);
}

/* The part of the progress bar of training k of all. */
static double part(const struct qat *q, int k)
{
	return LOADED + (EVALUATED - LOADED) * k / (q->spec.stages + 1);
}

static struct qb_qat_training training_of(const struct qat *q, struct qb_job *job, int at, int k)
{
	struct qb_qat_training t = {.job = job, .spec = q->spec, .at = at, .begin = part(q, k), .end = part(q, k + 1)};

	t.spec.config.from_scheme = ptq_of(q)->methods[at].count > 0;
	if (q->stage_path) {
		struct qb_train_spec *s = &t.spec.train;

		if (!s->teacher_path && s->distillation > 0) { /* the float network, not what a stage left */
			s->teacher_path = s->ptq.model_path;
			s->teacher_name = s->ptq.model_name;
		}
		s->ptq.model_path = q->stage_path;
	}
	return t;
}

static json_t *metrics(const struct qb_sweep *s, const struct qb_norm_metrics *norms)
{
	return json_pack("{s:o, s:o, s:o}", "metric", qb_json_real(s->row[0].metric), "running_metric", qb_json_real(norms->running),
		"reestimated_metric", qb_json_real(norms->reestimated));
}

static enum qb_err tell_stage(struct qat *q, const struct qb_qat_training *t, const char *file, struct qb_errbuf *eb)
{
	static const char *const aside[] = {"steps", "snapshots", "validation_samples", "profile"};
	const char *name = ptq_of(q)->scheme[t->at].name;
	json_t *row = json_pack("{s:s, s:o, s:o}", "scheme", name, "start", metrics(t->start, &t->start_norms), "final",
		metrics(t->final, &t->final_norms));

	QB_TRY(qb_training_run_tell(&t->run, &row, eb));
	for (size_t i = 0; i < QB_COUNT(aside); i++) {
		json_object_del(row, aside[i]);
	}
	json_array_append_new(q->stages, row);
	json_array_append_new(q->stage_files, json_pack("{s:s, s:s, s:s}", "kind", "trained", "scheme", name, "name", file));
	return QB_OK;
}

/* From the network that the stage before left, or from the float one. */
static enum qb_err run_stage(struct qat *q, int stage, struct qb_errbuf *eb)
{
	struct stage_host host = {.host = *q->job->host, .of = q->job->host};
	struct qb_job job = *q->job;
	struct qb_qat_training t = training_of(q, &job, stage, stage - 1);
	char name[32], file[40], *folder = NULL, *path;
	enum qb_err err;

	snprintf(name, sizeof(name), "stage-%d", stage);
	snprintf(file, sizeof(file), "%s.onnx", name);
	host.host.event = stage_event;
	host.host.wait_go = stage_wait;
	host.host.arg = &host;
	job.host = &host.host;
	QB_TRY_OUT(qb_training_folder(&folder, q->job->host, name, eb));
	host.host.checkpoints = folder;
	t.file = file;
	t.spec.train.epochs = q->spec.start.epochs ? q->spec.start.epochs : q->spec.train.epochs;
	QB_TRY_OUT(qb_qat_training_run(&t, eb));
	QB_TRY_OUT(tell_stage(q, &t, file, eb));
	path = malloc(strlen(job.host->workdir) + sizeof(file) + 2);
	if (!path) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for a stage of the training");
		goto out;
	}
	sprintf(path, "%s/%s", job.host->workdir, file);
	free(q->stage_path);
	q->stage_path = path;
	if (!q->came) {
		q->came = t.start;
		q->came_in = t.in;
		t.start = NULL;
		t.in = (struct qb_training_inputs){0};
	}
out:
	q->job->progress = job.progress;
	qb_qat_training_fini(&t);
	free(folder);
	return err;
}

static enum qb_err run_stages(struct qat *q, struct qb_errbuf *eb)
{
	q->stages = json_array();
	q->stage_files = json_array();
	for (int i = 1; i <= q->spec.stages; i++) {
		QB_TRY(run_stage(q, i, eb));
	}
	return QB_OK;
}

/* ---- latency ---- */

static enum qb_err latency_progress(void *arg, double fraction, struct qb_errbuf *eb)
{
	struct qat *q = arg;

	return qb_job_progress(q->job, "latency", EVALUATED + fraction * (1 - EVALUATED), eb, "measuring latency in float and of %s",
		q->training.final_scheme.name);
}

static enum qb_err measure_latency(struct qat *q, struct qb_errbuf *eb)
{
	const struct qb_ptq_latency_options opt = {.job = q->job, .spec = ptq_of(q), .progress = latency_progress, .arg = q};

	return qb_ptq_latency_run(&q->latency, q->training.deployed.model, q->training.in.data, q->training.final, &opt, eb);
}

/* ---- the result ---- */

/* Artifacts by name, or why there is none. */
static enum qb_err export_all(struct qat *q, json_t **rows, struct qb_errbuf *eb)
{
	const unsigned kinds = (ptq_of(q)->exports & ~(unsigned)QB_EXPORT_REPORT) | QB_EXPORT_QDQ;
	json_t *exported = NULL;

	*rows = qb_training_run_artifacts(&q->training.run);
	json_array_extend(*rows, q->stage_files);
	if (!q->job->host->workdir) {
		return QB_OK;
	}
	QB_TRY(qb_export_schemes(q->job, q->training.final, kinds, &exported, eb));
	json_array_extend(*rows, exported);
	json_decref(exported);
	return QB_OK;
}

/* Float is the network as it came; its latency, of the same layers, is measured beside that of the result. */
static json_t *float_row(struct qat *q)
{
	const struct qb_scheme_rows rows = {q->job, as_it_came(q), ptq_of(q)->metric, NULL};
	json_t *row = qb_float_row(&rows);

	if (q->latency) {
		json_object_set_new(row, "latency", qb_ptq_latency_json(&q->latency[0]));
	}
	return row;
}

/* Its change is against the network as it came; the sweep's own float is the trained network, or what a stage left. */
static enum qb_err tell_change(const struct qat *q, const struct qb_sweep *s, json_t *row, struct qb_errbuf *eb)
{
	const struct qb_sweep *came = as_it_came(q);
	const struct qb_metric *const metric[] = {came->metric[0], s->metric[1]};
	struct qb_metric_change change[2];

	QB_TRY(qb_metric_compare(metric, 2, (uint64_t)ptq_of(q)->seed, change, eb));
	json_object_set_new(row, "delta", qb_json_real(s->row[0].metric - came->float_metric));
	json_object_set_new(row, "delta_low", qb_json_real(change[1].interval.low));
	json_object_set_new(row, "delta_high", qb_json_real(change[1].interval.high));
	return QB_OK;
}

static void tell_norms(json_t *row, const struct qb_norm_metrics *norms)
{
	json_object_set_new(row, "running_metric", qb_json_real(norms->running));
	json_object_set_new(row, "reestimated_metric", qb_json_real(norms->reestimated));
}

static enum qb_err start_row(struct qat *q, json_t **row, struct qb_errbuf *eb)
{
	const struct qb_scheme_rows rows = {q->job, q->training.start, ptq_of(q)->metric, NULL};

	*row = qb_scheme_row(&rows, 0, NULL);
	tell_norms(*row, &q->training.start_norms);
	return tell_change(q, q->training.start, *row, eb);
}

static enum qb_err final_row(struct qat *q, json_t **row, struct qb_errbuf *eb)
{
	const struct qb_scheme_rows rows = {q->job, q->training.final, ptq_of(q)->metric, q->latency};

	*row = qb_scheme_row(&rows, 0, NULL);
	json_object_set_new(*row, "latent_metric", qb_json_real(q->training.final->float_metric));
	tell_norms(*row, &q->training.final_norms);
	return tell_change(q, q->training.final, *row, eb);
}

static enum qb_err result_of(struct qat *q, json_t **result, struct qb_errbuf *eb)
{
	const struct qb_qat_training *t = &q->training;
	const struct qb_oscillation_summary o = qb_qat_oscillations(t->qat);
	json_t *exports = NULL, *start = NULL, *final = NULL;
	enum qb_err err;

	QB_TRY_OUT(export_all(q, &exports, eb));
	QB_TRY_OUT(start_row(q, &start, eb));
	QB_TRY_OUT(final_row(q, &final, eb));
	*result = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:o, s:O, s:O, s:O, s:o, s:o, s:o, s:o, s:o, s:O}", "type",
		"qat", "model", ptq_of(q)->model_name, "train", q->spec.train.train_name, "data", ptq_of(q)->data_name, "metric_name",
		ptq_of(q)->metric, "scheme", ptq_of(q)->scheme[0].name, "methods", qb_qat_method_names(&q->spec.methods),
		"train_samples", (json_int_t)qb_dataset_count(t->in.train), "samples", (json_int_t)t->final->samples, "float",
		float_row(q), "stages", q->stages, "start", start, "final", final, "oscillating",
		qb_qat_share(o.oscillating, o.weights), "frozen", qb_qat_share(o.frozen, o.weights), "layers",
		qb_qat_layer_rows(t->qat), "activations", qb_qat_activation_rows(t->qat), "machine",
		qb_describe_machine(ptq_of(q)->threads), "artifacts", exports);
	qb_text_tell(*result, t->in.data, t->final->samples);
	QB_TRY_OUT(qb_training_run_tell(&t->run, result, eb));
	if (ptq_of(q)->exports & QB_EXPORT_REPORT) {
		err = qb_export_report(q->job, *result, ptq_of(q)->seed, eb);
	}
out:
	json_decref(exports);
	json_decref(start);
	json_decref(final);
	return err;
}

static enum qb_err check(struct qb_job *job, struct qb_errbuf *eb)
{
	struct qb_qat_spec spec;
	enum qb_err err = qb_qat_spec_parse(&spec, job, eb);

	if (err == QB_OK) {
		err = qb_described_network(job, &spec.train.ptq, eb);
	}
	qb_qat_spec_fini(&spec);
	return err;
}

static void fini(struct qat *q)
{
	qb_ptq_latency_destroy(&q->latency, 2);
	qb_qat_training_fini(&q->training);
	qb_sweep_destroy(&q->came);
	qb_training_inputs_close(&q->came_in);
	free(q->stage_path);
	json_decref(q->stages);
	json_decref(q->stage_files);
	qb_qat_spec_fini(&q->spec);
}

static enum qb_err run(struct qb_job *job, json_t **result, struct qb_errbuf *eb)
{
	struct qat q = {.job = job};
	enum qb_err err;

	QB_TRY_OUT(qb_qat_spec_parse(&q.spec, job, eb));
	QB_TRY_OUT(run_stages(&q, eb));
	q.training = training_of(&q, job, 0, q.spec.stages);
	QB_TRY_OUT(qb_qat_training_run(&q.training, eb));
	QB_TRY_OUT(measure_latency(&q, eb));
	QB_TRY_OUT(result_of(&q, result, eb));
out:
	fini(&q);
	return err;
}

const struct qb_experiment qb_experiment_qat = {
	.type = "qat",
	.summary = "quantization-aware training: a network repairs itself for a scheme",
	.job = {
		.summary = "Quantization-aware training: from the post-training quantization of a scheme to what training makes of it.",
		.fields = qb_qat_fields,
		.bytes = sizeof(struct qb_qat_spec),
		.defaults = qb_qat_spec_defaults,
	},
	.run = run,
	.check = check,
};
