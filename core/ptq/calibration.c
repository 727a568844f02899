/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/calibration.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

/* Copies of the wanted values of one batch, until the window closes. */
struct copies {
	float **x, **xq; /* [values] */
};

struct visitor {
	const struct qb_calibration *c;
	const struct qb_network *n;
	const struct qb_overlay *overlay;
	const bool *wanted;
	qb_visit_fn *visit;
	void *arg;
	int steps;
	struct qb_lane *lane;
	struct copies *slot; /* [window] */
};

struct copy_observer {
	const bool *wanted;
	float **to;
};

static void copy_value(void *arg, int value, float *x, size_t n)
{
	struct copy_observer *t = arg;

	if (t->wanted[value]) {
		memcpy(t->to[value], x, n * sizeof(*x));
	}
}

static enum qb_err run_batch(void *arg, const struct qb_batch *b, struct qb_errbuf *eb)
{
	struct visitor *v = arg;
	struct qb_lane *l = &v->lane[b->thread];
	struct copy_observer observer = {v->wanted, v->slot[b->slot].x};
	struct qb_run run = {.input = b->input, .output = l->scratch, .observe = copy_value,
		.observe_arg = &observer, .ordered = true, .quantized = true, .steps = v->steps};

	QB_TRY(qb_session_run(l->work, &run, eb));
	if (!v->overlay) {
		return QB_OK;
	}
	observer.to = v->slot[b->slot].xq;
	run.overlay = v->overlay;
	return qb_session_run(l->work, &run, eb);
}

static int64_t channels_of(const struct qb_shape *s)
{
	return s->ndim == 4 || s->ndim == 5 ? s->dim[1] : s->ndim ? s->dim[s->ndim - 1] : 1;
}

static enum qb_err close_window(void *arg, int64_t batches, const double *labels,
	struct qb_errbuf *eb)
{
	struct visitor *v = arg;

	(void)labels;
	if (v->c->check) {
		QB_TRY(v->c->check(v->c->arg, eb));
	}
	for (int64_t k = 0; k < batches; k++) {
		for (int i = 0; i < v->n->graph->values; i++) {
			const struct qb_value *value = v->n->graph->value[i];
			struct qb_visit what = {.value = i, .x = v->slot[k].x[i],
				.xq = v->overlay ? v->slot[k].xq[i] : NULL};

			if (what.x) {
				what.channels = channels_of(&value->shape);
				what.rows = (int64_t)qb_value_size(value) / what.channels;
				QB_TRY(v->visit(v->arg, &what, eb));
			}
		}
	}
	return QB_OK;
}

static bool copies_init(struct copies *k, const struct visitor *v)
{
	int values = v->n->graph->values;

	k->x = calloc((size_t)values + 1, sizeof(*k->x));
	k->xq = calloc((size_t)values + 1, sizeof(*k->xq));
	if (!k->x || !k->xq) {
		return false;
	}
	for (int i = 0; i < values; i++) {
		size_t n = v->wanted[i] && v->n->observed[i] ? qb_value_size(v->n->graph->value[i]) : 0;

		k->x[i] = n ? qb_aligned_alloc(n, sizeof(float)) : NULL;
		k->xq[i] = n && v->overlay ? qb_aligned_alloc(n, sizeof(float)) : NULL;
		if (n && (!k->x[i] || (v->overlay && !k->xq[i]))) {
			return false;
		}
	}
	return true;
}

static void copies_fini(struct copies *k, int values)
{
	for (int i = 0; i < values; i++) {
		if (k->x) {
			free(k->x[i]);
		}
		if (k->xq) {
			free(k->xq[i]);
		}
	}
	free(k->x);
	free(k->xq);
}

enum qb_err qb_calibration_visit(const struct qb_calibration *c, const struct qb_network *n,
	const struct qb_overlay *overlay, const bool *wanted, int64_t samples, qb_visit_fn *visit,
	void *arg, struct qb_errbuf *eb)
{
	struct visitor v = {.c = c, .n = n, .overlay = overlay, .wanted = wanted, .visit = visit,
		.arg = arg, .steps = qb_plan_steps_for(n->plan, wanted)};
	const struct qb_stream_work work = {run_batch, close_window, NULL, &v};
	/* A window of one batch a thread: its copies are what this costs in memory. */
	struct qb_stream narrow = *c->stream;
	int64_t batches = QB_MIN(samples ? samples : c->samples, c->samples) / n->batch;
	enum qb_err err = QB_OK;

	narrow.window = qb_stream_window(c->stream->data, n->batch,
		QB_MIN(c->stream->threads, c->stream->window));
	if (!v.steps) {
		return QB_OK;
	}
	v.slot = calloc((size_t)narrow.window, sizeof(*v.slot));
	for (int64_t k = 0; v.slot && err == QB_OK && k < narrow.window; k++) {
		err = copies_init(&v.slot[k], &v) ? QB_OK : QB_ENOMEM;
	}
	if (!v.slot || err != QB_OK) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for the inputs of a layer");
		goto out;
	}
	QB_TRY_OUT(qb_lanes_create(&v.lane, n, c->stream->threads, false, eb));
	QB_TRY_OUT(qb_stream_run(&narrow, 0, n->batch, QB_MAX(batches, 1), &work, eb));
out:
	qb_lanes_destroy(&v.lane, n, c->stream->threads);
	for (int64_t k = 0; v.slot && k < narrow.window; k++) {
		copies_fini(&v.slot[k], n->graph->values);
	}
	free(v.slot);
	return err;
}
