/* SPDX-License-Identifier: Apache-2.0
 *
 * From values to a range: exactly for a tensor at hand, and by a streaming observer in bounded memory.
 */
#ifndef QB_QUANT_RANGE_H
#define QB_QUANT_RANGE_H

#include "core/format/format.h"

enum qb_range_method { QB_RANGE_MINMAX, QB_RANGE_PERCENTILE, QB_RANGE_MSE };

struct qb_range_options {
	enum qb_range_method method;
	double percentile; /* in per cent, e.g. 99.99; two-sided */
};

/* A streaming summary of one tensor (or of one channel): minimum, maximum and a fine histogram whose bins
 * widen by powers of two as the range grows, so that one pass suffices and order does not matter. */
struct qb_observer;
struct qb_observer *qb_observer_create(void);
void qb_observer_destroy(struct qb_observer **o);
void qb_observer_update(struct qb_observer *o, const float *x, size_t n);
/* Adds what other saw; the result does not depend on how the data was split. */
void qb_observer_merge(struct qb_observer *o, const struct qb_observer *other);
void qb_observer_minmax(const struct qb_observer *o, float *lo, float *hi);

/* The range for format f by the method; symmetric formats return lo = -hi. */
void qb_range_from_observer(const struct qb_observer *o, const struct qb_format *f,
	const struct qb_range_options *opt, float *lo, float *hi);
/* The same from the data itself, exactly. */
void qb_range_from_data(const float *x, size_t n, const struct qb_format *f,
	const struct qb_range_options *opt, float *lo, float *hi);

#endif
