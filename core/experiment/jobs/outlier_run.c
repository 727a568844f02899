/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/jobs/outlier_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/metrics.h"
#include "core/base/size.h"
#include "core/experiment/report/outlier_rows.h"
#include "core/experiment/report/sqnr_json.h"
#include "core/experiment/report/tensor_rows.h"
#include "core/quant/model_bytes.h"

/* Of the papers: running ranges follow so many batches. Histograms are of so many sequences at most. */
enum { CALIBRATION_BATCHES = 16, HISTOGRAM_SAMPLES = 64 };
/* Of the run's progress: the report in float comes first. */
static const double REPORTED = 0.25;

struct run {
	struct qb_job *job;
	const struct qb_outliers_spec *spec;
	const struct qb_outlier_subject *subject;
	struct qb_outlier_report *report;
	struct qb_scheme *scheme;       /* [schemes]: the job's, their head in float */
	struct qb_scheme_layer **layer; /* [schemes] */
	int calibration;                /* at work */
	struct qb_sweep **sweep;        /* [calibrations] */
};

static const struct qb_ptq_spec *ptq_of(const struct run *r)
{
	return &r->spec->train.ptq;
}

static double at(const struct run *r, double share)
{
	return r->subject->from + (r->subject->to - r->subject->from) * share;
}

/* ---- schemes ---- */

/* The scheme, and its head, if it has one that is not spoken of, in float. */
static enum qb_err with_float_head(struct run *r, int i, const struct qb_node *head, struct qb_errbuf *eb)
{
	const struct qb_scheme *s = &ptq_of(r)->scheme[i];

	r->scheme[i] = *s;
	if (!head || s->imported || !r->spec->head_float) {
		return QB_OK;
	}
	r->layer[i] = calloc((size_t)s->layers + 1, sizeof(**r->layer));
	if (!r->layer[i]) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the schemes");
	}
	if (s->layers) {
		memcpy(r->layer[i], s->layer, (size_t)s->layers * sizeof(*s->layer));
	}
	r->layer[i][s->layers] = (struct qb_scheme_layer){.name = head->name, .weights = s->weights, .activations = s->activations};
	r->layer[i][s->layers].weights.quantized = r->layer[i][s->layers].activations.quantized = false;
	r->scheme[i].layer = r->layer[i];
	r->scheme[i].layers++;
	return QB_OK;
}

static enum qb_err make_schemes(struct run *r, struct qb_errbuf *eb)
{
	const struct qb_sequences *s = r->report->sequences;
	const struct qb_node *head = qb_graph_find_head(s->graph, &s->stream);
	size_t schemes = (size_t)ptq_of(r)->schemes;

	r->scheme = calloc(schemes + 1, sizeof(*r->scheme));
	r->layer = calloc(schemes + 1, sizeof(*r->layer));
	r->sweep = calloc((size_t)r->spec->calibrations, sizeof(*r->sweep));
	if (!r->scheme || !r->layer || !r->sweep) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the schemes");
	}
	for (int i = 0; i < ptq_of(r)->schemes; i++) {
		QB_TRY(with_float_head(r, i, head, eb));
	}
	return QB_OK;
}

/* ---- measuring ---- */

static enum qb_err report_progress(void *arg, double share, struct qb_errbuf *eb)
{
	const struct run *r = arg;

	return qb_job_progress(r->job, "outliers", at(r, share * REPORTED), eb, "looking for outliers of %s", r->subject->id);
}

static enum qb_err sweep_progress(void *arg, const char *stage, double fraction, const char *detail, struct qb_errbuf *eb)
{
	const struct run *r = arg;
	double share = (r->calibration + fraction) / r->spec->calibrations;

	(void)detail;
	return qb_job_progress(r->job, stage, at(r, REPORTED + (1 - REPORTED) * share), eb, "%s %s, calibration %d of %d", stage,
		r->subject->id, r->calibration + 1, r->spec->calibrations);
}

static enum qb_err make_report(struct run *r, struct qb_errbuf *eb)
{
	const struct qb_outlier_options opt = {.samples = ptq_of(r)->max_samples, .threads = ptq_of(r)->threads, .maps = true,
		.progress = report_progress, .arg = r};

	return qb_outlier_report_create(&r->report, r->subject->model, r->subject->data, &opt, eb);
}

static enum qb_err run_sweeps(struct run *r, struct qb_errbuf *eb)
{
	struct qb_sweep_options opt = qb_ptq_sweep_options(ptq_of(r));

	opt.scheme = r->scheme;
	opt.range_updates = CALIBRATION_BATCHES;
	opt.progress = sweep_progress;
	opt.arg = r;
	opt.check = qb_job_check;
	opt.check_arg = r->job;
	for (r->calibration = 0; r->calibration < r->spec->calibrations; r->calibration++) {
		opt.draw = (uint64_t)r->calibration + 1;
		QB_TRY(qb_sweep_run(&r->sweep[r->calibration], r->subject->model, r->subject->data, &opt, eb));
	}
	return QB_OK;
}

/* ---- rows ---- */

static json_t *scheme_row(const struct run *r, int i, struct qb_outlier_numbers *n)
{
	int count = r->spec->calibrations;
	const struct qb_sweep *first = r->sweep[0];
	const struct qb_scheme *s = &qb_sweep_quantization(first, i)->scheme;
	double mean = 0, low = INFINITY, high = -INFINITY, delta_low = 0, delta_high = 0;
	json_t *metrics = json_array(), *all;

	for (int k = 0; k < count; k++) {
		const struct qb_sweep_row *row = &r->sweep[k]->row[i];

		json_array_append_new(metrics, qb_json_real(row->metric));
		mean += row->metric / count;
		low = fmin(low, row->metric);
		high = fmax(high, row->metric);
		delta_low += row->change.interval.low / count;
		delta_high += row->change.interval.high / count;
	}
	n->scheme_metric[i] = mean;
	n->scheme_delta[i] = mean - first->float_metric;
	all = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "scheme", ptq_of(r)->scheme[i].name, "weights",
		qb_scheme_part_json(&s->weights), "activations", qb_scheme_part_json(&s->activations), "metrics", metrics, "metric",
		qb_json_real(mean), "low", qb_json_real(low), "high", qb_json_real(high), "delta", qb_json_real(n->scheme_delta[i]),
		"delta_low", qb_json_real(delta_low), "delta_high", qb_json_real(delta_high));
	qb_output_sqnr_put(all, &first->row[i].output);
	return all;
}

static json_t *scheme_rows(const struct run *r, struct qb_outlier_numbers *n)
{
	json_t *rows = json_array();

	for (int i = 0; i < ptq_of(r)->schemes; i++) {
		json_array_append_new(rows, scheme_row(r, i, n));
	}
	return rows;
}

static struct qb_outlier_place place_of(const struct qb_stream_value *t)
{
	return (struct qb_outlier_place){true, t->kind, t->after, t->layer};
}

static int find_place(const struct qb_residual_stream *s, const struct qb_outlier_place *p)
{
	for (int i = 0; i < s->count && p->known; i++) {
		const struct qb_stream_value *t = &s->at[i];

		if (t->kind == p->kind && t->after == p->after && t->layer == p->layer) {
			return i;
		}
	}
	return -1;
}

static enum qb_err add_histogram(json_t *rows, struct run *r, struct qb_sequences *s, int tensor, struct qb_errbuf *eb)
{
	const struct qb_outlier_scheme scheme = {r->sweep[0], 0};
	struct qb_histogram h;

	QB_TRY(qb_outlier_histogram_take(&h, s, s->stream.at[tensor].value->index, eb));
	if (h.bins) {
		json_array_append_new(rows, qb_outlier_histogram_row(&h, &s->stream.at[tensor], &scheme));
	}
	return QB_OK;
}

static enum qb_err histograms(json_t **out, struct run *r, struct qb_outlier_place *place, struct qb_errbuf *eb)
{
	int64_t most = ptq_of(r)->max_samples ? QB_MIN(ptq_of(r)->max_samples, (int64_t)HISTOGRAM_SAMPLES) : HISTOGRAM_SAMPLES;
	const struct qb_residual_stream *stream = &r->report->sequences->stream;
	int worst = r->report->worst, other = find_place(stream, place);
	struct qb_sequences *s = NULL;
	json_t *rows = json_array();
	enum qb_err err = QB_OK;

	if (worst >= 0) {
		QB_TRY_OUT(qb_sequences_create(&s, r->subject->model, r->subject->data, most, ptq_of(r)->threads, eb));
		QB_TRY_OUT(add_histogram(rows, r, s, worst, eb));
		if (other >= 0 && other != worst) {
			QB_TRY_OUT(add_histogram(rows, r, s, other, eb));
		}
		*place = place->known ? *place : place_of(&stream->at[worst]);
	}
	*out = json_incref(rows);
out:
	json_decref(rows);
	qb_sequences_destroy(&s);
	return err;
}

static void emit(const struct run *r, const struct qb_outlier_numbers *n)
{
	const char *id = r->subject->id;
	char name[160];

	qb_job_metric(r->job, "model", id, NULL, ptq_of(r)->metric, n->metric, NULL);
	qb_job_metric(r->job, "model", id, NULL, "max_inf_norm", n->max_inf_norm, NULL);
	qb_job_metric(r->job, "model", id, NULL, "avg_kurtosis", n->avg_kurtosis, NULL);
	qb_job_metric(r->job, "model", id, NULL, "sink_share", n->sink_share, NULL);
	for (int i = 0; i < ptq_of(r)->schemes; i++) {
		snprintf(name, sizeof(name), "%.80s %.60s", id, ptq_of(r)->scheme[i].name);
		qb_job_metric(r->job, "model", name, NULL, ptq_of(r)->metric, n->scheme_metric[i], NULL);
	}
}

static enum qb_err numbers_init(struct qb_outlier_numbers *n, const struct run *r, struct qb_errbuf *eb)
{
	size_t schemes = (size_t)ptq_of(r)->schemes;

	*n = (struct qb_outlier_numbers){.samples = r->sweep[0]->samples, .calibration_samples = r->sweep[0]->calibration_samples,
		.tokens = r->report->sequences->tokens, .masked = r->report->sequences->padding >= 0, .metric = r->sweep[0]->float_metric,
		.max_inf_norm = r->report->max_inf_norm, .avg_kurtosis = r->report->avg_kurtosis, .sink_share = r->report->sink_share,
		.scheme_metric = calloc(schemes + 1, sizeof(*n->scheme_metric)), .scheme_delta = calloc(schemes + 1, sizeof(*n->scheme_delta))};
	n->loss = qb_metric_loss(ptq_of(r)->metric, n->metric);
	return n->scheme_metric && n->scheme_delta ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the results");
}

void qb_outlier_numbers_fini(struct qb_outlier_numbers *n)
{
	free(n->scheme_metric);
	free(n->scheme_delta);
	*n = (struct qb_outlier_numbers){0};
}

static json_t *row_of(const struct run *r, struct qb_outlier_numbers *n, json_t *histograms)
{
	const struct qb_outlier_scheme first = {r->sweep[0], 0};
	const struct qb_outlier_subject *s = r->subject;
	const struct qb_residual_stream *stream = &r->report->sequences->stream;
	int64_t parameters = (int64_t)(qb_model_bytes(r->sweep[0]->variant[0].network->graph, NULL) / sizeof(float));

	return json_pack("{s:s, s:s, s:s, s:o, s:I, s:O?, s:{s:o, s:o}, s:o, s:o, s:o, s:o, s:s?, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
		s->id, "name", s->name, "model", s->model_name, "seed", s->seed < 0 ? json_null() : json_integer(s->seed), "parameters",
		(json_int_t)parameters, "attention_method", s->attention, "float", "metric", qb_json_real(n->metric), "loss",
		qb_json_real(n->loss), "schemes", scheme_rows(r, n), "max_inf_norm", qb_json_real(n->max_inf_norm), "avg_kurtosis",
		qb_json_real(n->avg_kurtosis), "max_kurtosis", qb_json_real(r->report->max_kurtosis), "worst",
		r->report->worst < 0 ? NULL : stream->at[r->report->worst].value->name, "tensors",
		qb_outlier_tensor_rows(r->report, &first), "residual", qb_outlier_residual_rows(r->report), "attention",
		qb_outlier_attention_rows(r->report), "sink_share", qb_json_real(n->sink_share), "maps", qb_outlier_maps(r->report),
		"histograms", histograms);
}

static void fini(struct run *r)
{
	for (int i = 0; r->layer && i < ptq_of(r)->schemes; i++) {
		free(r->layer[i]);
	}
	for (int i = 0; r->sweep && i < r->spec->calibrations; i++) {
		qb_sweep_destroy(&r->sweep[i]);
	}
	free(r->layer);
	free(r->scheme);
	free(r->sweep);
	qb_outlier_report_destroy(&r->report);
}

enum qb_err qb_outlier_run(json_t **row, struct qb_outlier_numbers *numbers, struct qb_job *job, const struct qb_outliers_spec *spec,
	const struct qb_outlier_subject *subject, struct qb_outlier_place *place, struct qb_errbuf *eb)
{
	struct run r = {.job = job, .spec = spec, .subject = subject};
	json_t *shown = NULL;
	enum qb_err err;

	QB_TRY_OUT(make_report(&r, eb));
	QB_TRY_OUT(make_schemes(&r, eb));
	QB_TRY_OUT(run_sweeps(&r, eb));
	QB_TRY_OUT(histograms(&shown, &r, place, eb));
	QB_TRY_OUT(numbers_init(numbers, &r, eb));
	*row = row_of(&r, numbers, json_incref(shown));
	if (!*row) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for the results");
		goto out;
	}
	emit(&r, numbers);
out:
	json_decref(shown);
	fini(&r);
	return err;
}
