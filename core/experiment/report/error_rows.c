/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/report/error_rows.h"

#include "core/analysis/sqnr_db.h"
#include "core/experiment/experiment.h"
#include "core/experiment/report/sqnr_json.h"
#include "core/experiment/report/tensor_rows.h"

enum { WORST = 5, LARGEST = 20 };

/* A channel and what it is ranked by. */
struct ranked {
	const struct qb_tensor_error *tensor;
	int64_t channel;
	double by;
};

/* Keeps the cap largest of those put in, the first of equal ones; returns how many there are now. */
static int rank(struct ranked *top, int n, int cap, struct ranked r)
{
	int at = n;

	while (at > 0 && top[at - 1].by < r.by) {
		if (at < cap) {
			top[at] = top[at - 1];
		}
		at--;
	}
	if (at < cap) {
		top[at] = r;
		n = n < cap ? n + 1 : n;
	}
	return n;
}

static const char *layer_name(const struct qb_mixture_layers *layers, const struct qb_value *v)
{
	int l = layers->of[v->index];

	return l >= 0 ? layers->layer[l].name : "";
}

/* The channels that hold most of the noise. */
static json_t *worst_channels(const struct qb_tensor_error *f)
{
	json_t *rows = json_array();
	struct ranked worst[WORST];
	int n = 0;

	for (int64_t c = 0; c < f->channels; c++) {
		n = rank(worst, n, WORST, (struct ranked){f, c, f->channel[c].noise});
	}
	for (int k = 0; k < n && f->noise > 0; k++) {
		const struct qb_channel_error *c = &f->channel[worst[k].channel];

		json_array_append_new(rows,
			json_pack("{s:I, s:o, s:f, s:o}", "channel", (json_int_t)worst[k].channel, "sqnr_db",
				qb_json_real(qb_sqnr_db(c->signal, c->noise)), "noise_share",
				c->noise / f->noise, "inf_norm", qb_json_float(c->inf_norm)));
	}
	return rows;
}

json_t *qb_error_rows(const struct qb_error_terms *terms, const struct qb_sweep_row *row,
	const struct qb_quantization *q, const struct qb_mixture_layers *layers)
{
	json_t *rows = json_array();

	for (int i = 0; i < terms->count; i++) {
		const struct qb_tensor_error *f = &terms->tensor[i];
		const struct qb_qdq_sums *s = &row->sums[f->value->index];
		double clip = f->noise > 0 ? f->clip / f->noise : 0;
		json_t *made;

		made = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:b, s:f, s:f, s:o, s:o, s:I, s:o}", "name",
			f->value->name, "kind", f->value->constant ? "weight" : "activation", "layer",
			layer_name(layers, f->value), "format", f->q->format.name, "sqnr_db",
			qb_json_real(qb_sqnr_db(f->signal, f->noise)), "network_sqnr_db",
			f->value->constant ? json_null()
				: qb_json_real(qb_sqnr_db(s->ref_signal, s->ref_noise)),
			"exact", qb_sqnr_exact(f->noise), "clipping", clip, "rounding", f->noise > 0 ? 1 - clip : 0, "inf_norm",
			qb_json_float(f->inf_norm), "kurtosis", qb_json_real(qb_tensor_error_kurtosis(f)),
			"channels", (json_int_t)f->channels, "worst_channels", worst_channels(f));
		qb_sqnr_interval_put(made, "network_sqnr", f->value->constant ? NULL : &row->tensor[f->value->index].network);
		qb_add_part(made, q, f->value);
		json_array_append_new(rows, made);
	}
	return rows;
}

enum qb_err qb_error_rows_largest(json_t **out, const struct qb_error_terms *terms,
	const struct qb_mixture_layers *layers, struct qb_errbuf *eb)
{
	json_t *rows = json_array();
	struct ranked top[LARGEST];
	enum qb_err err = QB_OK;
	int n = 0;

	for (int i = 0; i < terms->count; i++) {
		const struct qb_tensor_error *f = &terms->tensor[i];

		for (int64_t c = 0; !f->value->constant && c < f->channels; c++) {
			n = rank(top, n, LARGEST, (struct ranked){f, c, f->channel[c].inf_norm});
		}
	}
	for (int k = 0; k < n && err == QB_OK; k++) {
		double median = qb_tensor_error_median_norm(top[k].tensor, eb, &err);

		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:I, s:o, s:o}", "layer", layer_name(layers, top[k].tensor->value),
				"tensor", top[k].tensor->value->name, "channel", (json_int_t)top[k].channel,
				"inf_norm", qb_json_float((float)top[k].by), "ratio", qb_json_real(top[k].by / median)));
	}
	if (err != QB_OK) {
		json_decref(rows);
		return err;
	}
	*out = rows;
	return QB_OK;
}
