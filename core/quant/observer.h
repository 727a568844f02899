/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of an observer, for the methods that read its histogram.
 */
#ifndef QB_QUANT_OBSERVER_H
#define QB_QUANT_OBSERVER_H

#include "core/quant/range.h"

/* Bins to each side of 0; the largest magnitude lies in the upper half of them, so a range has 2048 to 4096. */
enum { QB_OBSERVER_SIDE = 4096, QB_OBSERVER_BINS = 2 * QB_OBSERVER_SIDE };

struct qb_observer {
	float lo, hi;
	int exponent;  /* bins are 2^exponent wide; bin b of the arrays is [b - SIDE, b - SIDE + 1) times that */
	uint64_t count, zeros, nonfinite;
	bool fractions; /* an element was no integer */
	float last_lo, last_hi; /* of the last update; lo > hi: it had no finite number */
	bool running;
	double run_lo, run_hi;  /* moving averages */
	uint64_t pending;  /* in `recent`, whose counters would overflow at 2^32 */
	/* Two counters a bin, so that a run of equal elements does not wait on one address. */
	uint32_t recent[QB_OBSERVER_BINS][2];
	uint64_t accumulated[QB_OBSERVER_BINS];
};

/* Are all elements, which are finite, integers? */
bool qb__are_integers(const float *x, size_t n);

static inline uint64_t qb__observer_bin(const struct qb_observer *o, int b)
{
	return o->accumulated[b] + o->recent[b][0] + o->recent[b][1];
}

#endif
