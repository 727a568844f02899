/* SPDX-License-Identifier: Apache-2.0
 *
 * One scheme on a float plan: its weights in the plan's layouts.
 */
#include <stdlib.h>

#include "core/exec/plan.h"

/* Do plain-C steps read the row-major numbers? */
static bool is_read(const struct qb_plan *p, const struct qb_value *v)
{
	for (int i = 0; i < p->steps; i++) {
		const struct qb_step *s = &p->step[i];

		for (int k = 0; s->kind == QB_STEP_EVAL && k < s->node->inputs; k++) {
			if (s->node->input[k] == v) {
				return true;
			}
		}
	}
	return false;
}

static void drop_weight(struct qb_overlay *o, int i)
{
	qb__memory_destroy(&o->memory[i]);
	free(o->data[i]);
	o->data[i] = NULL;
}

/* The numbers y as primitive argument i of the plan; *kept where the argument is y itself. */
static enum qb_err lay_weight(struct qb_overlay *o, int i, float *y, bool *kept,
	struct qb_errbuf *eb)
{
	const struct qb_weight *w = &o->plan->weight[i];
	void *data = y;

	if (qb_layout_equal(&w->as, &w->layout) && !w->make) {
		*kept = true;
	} else {
		data = o->data[i] = qb_aligned_alloc(qb_layout_bytes(&w->layout), 1);
		if (!data) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the quantized weight %s",
				w->value->name);
		}
		QB_TRY(qb__lay_weight(w, y, data, eb));
	}
	return qb__memory_create(&o->memory[i], &w->layout, data, eb);
}

static enum qb_err refresh(struct qb_overlay *o, const struct qb_value *v, struct qb_errbuf *eb)
{
	bool kept = is_read(o->plan, v);
	float *y = qb_aligned_alloc(qb_tensor_size(v->constant), sizeof(*y));

	if (!y) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the quantized weight %s", v->name);
	}
	for (int i = 0; i < o->plan->weights; i++) {
		if (o->plan->weight[i].value == v) {
			drop_weight(o, i);
		}
	}
	free(o->constant[v->index]);
	o->constant[v->index] = y;
	QB_TRY(qb_quantization_constant(o->quantization, v, y, NULL, eb));
	for (int i = 0; i < o->plan->weights; i++) {
		if (o->plan->weight[i].value == v) {
			QB_TRY(lay_weight(o, i, y, &kept, eb));
		}
	}
	if (!kept) {
		o->constant[v->index] = NULL;
		free(y);
	}
	return QB_OK;
}

enum qb_err qb_overlay_refresh(struct qb_overlay *o, const struct qb_value *v, struct qb_errbuf *eb)
{
	const struct qb_quantization *q = o->quantization;

	QB_TRY(refresh(o, v, eb));
	/* A bias stands on the scale of its weight. */
	for (int i = 0; i < q->values; i++) {
		const struct qb_value *b = o->plan->graph->value[i];

		if (q->bias[i].factor > 0 && q->bias[i].weight == v->index && qb_quantization_changes(q, b)) {
			QB_TRY(refresh(o, b, eb));
		}
	}
	return QB_OK;
}

enum qb_err qb_overlay_create(struct qb_overlay **out, const struct qb_plan *plan,
	const struct qb_quantization *q, struct qb_errbuf *eb)
{
	struct qb_overlay *o = calloc(1, sizeof(*o));
	const struct qb_graph *g = plan->graph;
	enum qb_err err = QB_OK;

	if (plan->mode != QB_PLAN_OBSERVED) {
		free(o);
		return qb_fail(eb, QB_EINTERNAL, "a frozen or training plan cannot take a scheme");
	}
	if (!o) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a scheme");
	}
	o->plan = plan;
	o->quantization = q;
	o->constant = calloc((size_t)g->values + 1, sizeof(*o->constant));
	o->data = calloc((size_t)plan->weights + 1, sizeof(*o->data));
	o->memory = calloc((size_t)plan->weights + 1, sizeof(*o->memory));
	if (!o->constant || !o->data || !o->memory) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for a scheme");
		goto out;
	}
	for (int i = 0; i < g->values; i++) {
		if (qb_quantization_changes(q, g->value[i])) {
			QB_TRY_OUT(refresh(o, g->value[i], eb));
		}
	}
	*out = o;
	o = NULL;
out:
	qb_overlay_destroy(&o);
	return err;
}

void qb_overlay_destroy(struct qb_overlay **overlay)
{
	struct qb_overlay *o = *overlay;

	if (!o) {
		return;
	}
	for (int i = 0; o->constant && i < o->plan->graph->values; i++) {
		free(o->constant[i]);
	}
	for (int i = 0; o->memory && o->data && i < o->plan->weights; i++) {
		drop_weight(o, i);
	}
	free(o->constant);
	free(o->memory);
	free(o->data);
	free(o);
	*overlay = NULL;
}
