/* SPDX-License-Identifier: Apache-2.0
 *
 * The only file that calls OpenMP's functions. What they set holds for the calling thread, not for the process.
 */
#include "core/exec/threads.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

int qb_threads_use(int threads)
{
	int before = omp_get_max_threads();

	omp_set_num_threads(threads);
	return before;
}

int qb_thread_index(void)
{
	return omp_get_thread_num();
}

struct team {
	qb_team_fn *fn;
	void *arg;
	int64_t items;
	_Atomic int64_t next;
	_Atomic bool failed;
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

static void *work(void *arg)
{
	struct member *m = arg;
	struct team *t = m->team;
	int64_t item;

	/* What runs inside is one sample's: its steps use this thread alone. */
	qb_threads_use(1);
	while (!atomic_load(&t->failed) && (item = atomic_fetch_add(&t->next, 1)) < t->items) {
		m->err = t->fn(t->arg, m->index, item, &m->eb);
		if (m->err != QB_OK) {
			m->at = item;
			atomic_store(&t->failed, true);
			break;
		}
	}
	return NULL;
}

enum qb_err qb_team_run(int threads, int64_t items, qb_team_fn *fn, void *arg, struct qb_errbuf *eb)
{
	struct team team = {.fn = fn, .arg = arg, .items = items};
	struct member *m = calloc((size_t)threads, sizeof(*m));
	int before = omp_get_max_threads();
	const struct member *first = NULL;
	enum qb_err err = QB_OK;

	if (!m) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a team of %d threads", threads);
	}
	for (int i = 1; i < threads; i++) {
		m[i].team = &team;
		m[i].index = i;
		/* Where no thread can be had the others do its work. */
		m[i].started = pthread_create(&m[i].thread, NULL, work, &m[i]) == 0;
	}
	m[0].team = &team;
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
	if (first) {
		err = qb_fail(eb, first->err, "%s", first->eb.text);
	}
	free(m);
	return err;
}
