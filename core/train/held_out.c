/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/held_out.h"

#include <stdlib.h>

#include "core/base/random_stream.h"
#include "core/train/permutation.h"

struct drawn {
	double label;
	int64_t place, sample; /* in the order drawn, in the data */
};

static int by_class(const void *a, const void *b)
{
	const struct drawn *x = a, *y = b;

	return x->label != y->label ? (x->label > y->label) - (x->label < y->label) : (x->place > y->place) - (x->place < y->place);
}

/* Systematic sampling of the samples sorted by class and shuffled within: so many of the first k for every k, rounded down. */
enum qb_err qb_held_out(uint64_t seed, int64_t n, const double *label, int64_t count, bool *held, struct qb_errbuf *eb)
{
	int64_t *order = calloc((size_t)n + 1, sizeof(*order)), due = 0;
	struct drawn *all = calloc((size_t)n + 1, sizeof(*all));

	if (!order || !all) {
		free(order);
		free(all);
		return qb_fail(eb, QB_ENOMEM, "no memory to hold samples out");
	}
	qb_shuffle(seed, qb_draw_stream(QB_DRAW_HELD_OUT, 0), n, order);
	for (int64_t i = 0; i < n; i++) {
		all[i] = (struct drawn){.label = label ? label[order[i]] : 0, .place = i, .sample = order[i]};
	}
	qsort(all, (size_t)n, sizeof(*all), by_class);
	for (int64_t i = 0; i < n; i++) {
		due += count;
		held[all[i].sample] = due >= n;
		due -= due >= n ? n : 0;
	}
	free(order);
	free(all);
	return QB_OK;
}
