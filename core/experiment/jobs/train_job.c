/* SPDX-License-Identifier: Apache-2.0
 *
 * The train job: a network trains in float, from a file or by name, and is left behind as ONNX.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/experiment/jobs/kinds.h"
#include "core/experiment/jobs/training_run.h"
#include "core/experiment/report/describe.h"
#include "core/experiment/spec/uploads_check.h"
#include "core/mixed/gates.h"
#include "core/ptq/task_metric.h"
#include "core/quant/model_bytes.h"

/* Shares of the progress bar. */
static const double LOADED = 0.02, TRAINED = 0.97;
static const char *const TRAINED_FILE = "trained.onnx";

struct train {
	struct qb_job *job;
	struct qb_train_spec spec;
	struct qb_training_inputs in;
	struct qb_training_run run;
	struct qb_graph *trained; /* with its batch norms */
	double start, final;      /* metrics */
};

static enum qb_err check_cancelled(void *arg, double share, struct qb_errbuf *eb)
{
	const struct train *t = arg;

	(void)share;
	return qb_job_check(t->job, eb);
}

static struct qb_task_metric_options metric_options(const struct train *t)
{
	return (struct qb_task_metric_options){.metric = t->spec.ptq.metric, .threads = t->spec.ptq.threads,
		.samples = t->spec.ptq.max_samples, .progress = check_cancelled, .arg = (void *)t};
}

/* network: not prepared. */
static enum qb_err measure(const struct train *t, const struct qb_graph *network, double *metric, struct qb_errbuf *eb)
{
	const struct qb_task_metric_options opt = metric_options(t);
	struct qb_graph *g = NULL;
	enum qb_err err;

	QB_TRY(qb_graph_clone(&g, network, eb));
	err = qb_graph_prepare(g, eb);
	if (err == QB_OK) {
		err = qb_task_metric(metric, g, NULL, NULL, t->in.data, &opt, eb);
	}
	qb_graph_destroy(&g);
	return err;
}

static enum qb_err evaluate(void *arg, struct qb_trainer *trainer, double *metric, json_t **snapshot, struct qb_errbuf *eb)
{
	struct train *t = arg;
	struct qb_graph *g = NULL;
	enum qb_err err;

	(void)snapshot;
	if (t->spec.reestimate) {
		QB_TRY(qb_trainer_estimate_statistics(trainer, t->spec.reestimate, eb));
	}
	QB_TRY(qb_trainer_network(trainer, &g, eb));
	err = measure(t, g, metric, eb);
	qb_graph_destroy(&g);
	return err;
}

static enum qb_err load(struct train *t, struct qb_errbuf *eb)
{
	QB_TRY(qb_job_progress(t->job, "load", 0, eb, "reading %s and %s", t->spec.ptq.model_name, t->spec.train_name));
	QB_TRY(qb_training_inputs_open(&t->in, t->job, &t->spec, eb));
	t->run = (struct qb_training_run){.job = t->job, .spec = &t->spec, .inputs = &t->in,
		.config = qb_train_spec_config(&t->spec), .scheme = "float", .from = LOADED, .to = TRAINED, .evaluate = evaluate,
		.arg = t};
	QB_TRY(qb_training_run_create(&t->run, eb));
	QB_TRY(qb_job_progress(t->job, "load", LOADED / 2, eb, "evaluating %s as it is", t->spec.ptq.model_name));
	return measure(t, t->in.network, &t->start, eb);
}

/* The best parameters as a file, also of a job that is stopped. */
static enum qb_err keep_best(struct train *t, struct qb_errbuf *eb)
{
	char path[4096];

	QB_TRY(qb_trainer_use_best(t->run.trainer, eb));
	QB_TRY(qb_trainer_network(t->run.trainer, &t->trained, eb));
	if (!t->job->host->workdir) {
		return QB_OK;
	}
	snprintf(path, sizeof(path), "%s/%s", t->job->host->workdir, TRAINED_FILE);
	QB_TRY(qb_graph_export(t->trained, path, eb));
	qb_job_artifact(t->job, TRAINED_FILE, "application/octet-stream");
	return QB_OK;
}

static enum qb_err train(struct train *t, struct qb_errbuf *eb)
{
	enum qb_err err = qb_training_run(&t->run, eb);

	if (err == QB_ECANCELLED && t->run.begun && keep_best(t, NULL) == QB_OK && t->job->host->workdir) {
		return qb_fail(eb, err, "the job was stopped; the best network so far is kept as %s", TRAINED_FILE);
	}
	QB_TRY(err);
	QB_TRY(keep_best(t, eb));
	return measure(t, t->trained, &t->final, eb);
}

static int64_t macs(const struct qb_graph *g)
{
	int64_t sum = 0;

	for (int i = 0; i < g->nodes; i++) {
		int64_t one = qb_node_macs(g->node[i]);

		sum += one > INT64_MIN ? llabs(one) : 0; /* of one row: k times the batch is -k */
	}
	return sum;
}

static int64_t parameters(const struct qb_trainer *t)
{
	int64_t sum = 0;

	for (int i = 0; i < qb_trainer_parameters(t); i++) {
		const struct qb_parameter *p = qb_trainer_parameter(t, i);

		sum += p->group != QB_PARAMETERS_STATISTICS ? (int64_t)p->size : 0;
	}
	return sum;
}

static json_t *artifacts(const struct train *t)
{
	return t->job->host->workdir ? json_pack("[{s:s, s:s}]", "kind", "trained", "name", TRAINED_FILE) : json_array();
}

static enum qb_err result_of(struct train *t, json_t **result, struct qb_errbuf *eb)
{
	json_t *training = qb_training_run_json(&t->run);

	qb_job_metric(t->job, "model", "float", NULL, t->spec.ptq.metric, t->final, NULL);
	*result = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:{s:o}, s:{s:o, s:I}, s:{s:o}, s:o, s:o}", "type", "train",
		"model", t->spec.ptq.model_name, "train", t->spec.train_name, "data", t->spec.ptq.data_name, "metric_name",
		t->spec.ptq.metric, "parameters", (json_int_t)parameters(t->run.trainer), "macs", (json_int_t)macs(t->trained),
		"train_samples", (json_int_t)qb_dataset_count(t->in.train), "samples", (json_int_t)(t->spec.ptq.max_samples
		? t->spec.ptq.max_samples : qb_dataset_count(t->in.data)), "start", "metric", qb_json_real(t->start), "float",
		"metric", qb_json_real(t->final), "size_bytes", (json_int_t)qb_model_bytes(t->trained, NULL), "final", "metric",
		qb_json_real(t->final), "machine", qb_describe_machine(t->spec.ptq.threads), "artifacts", artifacts(t));
	if (!*result || json_object_update(*result, training)) {
		json_decref(training);
		json_decref(*result);
		*result = NULL;
		return qb_fail(eb, QB_ENOMEM, "no memory for the results");
	}
	json_decref(training);
	return QB_OK;
}

static enum qb_err check(struct qb_job *job, struct qb_errbuf *eb)
{
	struct qb_train_spec spec;
	enum qb_err err = qb_train_spec_parse(&spec, job, eb);

	if (err == QB_OK) {
		err = qb_described_network(job, &spec.ptq, eb);
	}
	qb_train_spec_fini(&spec);
	return err;
}

static enum qb_err run(struct qb_job *job, json_t **result, struct qb_errbuf *eb)
{
	struct train t = {.job = job};
	enum qb_err err;

	QB_TRY_OUT(qb_train_spec_parse(&t.spec, job, eb));
	QB_TRY_OUT(load(&t, eb));
	QB_TRY_OUT(train(&t, eb));
	QB_TRY_OUT(result_of(&t, result, eb));
out:
	qb_graph_destroy(&t.trained);
	qb_training_run_fini(&t.run);
	qb_training_inputs_close(&t.in);
	qb_train_spec_fini(&t.spec);
	return err;
}

const struct qb_experiment qb_experiment_train = {
	.type = "train",
	.summary = "training in float: a network from a file or by name",
	.job = {
		.summary = "Training in float, from given or fresh weights; the trained network is an artifact.",
		.fields = qb_train_fields,
		.bytes = sizeof(struct qb_train_spec),
		.defaults = qb_train_spec_defaults,
	},
	.run = run,
	.check = check,
};
