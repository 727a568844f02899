/* SPDX-License-Identifier: Apache-2.0
 *
 * Multiply-accumulate units: next = accumulator + a * b, for operands of any two integer or floating formats, as
 * netlists of 2-input gates. The product is exact; the sum is exact in a fixed-point accumulator and rounded once, to
 * nearest even, in a floating one.
 *
 * Operands are codes of their format's canonical grid (core/format/format.h): scales, the talk's real-valued bias among
 * them, multiply the finished sum and cost nothing here. Of a block format the unit is that of its elements; the
 * blocks' scales are applied once a block.
 */
#ifndef QB_HW_MAC_H
#define QB_HW_MAC_H

#include <stdio.h>

#include "core/hw/accumulator.h"
#include "core/hw/cells.h"
#include "core/hw/operand.h"

struct qb_hw_options {
	enum qb_multiplier multiplier;
	bool fast; /* prefix adders instead of ripple */
	int terms; /* products that an exact fixed accumulator takes; 0: 1024 */
};

struct qb_hw_unit {
	struct qb_format a, b;
	struct qb_accumulator accumulator;
	struct qb_hw_options options;
	int a_bits, b_bits;
	int acc_bits;      /* of the accumulated number */
	bool has_invalid;  /* one more bit above: an operand was infinite or NaN, which fixed point cannot say */
	int acc_lsb;       /* fixed: the lowest bit weighs 2^acc_lsb */
	/* Inputs: a, b, accumulator (with the invalid bit), each from bit 0. Outputs: the next accumulator. */
	struct qb_netlist netlist;
	int gates, depth;
	int parts[QB_HW_PART_COUNT];
	int register_bits; /* of the accumulator, counted apart from the gates */
};

/* options may be NULL. */
enum qb_err qb_hw_unit_create(struct qb_hw_unit **out, const struct qb_format *a,
	const struct qb_format *b, const struct qb_accumulator *accumulator,
	const struct qb_hw_options *options, struct qb_errbuf *eb);
void qb_hw_unit_destroy(struct qb_hw_unit **unit);

/* Simulates every pair of operand codes, each with `rounds` accumulators, and compares with exact arithmetic, bit for
 * bit. Accumulators are corners, numbers near the negated product, and random codes. Pairs beyond 2^20 are drawn at
 * random. *pairs: how many were verified; QB_EINTERNAL names the first difference. */
enum qb_err qb_hw_unit_verify(const struct qb_hw_unit *unit, int rounds, uint64_t seed,
	uint64_t *pairs, struct qb_errbuf *eb);

/* Structural Verilog: a combinational module <name>_next(a, b, acc, next) and around it <name>(clk, clear, a, b, acc),
 * whose register takes the sum at each rising edge. */
enum qb_err qb_hw_unit_write_verilog(const struct qb_hw_unit *unit, const char *name, FILE *out,
	struct qb_errbuf *eb);

/* What the talk (arXiv:2303.17951) prints for this unit, or 0. */
int qb_hw_published_gates(const char *operand, const char *accumulator);

/* Gates of one unit for weights x activations: an exact fixed-point accumulator, or FP32 where either is a float of more
 * than 16 bits. NULL is FP32. Formats that no unit multiplies are QB_EUNSUPPORTED. A network costs this many
 * times its multiply-accumulates if each had a unit of its own. */
enum qb_err qb_hw_scheme_gates(const struct qb_format *weights, const struct qb_format *activations,
	int *gates, struct qb_errbuf *eb);

#endif
