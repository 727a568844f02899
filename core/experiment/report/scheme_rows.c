/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/report/scheme_rows.h"

#include "core/experiment/report/sqnr_json.h"
#include "core/experiment/report/tensor_rows.h"
#include "core/mixed/gates.h"
#include "core/quant/model_bytes.h"

static json_t *latency_of(const struct qb_scheme_rows *r, int row)
{
	return r->latency ? qb_ptq_latency_json(&r->latency[row]) : json_null();
}

json_t *qb_float_row(const struct qb_scheme_rows *r)
{
	const struct qb_sweep *s = r->sweep;

	qb_job_metric(r->job, "model", "float", NULL, r->metric, s->float_metric, NULL);
	return json_pack("{s:o, s:I, s:o, s:o}", "metric", qb_json_real(s->float_metric), "size_bytes",
		(json_int_t)qb_model_bytes(s->variant[0].network->graph, NULL), "gates",
		qb_gates_json(s->variant[0].network, NULL), "latency", latency_of(r, 0));
}

static json_t *part_row(const struct qb_scheme *s, const struct qb_scheme_part *part)
{
	json_t *row = qb_scheme_part_json(part);

	if (s->imported && json_is_object(row)) {
		json_object_set_new(row, "range", json_string("carried"));
	}
	return row;
}

static void emit(const struct qb_scheme_rows *r, int i, const char *name, double sqnr, int64_t bytes)
{
	const struct qb_sweep_row *row = &r->sweep->row[i];

	qb_job_metric(r->job, "model", name, NULL, r->metric, row->metric, NULL);
	qb_job_metric(r->job, "model", name, NULL, "delta", row->metric - r->sweep->float_metric, NULL);
	qb_job_metric(r->job, "model", name, NULL, "output_sqnr", sqnr, "dB");
	qb_job_metric(r->job, "model", name, NULL, "size", (double)bytes, "bytes");
	if (r->latency) {
		qb_job_metric(r->job, "model", name, NULL, "latency_p50", (double)r->latency[1 + i].latency.p50_ns, "ns");
	}
}

json_t *qb_scheme_row(const struct qb_scheme_rows *r, int i, json_t *methods)
{
	const struct qb_sweep *s = r->sweep;
	const struct qb_sweep_row *row = &s->row[i];
	const struct qb_variant *v = qb_sweep_variant(s, i);
	const struct qb_quantization *q = qb_sweep_quantization(s, i);
	const char *name = q->scheme.name;
	double sqnr = qb_sqnr_sums_db(&row->output);
	int64_t bytes = (int64_t)qb_model_bytes(v->network->graph, q);
	json_t *all;

	emit(r, i, name, sqnr, bytes);
	all = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:I, s:I, s:o, s:o, s:o*, s:o}", "scheme", name, "weights",
		part_row(&q->scheme, &q->scheme.weights), "activations", part_row(&q->scheme, &q->scheme.activations), "metric",
		qb_json_real(row->metric), "delta", qb_json_real(row->metric - s->float_metric), "delta_low",
		qb_json_real(row->change.interval.low), "delta_high", qb_json_real(row->change.interval.high), "best",
		(int)row->change.best, "nan_outputs", (json_int_t)row->nan_outputs, "size_bytes", (json_int_t)bytes, "gates",
		qb_gates_json(v->network, q), "latency", latency_of(r, 1 + i), "methods", methods, "tensors",
		qb_tensor_rows(r->job, s, i));
	qb_output_sqnr_put(all, &row->output);
	if (r->latency && r->latency[1 + i].integer) {
		json_object_set(all, "integer", r->latency[1 + i].integer);
	}
	return all;
}
