/* SPDX-License-Identifier: Apache-2.0
 *
 * The search for the range of least error, whatever measures the error.
 */
#ifndef QB_QUANT_RANGE_SEARCH_H
#define QB_QUANT_RANGE_SEARCH_H

#include "core/format/format.h"

/* Squared error (in any constant unit) when the format has the range [lo, hi]. */
typedef double qb_range_error_fn(void *arg, float lo, float hi);

/* min <= 0 <= max: what the data spans. numbers: how many the error sums over, each by its squared error or, beyond the
 * range, more. */
void qb__range_search(const struct qb_format *f, double min, double max, double numbers,
	qb_range_error_fn *error, void *arg, float *lo, float *hi);
/* The same for errors that are no smooth function of the range: an even scan, fine around the best of a coarse one. */
void qb__range_scan(const struct qb_format *f, double min, double max, qb_range_error_fn *error,
	void *arg, float *lo, float *hi);

#endif
