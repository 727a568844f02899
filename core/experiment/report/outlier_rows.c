/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/report/outlier_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/sqnr_db.h"
#include "core/base/order.h"
#include "core/base/size.h"
#include "core/json/number.h"

enum { CHANNELS_SHOWN = 8, TOKENS_SHOWN = 8 };

static json_t *layer_json(int layer)
{
	return layer < 0 ? json_null() : json_integer(layer);
}

/* ---- tensors ---- */

/* The quantizer that a tensor of the report has under the scheme, which may be another's that it shares; NULL: it stays float.
 * *index: its value in the scheme's network. */
static const struct qb_quantizer *quantizer_of(const struct qb_outlier_scheme *s, const struct qb_value *v, int *index)
{
	const struct qb_network *n = qb_sweep_variant(s->sweep, s->scheme)->network;
	int i = qb_graph_find(n->graph, v->name, v->index);

	if (i >= 0 && n->placement->shares[i] >= 0) {
		i = n->placement->shares[i];
	}
	*index = i;
	return i >= 0 ? qb_sweep_quantization(s->sweep, s->scheme)->q[i] : NULL;
}

static json_t *sqnr_json(const struct qb_outlier_scheme *s, const struct qb_value *v)
{
	int index;
	const struct qb_qdq_sums *sums;

	if (!quantizer_of(s, v, &index)) {
		return json_null();
	}
	sums = &s->sweep->row[s->scheme].sums[index];
	return qb_json_real(qb_sqnr_db(sums->signal, sums->noise));
}

/* An entry and what it is ranked by: the largest magnitude, then the most elements far from the mean. */
struct ranked {
	int64_t at;
	float most;
	int64_t count;
};

static int descending(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->most != y->most) {
		return x->most < y->most ? 1 : -1;
	}
	if (x->count != y->count) {
		return x->count < y->count ? 1 : -1;
	}
	return x->at < y->at ? -1 : x->at > y->at;
}

static json_t *channel_rows(const struct qb_outliers *o, json_t **median)
{
	struct ranked *all = malloc((size_t)o->channels * sizeof(*all));
	float *most = malloc((size_t)o->channels * sizeof(*most));
	json_t *rows = json_array();
	size_t n = (size_t)o->channels;

	for (int64_t c = 0; all && most && c < o->channels; c++) {
		all[c] = (struct ranked){c, o->channel_max[c], o->channel_beyond[c]};
		most[c] = o->channel_max[c];
	}
	if (all && most) {
		qsort(all, n, sizeof(*all), descending);
		qsort(most, n, sizeof(*most), qb_float_order);
		for (size_t i = 0; i < QB_MIN(n, (size_t)CHANNELS_SHOWN); i++) {
			json_array_append_new(rows, json_pack("{s:I, s:I, s:o}", "channel", (json_int_t)all[i].at, "count",
				(json_int_t)all[i].count, "max_abs", qb_json_float(all[i].most)));
		}
		*median = qb_json_real(((double)most[n / 2] + (double)most[(n - 1) / 2]) / 2);
	}
	free(all);
	free(most);
	return rows;
}

static json_t *token_rows(const struct qb_outliers *o)
{
	struct ranked *all = malloc((size_t)o->tokens * sizeof(*all));
	json_t *rows = json_array();

	for (int64_t t = 0; all && t < o->tokens; t++) {
		all[t] = (struct ranked){t, 0, o->token_beyond[t]};
	}
	if (all) {
		qsort(all, (size_t)o->tokens, sizeof(*all), descending);
	}
	for (int64_t i = 0; all && i < QB_MIN(o->tokens, (int64_t)TOKENS_SHOWN) && all[i].count; i++) {
		json_array_append_new(rows, json_pack("{s:I, s:I}", "position", (json_int_t)all[i].at, "count", (json_int_t)all[i].count));
	}
	free(all);
	return rows;
}

static json_t *tensor_row(const struct qb_stream_value *t, const struct qb_outliers *o, const struct qb_outlier_scheme *s)
{
	json_t *median = json_null(), *channels = channel_rows(o, &median);

	return json_pack("{s:s, s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o}", "name", t->value->name, "layer",
		layer_json(t->layer), "kind", qb_stream_kind_name(t->kind), "measured", (int)t->measured, "inf_norm",
		qb_json_real(qb_outliers_inf_norm(o)), "kurtosis", qb_json_real(qb_outliers_kurtosis(o)), "max_abs",
		qb_json_float(o->max_abs), "median_channel", median, "beyond_6sd", (json_int_t)o->beyond, "beyond_6sd_share",
		qb_json_real(o->elements ? (double)o->beyond / (double)o->elements : NAN), "channels", channels, "tokens", token_rows(o),
		"sqnr_db", sqnr_json(s, t->value));
}

json_t *qb_outlier_tensor_rows(const struct qb_outlier_report *r, const struct qb_outlier_scheme *s)
{
	json_t *rows = json_array();

	for (int i = 0; i < r->sequences->stream.count; i++) {
		const struct qb_stream_value *t = &r->sequences->stream.at[i];

		if (t->kind != QB_STREAM_RESIDUAL || t->after != QB_BRANCH_INPUT) {
			json_array_append_new(rows, tensor_row(t, &r->tensor[i], s));
		}
	}
	return rows;
}

json_t *qb_outlier_residual_rows(const struct qb_outlier_report *r)
{
	json_t *rows = json_array();

	for (int i = 0; i < r->sequences->stream.count; i++) {
		const struct qb_stream_value *t = &r->sequences->stream.at[i];
		const struct qb_outliers *o = &r->tensor[i];
		int64_t position;
		double peak;

		if (t->kind != QB_STREAM_RESIDUAL) {
			continue;
		}
		peak = qb_outliers_peak_norm(o, &position);
		json_array_append_new(rows, json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:I}", "name", t->value->name, "layer",
			layer_json(t->layer), "after", qb_stream_branch_name(t->after), "norm", qb_json_real(qb_outliers_norm(o)),
			"norm_first", qb_json_real(qb_outliers_first_norm(o)), "peak", qb_json_real(peak), "peak_position",
			(json_int_t)position));
	}
	return rows;
}

/* ---- attention ---- */

json_t *qb_outlier_attention_rows(const struct qb_outlier_report *r)
{
	json_t *rows = json_array();

	for (int i = 0; i < r->sequences->attention.count; i++) {
		for (int64_t h = 0; h < r->attention[i].heads; h++) {
			const struct qb_attention_head *a = &r->attention[i].head[h];

			json_array_append_new(rows, json_pack("{s:i, s:I, s:o, s:o, s:b, s:o, s:o, s:o}", "layer",
				r->attention[i].layer, "head", (json_int_t)h, "to_first",
				qb_json_real(qb_attention_head_first(a)), "most", qb_json_real(qb_attention_head_most(a)), "sink",
				(int)qb_attention_head_is_sink(a), "zeros", qb_json_real(qb_attention_head_zeros(a)), "value_norm_first",
				qb_json_real(qb_attention_head_first_norm(a)), "value_norm", qb_json_real(qb_attention_head_other_norm(a))));
		}
	}
	return rows;
}

/* ---- maps ---- */

static json_t *integers(const int64_t *x, int64_t count)
{
	json_t *all = json_array();

	for (int64_t i = 0; i < count; i++) {
		json_array_append_new(all, json_integer(x[i]));
	}
	return all;
}

/* To multiples of 1 / parts, or (0) to four digits: a map is looked at. */
static json_t *rounded(float x, double parts)
{
	double unit = parts > 0 ? parts : x != 0 && isfinite(x) ? pow(10, 3 - floor(log10(fabs((double)x)))) : 1;

	return qb_json_float((float)(round((double)x * unit) / unit));
}

static json_t *matrix(const float *x, int64_t rows, int64_t columns, double parts)
{
	json_t *all = json_array();

	for (int64_t i = 0; i < rows; i++) {
		json_t *row = json_array();

		for (int64_t k = 0; k < columns; k++) {
			json_array_append_new(row, rounded(x[i * columns + k], parts));
		}
		json_array_append_new(all, row);
	}
	return all;
}

static json_t *attention_maps(const struct qb_outlier_report *r)
{
	json_t *rows = json_array();

	for (int i = 0; i < r->sequences->attention.count; i++) {
		const struct qb_attention_report *a = &r->attention[i];

		for (int64_t h = 0; a->map && h < a->heads; h++) {
			const struct qb_attention_map *m = &a->map[h];

			json_array_append_new(rows, json_pack("{s:i, s:I, s:o, s:o}", "layer", a->layer, "head",
				(json_int_t)h, "positions", integers(m->position, m->positions), "values",
				matrix(m->value, m->positions, m->positions, 1000)));
		}
	}
	return rows;
}

json_t *qb_outlier_maps(const struct qb_outlier_report *r)
{
	json_t *residual = json_array();

	for (int i = 0; i < r->sequences->stream.count; i++) {
		const struct qb_stream_value *t = &r->sequences->stream.at[i];
		const struct qb_outlier_map *m = &r->map[i];

		if (m->positions) {
			json_array_append_new(residual, json_pack("{s:s, s:o, s:o, s:o, s:o}", "name", t->value->name, "layer",
				layer_json(t->layer), "channels", integers(m->channel, m->channels), "positions",
				integers(m->position, m->positions), "values", matrix(m->value, m->positions, m->channels, 0)));
		}
	}
	return json_pack("{s:o, s:o}", "residual", residual, "attention", attention_maps(r));
}

/* ---- histograms ---- */

static int64_t levels_of(const struct qb_format *f)
{
	struct qb_format_info info;
	int64_t count;

	if (f->kind == QB_FORMAT_INT) {
		return (int64_t)(qb_format_max(f) - qb_format_min(f)) + 1;
	}
	if (qb_format_describe(f, &info, NULL) != QB_OK) {
		return 0;
	}
	count = info.value_count;
	qb_format_info_fini(&info);
	return count;
}

static json_t *grid_json(const struct qb_outlier_scheme *s, const struct qb_value *v)
{
	const struct qb_quantizer *q;
	double scale, zero;
	int64_t levels;
	int index;

	q = quantizer_of(s, v, &index);
	levels = q ? levels_of(&q->format) : 0;
	if (!levels || q->channels != 1 || q->format.block) {
		return json_null();
	}
	scale = (double)q->scale[0];
	zero = q->zero ? (double)q->zero[0] : 0;
	return json_pack("{s:s, s:s, s:f, s:f, s:I, s:o}", "scheme", qb_sweep_quantization(s->sweep, s->scheme)->scheme.name, "format",
		q->format.name, "low", scale * (qb_format_min(&q->format) - zero), "high", scale * (qb_format_max(&q->format) - zero),
		"levels", (json_int_t)levels, "step", q->format.kind == QB_FORMAT_INT ? qb_json_float(q->scale[0]) : json_null());
}

json_t *qb_outlier_histogram_row(const struct qb_histogram *h, const struct qb_stream_value *t,
	const struct qb_outlier_scheme *s)
{
	json_t *counts = json_array();

	for (int i = 0; i < h->bins; i++) {
		json_array_append_new(counts, json_integer((json_int_t)h->count[i]));
	}
	return json_pack("{s:s, s:o, s:s, s:f, s:f, s:o, s:o}", "tensor", t->value->name, "layer", layer_json(t->layer), "kind",
		qb_stream_kind_name(t->kind), "low", h->low, "high", h->low + h->width * h->bins, "counts", counts, "grid",
		grid_json(s, t->value));
}

/* ---- over seeds ---- */

json_t *qb_spread_row(const double *x, int count)
{
	double mean = 0, squares = 0, low = INFINITY, high = -INFINITY;

	for (int i = 0; i < count; i++) {
		mean += x[i] / count;
		low = fmin(low, x[i]);
		high = fmax(high, x[i]);
	}
	for (int i = 0; i < count; i++) {
		squares += (x[i] - mean) * (x[i] - mean);
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "mean", qb_json_real(mean), "sd", qb_json_real(count > 1 ? sqrt(squares / (count - 1))
		: NAN), "low", qb_json_real(low), "high", qb_json_real(high));
}
