/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/outlier_report.h"

#include <math.h>
#include <stdlib.h>

#include "core/analysis/mean.h"
#include "core/base/size.h"
#include "core/ptq/outlier_maps.h"

/* Cells of all attention maps together, which bounds what a result holds. */
enum { MAP_CELLS = 96 * 1024, LEAST_SIDE = 16 };

/* Where the elements of one sequence's heads lie. */
struct heads_layout {
	int64_t head, row, column;
};

struct attention_values {
	int probabilities, values; /* value->index; -1: not read */
	struct heads_layout p, v;
	int64_t width;             /* of a value vector */
};

/* What the batches of a slot leave behind. */
struct slot {
	struct qb_outliers *tensor;      /* [tensors] */
	struct qb_attention_head **head; /* [attentions][heads] */
};

struct role {
	int tensor, probabilities, values; /* -1: none */
};

struct reporter {
	struct qb_outlier_report *r;
	const struct qb_outlier_options *opt;
	struct role *role;            /* [values] */
	struct attention_values *of;  /* [attentions] */
	struct slot *slot;            /* [slots] */
	double *scratch;              /* [threads][tokens] */
	int64_t side;                 /* of attention maps */
	bool no_memory;               /* for a map */
};

static int tensors(const struct reporter *k)
{
	return k->r->sequences->stream.count;
}

static int attentions(const struct reporter *k)
{
	return k->r->sequences->attention.count;
}

/* ---- layouts ---- */

/* Of [N, H, rows, columns], which an observer sees as [N, rows, columns, H], or [N * H, rows, columns]; heads 0: of neither. */
static int64_t read_layout(const struct qb_value *v, int64_t batch, struct heads_layout *l, int64_t *rows, int64_t *columns)
{
	const struct qb_shape *s = &v->shape;

	if (v->constant || v->dtype != QB_F32 || !s->known || (s->ndim != 3 && s->ndim != 4) || s->dim[0] % batch ||
		(s->ndim == 4 && s->dim[0] != batch)) {
		return 0;
	}
	*rows = s->dim[s->ndim - 2];
	*columns = s->dim[s->ndim - 1];
	if (s->ndim == 4) {
		*l = (struct heads_layout){1, *columns * s->dim[1], s->dim[1]};
		return s->dim[1];
	}
	*l = (struct heads_layout){*rows * *columns, *columns, 1};
	return s->dim[0] / batch;
}

static void find_heads(struct reporter *k, int i)
{
	const struct qb_sequences *s = k->r->sequences;
	const struct qb_attention *a = &s->attention.at[i];
	const struct qb_value *p = a->probabilities, *v = a->context->input[1];
	struct attention_values *of = &k->of[i];
	int64_t rows, columns, heads = read_layout(p, s->batch, &of->p, &rows, &columns);

	*of = (struct attention_values){.probabilities = -1, .values = -1, .p = of->p};
	k->r->attention[i] = (struct qb_attention_report){.layer = s->stream.attention_layer[i]};
	if (!heads || rows != s->tokens || columns != s->tokens) {
		return;
	}
	of->probabilities = p->index;
	k->r->attention[i].heads = heads;
	if (read_layout(v, s->batch, &of->v, &rows, &of->width) == heads && rows == s->tokens) {
		of->values = v->index;
	}
}

/* ---- memory ---- */

static bool slot_init(struct slot *slot, const struct reporter *k, struct qb_errbuf *eb)
{
	slot->tensor = calloc((size_t)tensors(k) + 1, sizeof(*slot->tensor));
	slot->head = calloc((size_t)attentions(k) + 1, sizeof(*slot->head));
	for (int i = 0; slot->tensor && i < tensors(k); i++) {
		const int64_t *dim = k->r->sequences->stream.at[i].value->shape.dim;

		if (qb_outliers_init(&slot->tensor[i], dim[1], dim[2], eb) != QB_OK) {
			return false;
		}
	}
	for (int i = 0; slot->head && i < attentions(k); i++) {
		slot->head[i] = calloc((size_t)k->r->attention[i].heads + 1, sizeof(**slot->head));
		if (!slot->head[i]) {
			return false;
		}
	}
	return slot->tensor && slot->head;
}

static void slot_fini(struct slot *slot, const struct reporter *k)
{
	for (int i = 0; slot->tensor && i < tensors(k); i++) {
		qb_outliers_fini(&slot->tensor[i]);
	}
	for (int i = 0; slot->head && i < attentions(k); i++) {
		free(slot->head[i]);
	}
	free(slot->tensor);
	free(slot->head);
}

static enum qb_err no_memory(struct qb_errbuf *eb)
{
	return qb_fail(eb, QB_ENOMEM, "no memory to look for outliers");
}

static enum qb_err attention_init(struct reporter *k, struct qb_errbuf *eb)
{
	int64_t all = 0;

	for (int i = 0; i < attentions(k); i++) {
		struct qb_attention_report *a = &k->r->attention[i];

		find_heads(k, i);
		a->head = calloc((size_t)a->heads + 1, sizeof(*a->head));
		a->map = k->opt->maps ? calloc((size_t)a->heads + 1, sizeof(*a->map)) : NULL;
		if (!a->head || (k->opt->maps && !a->map)) {
			return no_memory(eb);
		}
		all += a->heads;
	}
	k->side = (int64_t)sqrt((double)MAP_CELLS / (double)QB_MAX(all, 1));
	k->side = QB_MAX(QB_MIN(k->side, (int64_t)QB_MAP_SIDE), (int64_t)LEAST_SIDE);
	return QB_OK;
}

static enum qb_err report_init(struct reporter *k, struct qb_errbuf *eb)
{
	struct qb_outlier_report *r = k->r;
	const struct qb_sequences *s = r->sequences;

	r->tensor = calloc((size_t)tensors(k) + 1, sizeof(*r->tensor));
	r->map = calloc((size_t)tensors(k) + 1, sizeof(*r->map));
	r->attention = calloc((size_t)attentions(k) + 1, sizeof(*r->attention));
	k->of = calloc((size_t)attentions(k) + 1, sizeof(*k->of));
	k->slot = calloc((size_t)s->slots, sizeof(*k->slot));
	k->scratch = calloc((size_t)(s->threads * s->tokens), sizeof(*k->scratch));
	k->role = malloc(((size_t)s->graph->values + 1) * sizeof(*k->role));
	if (!r->tensor || !r->map || !r->attention || !k->of || !k->slot || !k->scratch || !k->role) {
		return no_memory(eb);
	}
	for (int i = 0; i < tensors(k); i++) {
		const int64_t *dim = s->stream.at[i].value->shape.dim;

		QB_TRY(qb_outliers_init(&r->tensor[i], dim[1], dim[2], eb));
	}
	QB_TRY(attention_init(k, eb));
	for (int64_t i = 0; i < s->slots; i++) {
		if (!slot_init(&k->slot[i], k, eb)) {
			return no_memory(eb);
		}
	}
	return QB_OK;
}

static void reporter_fini(struct reporter *k)
{
	for (int64_t i = 0; k->slot && i < k->r->sequences->slots; i++) {
		slot_fini(&k->slot[i], k);
	}
	free(k->slot);
	free(k->of);
	free(k->scratch);
	free(k->role);
}

/* ---- the pass ---- */

static enum qb_err choose(struct reporter *k, bool **chosen, struct qb_errbuf *eb)
{
	const struct qb_sequences *s = k->r->sequences;

	*chosen = calloc((size_t)s->graph->values + 1, sizeof(**chosen));
	if (!*chosen) {
		return no_memory(eb);
	}
	for (int i = 0; i < s->graph->values; i++) {
		k->role[i] = (struct role){-1, -1, -1};
	}
	for (int i = 0; i < tensors(k); i++) {
		k->role[s->stream.at[i].value->index].tensor = i;
	}
	for (int i = 0; i < attentions(k); i++) {
		if (k->of[i].probabilities >= 0) {
			k->role[k->of[i].probabilities].probabilities = i;
		}
		if (k->of[i].values >= 0) {
			k->role[k->of[i].values].values = i;
		}
	}
	for (int i = 0; i < s->graph->values; i++) {
		const struct role *r = &k->role[i];

		(*chosen)[i] = r->tensor >= 0 || r->probabilities >= 0 || r->values >= 0;
	}
	return QB_OK;
}

static bool has_map(const struct reporter *k, int tensor)
{
	return k->opt->maps && k->r->sequences->stream.at[tensor].kind == QB_STREAM_RESIDUAL;
}

static void see_tensor(struct reporter *k, int i, const struct qb_sequence *s)
{
	struct qb_outliers *o = &k->slot[s->slot].tensor[i];
	/* Of other tensors than the stream's tokens nothing is known of padding. */
	const bool *kept = o->tokens == k->r->sequences->tokens ? s->kept : NULL;

	qb_outliers_add(o, s->x, kept);
	if (s->number == 0 && has_map(k, i) && !qb__outlier_map_take(&k->r->map[i], s->x, o->tokens, o->channels, kept)) {
		k->no_memory = true;
	}
}

static void see_probabilities(struct reporter *k, int i, const struct qb_sequence *s)
{
	const struct qb_sequences *all = k->r->sequences;
	const struct heads_layout *l = &k->of[i].p;
	struct qb_attention_report *a = &k->r->attention[i];

	for (int64_t h = 0; h < a->heads; h++) {
		const struct qb_attention_matrix m = {.p = s->x + h * l->head, .tokens = all->tokens, .row = l->row, .column = l->column,
			.causal = all->attention.at[i].causal, .kept = s->kept};

		qb_attention_head_add(&k->slot[s->slot].head[i][h], &m, k->scratch + (int64_t)s->thread * all->tokens);
		if (s->number == 0 && a->map && !qb__attention_map_take(&a->map[h], &m, k->side)) {
			k->no_memory = true;
		}
	}
}

static void see_values(struct reporter *k, int i, const struct qb_sequence *s)
{
	const struct attention_values *of = &k->of[i];

	for (int64_t h = 0; h < k->r->attention[i].heads; h++) {
		qb_attention_head_add_values(&k->slot[s->slot].head[i][h], s->x + h * of->v.head, k->r->sequences->tokens, of->width,
			of->v.row, of->v.column, s->kept);
	}
}

static void see(void *arg, const struct qb_sequence *s)
{
	struct reporter *k = arg;
	const struct role *r = &k->role[s->value];

	if (r->tensor >= 0) {
		see_tensor(k, r->tensor, s);
	}
	if (r->probabilities >= 0) {
		see_probabilities(k, r->probabilities, s);
	}
	if (r->values >= 0) {
		see_values(k, r->values, s);
	}
}

static void close_window(void *arg, int64_t slots)
{
	struct reporter *k = arg;

	for (int64_t j = 0; j < slots; j++) {
		struct slot *slot = &k->slot[j];

		for (int i = 0; i < tensors(k); i++) {
			qb_outliers_merge(&k->r->tensor[i], &slot->tensor[i]);
			qb_outliers_clear(&slot->tensor[i]);
		}
		for (int i = 0; i < attentions(k); i++) {
			for (int64_t h = 0; h < k->r->attention[i].heads; h++) {
				qb_attention_head_merge(&k->r->attention[i].head[h], &slot->head[i][h]);
				slot->head[i][h] = (struct qb_attention_head){0};
			}
		}
	}
}

/* ---- what it comes to ---- */

static void summarize_tensors(struct qb_outlier_report *r)
{
	double kurtosis = 0;
	int measured = 0;

	r->worst = -1;
	r->max_inf_norm = r->max_kurtosis = NAN;
	for (int i = 0; i < r->sequences->stream.count; i++) {
		double norm = qb_outliers_inf_norm(&r->tensor[i]), k = qb_outliers_kurtosis(&r->tensor[i]);

		if (!r->sequences->stream.at[i].measured) {
			continue;
		}
		if (r->worst < 0 || norm > r->max_inf_norm || isnan(norm)) {
			r->max_inf_norm = norm;
			r->worst = i;
		}
		r->max_kurtosis = measured == 0 || k > r->max_kurtosis || isnan(k) ? k : r->max_kurtosis;
		kurtosis += k;
		measured++;
	}
	r->avg_kurtosis = qb_mean_of(kurtosis, measured);
}

static void summarize_heads(struct qb_outlier_report *r)
{
	int64_t heads = 0, sinks = 0;

	for (int i = 0; i < r->sequences->attention.count; i++) {
		for (int64_t h = 0; h < r->attention[i].heads; h++) {
			sinks += qb_attention_head_is_sink(&r->attention[i].head[h]);
			heads++;
		}
	}
	r->sink_share = qb_mean_of((double)sinks, heads);
}

static enum qb_err heard(void *arg, double share, struct qb_errbuf *eb)
{
	const struct reporter *k = arg;

	return k->opt->progress ? k->opt->progress(k->opt->arg, share, eb) : QB_OK;
}

static enum qb_err work(struct reporter *k, struct qb_errbuf *eb)
{
	const struct qb_sequence_work w = {see, close_window, heard, k};
	bool *chosen = NULL;
	enum qb_err err;

	QB_TRY_OUT(report_init(k, eb));
	QB_TRY_OUT(choose(k, &chosen, eb));
	QB_TRY_OUT(qb_sequences_run(k->r->sequences, chosen, &w, eb));
	if (k->no_memory) {
		err = no_memory(eb);
		goto out;
	}
	summarize_tensors(k->r);
	summarize_heads(k->r);
out:
	free(chosen);
	return err;
}

enum qb_err qb_outlier_report_create(struct qb_outlier_report **out, const struct qb_graph *model, const struct qb_dataset *data,
	const struct qb_outlier_options *opt, struct qb_errbuf *eb)
{
	struct reporter k = {.r = calloc(1, sizeof(*k.r)), .opt = opt};
	enum qb_err err;

	if (!k.r) {
		return no_memory(eb);
	}
	err = qb_sequences_create(&k.r->sequences, model, data, opt->samples, opt->threads, eb);
	if (err == QB_OK) {
		err = work(&k, eb);
		reporter_fini(&k);
	}
	if (err != QB_OK) {
		qb_outlier_report_destroy(&k.r);
		return err;
	}
	*out = k.r;
	return QB_OK;
}

static void attention_fini(struct qb_attention_report *a)
{
	for (int64_t h = 0; a->map && h < a->heads; h++) {
		qb__attention_map_fini(&a->map[h]);
	}
	free(a->map);
	free(a->head);
}

void qb_outlier_report_destroy(struct qb_outlier_report **report)
{
	struct qb_outlier_report *r = *report;

	if (!r) {
		return;
	}
	for (int i = 0; r->sequences && i < r->sequences->stream.count; i++) {
		if (r->tensor) {
			qb_outliers_fini(&r->tensor[i]);
		}
		if (r->map) {
			qb__outlier_map_fini(&r->map[i]);
		}
	}
	for (int i = 0; r->attention && i < r->sequences->attention.count; i++) {
		attention_fini(&r->attention[i]);
	}
	free(r->tensor);
	free(r->map);
	free(r->attention);
	qb_sequences_destroy(&r->sequences);
	free(r);
	*report = NULL;
}
