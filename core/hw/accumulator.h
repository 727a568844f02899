/* SPDX-License-Identifier: Apache-2.0
 *
 * What a multiply-accumulate unit adds up in.
 */
#ifndef QB_HW_ACCUMULATOR_H
#define QB_HW_ACCUMULATOR_H

#include "core/base/err.h"

enum { QB_ACCUMULATOR_BITS_MAX = 512 }; /* fixed */

enum qb_accumulator_kind { QB_ACCUMULATOR_FIXED, QB_ACCUMULATOR_FLOAT };

struct qb_accumulator {
	enum qb_accumulator_kind kind;
	int width;              /* fixed: 0 is as wide as the sum of `terms` products may need; else wraps */
	int exp_bits, man_bits; /* float: IEEE 754 with subnormals, infinities and one NaN */
	char name[16];
};

/* "fixed" (exact), "fixedN" or "intN" (N bits, 1 to 512, wrapping), "fp16", "bf16", "fp32". */
enum qb_err qb_accumulator_parse(struct qb_accumulator *out, const char *name,
	struct qb_errbuf *eb);

#endif
