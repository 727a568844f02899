/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QB_ANALYSIS_SQNR_DB_H
#define QB_ANALYSIS_SQNR_DB_H

#include <math.h>
#include <stdbool.h>

/* Signal-to-quantization-noise ratio, 10 log10(signal / noise), in dB: +inf without noise, NaN without either. */
static inline double qb_sqnr_db(double signal, double noise)
{
	return 10 * log10(signal / noise);
}

/* Is there no error at all? In decibels that is infinite, of a tensor of zeros undefined: JSON can say neither. */
static inline bool qb_sqnr_exact(double noise)
{
	return noise == 0;
}

#endif
