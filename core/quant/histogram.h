/* SPDX-License-Identifier: Apache-2.0
 *
 * An observer's histogram in few bins, to draw and to keep.
 */
#ifndef QB_QUANT_HISTOGRAM_H
#define QB_QUANT_HISTOGRAM_H

#include "core/base/err.h"
#include "core/quant/range.h"

enum { QB_HISTOGRAM_BINS = 256 };

struct qb_histogram {
	int bins;          /* equal ones, at most QB_HISTOGRAM_BINS; 0: nothing finite was seen */
	double low, width; /* where the first bin begins; of a bin, a power of two, of which low is a multiple */
	uint64_t count[QB_HISTOGRAM_BINS];
};

enum qb_err qb_histogram_take(struct qb_histogram *out, const struct qb_observer *o, struct qb_errbuf *eb);

#endif
