/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/plain.h"

#include <stdlib.h>
#include <time.h>

#include "core/base/size.h"

double qb_thread_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Each is run twice: the second finds its memory in place, as in the midst of a pass. */
enum { BATCHES_A_THREAD = 8 };

struct timing {
	struct qb_lane *lane;
	double *seconds; /* [window] */
	double sum;
	int64_t batches;
};

static enum qb_err run_batch(void *arg, const struct qb_batch *b, struct qb_errbuf *eb)
{
	const struct timing *t = arg;
	const struct qb_lane *l = &t->lane[b->thread];
	const struct qb_run run = {.input = b->input, .output = l->scratch};
	double start;

	QB_TRY(qb_session_run(l->work, &run, eb));
	start = qb_thread_seconds();
	QB_TRY(qb_session_run(l->work, &run, eb));
	t->seconds[b->slot] = qb_thread_seconds() - start;
	return QB_OK;
}

static enum qb_err add_up(void *arg, int64_t batches, const double *labels, struct qb_errbuf *eb)
{
	struct timing *t = arg;

	(void)labels;
	(void)eb;
	for (int64_t k = 0; k < batches; k++) {
		t->sum += t->seconds[k];
	}
	t->batches += batches;
	return QB_OK;
}

enum qb_err qb_plain_seconds(double *out, struct qb_stream *s, const struct qb_graph *model,
	int64_t batch, int64_t batches, struct qb_errbuf *eb)
{
	struct timing t = {.seconds = calloc((size_t)s->window, sizeof(*t.seconds))};
	const struct qb_stream_work work = {.run = run_batch, .close = add_up, .arg = &t};
	struct qb_network *n = NULL;
	enum qb_err err;

	if (!t.seconds) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a window of %lld batches",
			(long long)s->window);
	}
	QB_TRY_OUT(qb_network_create_plain(&n, model, batch, 1, eb));
	QB_TRY_OUT(qb_lanes_create(&t.lane, n, s->threads, false, eb));
	QB_TRY_OUT(qb_stream_run(s, 0, batch,
		QB_MIN(batches, (int64_t)BATCHES_A_THREAD * s->threads), &work, eb));
	*out = t.sum / (double)QB_MAX(t.batches, 1);
out:
	qb_lanes_destroy(&t.lane, n, s->threads);
	qb_network_destroy(&n);
	free(t.seconds);
	return err;
}
