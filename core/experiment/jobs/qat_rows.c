/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/jobs/qat_rows.h"

#include "core/json/number.h"

json_t *qb_qat_share(int64_t part, int64_t whole)
{
	return whole ? json_real((double)part / (double)whole) : json_null();
}

json_t *qb_qat_method_names(const struct qb_train_method_list *list)
{
	json_t *names = json_array();

	for (int i = 0; i < list->count; i++) {
		json_array_append_new(names, json_string(list->use[i].method->named.name));
	}
	return names;
}

static json_t *counts(const int64_t *count, int bins)
{
	json_t *all = json_array();

	for (int i = 0; i < bins; i++) {
		json_array_append_new(all, json_integer((json_int_t)count[i]));
	}
	return all;
}

static json_t *latent(const struct qb_qat *q, int layer)
{
	int64_t count[QB_LATENT_BINS] = {0};

	qb_qat_latent(q, layer, QB_LATENT_BINS, count);
	return counts(count, QB_LATENT_BINS);
}

static json_t *frequencies(const struct qb_train_layer *l)
{
	int64_t count[QB_FREQUENCY_BINS] = {0};

	qb_oscillation_frequencies(&l->oscillation, QB_FREQUENCY_MOST, QB_FREQUENCY_BINS, count);
	return counts(count, QB_FREQUENCY_BINS);
}

static json_t *layer_snapshot(const struct qb_qat *q, int i)
{
	const struct qb_oscillation_summary o = qb_qat_layer_oscillations(q, i);

	if (!qb_qat_layer(q, i)->tracked) {
		return json_null();
	}
	return json_pack("{s:I, s:I, s:o, s:o}", "oscillating", (json_int_t)o.oscillating, "frozen", (json_int_t)o.frozen,
		"mean_frequency", qb_json_real(o.mean_frequency), "latent", latent(q, i));
}

static json_t *norm_rows(const struct qb_norm_divergences *norms)
{
	json_t *rows = json_array();

	for (int i = 0; i < norms->count; i++) {
		const struct qb_norm_divergence *n = &norms->norm[i];

		json_array_append_new(rows, json_pack("{s:s, s:I, s:o, s:o, s:I}", "layer", n->layer, "channels",
			(json_int_t)n->channels, "divergence", qb_json_real(n->mean), "most", qb_json_real(n->most), "most_channel",
			(json_int_t)n->most_channel));
	}
	return rows;
}

json_t *qb_qat_snapshot(const struct qb_qat *q, const struct qb_norm_divergences *norms)
{
	const struct qb_oscillation_summary o = qb_qat_oscillations(q);
	json_t *layers = json_array();

	for (int i = 0; i < qb_qat_layers(q); i++) {
		json_array_append_new(layers, layer_snapshot(q, i));
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "oscillating", qb_qat_share(o.oscillating, o.weights), "frozen",
		qb_qat_share(o.frozen, o.weights), "layers", layers, "batch_norms", norm_rows(norms));
}

json_t *qb_qat_layer_rows(const struct qb_qat *q)
{
	json_t *rows = json_array();

	for (int i = 0; i < qb_qat_layers(q); i++) {
		const struct qb_train_layer *l = qb_qat_layer(q, i);
		const struct qb_oscillation_summary o = qb_qat_layer_oscillations(q, i);
		json_t *row = json_pack("{s:s, s:s, s:s, s:I, s:I, s:b}", "layer", l->weight->layer, "weight", l->weight->name, "format",
			l->q.format.name, "weights", (json_int_t)l->weight->size, "scales", (json_int_t)l->q.channels, "tracked",
			(int)l->tracked);

		if (l->tracked) {
			json_object_set_new(row, "oscillating", qb_qat_share(o.oscillating, o.weights));
			json_object_set_new(row, "frozen", qb_qat_share(o.frozen, o.weights));
			json_object_set_new(row, "mean_frequency", qb_json_real(o.mean_frequency));
			json_object_set_new(row, "frequencies", frequencies(l));
			json_object_set_new(row, "latent", latent(q, i));
		}
		json_array_append_new(rows, row);
	}
	return rows;
}

json_t *qb_qat_activation_rows(const struct qb_qat *q)
{
	json_t *rows = json_array();

	for (int i = 0; i < qb_qat_activations(q); i++) {
		const struct qb_qat_activation a = qb_qat_activation(q, i);

		json_array_append_new(rows, json_pack("{s:s, s:s, s:o, s:i}", "name", a.name, "format", a.format.name, "scale",
			qb_json_real((double)a.scale), "zero", (int)a.zero));
	}
	return rows;
}
