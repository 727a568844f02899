/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/shards.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/plan.h"

/* Steps that are the same in all shards come first, then by turns each shard's own steps and sums over the shards. */
struct stage {
	const int *common;  /* [items]: such steps, independent of each other; NULL: steps [from, sums) are each shard's own, [sums, to) sums */
	int from, sums, to;
	bool last, turned;  /* of the shards' own; turned: from the last shard to the first */
};

struct qb_shards {
	const struct qb_plan *plan;
	int count, stages;
	struct qb_session **session; /* [count] */
	unsigned char *common;       /* what they have in common */
	struct stage *stage;
	int64_t *items;              /* [stages] */
	int *common_step;            /* by stage */
	int64_t *step_ns;            /* [count][steps] */
};

/* ---- sums ---- */

#define DEFINE_ADD(name, type) \
	static void name(type *restrict y, const type *restrict x, size_t n) \
	{ \
		for (size_t i = 0; i < n; i++) { \
			y[i] += x[i]; \
		} \
	}
DEFINE_ADD(add_f32, float)
DEFINE_ADD(add_f64, double)

/* In the order of the shards, into the first one's output, then to the others. */
static void sum_step(const struct qb_shards *s, const struct qb_step *step)
{
	size_t bytes = s->plan->buffer[step->read.id[0]].bytes;
	void *y = qb_session_buffer(s->session[0], step->write.id[0]);

	memcpy(y, qb_session_buffer(s->session[0], step->read.id[0]), bytes);
	for (int i = 1; i < s->count; i++) {
		const void *x = qb_session_buffer(s->session[i], step->read.id[0]);

		if (step->dtype == QB_F64) {
			add_f64(y, x, bytes / sizeof(double));
		} else {
			add_f32(y, x, bytes / sizeof(float));
		}
	}
	for (int i = 1; i < s->count; i++) {
		memcpy(qb_session_buffer(s->session[i], step->write.id[0]), y, bytes);
	}
}

/* ---- runs ---- */

struct work {
	struct qb_shards *s;
	const struct qb_shards_run *run;
};

static struct qb_run run_of(const struct work *w, int shard)
{
	const struct qb_shards_run *r = w->run;

	return (struct qb_run){.input = r->input[shard], .output = r->output ? r->output[shard] : NULL,
		.step_ns = r->step_ns ? w->s->step_ns + (size_t)shard * (size_t)w->s->plan->steps : NULL};
}

static enum qb_err run_own(const struct work *w, const struct stage *g, int shard, struct qb_errbuf *eb)
{
	struct qb_session *session = w->s->session[shard];
	struct qb_run run = run_of(w, shard);

	QB_TRY(qb__session_steps(session, &run, g->from, g->sums, eb));
	if (g->last) {
		qb__session_end(session, &run);
	}
	return QB_OK;
}

/* A step of all is run in the session of the thread's number, in whose arena nothing lives yet. */
static enum qb_err run_item(void *arg, int thread, int stage, int64_t item, struct qb_errbuf *eb)
{
	const struct work *w = arg;
	const struct stage *g = &w->s->stage[stage];
	struct qb_run run = run_of(w, thread);

	if (g->common) {
		return qb__session_step(w->s->session[thread], &run, g->common[item], eb);
	}
	return run_own(w, g, (int)(g->turned ? w->s->count - 1 - item : item), eb);
}

static void sum_up(void *arg, int stage)
{
	const struct work *w = arg;
	const struct stage *g = &w->s->stage[stage];

	for (int i = g->sums; i < g->to; i++) {
		sum_step(w->s, &w->s->plan->step[i]);
	}
}

static enum qb_err begin(const struct work *w, struct qb_errbuf *eb)
{
	for (int i = 0; i < w->s->count; i++) {
		struct qb_run run = run_of(w, i);

		QB_TRY(qb__session_begin(w->s->session[i], &run, eb));
	}
	return QB_OK;
}

enum qb_err qb_shards_run(struct qb_shards *s, const struct qb_shards_run *run, struct qb_errbuf *eb)
{
	struct work w = {s, run};
	size_t steps = (size_t)s->plan->steps;

	if (run->step_ns) {
		memset(s->step_ns, 0, (size_t)s->count * steps * sizeof(*s->step_ns));
	}
	QB_TRY(begin(&w, eb));
	QB_TRY(qb_team_run_stages(QB_MIN(run->threads, s->count), s->stages, s->items, run_item, sum_up, &w, eb));
	for (size_t i = 0; run->step_ns && i < (size_t)s->count * steps; i++) {
		run->step_ns[i % steps] += s->step_ns[i];
	}
	return QB_OK;
}

/* ---- life ---- */

static void add_common(struct qb_shards *s)
{
	const struct qb_plan *p = s->plan;
	int *at = s->common_step;

	for (int stage = 1; stage <= p->common_stages; stage++) {
		s->stage[s->stages].common = at;
		for (int i = 0; i < p->steps; i++) {
			if (p->step[i].common == stage) {
				*at++ = i;
				s->items[s->stages]++;
			}
		}
		s->stages++;
	}
}

/* Every other stage takes the shards from the last to the first: what the stage before left in the caches is read again. */
static void add_own(struct qb_shards *s)
{
	const struct qb_plan *p = s->plan;
	int i = 0, first = s->stages;
	struct stage *g;

	do {
		s->items[s->stages] = s->count;
		g = &s->stage[s->stages++];
		g->turned = (s->stages - first) % 2 == 0;
		g->from = i;
		while (i < p->steps && p->step[i].kind != QB_STEP_SHARD_SUM) {
			i++;
		}
		g->sums = i;
		while (i < p->steps && p->step[i].kind == QB_STEP_SHARD_SUM) {
			i++;
		}
		g->to = i;
	} while (i < p->steps || g->to > g->sums);
	g->last = true;
}

static enum qb_err add_sessions(struct qb_shards *s, struct qb_errbuf *eb)
{
	s->common = qb_aligned_alloc(s->plan->common_bytes, 1);
	if (!s->common) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %zu bytes that shards have in common", s->plan->common_bytes);
	}
	for (int i = 0; i < s->count; i++) {
		QB_TRY(qb_session_create(&s->session[i], s->plan, false, eb));
		s->session[i]->common = s->common;
		s->session[i]->lent = true;
	}
	return QB_OK;
}

enum qb_err qb_shards_create(struct qb_shards **out, const struct qb_plan *plan, int shards, struct qb_errbuf *eb)
{
	struct qb_shards *s;
	enum qb_err err = QB_OK;

	if (plan->mode != QB_PLAN_TRAINING || plan->threads != 1 || shards < 1) {
		return qb_fail(eb, QB_EINTERNAL, "%d shards of a plan that is not of one thread and for training", shards);
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		return qb_fail(eb, QB_ENOMEM, "no memory for shards");
	}
	s->plan = plan;
	s->count = shards;
	s->session = calloc((size_t)shards, sizeof(*s->session));
	/* A stage has a step, but for the last. */
	s->stage = calloc((size_t)plan->steps + 2, sizeof(*s->stage));
	s->items = calloc((size_t)plan->steps + 2, sizeof(*s->items));
	s->common_step = calloc((size_t)plan->steps + 1, sizeof(*s->common_step));
	s->step_ns = calloc((size_t)shards * (size_t)plan->steps + 1, sizeof(*s->step_ns));
	if (!s->session || !s->stage || !s->items || !s->common_step || !s->step_ns) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for shards");
		goto out;
	}
	add_common(s);
	add_own(s);
	QB_TRY_OUT(add_sessions(s, eb));
	*out = s;
	s = NULL;
out:
	qb_shards_destroy(&s);
	return err;
}

void qb_shards_destroy(struct qb_shards **shards)
{
	struct qb_shards *s = *shards;

	if (!s) {
		return;
	}
	for (int i = 0; s->session && i < s->count; i++) {
		qb_session_destroy(&s->session[i]);
	}
	free(s->session);
	free(s->stage);
	free(s->items);
	free(s->common_step);
	free(s->common);
	free(s->step_ns);
	free(s);
	*shards = NULL;
}

enum qb_err qb_shards_check_steps(struct qb_shards *s, struct qb_errbuf *eb)
{
	for (int i = 0; i < s->count; i++) {
		QB_TRY(qb_session_check_steps(s->session[i], eb));
	}
	return QB_OK;
}

size_t qb_shards_bytes(const struct qb_shards *s)
{
	return qb_plan_bytes(s->plan) + s->plan->common_bytes + (size_t)s->count * qb_plan_session_bytes(s->plan);
}

int qb_shards_count(const struct qb_shards *s)
{
	return s->count;
}
