/* SPDX-License-Identifier: Apache-2.0
 *
 * What a multiply-accumulate unit multiplies: which formats, and a code taken apart by gates.
 */
#ifndef QB_HW_OPERAND_H
#define QB_HW_OPERAND_H

#include "core/format/format.h"
#include "core/hw/cells.h"

/* As qb_format_parse, and "fp32", which is no storage format. Formats that no unit multiplies (tables, logarithms,
 * scales) are QB_EUNSUPPORTED. */
enum qb_err qb_hw_operand_parse(struct qb_format *out, const char *name, struct qb_errbuf *eb);

/* Inside core/hw. */

enum qb_err qb__operand_check(const struct qb_format *f, struct qb_errbuf *eb);
/* IEEE 754's format of such a split. */
struct qb_format qb__float_format(int exp_bits, int man_bits);

/* An operand taken apart: (-1)^sign * sig * 2^(exponent - 1 + lsb). */
struct qb__operand {
	int sign;
	struct qb_word sig;      /* unsigned; a float's with the hidden bit */
	struct qb_word exponent; /* at least 1; no wires: an integer, exponent is 1 */
	int exponent_max;        /* of finite values */
	int lsb;
	int zero, inf, nan;      /* wires */
};

void qb__decode(struct qb_netlist *n, const struct qb_format *f, const struct qb_word *code,
	struct qb__operand *out);

#endif
