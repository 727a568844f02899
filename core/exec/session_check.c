/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions that hold their steps to what they declare: memory is filled with NaNs wherever a step may rely on nothing, and
 * whatever a step does not declare to write must be as it was before.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/plan.h"

enum { POISON = 0xff }; /* every float of it is a NaN, every byte the farthest from 0 */

enum qb_err qb_session_check_steps(struct qb_session *session, struct qb_errbuf *eb)
{
	if (!session->before) {
		session->before = qb_aligned_alloc(session->plan->arena_bytes[session->keep], 1);
	}
	return session->before ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory to check the steps of a session");
}

static void poison(struct qb_session *s, const struct qb_buffer *u)
{
	memset(s->arena + u->offset[s->keep], POISON, u->bytes);
}

void qb__check_run(struct qb_session *s)
{
	const struct qb_plan *p = s->plan;

	memset(s->arena, POISON, p->arena_bytes[s->keep]);
	for (int i = 0; i < p->graph->outputs; i++) {
		int id = p->output[i].buffer;

		if (id > 0 && p->buffer[id].bound == QB_BOUND_OUTPUT) {
			memset(s->bound[id], POISON, p->buffer[id].bytes);
		}
	}
}

void qb__check_before(struct qb_session *s, const struct qb_step *step)
{
	for (int i = 0; i < step->scratch.n; i++) {
		if (step->scratch.id[i]) {
			poison(s, &s->plan->buffer[step->scratch.id[i]]);
		}
	}
	memset(s->scratch, POISON, s->plan->scratch_bytes);
	memcpy(s->before, s->arena, s->plan->arena_bytes[s->keep]);
}

/* Takes what a step writes over, so that the rest can be compared. */
static void accept(struct qb_session *s, const struct qb_ids *ids)
{
	for (int i = 0; i < ids->n; i++) {
		const struct qb_buffer *u = ids->id[i] > 0 ? &s->plan->buffer[ids->id[i]] : NULL;

		if (u && !u->bound) {
			memcpy(s->before + u->offset[s->keep], s->arena + u->offset[s->keep], u->bytes);
		}
	}
}

static enum qb_err fail_at(const struct qb_session *s, int i, size_t at, struct qb_errbuf *eb)
{
	const struct qb_plan *p = s->plan;
	const struct qb_step *step = &p->step[i];
	int hit = 0;

	for (int k = 1; k < p->buffers; k++) {
		const struct qb_buffer *u = &p->buffer[k];
		bool lives = !u->bound && u->first >= 0 && u->first <= i && i <= u->last;

		hit = lives && u->offset[s->keep] <= at && at < u->offset[s->keep] + u->bytes ? k : hit;
	}
	return qb_fail(eb, QB_EINTERNAL, "step %d (%s %s of %s) writes byte %zu of the arena, in %s %d, which it does not declare",
		i, step->what, step->implementation, step->node ? step->node->name : "the outputs", at,
		hit ? "buffer" : "no buffer:", hit);
}

enum qb_err qb__check_after(struct qb_session *s, int i, struct qb_errbuf *eb)
{
	const struct qb_plan *p = s->plan;
	size_t bytes = p->arena_bytes[s->keep];

	accept(s, &p->step[i].write);
	accept(s, &p->step[i].scratch);
	if (memcmp(s->arena, s->before, bytes)) {
		size_t at = 0;

		while (s->arena[at] == s->before[at]) {
			at++;
		}
		return fail_at(s, i, at, eb);
	}
	for (int k = 1; k < p->buffers; k++) {
		const struct qb_buffer *u = &p->buffer[k];

		if (u->last == i && !u->bound && !(s->keep && u->observed)) {
			poison(s, u);
		}
	}
	return QB_OK;
}
