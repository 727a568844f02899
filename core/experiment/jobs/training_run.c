/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/jobs/training_run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/size.h"
#include "core/json/number.h"
#include "core/ptq/task_metric.h"

static const char *file_of(const struct qb_training_run *r)
{
	return r->file ? r->file : "trained.onnx";
}

/* ---- steps ---- */

static const char *const own_names[] = {"loss", "rate", "gradient_norm"};
enum { OWN_NAMES = QB_COUNT(own_names) };

static void point_heard(void *arg, int64_t step, const char *const *name, const double *value, int count)
{
	struct qb_training_run *r = arg;

	for (int i = 0; i < count; i++) {
		qb_job_step_metric(r->job, r->scheme, name[i], step + 1, value[i]);
	}
}

/* Names are known when a step says them; without one (s is NULL) they are those of the journal. done: steps before this moment. */
static enum qb_err begin(struct qb_training_run *r, const struct qb_train_step *s, int64_t done, struct qb_errbuf *eb)
{
	const char *name[QB_SERIES_MOST];
	int names = s ? QB_MIN((int)OWN_NAMES + s->metrics, (int)QB_SERIES_MOST) : 0;

	r->begun = true;
	for (int i = 0; i < names; i++) {
		name[i] = i < (int)OWN_NAMES ? own_names[i] : s->metric[i - (int)OWN_NAMES].name;
	}
	QB_TRY(qb_snapshots_begin(r->snapshots, done, eb));
	return qb_step_series_begin(r->series, name, names, done, point_heard, r, eb);
}

static enum qb_err take_step(void *arg, const struct qb_train_step *s, struct qb_errbuf *eb)
{
	struct qb_training_run *r = arg;
	double value[QB_SERIES_MOST] = {s->loss, s->rate, s->gradient_norm};

	if (r->spec->profile) {
		qb_training_profile_step(&r->profile);
		qb_trainer_profile(r->trainer, r->profile.step_ns); /* from the second step on: the first one warms up */
	}
	if (!r->begun) {
		QB_TRY(begin(r, s, s->at.step, eb));
	}
	for (int i = OWN_NAMES; i < (int)QB_SERIES_MOST; i++) {
		value[i] = i - (int)OWN_NAMES < s->metrics ? s->metric[i - (int)OWN_NAMES].value : NAN;
	}
	QB_TRY(qb_step_series_add(r->series, s->at.step, value, eb));
	if ((s->at.step + 1) % QB_MAX(s->at.steps / QB_SERIES_POINTS, 1) != 0) {
		return QB_OK;
	}
	/* A cancelled job ends by should_stop, which writes a checkpoint. */
	if (!*r->job->host->cancelled) {
		double share = (double)(s->at.step + 1) / (double)s->at.steps;

		return qb_job_progress(r->job, "train", r->from + (r->to - r->from) * share, eb, "epoch %d of %d, step %lld of %lld: "
			"loss %.4g, rate %.3g", s->at.epoch + 1, s->at.epochs, (long long)s->at.step + 1, (long long)s->at.steps,
			s->loss, s->rate);
	}
	return QB_OK;
}

static void tell_numbers(struct qb_training_run *r, json_t *snapshot, int64_t step)
{
	const char *name;
	json_t *v;

	json_object_foreach(snapshot, name, v) {
		if (json_is_real(v)) {
			qb_job_step_metric(r->job, r->scheme, name, step, json_real_value(v));
		}
	}
}

static enum qb_err evaluate(void *arg, struct qb_trainer *t, int epoch, double *metric, struct qb_errbuf *eb)
{
	struct qb_training_run *r = arg;
	int64_t steps = qb_trainer_steps(t) / QB_MAX(r->config.epochs, 1) * (epoch + 1);
	json_t *snapshot = NULL;

	if (!r->begun) {
		QB_TRY(begin(r, NULL, steps, eb));
	}
	qb_trainer_profile(t, NULL); /* re-estimation runs the plan, too */
	QB_TRY(r->evaluate(r->arg, t, metric, &snapshot, eb));
	qb_trainer_profile(t, r->profile.step_ns);
	qb_training_profile_pause(&r->profile);
	qb_job_step_metric(r->job, r->scheme, r->spec->ptq.metric, steps, *metric);
	if (!snapshot) {
		return QB_OK;
	}
	if (r->tells_snapshots) {
		tell_numbers(r, snapshot, steps);
	}
	json_object_set_new(snapshot, "step", json_integer(steps));
	json_object_set_new(snapshot, "epoch", json_integer(epoch + 1));
	return qb_snapshots_add(r->snapshots, snapshot, eb);
}

static bool should_stop(void *arg)
{
	const struct qb_training_run *r = arg;

	return *r->job->host->cancelled;
}

/* ---- identity ---- */

/* What a checkpoint must agree in: the job but for what changes nothing in what comes out. Uploads are their hashes where the
 * server says them, else their names. */
static char *identity_of(const struct qb_job *job)
{
	static const char *const aside[] = {"workdir", "checkpoints", "fresh", "threads", "latency", "export", "checkpoint_every", "profile",
		"recompute"};
	static const char *const uploads[] = {"model", "train", "data", "teacher"};
	json_t *all = json_copy((json_t *)job->spec);
	char *text;

	for (size_t i = 0; i < QB_COUNT(aside); i++) {
		json_object_del(all, aside[i]);
	}
	for (size_t i = 0; i < QB_COUNT(uploads); i++) {
		const json_t *v = json_object_get(all, uploads[i]);
		json_t *known = json_object_get(v, "sha256");

		known = known ? known : json_object_get(v, "name");
		if (known) {
			json_object_set(all, uploads[i], known);
		}
	}
	text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(all);
	return text;
}

/* ---- the run ---- */

enum qb_err qb_training_folder(char **out, const struct qb_host *host, const char *name, struct qb_errbuf *eb)
{
	size_t bytes = host->checkpoints ? strlen(host->checkpoints) + strlen(name) + 2 : 0;

	*out = NULL;
	if (!host->checkpoints) {
		return QB_OK;
	}
	*out = malloc(bytes);
	if (!*out) {
		return qb_fail(eb, QB_ENOMEM, "no memory to train");
	}
	snprintf(*out, bytes, "%s/%s", host->checkpoints, name);
	return mkdir(*out, 0777) == 0 || errno == EEXIST ? QB_OK : qb_fail(eb, QB_EIO, "%s: %s", *out, strerror(errno));
}

static enum qb_err set_files(struct qb_training_run *r, struct qb_errbuf *eb)
{
	const char *folder = r->job->host->checkpoints;
	size_t bytes = folder ? strlen(folder) + sizeof("/checkpoint") : 0;

	r->identity = identity_of(r->job);
	r->checkpoint = folder ? malloc(bytes) : NULL;
	if (!r->identity || (folder && !r->checkpoint)) {
		return qb_fail(eb, QB_ENOMEM, "no memory to train");
	}
	if (folder) {
		snprintf(r->checkpoint, bytes, "%s/checkpoint", folder);
	}
	r->config.identity = r->identity;
	r->config.checkpoint = r->checkpoint;
	return QB_OK;
}

/* Classes lie in dimension 1, of tokens [N, T, classes] in the last one. */
static int class_axis(const struct qb_graph *network)
{
	return network->outputs > 0 && network->output[0]->shape.known && network->output[0]->shape.ndim == 3 ? -1 : 1;
}

static int64_t steps_an_epoch(const struct qb_training_run *r)
{
	int64_t rows = qb_dataset_count(r->inputs->train) * qb_dataset_rows(r->inputs->train);

	return rows / (r->config.batch * r->config.accumulation);
}

enum qb_err qb_training_run_create(struct qb_training_run *r, struct qb_errbuf *eb)
{
	const struct qb_training_inputs *in = r->inputs;
	int64_t steps = steps_an_epoch(r);
	double megabytes;

	if (!steps) {
		return qb_fail_field(eb, QB_EJOB, "", "batch", "of %lld is larger than the training data, which has %lld samples",
			(long long)(r->config.batch * r->config.accumulation), (long long)qb_dataset_count(in->train));
	}
	QB_TRY(set_files(r, eb));
	r->config.loss.axis = class_axis(in->network);
	r->config.schedule.warm_up = (int64_t)llround(r->spec->warm_up * (double)steps);
	r->config.teacher = in->teacher;
	QB_TRY(qb_trainer_create(&r->trainer, in->network, in->train, &r->config, r->hooks, eb));
	QB_TRY(qb_step_series_create(&r->series, qb_trainer_steps(r->trainer), r->job->host->checkpoints, eb));
	if (r->spec->profile) {
		QB_TRY(qb_training_profile_begin(&r->profile, r->trainer, eb));
	}
	QB_TRY(qb_snapshots_create(&r->snapshots, r->job->host->checkpoints, eb));
	megabytes = (double)qb_trainer_bytes(r->trainer) / 1e6;
	qb_job_log(r->job, "info", "training takes %.0f MB of memory, the data included: %d epochs of %lld steps", megabytes,
		r->config.epochs, (long long)steps);
	return QB_OK;
}

static enum qb_err train(struct qb_training_run *r, struct qb_errbuf *eb)
{
	const struct qb_train_callbacks cb = {.arg = r, .step = take_step, .evaluate = evaluate, .should_stop = should_stop,
		.metric_falls = !qb_metric_rises(r->spec->ptq.metric)};

	QB_TRY(qb_trainer_run(r->trainer, &cb, &r->result, eb));
	if (!r->begun) {
		QB_TRY(begin(r, NULL, r->result.step, eb));
	}
	if (r->result.resumed > 0) {
		qb_job_log(r->job, "info", "went on from step %lld, where a checkpoint was", (long long)r->result.resumed);
	}
	if (r->result.end == QB_TRAIN_STOPPED) {
		return qb_fail(eb, QB_ECANCELLED, "the job was stopped at step %lld of %lld", (long long)r->result.step,
			(long long)qb_trainer_steps(r->trainer));
	}
	return QB_OK;
}

static enum qb_err keep_best(struct qb_training_run *r, struct qb_errbuf *eb)
{
	struct qb_graph *g = NULL;
	char path[4096];
	enum qb_err err;

	QB_TRY(qb_trainer_use_best(r->trainer, eb));
	if (!r->job->host->workdir) {
		return QB_OK;
	}
	snprintf(path, sizeof(path), "%s/%s", r->job->host->workdir, file_of(r));
	QB_TRY(qb_trainer_network(r->trainer, &g, eb));
	err = qb_graph_export(g, path, eb);
	if (err == QB_OK) {
		qb_job_artifact(r->job, file_of(r), "application/octet-stream");
	}
	qb_graph_destroy(&g);
	return err;
}

enum qb_err qb_training_run(struct qb_training_run *r, struct qb_errbuf *eb)
{
	enum qb_err err = train(r, eb);

	if (err == QB_ECANCELLED && r->begun && keep_best(r, NULL) == QB_OK && r->job->host->workdir) {
		return qb_fail(eb, err, "the job was stopped; the best network so far is kept as %s", file_of(r));
	}
	return err == QB_OK ? keep_best(r, eb) : err;
}

static enum qb_err check_cancelled(void *arg, double share, struct qb_errbuf *eb)
{
	(void)share;
	return qb_job_check(arg, eb);
}

static struct qb_task_metric_options metric_options(const struct qb_training_run *r)
{
	const struct qb_ptq_spec *p = &r->spec->ptq;

	return (struct qb_task_metric_options){.metric = p->metric, .threads = p->threads, .progress = check_cancelled, .arg = r->job,
		.seed = (uint64_t)p->seed};
}

enum qb_err qb_training_run_measure(const struct qb_training_run *r, double *metric, const struct qb_trained *n,
	struct qb_metric **keep, struct qb_errbuf *eb)
{
	struct qb_task_metric_options opt = metric_options(r);

	opt.samples = r->spec->ptq.max_samples;
	opt.keep = keep;
	return qb_task_metric(metric, n->model, n->q, n->of, r->inputs->data, &opt, eb);
}

enum qb_err qb_training_run_validate(const struct qb_training_run *r, double *metric, const struct qb_trained *n, struct qb_errbuf *eb)
{
	const struct qb_task_metric_options opt = metric_options(r);

	return r->inputs->validation ? qb_task_metric(metric, n->model, n->q, n->of, r->inputs->validation, &opt, eb)
		: qb_training_run_measure(r, metric, n, NULL, eb);
}

void qb_training_run_fini(struct qb_training_run *r)
{
	qb_training_profile_fini(&r->profile);
	qb_snapshots_destroy(&r->snapshots);
	qb_step_series_destroy(&r->series);
	qb_trainer_destroy(&r->trainer);
	free(r->identity);
	free(r->checkpoint);
}

/* ---- what results tell ---- */

static json_t *history(const struct qb_training_run *r)
{
	int64_t steps = qb_trainer_steps(r->trainer) / QB_MAX(r->config.epochs, 1);
	json_t *rows = json_array();

	for (int i = 0; i < r->result.epochs; i++) {
		const struct qb_train_epoch *e = &r->result.history[i];

		json_array_append_new(rows, json_pack("{s:i, s:I, s:o, s:o, s:o}", "epoch", e->epoch + 1, "step",
			(json_int_t)(steps * (e->epoch + 1)), "loss", qb_json_real(e->loss), "rate", qb_json_real(e->rate), "metric",
			qb_json_real(e->metric)));
	}
	return rows;
}

json_t *qb_training_run_artifacts(const struct qb_training_run *r)
{
	return r->job->host->workdir ? json_pack("[{s:s, s:s}]", "kind", "trained", "name", file_of(r)) : json_array();
}

static json_t *whole(const struct qb_training_run *r)
{
	const struct qb_train_result *t = &r->result;
	int64_t samples = r->config.batch * r->config.accumulation;
	json_t *all, *best = t->best_epoch < 0 ? json_null() : json_pack("{s:i, s:o}", "epoch", t->best_epoch + 1, "metric",
		qb_json_real(t->best_metric));

	all = json_pack("{s:i, s:s, s:I, s:o, s:o, s:o, s:o, s:I}", "epochs", t->epochs, "ended", t->end == QB_TRAIN_EARLY ? "early_stop"
		: "epochs", "steps_done", (json_int_t)t->step, "best", best, "history", history(r), "steps",
		qb_step_series_json(r->series), "snapshots", qb_snapshots_json(r->snapshots), "validation_samples",
		(json_int_t)(r->inputs->validation ? qb_dataset_count(r->inputs->validation) : 0));
	if (r->spec->profile) { /* times: nothing else in a result differs from run to run */
		json_object_set_new(all, "profile", qb_training_profile_json(&r->profile, r->trainer, samples, r->config.threads));
	}
	return all;
}

enum qb_err qb_training_run_tell(const struct qb_training_run *r, json_t **result, struct qb_errbuf *eb)
{
	json_t *training = whole(r);
	bool told = *result && json_object_update(*result, training) == 0;

	json_decref(training);
	if (!told) {
		json_decref(*result);
		*result = NULL;
		return qb_fail(eb, QB_ENOMEM, "no memory for the results");
	}
	return QB_OK;
}
