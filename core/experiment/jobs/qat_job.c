/* SPDX-License-Identifier: Apache-2.0
 *
 * The qat job: a network repairs itself for a scheme. Post-training quantization on the training data is where it starts; what it
 * ends with is measured, timed and exported by the code that ptq jobs use.
 */
#include <math.h>
#include <stdio.h>

#include "core/base/size.h"
#include "core/experiment/jobs/kinds.h"
#include "core/experiment/jobs/qat_rows.h"
#include "core/experiment/jobs/training_run.h"
#include "core/experiment/report/describe.h"
#include "core/experiment/report/export.h"
#include "core/experiment/report/scheme_rows.h"
#include "core/experiment/report/text_rows.h"
#include "core/experiment/spec/qat_spec.h"
#include "core/experiment/spec/uploads_check.h"
#include "core/train/bn_reestimation.h"
#include "core/train/deploy.h"

/* Shares of the progress bar. */
static const double LOADED = 0.01, STARTED = 0.1, TRAINED = 0.85, EVALUATED = 0.9;
enum { CALIBRATED_SAMPLES = 32 };

/* The metric with batch norms' statistics as they ran and as re-estimated from the training data. NaN: there are none. */
struct norm_metrics {
	double running, reestimated;
};

struct qat {
	struct qb_job *job;
	struct qb_qat_spec spec;
	struct qb_training_inputs in;
	struct qb_graph *bound;      /* in.prepared at a batch of 1: what schemes speak of */
	struct qb_placement *placement;
	struct qb_scheme scheme, final_scheme;
	struct qb_sweep *calibrated; /* on the training data */
	struct qb_sweep *start;      /* its quantizers on the data that is evaluated */
	struct qb_qat *qat;
	struct qb_training_run run;
	struct qb_deployment deployed;
	struct qb_sweep *final;
	struct norm_metrics start_norms, final_norms;
	struct qb_interval change;   /* of the final metric against float, 95 % */
	struct qb_ptq_latency *latency;
	double from, to;             /* of the progress of the sweep that runs */
};

static const struct qb_ptq_spec *ptq_of(const struct qat *q)
{
	return &q->spec.train.ptq;
}

/* ---- sweeps ---- */

static enum qb_err sweep_progress(void *arg, const char *stage, double fraction, const char *detail, struct qb_errbuf *eb)
{
	struct qat *q = arg;

	return qb_job_progress(q->job, stage, q->from + (q->to - q->from) * fraction, eb, "%s %s%s%s", stage,
		ptq_of(q)->model_name, detail ? ": " : "", detail ? detail : "");
}

static struct qb_sweep_options sweep_options(struct qat *q, double from, double to)
{
	struct qb_sweep_options opt = qb_ptq_sweep_options(ptq_of(q));

	q->from = from;
	q->to = to;
	opt.scheme = &q->scheme;
	opt.progress = sweep_progress;
	opt.arg = q;
	opt.check = qb_job_check;
	opt.check_arg = q->job;
	return opt;
}

/* Ranges, and what methods decide, come from the training data; what they cost is measured on the other. */
static enum qb_err run_start(struct qat *q, struct qb_errbuf *eb)
{
	struct qb_sweep_options opt = sweep_options(q, LOADED, (LOADED + STARTED) / 2);
	const struct qb_network *n;

	opt.samples = QB_MAX(qb_model_batch(q->in.prepared), CALIBRATED_SAMPLES); /* evaluated beside: as many as run at a time */
	opt.held_out = false;
	QB_TRY(qb_sweep_run(&q->calibrated, q->in.prepared, q->in.train, &opt, eb));
	n = q->calibrated->variant[0].network;
	opt = sweep_options(q, (LOADED + STARTED) / 2, STARTED);
	opt.methods = NULL;
	opt.given = n->quantization[0];
	opt.given_of = n->graph;
	return qb_sweep_run(&q->start, q->in.prepared, q->in.data, &opt, eb);
}

/* The sweep of the result has a float network of its own, the trained one; both sweeps saw the same samples. */
static enum qb_err compare_with_float(struct qat *q, struct qb_errbuf *eb)
{
	const struct qb_metric *const metric[] = {q->start->metric[0], q->final->metric[1]};
	struct qb_metric_change change[2];

	QB_TRY(qb_metric_compare(metric, 2, (uint64_t)ptq_of(q)->seed, change, eb));
	q->change = change[1].interval;
	return QB_OK;
}

static enum qb_err run_final(struct qat *q, struct qb_errbuf *eb)
{
	struct qb_sweep_options opt = sweep_options(q, TRAINED, EVALUATED);

	opt.methods = NULL;
	opt.scheme = &q->final_scheme;
	opt.given = q->deployed.quantization;
	opt.given_of = q->deployed.bound;
	QB_TRY(qb_sweep_run(&q->final, q->deployed.model, q->in.data, &opt, eb));
	return compare_with_float(q, eb);
}

/* ---- evaluation ---- */

static enum qb_err deploy(struct qat *q, struct qb_deployment *out, const struct qb_trainer *t, struct qb_errbuf *eb)
{
	const struct qb_deploy_options opt = {.scheme = &q->final_scheme, .batch = 1};

	return qb_qat_deploy(out, q->qat, t, &opt, eb);
}

static enum qb_err evaluate(void *arg, struct qb_trainer *t, double *metric, json_t **snapshot, struct qb_errbuf *eb)
{
	struct qat *q = arg;
	struct qb_norm_divergences norms = {0};
	struct qb_deployment d = {0};
	enum qb_err err = QB_OK;

	if (q->spec.train.reestimate) {
		qb_qat_feed(q->qat);
		QB_TRY_OUT(qb_train_reestimate(t, q->spec.train.reestimate, &norms, eb));
	}
	QB_TRY_OUT(deploy(q, &d, t, eb));
	QB_TRY_OUT(qb_training_run_validate(&q->run, metric, &(struct qb_trained){d.model, d.quantization, d.bound}, eb));
	*snapshot = qb_qat_snapshot(q->qat, &norms);
	err = *snapshot ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for a snapshot of the training");
out:
	qb_deployment_fini(&d);
	qb_norm_divergences_fini(&norms);
	return err;
}

/* ---- both kinds of statistics ---- */

struct measurement {
	struct qat *q;
	double metric;
};

/* Of what the trainer holds, quantized. */
static enum qb_err measure_present(void *arg, struct qb_errbuf *eb)
{
	struct measurement *m = arg;
	struct qb_deployment d = {0};
	enum qb_err err;

	QB_TRY(deploy(m->q, &d, m->q->run.trainer, eb));
	err = qb_training_run_measure(&m->q->run, &m->metric, &(struct qb_trained){d.model, d.quantization, d.bound}, NULL, eb);
	qb_deployment_fini(&d);
	return err;
}

static enum qb_err measure_reestimated(struct qat *q, double *metric, struct qb_errbuf *eb)
{
	const struct qb_train_spec *t = &q->spec.train;
	struct measurement m = {q, NAN};

	if (t->batch_norm == QB_BATCH_NORM_TRAIN) { /* frozen ones have no statistics but those that run */
		qb_qat_feed(q->qat);
		QB_TRY(qb_train_try_reestimated(q->run.trainer, t->reestimate ? t->reestimate : QB_BN_REESTIMATION_BATCHES,
			measure_present, &m, eb));
	}
	*metric = m.metric;
	return QB_OK;
}

/* Of the trainer before its first step: what re-estimation gives without training. */
static enum qb_err measure_start_norms(struct qat *q, struct qb_errbuf *eb)
{
	q->start_norms = q->final_norms = (struct norm_metrics){NAN, NAN};
	if (!qb_train_has_norms(q->run.trainer)) {
		return QB_OK;
	}
	q->start_norms.running = q->start->row[0].metric;
	return measure_reestimated(q, &q->start_norms.reestimated, eb);
}

/* One of the two is what the job asked for and has been measured. The trainer then has running statistics. */
static enum qb_err measure_final_norms(struct qat *q, struct qb_errbuf *eb)
{
	struct norm_metrics *norms = &q->final_norms;
	struct measurement m = {q, NAN};

	if (!qb_train_has_norms(q->run.trainer)) {
		return QB_OK;
	}
	if (!q->spec.train.reestimate) {
		norms->running = q->final->row[0].metric;
		return measure_reestimated(q, &norms->reestimated, eb);
	}
	norms->reestimated = q->final->row[0].metric;
	qb_trainer_use_running_statistics(q->run.trainer);
	QB_TRY(measure_present(&m, eb));
	norms->running = m.metric;
	return QB_OK;
}

/* ---- the whole ---- */

/* The scheme for every layer: first, last and all others. */
static enum qb_err make_scheme(struct qat *q, struct qb_errbuf *eb)
{
	const struct qb_layer_scheme_options opt = qb_qat_spec_layers(&q->spec);
	char name[128];

	QB_TRY(qb_graph_bind(&q->bound, q->in.prepared, qb_model_batch(q->in.prepared) ? qb_model_batch(q->in.prepared) : 1, eb));
	QB_TRY(qb_placement_create(&q->placement, q->bound, eb));
	QB_TRY(qb_layer_scheme(&q->scheme, &ptq_of(q)->scheme[0], q->bound, q->placement, &opt, eb));
	q->final_scheme = q->scheme;
	snprintf(q->final_scheme.name, sizeof(q->final_scheme.name), "%.30s+%.30s", ptq_of(q)->scheme[0].name,
		qb_train_method_name(&q->spec.methods, name, sizeof(name)));
	return QB_OK;
}

static enum qb_err load(struct qat *q, struct qb_errbuf *eb)
{
	QB_TRY(qb_job_progress(q->job, "load", 0, eb, "reading %s and %s", ptq_of(q)->model_name, q->spec.train.train_name));
	QB_TRY(qb_training_inputs_open(&q->in, &q->spec.train, eb));
	return make_scheme(q, eb);
}

static enum qb_err create_training(struct qat *q, struct qb_errbuf *eb)
{
	const struct qb_network *n = q->calibrated->variant[0].network;

	QB_TRY(qb_qat_create(&q->qat, n->quantization[0], n->graph, &q->spec.config, eb));
	q->run = (struct qb_training_run){.job = q->job, .spec = &q->spec.train, .inputs = &q->in,
		.config = qb_qat_spec_train_config(&q->spec), .hooks = qb_qat_hooks(q->qat), .scheme = q->final_scheme.name,
		.from = STARTED, .to = TRAINED, .evaluate = evaluate, .arg = q};
	return qb_training_run_create(&q->run, eb);
}

static enum qb_err train(struct qat *q, struct qb_errbuf *eb)
{
	QB_TRY(qb_training_run(&q->run, eb));
	return deploy(q, &q->deployed, q->run.trainer, eb);
}

static enum qb_err latency_progress(void *arg, double fraction, struct qb_errbuf *eb)
{
	struct qat *q = arg;

	return qb_job_progress(q->job, "latency", EVALUATED + fraction * (1 - EVALUATED), eb, "measuring latency in float and of %s",
		q->final_scheme.name);
}

static enum qb_err measure_latency(struct qat *q, struct qb_errbuf *eb)
{
	const struct qb_ptq_spec *p = ptq_of(q);
	const struct qb_ptq_latency_options opt = {.threads = p->latency_threads, .measure = &p->latency_options,
		.profile = p->profile, .progress = latency_progress, .arg = q};
	enum qb_err err;

	if (!p->latency) {
		return QB_OK;
	}
	QB_TRY(qb_job_section_begin(q->job, "latency", eb));
	err = qb_ptq_latency_run(&q->latency, q->deployed.model, q->in.data, q->final, &opt, eb);
	qb_job_section_end(q->job, "latency");
	return err;
}

/* Artifacts by name, or why there is none. */
static enum qb_err export_all(struct qat *q, json_t **rows, struct qb_errbuf *eb)
{
	const unsigned kinds = (ptq_of(q)->exports & ~(unsigned)QB_EXPORT_REPORT) | QB_EXPORT_QDQ;
	json_t *exported = NULL;

	*rows = qb_training_run_artifacts(&q->run);
	if (!q->job->host->workdir) {
		return QB_OK;
	}
	QB_TRY(qb_export_schemes(q->job, q->final, kinds, &exported, eb));
	json_array_extend(*rows, exported);
	json_decref(exported);
	return QB_OK;
}

/* Float is the network as it came; its latency, of the same layers, is measured beside that of the result. */
static json_t *float_row(struct qat *q)
{
	const struct qb_scheme_rows rows = {q->job, q->start, ptq_of(q)->metric, NULL};
	json_t *row = qb_float_row(&rows);

	if (q->latency) {
		json_object_set_new(row, "latency", qb_ptq_latency_json(&q->latency[0]));
	}
	return row;
}

static json_t *with_norms(json_t *row, const struct norm_metrics *norms)
{
	json_object_set_new(row, "running_metric", qb_json_real(norms->running));
	json_object_set_new(row, "reestimated_metric", qb_json_real(norms->reestimated));
	return row;
}

static json_t *start_row(struct qat *q)
{
	const struct qb_scheme_rows rows = {q->job, q->start, ptq_of(q)->metric, NULL};

	return with_norms(qb_scheme_row(&rows, 0, NULL), &q->start_norms);
}

static json_t *final_row(struct qat *q)
{
	const struct qb_scheme_rows rows = {q->job, q->final, ptq_of(q)->metric, q->latency};
	json_t *row = qb_scheme_row(&rows, 0, NULL);
	double metric = q->final->row[0].metric;

	/* The sweep's own float is the trained network without quantizers. */
	json_object_set_new(row, "latent_metric", qb_json_real(q->final->float_metric));
	json_object_set_new(row, "delta", qb_json_real(metric - q->start->float_metric));
	json_object_set_new(row, "delta_low", qb_json_real(q->change.low));
	json_object_set_new(row, "delta_high", qb_json_real(q->change.high));
	return with_norms(row, &q->final_norms);
}

static enum qb_err result_of(struct qat *q, json_t **result, struct qb_errbuf *eb)
{
	const struct qb_oscillation_summary o = qb_qat_oscillations(q->qat);
	json_t *exports = NULL;
	enum qb_err err;

	QB_TRY_OUT(export_all(q, &exports, eb));
	*result = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:O}", "type", "qat",
		"model", ptq_of(q)->model_name, "train", q->spec.train.train_name, "data", ptq_of(q)->data_name, "metric_name",
		ptq_of(q)->metric, "scheme", ptq_of(q)->scheme[0].name, "methods", qb_qat_method_names(&q->spec.methods),
		"train_samples", (json_int_t)qb_dataset_count(q->in.train), "samples", (json_int_t)q->final->samples, "float",
		float_row(q), "start", start_row(q), "final", final_row(q), "oscillating",
		qb_qat_share(o.oscillating, o.weights), "frozen", qb_qat_share(o.frozen, o.weights), "layers",
		qb_qat_layer_rows(q->qat), "activations", qb_qat_activation_rows(q->qat), "machine",
		qb_describe_machine(ptq_of(q)->threads), "artifacts", exports);
	qb_text_tell(*result, q->in.data, q->final->samples);
	QB_TRY_OUT(qb_training_run_tell(&q->run, result, eb));
	if (ptq_of(q)->exports & QB_EXPORT_REPORT) {
		err = qb_export_report(q->job, *result, eb);
	}
out:
	json_decref(exports);
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
	qb_sweep_destroy(&q->final);
	qb_deployment_fini(&q->deployed);
	qb_training_run_fini(&q->run);
	qb_qat_destroy(&q->qat);
	qb_sweep_destroy(&q->start);
	qb_sweep_destroy(&q->calibrated);
	qb_layer_scheme_fini(&q->scheme);
	qb_placement_destroy(&q->placement);
	qb_graph_destroy(&q->bound);
	qb_training_inputs_close(&q->in);
	qb_qat_spec_fini(&q->spec);
}

static enum qb_err run(struct qb_job *job, json_t **result, struct qb_errbuf *eb)
{
	struct qat q = {.job = job};
	enum qb_err err;

	QB_TRY_OUT(qb_qat_spec_parse(&q.spec, job, eb));
	QB_TRY_OUT(load(&q, eb));
	QB_TRY_OUT(run_start(&q, eb));
	QB_TRY_OUT(create_training(&q, eb));
	QB_TRY_OUT(measure_start_norms(&q, eb));
	QB_TRY_OUT(train(&q, eb));
	QB_TRY_OUT(run_final(&q, eb));
	QB_TRY_OUT(measure_final_norms(&q, eb));
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
