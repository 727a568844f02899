/* SPDX-License-Identifier: Apache-2.0
 *
 * From values to a range: exactly for a tensor at hand, and by a streaming observer in bounded memory.
 */
#ifndef QB_QUANT_RANGE_H
#define QB_QUANT_RANGE_H

#include <stddef.h>
#include <stdint.h>

#include "core/format/format.h"

enum qb_range_method { QB_RANGE_MINMAX, QB_RANGE_PERCENTILE, QB_RANGE_MSE };

struct qb_range_options {
	enum qb_range_method method;
	double percentile; /* in per cent, e.g. 99.99; two-sided */
};

/* A streaming summary of one tensor (or of one channel): minimum, maximum and a fine histogram whose bins
 * widen by powers of two as the range grows, so that one pass suffices and order does not matter. NaN and
 * infinities are left out and counted. */
struct qb_observer;
struct qb_observer *qb_observer_create(void);
void qb_observer_destroy(struct qb_observer **o);
void qb_observer_update(struct qb_observer *o, const float *x, size_t n);
/* Adds what other saw; the result does not depend on how the data was split. */
void qb_observer_merge(struct qb_observer *o, const struct qb_observer *other);
/* 0, 0 when nothing was seen. */
void qb_observer_minmax(const struct qb_observer *o, float *lo, float *hi);
/* Finite numbers seen, and the others. */
uint64_t qb_observer_count(const struct qb_observer *o);
uint64_t qb_observer_nonfinite(const struct qb_observer *o);
/* Bins [*first, return + *first) of width *width hold what was seen: bin i is [i * width, (i + 1) * width). Exact
 * zeros are in bin 0. count (or NULL) takes up to cap of them. */
int qb_observer_histogram(const struct qb_observer *o, int *first, double *width, uint64_t *count,
	int cap);

/* The range for format f by the method. Signed symmetric formats return lo = -hi, unsigned ones lo = 0; an
 * asymmetric range always holds 0. A format whose scale is fixed, or kept per block, gets the plain minmax.
 * Percentile: of |x| for symmetric formats; for asymmetric ones (100 - percentile) / 2 are cut from each side, but
 * nothing from a side that ends at 0. */
void qb_range_from_observer(const struct qb_observer *o, const struct qb_format *f,
	const struct qb_range_options *opt, float *lo, float *hi);
/* The same from the data itself, exactly: mse is the error that the quantizer itself makes on x. */
void qb_range_from_data(const float *x, size_t n, const struct qb_format *f,
	const struct qb_range_options *opt, float *lo, float *hi);

#endif
