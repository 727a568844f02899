/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside core/hw: the arithmetic that units are compared with.
 */
#ifndef QB_HW_REFERENCE_H
#define QB_HW_REFERENCE_H

#include "core/hw/mac.h"

/* A unit's sum by exact arithmetic on integers of 1024 bits: words of 64 bits, the lowest first. */
enum { QB_ACC_WORDS = 9 };
double qb__reference_product(const struct qb_hw_unit *unit, uint32_t a, uint32_t b);
void qb__reference(const struct qb_hw_unit *unit, uint32_t a, uint32_t b,
	const uint64_t acc[QB_ACC_WORDS], uint64_t next[QB_ACC_WORDS]);

#endif
