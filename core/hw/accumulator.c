/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hw/accumulator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/near.h"
#include "core/base/size.h"

enum qb_err qb_accumulator_parse(struct qb_accumulator *out, const char *name, struct qb_errbuf *eb)
{
	static const struct qb_accumulator named[] = {
		{QB_ACCUMULATOR_FIXED, 0, 0, 0, "fixed"},
		{QB_ACCUMULATOR_FLOAT, 0, 5, 10, "fp16"},
		{QB_ACCUMULATOR_FLOAT, 0, 8, 7, "bf16"},
		{QB_ACCUMULATOR_FLOAT, 0, 8, 23, "fp32"},
	};
	const char *digits = !strncmp(name, "fixed", 5) ? name + 5
		: !strncmp(name, "int", 3)              ? name + 3
							: "";
	const char *names[QB_COUNT(named)];
	size_t n = strspn(digits, "0123456789");

	for (size_t i = 0; i < QB_COUNT(named); i++) {
		names[i] = named[i].name;
		if (!strcmp(name, named[i].name)) {
			*out = named[i];
			return QB_OK;
		}
	}
	if (n >= 1 && n <= 3 && !digits[n] && digits[0] != '0' && atoi(digits) <= QB_ACCUMULATOR_BITS_MAX) {
		*out = (struct qb_accumulator){.kind = QB_ACCUMULATOR_FIXED, .width = atoi(digits)};
		snprintf(out->name, sizeof(out->name), "%.15s", name);
		return QB_OK;
	}
	qb_fail(eb, QB_EINVAL,
		"\"%.40s\" is no accumulator; there are fixed (wide enough to be exact), fixedN (N from 1 to %d bits), "
		"fp16, bf16 and fp32", name, QB_ACCUMULATOR_BITS_MAX);
	qb_near_note(eb, name, names, QB_COUNT(named));
	return QB_EINVAL;
}
