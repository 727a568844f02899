/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/outlier_histogram.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/quant/observer.h"

struct histogram {
	const struct qb_sequences *s;
	struct qb_observer **observer; /* [threads]; what they saw does not depend on who saw it */
	int64_t tokens, size;          /* of the value: rows, and elements of one */
};

static void see(void *arg, const struct qb_sequence *one)
{
	const struct histogram *h = arg;

	for (int64_t t = 0; t < h->tokens; t++) {
		if (!one->kept || h->tokens != h->s->tokens || one->kept[t]) {
			qb_observer_update(h->observer[one->thread], one->x + t * h->size, (size_t)h->size);
		}
	}
}

static void close_window(void *arg, int64_t slots)
{
	(void)arg;
	(void)slots;
}

static enum qb_err run(struct histogram *h, struct qb_sequences *s, int value, struct qb_errbuf *eb)
{
	const struct qb_sequence_work work = {.see = see, .close = close_window, .arg = h};
	bool *chosen = calloc((size_t)s->graph->values + 1, sizeof(*chosen));
	enum qb_err err;

	if (!chosen) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a histogram");
	}
	chosen[value] = true;
	err = qb_sequences_run(s, chosen, &work, eb);
	free(chosen);
	return err;
}

enum qb_err qb_outlier_histogram_take(struct qb_histogram *out, struct qb_sequences *s, int value, struct qb_errbuf *eb)
{
	const int64_t *dim = s->graph->value[value]->shape.dim;
	struct histogram h = {.s = s, .observer = calloc((size_t)s->threads, sizeof(*h.observer)), .tokens = dim[1], .size = dim[2]};
	enum qb_err err = h.observer ? QB_OK : QB_ENOMEM;

	for (int t = 0; err == QB_OK && t < s->threads; t++) {
		h.observer[t] = qb_observer_create();
		err = h.observer[t] ? QB_OK : QB_ENOMEM;
	}
	if (err != QB_OK) {
		qb_fail(eb, err, "no memory for a histogram");
		goto out;
	}
	QB_TRY_OUT(run(&h, s, value, eb));
	for (int t = 1; t < s->threads; t++) {
		qb_observer_merge(h.observer[0], h.observer[t]);
	}
	err = qb_histogram_take(out, h.observer[0], eb);
out:
	for (int t = 0; h.observer && t < s->threads; t++) {
		qb_observer_destroy(&h.observer[t]);
	}
	free(h.observer);
	return err;
}
