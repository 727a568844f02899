/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/report/tensor_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/experiment/report/sqnr_json.h"
#include "core/graph/activation.h"
#include "core/analysis/sqnr_db.h"

json_t *qb_scheme_part_json(const struct qb_scheme_part *part)
{
	const struct qb_format *f = &part->format;
	bool groups = f->block && strstr(f->name, "_g");
	json_t *row;

	if (!part->quantized) {
		return json_null();
	}
	row = json_pack("{s:s, s:i, s:s, s:s, s:s}", "format", f->name, "bits", f->bits, "granularity",
		groups ? "per_group" : qb_granularity_name(part->granularity), "range",
		qb_range_method_name(part->range.method), "scale",
		part->range.power_of_two ? "power_of_two" : "real");
	if (!f->block && !f->real_scale) {
		json_object_set_new(row, "granularity", json_null());
		json_object_set_new(row, "range", json_null());
		json_object_set_new(row, "scale", json_null());
	}
	if (groups) {
		json_object_set_new(row, "group_size", json_integer(f->block));
	}
	if (part->range.method == QB_RANGE_PERCENTILE) {
		json_object_set_new(row, "percentile", json_real(part->range.percentile));
	}
	if (f->kind == QB_FORMAT_INT) {
		json_object_set_new(row, "symmetric", json_boolean(!f->asymmetric));
	}
	return row;
}

void qb_add_part(json_t *row, const struct qb_quantization *q, const struct qb_value *v)
{
	const struct qb_quantizer *own = q->q[v->index];
	json_t *part = NULL;

	if (q->part && q->part[v->index]) {
		part = qb_scheme_part_json(q->part[v->index]);
		json_object_update_missing(row, part);
		json_decref(part);
	}
	if (own->format.kind == QB_FORMAT_INT) {
		json_object_set_new(row, "symmetric", json_boolean(!own->format.asymmetric));
	}
}

/* The values that the quantizer can represent, over all its channels. Of a tensor of zeros alone no range says anything. */
static void represented(const struct qb_quantizer *q, bool zeros, double *lo, double *hi)
{
	double min = qb_format_min(&q->format), max = qb_format_max(&q->format);

	*lo = INFINITY;
	*hi = -INFINITY;
	for (int64_t c = 0; c < q->channels; c++) {
		double s = q->scale[c], z = q->zero ? q->zero[c] : 0;

		*lo = fmin(*lo, s * (min - z));
		*hi = fmax(*hi, s * (max - z));
	}
	if (zeros) {
		*lo = *hi = 0;
	}
}

static struct qb_qdq_sums weight_sums(const struct qb_value *v, const struct qb_quantization *q)
{
	struct qb_qdq_sums s = {0};
	float *y = malloc(qb_value_size(v) * sizeof(*y));

	if (y) {
		qb_quantization_constant(q, v, y, &s, NULL);
	}
	free(y);
	return s;
}

const char *qb_tensor_layer(const struct qb_value *v)
{
	if (v->producer) {
		return qb_value_layer(v)->name;
	}
	return v->users ? v->user[0].node->name : "";
}

static void observed(const struct qb_variant *variant, const struct qb_value *v, float *lo,
	float *hi)
{
	*lo = *hi = 0;
	if (v->constant) {
		const float *x = v->constant->data;
		size_t n = qb_value_size(v);

		for (size_t i = 0; i < n; i++) {
			*lo = i ? fminf(*lo, x[i]) : x[i];
			*hi = i ? fmaxf(*hi, x[i]) : x[i];
		}
	} else if (variant->observer[v->index]) {
		qb_observer_minmax(variant->observer[v->index], lo, hi);
	}
}

static json_t *row(struct qb_job *job, const struct qb_sweep *sweep, int scheme,
	const struct qb_value *v, const struct qb_quantizer *q)
{
	const struct qb_variant *variant = qb_sweep_variant(sweep, scheme);
	const struct qb_quantization *all = qb_sweep_quantization(sweep, scheme);
	const char *name = all->scheme.name;
	struct qb_qdq_sums s = v->constant ? weight_sums(v, all)
					   : sweep->row[scheme].sums[v->index];
	double own = qb_sqnr_db(s.signal, s.noise), lo, hi;
	float min, max;
	json_t *made;

	observed(variant, v, &min, &max);
	represented(q, min == 0 && max == 0, &lo, &hi);
	qb_job_metric(job, "tensor", name, v->name, "sqnr", own, "dB");
	made = json_pack("{s:s, s:s, s:s, s:s, s:i, s:I, s:o, s:o, s:b, s:o, s:o, s:o, s:o}", "name",
		v->name, "kind", v->constant ? "weight" : "activation", "layer", qb_tensor_layer(v),
		"format", q->format.name, "bits", q->format.bits, "channels",
		(json_int_t)q->channels, "sqnr_db", qb_json_real(own), "network_sqnr_db",
		v->constant ? qb_json_real(own)
			: qb_json_real(qb_sqnr_db(s.ref_signal, s.ref_noise)),
		"exact", qb_sqnr_exact(s.noise), "min", qb_json_real(lo), "max", qb_json_real(hi), "observed_min", qb_json_float(min),
		"observed_max", qb_json_float(max));
	/* Of a weight all elements are there: its error is known. */
	qb_sqnr_interval_put(made, "sqnr", v->constant ? NULL : &sweep->row[scheme].tensor[v->index].own);
	qb_sqnr_interval_put(made, "network_sqnr", v->constant ? NULL : &sweep->row[scheme].tensor[v->index].network);
	qb_add_part(made, all, v);
	return made;
}

json_t *qb_tensor_rows(struct qb_job *job, const struct qb_sweep *sweep, int scheme)
{
	const struct qb_quantization *q = qb_sweep_quantization(sweep, scheme);
	const struct qb_network *n = qb_sweep_variant(sweep, scheme)->network;
	json_t *rows = json_array();

	for (int i = 0; i < q->values; i++) {
		if (q->q[i] && !q->shared[i]) {
			json_array_append_new(rows,
				row(job, sweep, scheme, n->graph->value[i], q->q[i]));
		}
	}
	return rows;
}
