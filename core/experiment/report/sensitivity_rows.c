/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/report/sensitivity_rows.h"

#include <math.h>

#include "core/experiment/report/sqnr_json.h"

json_t *qb_sensitivity_outcome(const struct qb_sensitivity *s, const struct qb_mixture_result *r)
{
	json_t *row = json_pack("{s:o, s:o, s:o, s:o}", "metric", qb_json_real(r->metric), "delta",
		qb_json_real(r->metric - s->floats.metric), "delta_low", qb_json_real(r->change.interval.low), "delta_high",
		qb_json_real(r->change.interval.high));

	qb_output_sqnr_put(row, &r->output);
	return row;
}

json_t *qb_sensitivity_rows(struct qb_job *job, const struct qb_sensitivity *s,
	const struct qb_mixture_layers *layers, const char *scheme)
{
	json_t *rows = json_array();
	double sum = 0;

	for (int l = 0; l < s->layers; l++) {
		sum += s->only[l].output.noise;
	}
	for (int l = 0; s->alone && l < s->layers; l++) {
		const struct qb_mixture_layer *layer = &layers->layer[l];
		const struct qb_mixture_result *only = &s->only[l];

		qb_job_metric(job, "layer", scheme, layer->name, "only_sqnr",
			qb_sqnr_sums_db(&only->output), "dB");
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:f, s:I, s:o, s:o, s:o}", "layer", layer->name, "type",
				layer->type, "macs", layer->macs, "weight_bytes",
				(json_int_t)layer->float_bytes, "only", qb_sensitivity_outcome(s, only),
				"all_but", qb_sensitivity_outcome(s, &s->but[l]), "noise_share",
				qb_json_real(sum > 0 ? only->output.noise / sum : NAN)));
	}
	return rows;
}
