/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside core/hw: what the multiplier gives the accumulator.
 */
#ifndef QB_HW_DATAPATH_H
#define QB_HW_DATAPATH_H

#include "core/hw/accumulator.h"
#include "core/hw/operand.h"

struct qb__product {
	int sign;
	struct qb_word sig;
	int zero, inf, nan;
	int lsb;              /* of sig's bit 0 with both exponents 1 */
	int leading_zeros;    /* at most, above a nonzero sig */
	const struct qb__operand *a, *b;
};

/* acc + product in IEEE arithmetic, rounded once. */
void qb__accumulate_float(struct qb_netlist *n, const struct qb_accumulator *acc,
	const struct qb_word *register_bits, const struct qb__product *p, struct qb_word *next);

#endif
