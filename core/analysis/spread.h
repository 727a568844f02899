/* SPDX-License-Identifier: Apache-2.0
 *
 * Mean, standard deviation and kurtosis of a stream of elements, by central moments of chunks that are merged
 * (Pebay, Sandia report SAND2008-6212), so that a mean far from 0 costs no digits.
 */
#ifndef QB_ANALYSIS_SPREAD_H
#define QB_ANALYSIS_SPREAD_H

#include <stddef.h>

/* All zero: nothing seen. m2, m3, m4: sums of powers of (x - mean). */
struct qb_spread {
	double n, mean, m2, m3, m4;
};

/* x: finite. Split in the same places, the result is the same bytes. */
void qb_spread_add(struct qb_spread *s, const float *x, size_t n);
void qb_spread_merge(struct qb_spread *s, const struct qb_spread *other);

/* Of the elements seen, not an estimate for others; NaN of none. */
double qb_spread_std(const struct qb_spread *s);
/* E[(x - mean)^4] / variance^2: 3 for a Gaussian; NaN where all are equal. */
double qb_spread_kurtosis(const struct qb_spread *s);

#endif
