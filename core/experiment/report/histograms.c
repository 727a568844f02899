/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/report/histograms.h"

#include "core/experiment/report/export.h"
#include "core/experiment/report/tensor_rows.h"
#include "core/quant/histogram.h"
#include "core/quant/observer.h"

static const char FILE_NAME[] = "histograms.json";

static enum qb_err add_row(json_t *rows, const struct qb_value *v, const struct qb_observer *o, struct qb_errbuf *eb)
{
	struct qb_histogram h;
	json_t *counts;

	QB_TRY(qb_histogram_take(&h, o, eb));
	if (!h.bins) {
		return QB_OK; /* nothing finite was seen */
	}
	counts = json_array();
	for (int i = 0; i < h.bins; i++) {
		json_array_append_new(counts, json_integer((json_int_t)h.count[i]));
	}
	json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:f, s:f, s:o}", "name", v->name, "kind",
		v->constant ? "weight" : "activation", "layer", qb_tensor_layer(v), "elements", (json_int_t)o->count, "zeros",
		(json_int_t)o->zeros, "min", qb_json_float(o->lo), "max", qb_json_float(o->hi), "low", h.low, "width", h.width,
		"counts", counts));
	return QB_OK;
}

static enum qb_err add_weight(json_t *rows, const struct qb_value *v, struct qb_errbuf *eb)
{
	struct qb_observer *o = qb_observer_create();
	enum qb_err err;

	if (!o) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a histogram");
	}
	qb_observer_update(o, v->constant->data, qb_value_size(v));
	err = add_row(rows, v, o, eb);
	qb_observer_destroy(&o);
	return err;
}

static bool is_quantized(const struct qb_variant *variant, int value)
{
	for (int k = 0; k < variant->schemes; k++) {
		const struct qb_quantization *q = variant->network->quantization[k];

		if (q->q[value] && !q->shared[value]) {
			return true;
		}
	}
	return false;
}

static enum qb_err add_variant(json_t *all, const struct qb_variant *variant, struct qb_errbuf *eb)
{
	const struct qb_graph *g = variant->network->graph;
	json_t *schemes = json_array(), *rows = json_array();

	json_array_append_new(all, json_pack("{s:o, s:o}", "schemes", schemes, "tensors", rows));
	for (int k = 0; k < variant->schemes; k++) {
		json_array_append_new(schemes, json_string(variant->network->quantization[k]->scheme.name));
	}
	for (int i = 0; i < g->values; i++) {
		if (!is_quantized(variant, i)) {
			continue;
		}
		if (g->value[i]->constant) {
			QB_TRY(add_weight(rows, g->value[i], eb));
		} else if (variant->observer[i]) {
			QB_TRY(add_row(rows, g->value[i], variant->observer[i], eb));
		}
	}
	return QB_OK;
}

enum qb_err qb_export_histograms(struct qb_job *job, const struct qb_sweep *sweep, struct qb_errbuf *eb)
{
	json_t *all = json_array(), *whole = NULL;
	char path[4096];
	enum qb_err err = QB_OK;

	if (!job->host->workdir) {
		goto out;
	}
	for (int i = 0; i < sweep->variants; i++) {
		if (sweep->variant[i].schemes) {
			QB_TRY_OUT(add_variant(all, &sweep->variant[i], eb));
		}
	}
	whole = json_pack("{s:O}", "variants", all);
	QB_TRY_OUT(qb_export_path(path, sizeof(path), job, FILE_NAME, eb));
	if (!whole || json_dump_file(whole, path, JSON_COMPACT) != 0) {
		err = qb_fail(eb, QB_EIO, "%s could not be written", path);
		goto out;
	}
	qb_job_artifact(job, FILE_NAME, "application/json");
out:
	json_decref(whole);
	json_decref(all);
	return err;
}
