/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/jobs/outlier_training.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/json/number.h"
#include "core/ptq/outlier_report.h"

/* At each evaluation outliers are looked for in so many samples. */
enum { GROWTH_SAMPLES = 32 };

/* ---- evaluations ---- */

static enum qb_err look(const struct qb_outlier_training *t, const struct qb_graph *g, json_t **snapshot, struct qb_errbuf *eb)
{
	int64_t most = t->spec.ptq.max_samples;
	const struct qb_outlier_options opt = {.samples = most ? QB_MIN(most, (int64_t)GROWTH_SAMPLES) : GROWTH_SAMPLES,
		.threads = t->spec.ptq.threads};
	struct qb_outlier_report *r = NULL;

	QB_TRY(qb_outlier_report_create(&r, g, t->in.data, &opt, eb));
	*snapshot = json_pack("{s:o, s:o, s:o}", "max_inf_norm", qb_json_real(r->max_inf_norm), "avg_kurtosis",
		qb_json_real(r->avg_kurtosis), "sink_share", qb_json_real(r->sink_share));
	qb_outlier_report_destroy(&r);
	return *snapshot ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for an evaluation");
}

static enum qb_err evaluate(void *arg, struct qb_trainer *trainer, double *metric, json_t **snapshot, struct qb_errbuf *eb)
{
	const struct qb_outlier_training *t = arg;
	struct qb_graph *g = NULL;
	enum qb_err err;

	QB_TRY_OUT(qb_trainer_network(trainer, &g, eb));
	QB_TRY_OUT(qb_graph_prepare(g, eb));
	QB_TRY_OUT(qb_training_run_validate(&t->run, metric, &(struct qb_trained){.model = g}, eb));
	QB_TRY_OUT(look(t, g, snapshot, eb));
out:
	qb_graph_destroy(&g);
	return err;
}

/* ---- the job of one training ---- */

/* What a training is: the job without what other trainings and reports are asked for. */
static json_t *spec_of(const struct qb_job *job, const struct qb_outliers_spec *s, int method, int seed)
{
	static const char *const others[] = {"methods", "seeds", "schemes", "weights", "activations", "calibration", "head_float"};
	json_t *spec = json_copy((json_t *)job->spec);

	for (size_t i = 0; i < QB_COUNT(others); i++) {
		json_object_del(spec, others[i]);
	}
	json_object_set(spec, "attention", s->method[method].asked);
	json_object_set_new(spec, "seed", json_integer(s->seed[seed]));
	return spec;
}

/* A name for files, of letters, digits and a few signs. */
static void file_name(const char *id, char *out, size_t size)
{
	snprintf(out, size, "%s", id);
	for (char *p = out; *p; p++) {
		*p = isalnum((unsigned char)*p) || strchr("-_.=", *p) ? *p : '_';
	}
}

static enum qb_err make_job(struct qb_outlier_training *t, struct qb_job *job, const struct qb_outliers_spec *s, int method,
	int seed, struct qb_errbuf *eb)
{
	char name[128];

	snprintf(t->id, sizeof(t->id), s->seeds > 1 ? "%s-%lld" : "%s", s->method[method].name, (long long)s->seed[seed]);
	file_name(t->id, name, sizeof(name));
	snprintf(t->file, sizeof(t->file), "%s.onnx", name);
	t->job = *job;
	QB_TRY(qb_training_folder(&t->folder, job->host, name, eb));
	t->job_spec = spec_of(job, s, method, seed);
	t->host = *job->host;
	t->host.checkpoints = t->folder;
	t->job.spec = t->job_spec;
	t->job.host = &t->host;
	t->spec = qb_outliers_spec_train(s, method, seed);
	return t->job_spec ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory to train");
}

/* ---- the training ---- */

static enum qb_err train(struct qb_outlier_training *t, double from, double to, struct qb_errbuf *eb)
{
	QB_TRY(qb_job_progress(&t->job, "load", from, eb, "%s: reading %s and %s", t->id, t->spec.ptq.model_name, t->spec.train_name));
	QB_TRY(qb_training_inputs_open(&t->in, &t->spec, eb));
	t->data = t->in.data;
	t->train_samples = qb_dataset_count(t->in.train);
	t->run = (struct qb_training_run){.job = &t->job, .spec = &t->spec, .inputs = &t->in, .config = qb_train_spec_config(&t->spec),
		.scheme = t->id, .file = t->file, .tells_snapshots = true, .from = from, .to = to, .evaluate = evaluate, .arg = t};
	QB_TRY(qb_training_run_create(&t->run, eb));
	QB_TRY(qb_training_run(&t->run, eb));
	QB_TRY(qb_trainer_network(t->run.trainer, &t->model, eb));
	return qb_graph_prepare(t->model, eb);
}

enum qb_err qb_outlier_training_run(struct qb_outlier_training *t, struct qb_job *job, const struct qb_outliers_spec *spec,
	int method, int seed, double from, double to, struct qb_errbuf *eb)
{
	enum qb_err err;

	*t = (struct qb_outlier_training){0};
	QB_TRY(make_job(t, job, spec, method, seed, eb));
	err = train(t, from, to, eb);
	job->progress = t->job.progress;
	return err == QB_EDIVERGED ? qb_fail_in(eb, err, "method %s, seed %lld", spec->method[method].name, (long long)spec->seed[seed]) : err;
}

enum qb_err qb_outlier_training_tell(const struct qb_outlier_training *t, json_t *row, struct qb_errbuf *eb)
{
	json_t *training = json_object(), *growth;

	QB_TRY(qb_training_run_tell(&t->run, &training, eb));
	json_object_set_new(training, "artifacts", qb_training_run_artifacts(&t->run));
	growth = json_object_get(training, "snapshots");
	json_object_set(row, "growth", growth);
	json_object_del(training, "snapshots");
	json_object_set_new(row, "training", training);
	return QB_OK;
}

void qb_outlier_training_fini(struct qb_outlier_training *t)
{
	qb_graph_destroy(&t->model);
	qb_training_run_fini(&t->run);
	qb_training_inputs_close(&t->in);
	json_decref(t->job_spec);
	free(t->folder);
}
