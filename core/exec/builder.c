/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/builder.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/onednn.h"
#include "core/exec/plan.h"
#include "core/graph/op.h"

void *qb__grow(struct qb_arena *arena, void *array, int count, int *cap, size_t size)
{
	int more = *cap ? 2 * *cap : 32;
	void *p;

	if (count < *cap) {
		return array;
	}
	p = qb_arena_alloc(arena, (size_t)more, size);
	if (p && count) {
		memcpy(p, array, (size_t)count * size);
	}
	if (p) {
		*cap = more;
	}
	return p;
}

static enum qb_err no_memory(struct qb_errbuf *eb)
{
	return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
}

enum qb_err qb__ids(struct qb_builder *b, struct qb_ids *out, const int *id, int n, struct qb_errbuf *eb)
{
	*out = (struct qb_ids){n, qb_arena_alloc(b->plan->arena, (size_t)n + 1, sizeof(*out->id))};
	if (!out->id) {
		return no_memory(eb);
	}
	if (id) {
		memcpy(out->id, id, (size_t)n * sizeof(*id));
	}
	return QB_OK;
}

/* Lives of buffers: what a step writes lives from it on, and what it reads or writes up to it. */
static void live(struct qb_plan *p, const struct qb_ids *ids, bool begins)
{
	for (int i = 0; i < ids->n; i++) {
		struct qb_buffer *u = ids->id[i] > 0 ? &p->buffer[ids->id[i]] : NULL;

		if (u) {
			u->first = begins && u->first < 0 ? p->steps : u->first;
			u->last = p->steps;
		}
	}
}

static enum qb_err check_reads(const struct qb_plan *p, const struct qb_step *step, struct qb_errbuf *eb)
{
	for (int i = 0; i < step->read.n; i++) {
		const struct qb_buffer *u = step->read.id[i] > 0 ? &p->buffer[step->read.id[i]] : NULL;

		if (u && u->first < 0 && u->bytes) {
			return qb_fail(eb, QB_EINTERNAL, "step %d (%s %s of %s) reads a buffer that no step before it writes",
				p->steps, step->what, step->implementation, step->node ? step->node->name : "the outputs");
		}
	}
	return QB_OK;
}

enum qb_err qb__add_step(struct qb_builder *b, const struct qb_step *step,
	struct qb_errbuf *eb)
{
	struct qb_plan *p = b->plan;
	struct qb_step *all = qb__grow(p->arena, p->step, p->steps, &p->steps_cap, sizeof(*all));

	if (!all) {
		return no_memory(eb);
	}
	p->step = all;
	QB_TRY(check_reads(p, step, eb));
	live(p, &step->read, false);
	live(p, &step->write, true);
	live(p, &step->scratch, true);
	p->step[p->steps++] = *step;
	if (step->primitive) {
		p->scratch_bytes = QB_MAX(p->scratch_bytes, qb__primitive_scratch(step->primitive));
	}
	return QB_OK;
}

/* Buffers */

enum qb_err qb__add_buffer(struct qb_builder *b, size_t bytes, int *id, struct qb_errbuf *eb)
{
	struct qb_plan *p = b->plan;
	struct qb_buffer *all =
		qb__grow(p->arena, p->buffer, p->buffers, &p->buffers_cap, sizeof(*all));

	if (!all) {
		return no_memory(eb);
	}
	p->buffer = all;
	p->buffers = QB_MAX(p->buffers, 1);
	p->buffer[p->buffers] = (struct qb_buffer){.bytes = bytes, .first = -1, .last = -1};
	*id = p->buffers++;
	return QB_OK;
}

bool qb_builder_is_observed(const struct qb_builder *b, const struct qb_value *v)
{
	return b->observed && b->observed[v->index];
}

bool qb_builder_is_frozen(const struct qb_builder *b)
{
	return b->plan->mode == QB_PLAN_FROZEN;
}

bool qb_builder_is_training(const struct qb_builder *b)
{
	return b->plan->mode == QB_PLAN_TRAINING;
}

static enum qb_err add_copy(struct qb_builder *b, const struct qb_value *v,
	const struct qb_place *place, struct qb_errbuf *eb)
{
	struct qb_copy *c = qb_arena_alloc(b->plan->arena, 1, sizeof(*c));
	struct qb_copy **end = &b->plan->home[v->index];

	if (!c) {
		return no_memory(eb);
	}
	c->place = *place;
	while (*end) {
		end = &(*end)->next;
	}
	*end = c;
	return QB_OK;
}

const struct qb_lowered *qb_builder_only_user(const struct qb_builder *b, const struct qb_value *v)
{
	return qb_lowered_only_user(&b->lowered, v);
}

const struct qb_lowered *qb_builder_producer(const struct qb_builder *b, const struct qb_value *v)
{
	return qb_lowered_producer(&b->lowered, v);
}

void *qb_builder_alloc(struct qb_builder *b, size_t count, size_t size)
{
	return qb_arena_alloc(b->plan->arena, count, size);
}

int qb_builder_threads(const struct qb_builder *b)
{
	return b->plan->threads;
}

bool qb_builder_has(const struct qb_builder *b, const struct qb_value *v)
{
	return b->plan->home[v->index] != NULL;
}

enum qb_err qb_builder_absorb(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	if (!b->absorbed) {
		b->absorbed = qb_arena_alloc(b->plan->arena, (size_t)b->plan->graph->nodes, sizeof(*b->absorbed));
		if (!b->absorbed) {
			return no_memory(eb);
		}
	}
	b->absorbed[n->index] = true;
	return QB_OK;
}

const struct qb_place *qb_builder_home(const struct qb_builder *b, const struct qb_value *v)
{
	return &b->plan->home[v->index]->place;
}

/* A constant that a step wants as a value: its numbers are copied into a buffer that is never reused. */
static enum qb_err constant_home(struct qb_builder *b, const struct qb_value *v,
	struct qb_errbuf *eb)
{
	return qb_fail(eb, QB_EINTERNAL, "node %s: constant %s has no place of its own",
		b->node ? b->node->name : "", v->name);
}

enum qb_err qb_builder_source(struct qb_builder *b, const struct qb_value *v,
	const struct qb_layout *want, struct qb_place *out, struct qb_errbuf *eb)
{
	struct qb_copy *c = b->plan->home[v->index];
	struct qb_place copy = {.layout = *want};
	enum qb_err err;

	if (!c) {
		return constant_home(b, v, eb);
	}
	for (; c; c = c->next) {
		if (qb_layout_equal(&c->place.layout, want)) {
			*out = c->place;
			return QB_OK;
		}
	}
	QB_TRY(qb__add_buffer(b, qb_layout_bytes(want), &copy.buffer, eb));
	err = qb__add_channels_last(b, v, qb_builder_home(b, v), &copy, eb);
	QB_TRY(err == QB_EUNSUPPORTED ? qb__add_reorder(b, qb_builder_home(b, v), &copy, eb) : err);
	QB_TRY(add_copy(b, v, &copy, eb));
	*out = copy;
	return QB_OK;
}

enum qb_err qb_builder_dense(struct qb_builder *b, const struct qb_value *v, struct qb_place *out,
	struct qb_errbuf *eb)
{
	struct qb_layout dense;

	if (v->dtype != QB_F32) {
		*out = *qb_builder_home(b, v);
		return QB_OK;
	}
	dense = qb_layout_dense(&v->shape);
	return qb_builder_source(b, v, &dense, out, eb);
}

enum qb_err qb_builder_plain(struct qb_builder *b, const struct qb_value *v, struct qb_place *out,
	struct qb_errbuf *eb)
{
	const struct qb_copy *c = b->plan->home[v->index];
	size_t bytes = v->dtype == QB_F32 ? qb_value_bytes(v) : 0;

	if (c && bytes && !c->place.layout.blocks && qb_layout_bytes(&c->place.layout) == bytes) {
		*out = c->place;
		return QB_OK;
	}
	return qb_builder_dense(b, v, out, eb);
}

enum qb_err qb_builder_room(struct qb_builder *b, size_t bytes, int *buffer, struct qb_errbuf *eb)
{
	return qb__add_buffer(b, bytes, buffer, eb);
}

enum qb_err qb_builder_define(struct qb_builder *b, const struct qb_value *v,
	const struct qb_layout *layout, struct qb_place *out, struct qb_errbuf *eb)
{
	struct qb_place p = {0};
	size_t bytes = v->dtype == QB_F32 ? qb_layout_bytes(layout) : qb_value_bytes(v);

	if (v->dtype == QB_F32) {
		p.layout = *layout;
	}
	QB_TRY(qb__add_buffer(b, bytes, &p.buffer, eb));
	QB_TRY(add_copy(b, v, &p, eb));
	*out = p;
	return QB_OK;
}

enum qb_err qb_builder_alias(struct qb_builder *b, const struct qb_value *v, int buffer,
	const struct qb_layout *layout, struct qb_errbuf *eb)
{
	struct qb_place p = {.buffer = buffer, .layout = *layout};

	return add_copy(b, v, &p, eb);
}

/* Weights */

enum qb_err qb__lay_weight(const struct qb_weight *w, const float *numbers, void *to, struct qb_errbuf *eb)
{
	memset(to, 0, qb_layout_bytes(&w->layout));
	if (w->make) {
		w->make(w->context, numbers, to);
		return QB_OK;
	}
	return qb__reorder_now(&w->as, numbers, &w->layout, to, eb);
}

static enum qb_err prepare_weight(struct qb_weight *w, struct qb_errbuf *eb)
{
	w->data = w->value->constant->data;
	if (w->make || !qb_layout_equal(&w->as, &w->layout)) {
		size_t bytes = qb_layout_bytes(&w->layout);

		w->data = qb_aligned_alloc(bytes, 1);
		if (!w->data) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the weight %s", w->value->name);
		}
		w->owned = true;
		QB_TRY(qb__lay_weight(w, w->value->constant->data, w->data, eb));
	}
	return qb__memory_create(&w->memory, &w->layout, w->data, eb);
}

static enum qb_err add_weight(struct qb_builder *b, const struct qb_weight *w, int *id, struct qb_errbuf *eb)
{
	struct qb_plan *p = b->plan;
	struct qb_weight *all = qb__grow(p->arena, p->weight, p->weights, &p->weights_cap, sizeof(*all));

	if (!all) {
		return no_memory(eb);
	}
	p->weight = all;
	*id = p->weights++;
	p->weight[*id] = *w;
	return prepare_weight(&p->weight[*id], eb);
}

enum qb_err qb_builder_weight(struct qb_builder *b, const struct qb_value *v,
	const struct qb_layout *as, const struct qb_layout *want, int *id,
	struct qb_errbuf *eb)
{
	struct qb_plan *p = b->plan;

	for (int i = 0; i < p->weights; i++) {
		const struct qb_weight *w = &p->weight[i];

		/* The same numbers may be read as another matrix: a square one plain and transposed. */
		if (w->value == v && !w->make && qb_layout_equal(&w->as, as) &&
			qb_layout_equal(&w->layout, want)) {
			*id = i;
			return QB_OK;
		}
	}
	return add_weight(b, &(struct qb_weight){.value = v, .as = *as, .layout = *want}, id, eb);
}

enum qb_err qb_builder_operand(struct qb_builder *b, const struct qb_value *v, const struct qb_layout *as,
	const struct qb_layout *want, struct qb_place *out, struct qb_errbuf *eb)
{
	struct qb_layout dense = qb_layout_dense(&v->shape);
	struct qb_place place = {.layout = *want}, from;

	if (v->constant) {
		QB_TRY(qb_builder_weight(b, v, as, want, &place.buffer, eb));
		place.buffer = QB_CALL_WEIGHT(place.buffer);
		*out = place;
		return QB_OK;
	}
	if (v->dtype == QB_F32 && qb_layout_equal(as, &dense)) {
		return qb_builder_source(b, v, want, out, eb);
	}
	QB_TRY(qb_builder_dense(b, v, &from, eb));
	from.layout = *as;
	if (qb_layout_equal(as, want)) {
		*out = from;
		return QB_OK;
	}
	QB_TRY(qb__add_buffer(b, qb_layout_bytes(want), &place.buffer, eb));
	QB_TRY(qb__add_reorder(b, &from, &place, eb));
	*out = place;
	return QB_OK;
}

enum qb_err qb_builder_read(struct qb_builder *b, const struct qb_value *v, bool channels_last, int *read, struct qb_errbuf *eb)
{
	struct qb_layout dense = qb_layout_dense(&v->shape), want = channels_last ? qb_layout_channels_last(&v->shape) : dense;
	struct qb_place place;

	QB_TRY(qb_builder_operand(b, v, &dense, &want, &place, eb));
	*read = place.buffer;
	return QB_OK;
}

enum qb_err qb_builder_made_weight(struct qb_builder *b, const struct qb_value *v, qb_weight_fn *make,
	const void *context, size_t context_bytes, size_t numbers, int *id, struct qb_errbuf *eb)
{
	struct qb_weight w = {.value = v, .as = qb_layout_dense(&v->shape), .layout = qb_layout_vector((int64_t)numbers), .make = make,
		.context = qb_arena_alloc(b->plan->arena, 1, context_bytes)};

	if (!w.context) {
		return no_memory(eb);
	}
	memcpy(w.context, context, context_bytes);
	return add_weight(b, &w, id, eb);
}

/* Steps */

enum qb_err qb_builder_call(struct qb_builder *b, const struct qb_node *n, const struct qb_call *call,
	struct qb_errbuf *eb)
{
	struct qb_step s = {.kind = QB_STEP_CALL, .node = n, .what = "float", .implementation = call->name,
		.fn = call->fn, .context = qb_arena_alloc(b->plan->arena, 1, call->context_bytes)};

	if (!s.context) {
		return no_memory(eb);
	}
	memcpy(s.context, call->context, call->context_bytes);
	QB_TRY(qb__ids(b, &s.read, call->reads, QB_CALL_READS, eb));
	QB_TRY(qb__ids(b, &s.write, call->writes, QB_CALL_WRITES, eb));
	QB_TRY(qb__ids(b, &s.scratch, NULL, QB_CALL_SCRATCH, eb));
	for (int i = 0; i < QB_CALL_SCRATCH; i++) {
		if (call->scratch[i]) {
			QB_TRY(qb__add_buffer(b, call->scratch[i], &s.scratch.id[i], eb));
		}
	}
	return qb__add_step(b, &s, eb);
}

enum qb_err qb_builder_shard_sum(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_value *x = n->input[0], *y = n->output[0];
	struct qb_step s = {.kind = QB_STEP_SHARD_SUM, .node = n, .what = "float", .implementation = "sum over shards",
		.dtype = x->dtype};
	struct qb_place from, to;

	if (x->constant || (x->dtype != QB_F32 && x->dtype != QB_F64)) {
		return QB_EUNSUPPORTED;
	}
	from = *qb_builder_home(b, x);
	QB_TRY(qb_builder_define(b, y, &from.layout, &to, eb));
	QB_TRY(qb__ids(b, &s.read, &from.buffer, 1, eb));
	QB_TRY(qb__ids(b, &s.write, &to.buffer, 1, eb));
	return qb__add_step(b, &s, eb);
}

enum qb_err qb_builder_eval(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct qb_step s = {.kind = QB_STEP_EVAL, .node = n, .what = "float",
		.implementation = "plain C", .lowered = op};
	struct qb_place place;

	QB_TRY(qb__ids(b, &s.read, NULL, n->inputs + 1, eb));
	QB_TRY(qb__ids(b, &s.write, NULL, n->outputs, eb));
	for (int i = 0; i < n->inputs; i++) {
		const struct qb_value *v = n->input[i];

		if (v && !v->constant) {
			QB_TRY(qb_builder_dense(b, v, &place, eb));
			s.read.id[i] = place.buffer;
		}
	}
	if (op->residual) {
		QB_TRY(qb_builder_dense(b, op->residual, &place, eb));
		s.read.id[n->inputs] = place.buffer;
	}
	for (int i = 0; i < n->outputs; i++) {
		const struct qb_value *v = n->output[i];

		if (v) {
			struct qb_layout dense = qb_layout_dense(&v->shape);

			QB_TRY(qb_builder_define(b, v, &dense, &place, eb));
			s.write.id[i] = place.buffer;
		}
	}
	return qb__add_step(b, &s, eb);
}
