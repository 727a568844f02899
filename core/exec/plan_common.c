/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps of a training plan that give the same in all shards, because they read nothing but parameters and what such steps made of
 * them: packed or quantized weights. The shards run each of them once (core/exec/shards.c), into memory that all of them read.
 */
#include "core/base/size.h"
#include "core/exec/plan.h"

static void find_common_inputs(struct qb_plan *p, int *stage)
{
	for (int i = 0; i < p->graph->inputs; i++) {
		stage[p->input[i]] = p->graph->input[i]->common ? 0 : -1;
	}
}

/* Whether its output may lie apart from the arena: what several steps write is changed in place. */
static bool is_alone(const struct qb_plan *p, const int *writers, const struct qb_step *s)
{
	for (int i = 0; i < s->write.n; i++) {
		int id = s->write.id[i];

		if (id && (writers[id] > 1 || p->buffer[id].bound)) {
			return false;
		}
	}
	return true;
}

/* The stage after those of all that it reads; 0: it is each shard's own. */
static int stage_of(const struct qb_step *s, const int *stage)
{
	int last = -1;

	if (s->kind != QB_STEP_CALL && s->kind != QB_STEP_EVAL) {
		return 0;
	}
	for (int i = 0; i < s->read.n; i++) {
		if (s->read.id[i] > 0 && stage[s->read.id[i]] < 0) {
			return 0;
		}
		last = s->read.id[i] > 0 ? QB_MAX(last, stage[s->read.id[i]]) : last;
	}
	return last + 1;
}

static void move_out(struct qb_plan *p, const struct qb_step *s, int *stage)
{
	for (int i = 0; i < s->write.n; i++) {
		struct qb_buffer *u = s->write.id[i] ? &p->buffer[s->write.id[i]] : NULL;

		if (u) {
			u->bound = QB_BOUND_COMMON;
			u->offset[0] = p->common_bytes;
			p->common_bytes += qb_align_up(u->bytes, 64);
			stage[s->write.id[i]] = s->common;
		}
	}
}

enum qb_err qb__plan_common(struct qb_plan *p, struct qb_errbuf *eb)
{
	int *stage = qb_arena_alloc(p->arena, (size_t)p->buffers + 1, sizeof(*stage)); /* of buffers; -1: each shard's own */
	int *writers = qb_arena_alloc(p->arena, (size_t)p->buffers + 1, sizeof(*writers));

	if (!stage || !writers) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int i = 0; i < p->buffers; i++) {
		stage[i] = -1;
	}
	for (int i = 0; i < p->steps; i++) {
		for (int k = 0; k < p->step[i].write.n; k++) {
			writers[p->step[i].write.id[k]]++;
		}
	}
	find_common_inputs(p, stage);
	for (int i = 0; i < p->steps; i++) {
		struct qb_step *s = &p->step[i];

		s->common = is_alone(p, writers, s) ? stage_of(s, stage) : 0;
		if (s->common) {
			move_out(p, s, stage);
			p->common_stages = QB_MAX(p->common_stages, s->common);
		}
	}
	return QB_OK;
}
