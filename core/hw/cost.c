/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/size.h"
#include "core/hw/mac.h"

int qb_hw_published_gates(const char *operand, const char *accumulator)
{
	static const struct {
		const char *operand, *accumulator;
		int gates;
	} published[] = {
		{"int8", "fixed", 750}, {"int8", "fp16", 1450}, {"int8", "fp32", 2350},
		{"E4", "fixed", 1150}, {"E4", "fp16", 1200}, {"E4", "fp32", 2125},
		{"fp8_e4m3", "fixed", 1150}, {"fp8_e4m3", "fp16", 1200}, {"fp8_e4m3", "fp32", 2125},
	};

	for (size_t i = 0; i < QB_COUNT(published); i++) {
		if (!strcmp(operand, published[i].operand) &&
			!strcmp(accumulator, published[i].accumulator)) {
			return published[i].gates;
		}
	}
	return 0;
}

enum qb_err qb_hw_scheme_gates(const struct qb_format *weights, const struct qb_format *activations,
	int *gates, struct qb_errbuf *eb)
{
	struct qb_format fp32 = qb__float_format(8, 23);
	const struct qb_format *a = weights ? weights : &fp32, *b = activations ? activations : &fp32;
	struct qb_accumulator accumulator;
	struct qb_hw_unit *unit = NULL;
	bool wide = a->bits > 16 || b->bits > 16 || a->exp_bits > 6 || b->exp_bits > 6;

	snprintf(fp32.name, sizeof(fp32.name), "fp32");
	QB_TRY(qb_accumulator_parse(&accumulator, wide ? "fp32" : "fixed", eb));
	QB_TRY(qb_hw_unit_create(&unit, a, b, &accumulator, NULL, eb));
	*gates = unit->gates;
	qb_hw_unit_destroy(&unit);
	return QB_OK;
}
