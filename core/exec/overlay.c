/* SPDX-License-Identifier: Apache-2.0
 *
 * One scheme on a float plan: its weights in the plan's layouts.
 */
#include <stdlib.h>

#include "core/exec/plan.h"

static enum qb_err quantize_constant(struct qb_overlay *o, const struct qb_value *v,
	struct qb_errbuf *eb)
{
	const struct qb_quantization *q = o->quantization;
	float *y = qb_aligned_alloc(qb_tensor_size(v->constant), sizeof(*y));

	if (!y) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the quantized weight %s", v->name);
	}
	o->constant[v->index] = y;
	return qb_quantize_weight(q->q[v->index], v, q->axis[v->index], y, NULL, eb);
}

/* The quantized weight as primitive argument i of the plan. */
static enum qb_err lay_weight(struct qb_overlay *o, int i, struct qb_errbuf *eb)
{
	const struct qb_weight *w = &o->plan->weight[i];
	void *data = o->constant[w->value->index];

	if (!data) {
		return QB_OK;
	}
	if (!dnnl_memory_desc_equal(&w->as, &w->md)) {
		size_t bytes = dnnl_memory_desc_get_size(&w->md);

		o->data[i] = qb_aligned_alloc(bytes, 1);
		if (!o->data[i]) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the quantized weight %s",
				w->value->name);
		}
		QB_TRY(qb__reorder_now(&w->as, data, &w->md, o->data[i], eb));
		data = o->data[i];
	}
	return qb_dnn_check(
		dnnl_memory_create(&o->memory[i], &w->md, qb_dnn_engine(), data), "overlay", eb);
}

/* Plain-C steps read the row-major copy; where only primitives use it, it goes. */
static void drop_unread(struct qb_overlay *o)
{
	const struct qb_graph *g = o->plan->graph;
	bool *read = calloc((size_t)g->values + 1, sizeof(*read));

	for (int i = 0; read && i < o->plan->steps; i++) {
		const struct qb_step *s = &o->plan->step[i];

		for (int k = 0; s->kind == QB_STEP_EVAL && k < s->node->inputs; k++) {
			if (s->node->input[k]) {
				read[s->node->input[k]->index] = true;
			}
		}
	}
	for (int i = 0; read && i < o->plan->weights; i++) {
		if (o->memory[i] && !o->data[i]) {
			read[o->plan->weight[i].value->index] = true;
		}
	}
	for (int i = 0; read && i < g->values; i++) {
		if (!read[i]) {
			free(o->constant[i]);
			o->constant[i] = NULL;
		}
	}
	free(read);
}

enum qb_err qb_overlay_create(struct qb_overlay **out, const struct qb_plan *plan,
	const struct qb_quantization *q, struct qb_errbuf *eb)
{
	struct qb_overlay *o = calloc(1, sizeof(*o));
	const struct qb_graph *g = plan->graph;
	enum qb_err err = QB_OK;

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
		if (q->q[i] && g->value[i]->constant) {
			QB_TRY_OUT(quantize_constant(o, g->value[i], eb));
		}
	}
	for (int i = 0; i < plan->weights; i++) {
		QB_TRY_OUT(lay_weight(o, i, eb));
	}
	drop_unread(o);
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
	for (int i = 0; i < o->plan->weights; i++) {
		if (o->memory) {
			dnnl_memory_destroy(o->memory[i]);
		}
		if (o->data) {
			free(o->data[i]);
		}
	}
	free(o->constant);
	free(o->memory);
	free(o->data);
	free(o);
	*overlay = NULL;
}
