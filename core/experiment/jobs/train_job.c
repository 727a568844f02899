/* SPDX-License-Identifier: Apache-2.0
 *
 * The train job: a network trains in float, from a file or by name, and is left behind as ONNX.
 */
#include <stdlib.h>

#include "core/base/size.h"
#include "core/experiment/jobs/kinds.h"
#include "core/experiment/jobs/ptq_latency.h"
#include "core/experiment/jobs/training_run.h"
#include "core/experiment/report/describe.h"
#include "core/experiment/report/text_rows.h"
#include "core/experiment/spec/uploads_check.h"
#include "core/quant/model_bytes.h"

/* Shares of the progress bar. */
static const double LOADED = 0.02, TRAINED = 0.97;

struct train {
	struct qb_job *job;
	struct qb_train_spec spec;
	struct qb_training_inputs in;
	struct qb_training_run run;
	double start, final;      /* metrics */
	struct qb_metric *start_metric, *final_metric;
	struct qb_interval change; /* of the final one, 95 % */
	struct qb_ptq_latency *latency; /* NULL: not asked for */
};

/* The network with the parameters that the trainer holds. */
static enum qb_err prepared(struct qb_graph **out, const struct qb_trainer *trainer, struct qb_errbuf *eb)
{
	struct qb_graph *g = NULL;
	enum qb_err err;

	QB_TRY(qb_trainer_network(trainer, &g, eb));
	err = qb_graph_prepare(g, eb);
	if (err != QB_OK) {
		qb_graph_destroy(&g);
		return err;
	}
	*out = g;
	return QB_OK;
}

static enum qb_err evaluate(void *arg, struct qb_trainer *trainer, double *metric, json_t **snapshot, struct qb_errbuf *eb)
{
	const struct train *t = arg;
	struct qb_graph *g = NULL;
	enum qb_err err;

	(void)snapshot;
	if (t->spec.reestimate) {
		QB_TRY(qb_trainer_estimate_statistics(trainer, t->spec.reestimate, eb));
	}
	QB_TRY(prepared(&g, trainer, eb));
	err = qb_training_run_validate(&t->run, metric, &(struct qb_trained){.model = g}, eb);
	qb_graph_destroy(&g);
	return err;
}

static enum qb_err load(struct train *t, struct qb_errbuf *eb)
{
	QB_TRY(qb_job_progress(t->job, "load", 0, eb, "reading %s and %s", t->spec.ptq.model_name, t->spec.train_name));
	QB_TRY(qb_training_inputs_open(&t->in, &t->spec, eb));
	t->run = (struct qb_training_run){.job = t->job, .spec = &t->spec, .inputs = &t->in,
		.config = qb_train_spec_config(&t->spec), .scheme = "float", .from = LOADED, .to = TRAINED, .evaluate = evaluate,
		.arg = t};
	QB_TRY(qb_training_run_create(&t->run, eb));
	QB_TRY(qb_job_progress(t->job, "load", LOADED / 2, eb, "evaluating %s as it is", t->spec.ptq.model_name));
	return qb_training_run_measure(&t->run, &t->start, &(struct qb_trained){.model = t->in.prepared}, &t->start_metric, eb);
}

static enum qb_err latency_progress(void *arg, double fraction, struct qb_errbuf *eb)
{
	struct train *t = arg;

	return qb_job_progress(t->job, "latency", TRAINED + fraction * (1 - TRAINED), eb, "measuring latency of %s", t->spec.ptq.model_name);
}

static enum qb_err measure_latency(struct train *t, const struct qb_graph *g, struct qb_errbuf *eb)
{
	const struct qb_ptq_latency_options opt = {.job = t->job, .spec = &t->spec.ptq, .progress = latency_progress, .arg = t};

	return qb_ptq_latency_run(&t->latency, g, t->in.data, NULL, &opt, eb);
}

static enum qb_err train(struct train *t, struct qb_errbuf *eb)
{
	struct qb_graph *g = NULL;
	struct qb_metric_change change[2];
	enum qb_err err;

	QB_TRY(qb_training_run(&t->run, eb));
	QB_TRY(prepared(&g, t->run.trainer, eb));
	QB_TRY_OUT(qb_training_run_measure(&t->run, &t->final, &(struct qb_trained){.model = g}, &t->final_metric, eb));
	QB_TRY_OUT(qb_metric_compare((const struct qb_metric *const[]){t->start_metric, t->final_metric}, 2, (uint64_t)t->spec.ptq.seed,
		change, eb));
	t->change = change[1].interval;
	err = measure_latency(t, g, eb);
out:
	qb_graph_destroy(&g);
	return err;
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

static int64_t evaluated_samples(const struct train *t)
{
	int64_t all = qb_dataset_count(t->in.data);

	return t->spec.ptq.max_samples ? QB_MIN(t->spec.ptq.max_samples, all) : all;
}

/* Its change is against the start. */
static json_t *final_row(const struct train *t)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "metric", qb_json_real(t->final), "delta", qb_json_real(t->final - t->start),
		"delta_low", qb_json_real(t->change.low), "delta_high", qb_json_real(t->change.high), "latency", t->latency
		? qb_ptq_latency_json(&t->latency[0]) : json_null());
}

static enum qb_err result_of(struct train *t, json_t **result, struct qb_errbuf *eb)
{
	struct qb_graph *trained = NULL;

	QB_TRY(qb_trainer_network(t->run.trainer, &trained, eb));
	qb_job_metric(t->job, "model", "float", NULL, t->spec.ptq.metric, t->final, NULL);
	*result = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:{s:o}, s:{s:o, s:I}, s:o, s:o, s:o}", "type", "train",
		"model", t->spec.ptq.model_name, "train", t->spec.train_name, "data", t->spec.ptq.data_name, "metric_name",
		t->spec.ptq.metric, "parameters", (json_int_t)parameters(t->run.trainer), "macs", (json_int_t)macs(trained),
		"train_samples", (json_int_t)qb_dataset_count(t->in.train), "samples",
		(json_int_t)evaluated_samples(t), "start", "metric", qb_json_real(t->start), "float",
		"metric", qb_json_real(t->final), "size_bytes", (json_int_t)qb_model_bytes(trained, NULL), "final",
		final_row(t), "machine", qb_describe_machine(t->spec.ptq.threads), "artifacts",
		qb_training_run_artifacts(&t->run));
	qb_graph_destroy(&trained);
	qb_text_tell(*result, t->in.data, evaluated_samples(t));
	return qb_training_run_tell(&t->run, result, eb);
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
	qb_ptq_latency_destroy(&t.latency, 1);
	qb_metric_destroy(&t.start_metric);
	qb_metric_destroy(&t.final_metric);
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
