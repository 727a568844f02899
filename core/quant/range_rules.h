/* SPDX-License-Identifier: Apache-2.0
 *
 * What ranges of an observer's histogram and of the data itself have in common.
 */
#ifndef QB_QUANT_RANGE_RULES_H
#define QB_QUANT_RANGE_RULES_H

#include "core/quant/range.h"
#include "core/quant/range_search.h"

/* Have its codes a zero point? */
bool qb__range_is_affine(const struct qb_format *f);
/* Is there a range to choose: a real scale, and no scales of blocks? */
bool qb__range_is_chosen(const struct qb_format *f);
/* [min, max] of the data as a range of the format. */
void qb__range_whole(const struct qb_format *f, double min, double max, float *lo, float *hi);
/* Does the method look for the least of something? */
bool qb__range_is_search(enum qb_range_method m);
/* The range under which integers are their own codes: scale 1. False where an element is no integer or beyond the codes. */
bool qb__range_of_integers(const struct qb_format *f, bool integers, double min, double max, float *lo, float *hi);
/* The range of a power of two for the range that a method found: of what it minimises the least, else (error NULL) the
 * first that cuts nothing off. */
void qb__range_power_of_two(const struct qb_format *f, qb_range_error_fn *error, void *arg, float *lo,
	float *hi);
/* What a squared error beyond the range counts. */
double qb__range_clip_weight(enum qb_range_method m);

#endif
