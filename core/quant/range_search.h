/* SPDX-License-Identifier: Apache-2.0
 *
 * The search for the range of least squared error, whatever measures the error: weights themselves, an observer's histogram,
 * a distribution.
 */
#ifndef QB_QUANT_RANGE_SEARCH_H
#define QB_QUANT_RANGE_SEARCH_H

#include "core/format/format.h"
#include "core/kernels/quantize/kernels.h"

enum { QB_RANGE_LANES = QB_FIT_LANES };

struct qb_range_problem {
	const struct qb_format *format;
	double min, max;   /* what the data spans */
	double count;      /* how many elements the sums are over; a density's sum is 1 */
	double peers;      /* how many elements as large as the largest would have their power: what a float's noise is made of */
	int points;        /* of the scan, to an octave; 0: as many as find the valleys of so many elements */
	double from, to;   /* the scales to scan; 0: those that min and max leave (qb__range_scales) */
	bool holds_zero;   /* asymmetric formats: 0 is on the grid, as a quantizer has it */
	/* Sums at so many scales and zero points, at most QB_RANGE_LANES. */
	void (*fit)(void *arg, const double *scale, const double *zero, int count, struct qb_fit *out);
	/* How many elements lie below x, and their sum: of asymmetric formats alone. */
	void (*below)(void *arg, double x, double *count, double *sum);
	void *arg;
};

/* The scale and the zero point of least noise.
 *
 * Each octave of a float's grid, and all of an integer's, is in the grid of half the scale, as far as that reaches: no range that
 * cuts nothing off is better than the one an octave below it. So a range above the data may well be the best, one above twice
 * the data never is. */
void qb__range_search(const struct qb_range_problem *p, double *scale, double *zero);

/* The scales between which that lies. */
void qb__range_scales(const struct qb_range_problem *p, double *from, double *to);
/* The range that a quantizer is given for that scale and zero point. */
void qb__range_of(const struct qb_format *f, double scale, double zero, float *lo, float *hi);
/* Of an asymmetric format the zero point of least noise at a scale. */
double qb__range_zero(const struct qb_range_problem *p, double scale);

/* Anything that a range [lo, hi] minimises, and an even scan for the least of it, fine around the best of a coarse one: for what
 * is no smooth function of the range. min <= 0 <= max: what the data spans. */
typedef double qb_range_error_fn(void *arg, float lo, float hi);
void qb__range_scan(const struct qb_format *f, double min, double max, qb_range_error_fn *error,
	void *arg, float *lo, float *hi);

#endif
