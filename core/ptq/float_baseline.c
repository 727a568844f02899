/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/float_baseline.h"

#include <stdlib.h>
#include <time.h>

struct timing {
	double seconds;
	int64_t batches;
};

struct qb_float_baseline {
	struct qb_network *network;
	struct qb_lane *lane;   /* [threads] */
	struct timing *timing;  /* [threads] */
	int threads;
};

double qb_thread_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum qb_err qb_float_baseline_create(struct qb_float_baseline **out, const struct qb_graph *model, int64_t batch,
	int threads, struct qb_errbuf *eb)
{
	struct qb_float_baseline *p = calloc(1, sizeof(*p));
	enum qb_err err = QB_OK;

	if (!p || !(p->timing = calloc((size_t)threads, sizeof(*p->timing)))) {
		free(p);
		return qb_fail(eb, QB_ENOMEM, "no memory for the times of %d threads", threads);
	}
	p->threads = threads;
	QB_TRY_OUT(qb_network_create_frozen(&p->network, model, batch, 1, eb));
	QB_TRY_OUT(qb_lanes_create(&p->lane, p->network, threads, false, eb));
	*out = p;
	return QB_OK;
out:
	qb_float_baseline_destroy(&p);
	return err;
}

void qb_float_baseline_destroy(struct qb_float_baseline **baseline)
{
	struct qb_float_baseline *p = *baseline;

	if (!p) {
		return;
	}
	qb_lanes_destroy(&p->lane, p->network, p->threads);
	qb_network_destroy(&p->network);
	free(p->timing);
	free(p);
	*baseline = NULL;
}

enum qb_err qb_float_baseline_run(struct qb_float_baseline *p, const struct qb_batch *b, struct qb_errbuf *eb)
{
	const struct qb_lane *l = &p->lane[b->thread];
	const struct qb_run run = {.input = b->input, .output = l->scratch};
	struct timing *t = &p->timing[b->thread];
	double start;

	QB_TRY(qb_session_run(l->work, &run, eb));
	start = qb_thread_seconds();
	QB_TRY(qb_session_run(l->work, &run, eb));
	t->seconds += qb_thread_seconds() - start;
	t->batches++;
	return QB_OK;
}

double qb_float_baseline_seconds(const struct qb_float_baseline *p, int64_t rows)
{
	struct timing all = {0, 0};

	for (int i = 0; i < p->threads; i++) {
		all.seconds += p->timing[i].seconds;
		all.batches += p->timing[i].batches;
	}
	return all.batches ? all.seconds * (double)rows / (double)(all.batches * p->network->batch) : 0;
}
