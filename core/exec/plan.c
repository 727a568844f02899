/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/plan.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/lowerings.h"
#include "core/graph/op.h"

/* Observers: where a value is seen and quantized, right after it is made. */

/* The layout in which channels (dimension 1 of four or five, else the last) are innermost. */
static struct qb_layout channels_last(const struct qb_shape *shape)
{
	return shape->ndim == 4 || shape->ndim == 5 ? qb_layout_channels_last(shape) : qb_layout_dense(shape);
}

static enum qb_err add_observer(struct qb_builder *b, const struct qb_value *v, struct qb_errbuf *eb)
{
	struct qb_plan *p = b->plan;
	const struct qb_place *home = qb_builder_home(b, v);
	struct qb_step s = {.kind = QB_STEP_OBSERVE, .node = b->node, .what = "observer",
		.implementation = "", .value = v->index, .place = *home};

	s.numbers = qb_layout_elements(&home->layout);
	s.padded = qb_layout_is_padded(&home->layout);
	s.scratch_layout = channels_last(&v->shape);
	if (!qb_layout_equal(&s.scratch_layout, &home->layout)) {
		QB_TRY(qb__reorder_create(&s.to_scratch, p->arena, &home->layout, &s.scratch_layout, eb));
		QB_TRY(qb__reorder_create(&s.from_scratch, p->arena, &s.scratch_layout, &home->layout, eb));
		p->observer_scratch_bytes =
			QB_MAX(p->observer_scratch_bytes, qb_layout_bytes(&s.scratch_layout));
	}
	QB_TRY(qb__ids(b, &s.read, &home->buffer, 1, eb));
	QB_TRY(qb__ids(b, &s.write, &home->buffer, 1, eb)); /* quantized in place */
	p->buffer[home->buffer].observed = true;
	return qb__add_step(b, &s, eb);
}

static bool wants_observer(const struct qb_builder *b, const struct qb_value *v)
{
	return v && v->dtype == QB_F32 && b->observed && b->observed[v->index];
}

enum qb_err qb__place_inputs(struct qb_builder *b, struct qb_errbuf *eb)
{
	const struct qb_graph *g = b->plan->graph;

	b->plan->input = qb_arena_alloc(b->plan->arena, (size_t)g->inputs + 1, sizeof(int));
	if (!b->plan->input) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int i = 0; i < g->inputs; i++) {
		struct qb_layout layout = qb_layout_dense(&g->input[i]->shape);
		struct qb_place place;

		QB_TRY(qb_builder_define(b, g->input[i], &layout, &place, eb));
		b->plan->input[i] = place.buffer;
		/* The caller's, before the first step. */
		b->plan->buffer[place.buffer].first = b->plan->buffer[place.buffer].last = 0;
		b->plan->buffer[place.buffer].bound = b->plan->mode == QB_PLAN_TRAINING ? QB_BOUND_INPUT : QB_BOUND_NOT;
	}
	return QB_OK;
}

static enum qb_err observe_inputs(struct qb_builder *b, struct qb_errbuf *eb)
{
	const struct qb_graph *g = b->plan->graph;

	for (int i = 0; i < g->inputs; i++) {
		if (wants_observer(b, g->input[i])) {
			QB_TRY(add_observer(b, g->input[i], eb));
		}
	}
	return QB_OK;
}

enum qb_err qb__plan_float(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	qb_lowering *lower = qb__lowering_f32(n->op);
	enum qb_err err;

	b->node = n;
	err = lower ? lower(b, op, eb) : QB_EUNSUPPORTED;
	if (err == QB_EUNSUPPORTED) {
		err = qb_builder_eval(b, op, eb);
	}
	if (err != QB_OK) {
		return qb_fail_in(eb, err, "planning node %s (%s)", n->name, n->type);
	}
	return QB_OK;
}

static enum qb_err plan_operator(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;

	if (qb__is_absorbed(b, n)) {
		return QB_OK;
	}
	QB_TRY(qb__plan_float(b, op, eb));
	for (int i = 0; i < n->outputs; i++) {
		if (wants_observer(b, n->output[i])) {
			QB_TRY(add_observer(b, n->output[i], eb));
		}
	}
	return QB_OK;
}

/* Steps write outputs where the caller wants them, but for those that are an input's or another output's memory. */
static void bind_outputs(struct qb_plan *p)
{
	for (int i = 0; i < p->graph->outputs; i++) {
		struct qb_buffer *u = p->output[i].buffer >= 0 ? &p->buffer[p->output[i].buffer] : NULL;

		if (u && !u->bound && u->first >= 0) {
			u->bound = QB_BOUND_OUTPUT;
			u->offset[0] = p->unwanted_bytes;
			p->unwanted_bytes += qb_align_up(u->bytes, 64);
		}
	}
}

enum qb_err qb__place_outputs(struct qb_builder *b, struct qb_errbuf *eb)
{
	struct qb_plan *p = b->plan;

	b->node = NULL;
	p->output = qb_arena_alloc(p->arena, (size_t)p->graph->outputs, sizeof(*p->output));
	if (!p->output) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int i = 0; i < p->graph->outputs; i++) {
		const struct qb_value *v = p->graph->output[i];

		if (v->constant) {
			p->output[i].buffer = -1;
			continue;
		}
		QB_TRY(qb_builder_dense(b, v, &p->output[i], eb));
	}
	for (int i = 0; i < p->graph->outputs; i++) {
		if (p->output[i].buffer >= 0) {
			p->buffer[p->output[i].buffer].last = p->steps;
		}
	}
	if (p->mode == QB_PLAN_TRAINING) {
		bind_outputs(p);
		return qb__plan_common(p, eb);
	}
	return QB_OK;
}

static enum qb_err build(struct qb_plan *p, const bool *observed, struct qb_errbuf *eb)
{
	struct qb_builder b = {.plan = p, .observed = observed};

	QB_TRY(qb_lowered_list_make(&b.lowered, p->arena, p->graph, p->mode, observed, eb));
	p->home = qb_arena_alloc(p->arena, (size_t)p->graph->values + 1, sizeof(*p->home));
	if (!p->home) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	QB_TRY(qb__place_inputs(&b, eb));
	QB_TRY(observe_inputs(&b, eb));
	for (int i = 0; i < b.lowered.count; i++) {
		QB_TRY(plan_operator(&b, b.lowered.op[i], eb));
	}
	QB_TRY(qb__place_outputs(&b, eb));
	return qb__plan_layout(p, eb);
}

enum qb_err qb__plan_make(struct qb_plan **out, const struct qb_plan *as, qb__build_fn *build_steps,
	const bool *observed, struct qb_errbuf *eb)
{
	struct qb_plan *p = calloc(1, sizeof(*p));
	struct qb_arena *arena = p ? qb_arena_create() : NULL;
	enum qb_err err;
	int before;

	if (!arena) {
		free(p);
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	*p = *as;
	p->arena = arena;
	/* A primitive divides its work for the threads it finds when it is made. */
	before = qb_threads_use(p->threads);
	err = build_steps(p, observed, eb);
	qb_threads_use(before);
	if (err != QB_OK) {
		qb_plan_destroy(&p);
		return err;
	}
	*out = p;
	return QB_OK;
}

enum qb_err qb_plan_create(struct qb_plan **out, const struct qb_graph *graph, enum qb_plan_mode mode, int threads,
	const bool *observed, struct qb_errbuf *eb)
{
	const struct qb_plan as = {.graph = graph, .mode = mode, .threads = threads};

	return qb__plan_make(out, &as, build, mode == QB_PLAN_OBSERVED ? observed : NULL, eb);
}

void qb_plan_destroy(struct qb_plan **plan)
{
	struct qb_plan *p = *plan;

	if (!p) {
		return;
	}
	for (int i = 0; i < p->steps; i++) {
		qb__primitive_destroy(&p->step[i].primitive);
		qb__primitive_destroy(&p->step[i].to_scratch);
		qb__primitive_destroy(&p->step[i].from_scratch);
	}
	qb_overlay_destroy(&p->overlay);
	for (int i = 0; i < p->weights; i++) {
		qb__memory_destroy(&p->weight[i].memory);
		if (p->weight[i].owned) {
			free(p->weight[i].data);
		}
	}
	qb_arena_destroy(&p->arena);
	free(p);
	*plan = NULL;
}

size_t qb_plan_bytes(const struct qb_plan *plan)
{
	size_t n = 0;

	for (int i = 0; i < plan->weights; i++) {
		n += plan->weight[i].owned ? qb_layout_bytes(&plan->weight[i].layout) : 0;
	}
	return n;
}

size_t qb_plan_session_bytes(const struct qb_plan *plan)
{
	return plan->arena_bytes[0] + plan->scratch_bytes + plan->observer_scratch_bytes;
}

int qb_plan_steps(const struct qb_plan *plan)
{
	return plan->steps;
}

int qb_plan_steps_for(const struct qb_plan *plan, const bool *wanted)
{
	int n = 0;

	for (int i = 0; i < plan->steps; i++) {
		if (plan->step[i].kind == QB_STEP_OBSERVE && wanted[plan->step[i].value]) {
			n = i + 1;
		}
	}
	return n;
}

struct qb_step_info qb_plan_step(const struct qb_plan *plan, int i)
{
	const struct qb_step *s = &plan->step[i];

	return (struct qb_step_info){s->node, s->what, s->implementation,
		s->node && s->kind != QB_STEP_OBSERVE ? (double)qb_node_macs(s->node) : 0,
		s->why_float};
}
