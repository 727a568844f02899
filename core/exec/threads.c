/* SPDX-License-Identifier: Apache-2.0
 *
 * The only file that calls OpenMP's functions. What they set holds for the calling thread, not for the process.
 */
#include "core/exec/threads.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

int qb_threads_use(int threads)
{
	int before = omp_get_max_threads();

	omp_set_num_threads(threads);
	return before;
}

int qb_threads(void)
{
	return omp_get_max_threads();
}

int qb_thread_index(void)
{
	return omp_get_thread_num();
}

static void loop_alone(int64_t n, qb_loop_fn *fn, const void *context, const struct qb_operands *at)
{
	for (int64_t i = 0; i < n; i++) {
		fn(context, at, i);
	}
}

void qb_threads_loop(int threads, int64_t n, qb_loop_fn *fn, const void *context, const struct qb_operands *at)
{
	if (threads <= 1 || n <= 1) {
		loop_alone(n, fn, context, at);
		return;
	}
#pragma omp parallel for schedule(static) num_threads(threads)
	for (int64_t i = 0; i < n; i++) {
		fn(context, at, i);
	}
}

void qb_threads_loop_unequal(int threads, int64_t n, qb_loop_fn *fn, const void *context, const struct qb_operands *at)
{
	if (threads <= 1 || n <= 1) {
		loop_alone(n, fn, context, at);
		return;
	}
#pragma omp parallel for schedule(dynamic) num_threads(threads)
	for (int64_t i = 0; i < n; i++) {
		fn(context, at, i);
	}
}

void qb_threads_loop_worth(bool worth, int64_t n, qb_loop_fn *fn, const void *context, const struct qb_operands *at)
{
	qb_threads_loop(worth ? qb_threads() : 1, n, fn, context, at);
}

/* All under the lock, but for `stage`, which waiting threads look at without it. */
struct team {
	qb_stage_fn *fn;
	qb_between_fn *between;
	void *arg;
	int stages;
	const int64_t *items;      /* [stages] */
	int64_t next, done;        /* of the stage at work: given out and finished */
	_Atomic int stage;
	bool failed;
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

struct member {
	struct team *team;
	int index;
	pthread_t thread;
	bool started;
	enum qb_err err;
	int64_t at; /* the item that failed */
	struct qb_errbuf eb;
};

/* A stage is over when its last item is; called and left with the lock. All other workers wait by then. */
static void finish_stage(struct team *t)
{
	if (t->between && !t->failed) {
		t->between(t->arg, atomic_load(&t->stage));
	}
	t->next = t->done = 0;
	atomic_fetch_add(&t->stage, 1);
	pthread_cond_broadcast(&t->changed);
}

/* Waits for the stage after `stage`: stages are short, so at first without sleeping. Called and left with the lock. */
static void await_stage(struct team *t, int stage)
{
	enum { LOOKS = 64 };

	pthread_mutex_unlock(&t->lock);
	for (int i = 0; i < LOOKS && atomic_load(&t->stage) == stage; i++) {
		sched_yield();
	}
	pthread_mutex_lock(&t->lock);
	while (atomic_load(&t->stage) == stage && !t->failed) {
		pthread_cond_wait(&t->changed, &t->lock);
	}
}

static void *work(void *arg)
{
	struct member *m = arg;
	struct team *t = m->team;

	/* What runs inside is one sample's: its steps use this thread alone. */
	qb_threads_use(1);
	pthread_mutex_lock(&t->lock);
	while (!t->failed && atomic_load(&t->stage) < t->stages) {
		int stage = atomic_load(&t->stage);
		int64_t item = t->next;

		if (item == t->items[stage]) {
			await_stage(t, stage);
			continue;
		}
		t->next++;
		pthread_mutex_unlock(&t->lock);
		m->err = t->fn(t->arg, m->index, stage, item, &m->eb);
		pthread_mutex_lock(&t->lock);
		if (m->err != QB_OK) {
			m->at = item;
			t->failed = true;
			pthread_cond_broadcast(&t->changed);
		} else if (++t->done == t->items[stage]) {
			finish_stage(t);
		}
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static enum qb_err run_members(struct team *team, struct member *m, int threads, struct qb_errbuf *eb)
{
	int before = omp_get_max_threads();
	const struct member *first = NULL;

	for (int i = 1; i < threads; i++) {
		m[i].team = team;
		m[i].index = i;
		/* Where no thread can be had the others do its work. */
		m[i].started = pthread_create(&m[i].thread, NULL, work, &m[i]) == 0;
	}
	m[0].team = team;
	work(&m[0]);
	for (int i = 1; i < threads; i++) {
		if (m[i].started) {
			pthread_join(m[i].thread, NULL);
		}
	}
	qb_threads_use(before);
	for (int i = 0; i < threads; i++) {
		if (m[i].err != QB_OK && (!first || m[i].at < first->at)) {
			first = &m[i];
		}
	}
	return first ? qb_fail(eb, first->err, "%s", first->eb.text) : QB_OK;
}

enum qb_err qb_team_run_stages(int threads, int stages, const int64_t *items, qb_stage_fn *fn, qb_between_fn *between, void *arg,
	struct qb_errbuf *eb)
{
	struct team team = {.fn = fn, .between = between, .arg = arg, .stages = stages, .items = items,
		.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	struct member *m = calloc((size_t)threads, sizeof(*m));
	enum qb_err err;

	if (!m) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a team of %d threads", threads);
	}
	err = run_members(&team, m, threads, eb);
	pthread_mutex_destroy(&team.lock);
	pthread_cond_destroy(&team.changed);
	free(m);
	return err;
}

struct one_stage {
	qb_team_fn *fn;
	void *arg;
};

static enum qb_err run_item(void *arg, int thread, int stage, int64_t item, struct qb_errbuf *eb)
{
	const struct one_stage *o = arg;

	(void)stage;
	return o->fn(o->arg, thread, item, eb);
}

enum qb_err qb_team_run(int threads, int64_t items, qb_team_fn *fn, void *arg, struct qb_errbuf *eb)
{
	return qb_team_run_stages(threads, items > 0, &items, run_item, NULL, &(struct one_stage){fn, arg}, eb);
}
