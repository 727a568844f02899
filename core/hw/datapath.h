/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside core/hw: the pieces that a unit's datapath is joined from, and the arithmetic that it is held against.
 */
#ifndef QB_HW_DATAPATH_H
#define QB_HW_DATAPATH_H

#include "core/hw/mac.h"

/* An operand taken apart: (-1)^sign * sig * 2^(exponent - 1 + lsb). */
struct qb__operand {
	int sign;
	struct qb_word sig;      /* unsigned; a float's with the hidden bit */
	struct qb_word exponent; /* at least 1; no wires: an integer, exponent is 1 */
	int exponent_max;        /* of finite values */
	int lsb;
	int zero, inf, nan;      /* wires */
};

struct qb__product {
	int sign;
	struct qb_word sig;
	int zero, inf, nan;
	int lsb;              /* of sig's bit 0 with both exponents 1 */
	int leading_zeros;    /* at most, above a nonzero sig */
	const struct qb__operand *a, *b;
};

struct qb_format qb__float_format(int exp_bits, int man_bits);
void qb__decode(struct qb_netlist *n, const struct qb_format *f, const struct qb_word *code,
	struct qb__operand *out);
/* acc + product in IEEE arithmetic, rounded once. */
void qb__accumulate_float(struct qb_netlist *n, const struct qb_accumulator *acc,
	const struct qb_word *register_bits, const struct qb__product *p, struct qb_word *next);
/* The same sum by exact arithmetic on integers of 1024 bits: words of 64 bits, the lowest first. */
enum { QB_ACC_WORDS = 9 };
double qb__reference_product(const struct qb_hw_unit *unit, uint32_t a, uint32_t b);
void qb__reference(const struct qb_hw_unit *unit, uint32_t a, uint32_t b,
	const uint64_t acc[QB_ACC_WORDS], uint64_t next[QB_ACC_WORDS]);

#endif
