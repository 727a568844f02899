/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/histogram.h"

#include <stdlib.h>

#include "core/quant/observer.h"

/* A bin's number when 2^shift of them, from a multiple of that on, are one. */
static int coarse(int bin, int shift)
{
	return bin >= 0 ? bin >> shift : -((-bin - 1) >> shift) - 1;
}

enum qb_err qb_histogram_take(struct qb_histogram *out, const struct qb_observer *o, struct qb_errbuf *eb)
{
	uint64_t *count = calloc(QB_OBSERVER_BINS, sizeof(*count));
	double width;
	int first, bins, shift = 0;

	if (!count) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a histogram");
	}
	bins = qb_observer_histogram(o, &first, &width, count, QB_OBSERVER_BINS);
	while (bins > 0 && coarse(first + bins - 1, shift) - coarse(first, shift) >= QB_HISTOGRAM_BINS) {
		shift++;
	}
	*out = (struct qb_histogram){.bins = bins > 0 ? coarse(first + bins - 1, shift) - coarse(first, shift) + 1 : 0,
		.width = width * (double)(1 << shift)};
	out->low = bins > 0 ? out->width * coarse(first, shift) : 0;
	for (int i = 0; i < bins; i++) {
		out->count[coarse(first + i, shift) - coarse(first, shift)] += count[i];
	}
	free(count);
	return QB_OK;
}
