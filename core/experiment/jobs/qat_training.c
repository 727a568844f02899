/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/jobs/qat_training.h"

#include <math.h>
#include <stdio.h>

#include "core/base/size.h"
#include "core/experiment/jobs/qat_rows.h"
#include "core/train/bn_reestimation.h"

/* Shares of its part of the progress bar. */
static const double STARTED = 0.1, TRAINED = 0.94;
enum { CALIBRATED_SAMPLES = 32 };

static const struct qb_ptq_spec *ptq_of(const struct qb_qat_training *q)
{
	return &q->spec.train.ptq;
}

static double share(const struct qb_qat_training *q, double of)
{
	return q->begin + (q->end - q->begin) * of;
}

/* ---- sweeps ---- */

static enum qb_err sweep_progress(void *arg, const char *stage, double fraction, const char *detail, struct qb_errbuf *eb)
{
	struct qb_qat_training *q = arg;

	return qb_job_progress(q->job, stage, q->from + (q->to - q->from) * fraction, eb, "%s %s%s%s", stage,
		ptq_of(q)->model_name, detail ? ": " : "", detail ? detail : "");
}

static struct qb_sweep_options sweep_options(struct qb_qat_training *q, double from, double to)
{
	struct qb_sweep_options opt = qb_ptq_sweep_options(ptq_of(q));

	q->from = share(q, from);
	q->to = share(q, to);
	opt.scheme = &q->scheme;
	opt.methods = &ptq_of(q)->methods[q->at];
	opt.schemes = 1;
	opt.progress = sweep_progress;
	opt.arg = q;
	opt.check = qb_job_check;
	opt.check_arg = q->job;
	return opt;
}

/* Ranges, and what methods decide, come from the training data; what they cost is measured on the other. */
static enum qb_err run_start(struct qb_qat_training *q, struct qb_errbuf *eb)
{
	struct qb_sweep_options opt = sweep_options(q, 0, STARTED / 2);
	const struct qb_network *n;

	opt.samples = QB_MAX(qb_model_batch(q->in.prepared), CALIBRATED_SAMPLES); /* evaluated beside: as many as run at a time */
	opt.held_out = false;
	QB_TRY(qb_sweep_run(&q->calibrated, q->in.prepared, q->in.train, &opt, eb));
	n = q->calibrated->variant[0].network;
	opt = sweep_options(q, STARTED / 2, STARTED);
	opt.methods = NULL;
	opt.given = n->quantization[0];
	opt.given_of = n->graph;
	return qb_sweep_run(&q->start, q->in.prepared, q->in.data, &opt, eb);
}

static enum qb_err run_final(struct qb_qat_training *q, struct qb_errbuf *eb)
{
	struct qb_sweep_options opt = sweep_options(q, TRAINED, 1);

	opt.methods = NULL;
	opt.scheme = &q->final_scheme;
	opt.given = q->deployed.quantization;
	opt.given_of = q->deployed.bound;
	return qb_sweep_run(&q->final, q->deployed.model, q->in.data, &opt, eb);
}

/* ---- evaluation ---- */

static enum qb_err deploy(struct qb_qat_training *q, struct qb_deployment *out, const struct qb_trainer *t, struct qb_errbuf *eb)
{
	const struct qb_deploy_options opt = {.scheme = &q->final_scheme, .batch = 1};

	return qb_qat_deploy(out, q->qat, t, &opt, eb);
}

static enum qb_err evaluate(void *arg, struct qb_trainer *t, double *metric, json_t **snapshot, struct qb_errbuf *eb)
{
	struct qb_qat_training *q = arg;
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
	struct qb_qat_training *q;
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

static enum qb_err measure_reestimated(struct qb_qat_training *q, double *metric, struct qb_errbuf *eb)
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
static enum qb_err measure_start_norms(struct qb_qat_training *q, struct qb_errbuf *eb)
{
	q->start_norms = q->final_norms = (struct qb_norm_metrics){NAN, NAN};
	if (!qb_train_has_norms(q->run.trainer)) {
		return QB_OK;
	}
	q->start_norms.running = q->start->row[0].metric;
	return measure_reestimated(q, &q->start_norms.reestimated, eb);
}

/* One of the two is what the job asked for and has been measured. The trainer then has running statistics. */
static enum qb_err measure_final_norms(struct qb_qat_training *q, struct qb_errbuf *eb)
{
	struct qb_norm_metrics *norms = &q->final_norms;
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
static enum qb_err make_scheme(struct qb_qat_training *q, struct qb_errbuf *eb)
{
	const struct qb_layer_scheme_options opt = qb_qat_spec_layers(&q->spec);
	char name[128];

	QB_TRY(qb_graph_bind(&q->bound, q->in.prepared, qb_model_batch(q->in.prepared) ? qb_model_batch(q->in.prepared) : 1, eb));
	QB_TRY(qb_placement_create(&q->placement, q->bound, eb));
	QB_TRY(qb_layer_scheme(&q->scheme, &ptq_of(q)->scheme[q->at], q->bound, q->placement, &opt, eb));
	q->final_scheme = q->scheme;
	snprintf(q->final_scheme.name, sizeof(q->final_scheme.name), "%.30s+%.30s", ptq_of(q)->scheme[q->at].name,
		qb_train_method_name(&q->spec.methods, name, sizeof(name)));
	return QB_OK;
}

static enum qb_err load(struct qb_qat_training *q, struct qb_errbuf *eb)
{
	QB_TRY(qb_job_progress(q->job, "load", q->begin, eb, "reading %s and %s", ptq_of(q)->model_name, q->spec.train.train_name));
	QB_TRY(qb_training_inputs_open(&q->in, &q->spec.train, eb));
	return make_scheme(q, eb);
}

static enum qb_err create_training(struct qb_qat_training *q, struct qb_errbuf *eb)
{
	const struct qb_network *n = q->calibrated->variant[0].network;

	QB_TRY(qb_qat_create(&q->qat, n->quantization[0], n->graph, &q->spec.config, eb));
	q->run = (struct qb_training_run){.job = q->job, .spec = &q->spec.train, .inputs = &q->in,
		.config = qb_qat_spec_train_config(&q->spec), .hooks = qb_qat_hooks(q->qat), .scheme = q->final_scheme.name,
		.file = q->file, .from = share(q, STARTED), .to = share(q, TRAINED), .evaluate = evaluate, .arg = q};
	return qb_training_run_create(&q->run, eb);
}

static enum qb_err train(struct qb_qat_training *q, struct qb_errbuf *eb)
{
	QB_TRY(qb_training_run(&q->run, eb));
	return deploy(q, &q->deployed, q->run.trainer, eb);
}

enum qb_err qb_qat_training_run(struct qb_qat_training *q, struct qb_errbuf *eb)
{
	QB_TRY(load(q, eb));
	QB_TRY(run_start(q, eb));
	QB_TRY(create_training(q, eb));
	QB_TRY(measure_start_norms(q, eb));
	QB_TRY(train(q, eb));
	QB_TRY(run_final(q, eb));
	return measure_final_norms(q, eb);
}

void qb_qat_training_fini(struct qb_qat_training *q)
{
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
}
