/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QB_ANALYSIS_MEAN_H
#define QB_ANALYSIS_MEAN_H

#include <math.h>
#include <stdint.h>

/* Of `count` with that sum; NaN of none. */
static inline double qb_mean_of(double sum, int64_t count)
{
	return count ? sum / (double)count : NAN;
}

#endif
