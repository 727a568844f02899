/* SPDX-License-Identifier: Apache-2.0
 *
 * Ascending order for qsort; a NaN compares equal to any number.
 */
#ifndef QB_BASE_ORDER_H
#define QB_BASE_ORDER_H

#include <stdint.h>

static inline int qb_float_order(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static inline int qb_double_order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline int qb_int64_order(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

#endif
