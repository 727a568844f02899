/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/shards.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/plan.h"

/* Steps [from, sums) are each shard's own; steps [sums, to) are sums over shards. */
struct segment {
	int from, sums, to;
};

struct qb_shards {
	const struct qb_plan *plan;
	int count, segments;
	struct qb_session **session; /* [count] */
	struct segment *segment;
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

/* Every other stage takes the shards from the last to the first: what the stage before left in the caches is read again. */
static enum qb_err run_shard(void *arg, int thread, int stage, int64_t item, struct qb_errbuf *eb)
{
	const struct work *w = arg;
	int64_t shard = stage % 2 ? w->s->count - 1 - item : item;
	struct qb_session *session = w->s->session[shard];
	const struct segment *g = &w->s->segment[stage];
	struct qb_run run = run_of(w, (int)shard);

	(void)thread;
	if (!stage) {
		QB_TRY(qb__session_begin(session, &run, eb));
	}
	QB_TRY(qb__session_steps(session, &run, g->from, g->sums, eb));
	if (stage == w->s->segments - 1) {
		qb__session_end(session, &run);
	}
	return QB_OK;
}

static void sum_up(void *arg, int stage)
{
	const struct work *w = arg;
	const struct segment *g = &w->s->segment[stage];

	for (int i = g->sums; i < g->to; i++) {
		sum_step(w->s, &w->s->plan->step[i]);
	}
}

enum qb_err qb_shards_run(struct qb_shards *s, const struct qb_shards_run *run, struct qb_errbuf *eb)
{
	struct work w = {s, run};
	size_t steps = (size_t)s->plan->steps;

	if (run->step_ns) {
		memset(s->step_ns, 0, (size_t)s->count * steps * sizeof(*s->step_ns));
	}
	QB_TRY(qb_team_run_stages(QB_MIN(run->threads, s->count), s->segments, s->count, run_shard, sum_up, &w, eb));
	for (size_t i = 0; run->step_ns && i < (size_t)s->count * steps; i++) {
		run->step_ns[i % steps] += s->step_ns[i];
	}
	return QB_OK;
}

/* ---- life ---- */

static void find_segments(struct qb_shards *s)
{
	const struct qb_plan *p = s->plan;
	int i = 0;

	do {
		struct segment *g = &s->segment[s->segments++];

		g->from = i;
		while (i < p->steps && p->step[i].kind != QB_STEP_SHARD_SUM) {
			i++;
		}
		g->sums = i;
		while (i < p->steps && p->step[i].kind == QB_STEP_SHARD_SUM) {
			i++;
		}
		g->to = i;
	} while (i < p->steps || s->segment[s->segments - 1].to > s->segment[s->segments - 1].sums);
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
	s->segment = calloc((size_t)plan->steps + 2, sizeof(*s->segment));
	s->step_ns = calloc((size_t)shards * (size_t)plan->steps + 1, sizeof(*s->step_ns));
	if (!s->session || !s->segment || !s->step_ns) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for shards");
		goto out;
	}
	find_segments(s);
	for (int i = 0; i < shards; i++) {
		QB_TRY_OUT(qb_session_create(&s->session[i], plan, false, eb));
	}
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
	free(s->segment);
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
	return qb_plan_bytes(s->plan) + (size_t)s->count * qb_plan_session_bytes(s->plan);
}

int qb_shards_count(const struct qb_shards *s)
{
	return s->count;
}
