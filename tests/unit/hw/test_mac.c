/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/size.h"
#include "core/hw/reference.h"

enum { SEED = 1, ROUNDS = 8 };

static struct qb_hw_unit *unit_of(const char *a, const char *b, const char *accumulator,
	const struct qb_hw_options *options)
{
	struct qb_format fa, fb;
	struct qb_accumulator acc;
	struct qb_hw_unit *u = NULL;
	struct qb_errbuf eb = {.text = ""};

	if (qb_hw_operand_parse(&fa, a, &eb) != QB_OK || qb_hw_operand_parse(&fb, b, &eb) != QB_OK ||
		qb_accumulator_parse(&acc, accumulator, &eb) != QB_OK ||
		qb_hw_unit_create(&u, &fa, &fb, &acc, options, &eb) != QB_OK) {
		fail_msg("%s x %s + %s: %s", a, b, accumulator, eb.text);
	}
	return u;
}

static void verify(const char *a, const char *b, const char *accumulator,
	const struct qb_hw_options *options, int rounds)
{
	struct qb_hw_unit *u = unit_of(a, b, accumulator, options);
	struct qb_errbuf eb = {.text = ""};
	uint64_t pairs = 0;
	int bits = u->a_bits + u->b_bits;

	if (qb_hw_unit_verify(u, rounds, SEED, &pairs, &eb) != QB_OK) {
		fail_msg("seed %d: %s", SEED, eb.text);
	}
	assert_int_equal(pairs, bits <= 20 ? UINT64_C(1) << bits : UINT64_C(1) << 20);
	qb_hw_unit_destroy(&u);
}

static void unit__each_format_and_accumulator__every_pair_exact(void **state)
{
	static const char *const formats[] = {
		"int8", "int4", "E2", "E3", "E4", "E5", "e4m3fn", "e5m2", "mxfp4"};
	static const char *const accumulators[] = {"fixed", "fp16", "fp32", "bf16"};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(formats); i++) {
		for (size_t k = 0; k < QB_COUNT(accumulators); k++) {
			verify(formats[i], formats[i], accumulators[k], NULL, ROUNDS);
		}
	}
}

static void unit__mixed_operands__every_pair_exact(void **state)
{
	static const char *const pairs[][2] = {{"int4", "int8"}, {"uint8", "int8"}, {"int4", "E4"},
		{"int8", "E5"}, {"e4m3fn", "e5m2"}, {"uint4", "uint8"}, {"int1", "int8"},
		{"uE4", "E3"}, {"e2m1", "int8"}, {"e4m3fnuz", "E2"}, {"e3m2", "e2m3"},
		{"fp8_e4m3_nosub", "fp8_e4m3_nosub"}, {"int2", "uint2"}, {"fp4_e1m2", "int3"},
		{"fp8_e7m0", "fp8_e4m3_ieee"}};
	static const char *const accumulators[] = {"fixed", "fp16", "fp32", "bf16"};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(pairs); i++) {
		for (size_t k = 0; k < QB_COUNT(accumulators); k++) {
			verify(pairs[i][0], pairs[i][1], accumulators[k], NULL, 4);
		}
	}
}

static void unit__given_width__wraps_exactly(void **state)
{
	(void)state;
	verify("int8", "int8", "int32", NULL, 4);
	verify("int8", "int8", "fixed12", NULL, 4);
	verify("E4", "E4", "fixed24", NULL, 4);
	verify("e5m2", "E3", "fixed64", NULL, 4);
	verify("int4", "int4", "fixed1", NULL, 4);
}

static void unit__dadda_and_prefix_adders__every_pair_exact(void **state)
{
	struct qb_hw_options options = {.multiplier = QB_MULTIPLIER_DADDA, .fast = true};
	static const char *const formats[] = {"int8", "E4", "e5m2"};
	static const char *const accumulators[] = {"fixed", "fp16", "fp32"};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(formats); i++) {
		for (size_t k = 0; k < QB_COUNT(accumulators); k++) {
			struct qb_hw_unit *fast =
				unit_of(formats[i], formats[i], accumulators[k], &options);
			struct qb_hw_unit *small =
				unit_of(formats[i], formats[i], accumulators[k], NULL);

			assert_true(fast->depth < small->depth);
			assert_true(fast->gates > small->gates);
			qb_hw_unit_destroy(&fast);
			qb_hw_unit_destroy(&small);
			verify(formats[i], formats[i], accumulators[k], &options, 4);
		}
	}
}

static void unit__wide_operands__random_pairs_exact(void **state)
{
	(void)state;
	verify("fp16", "fp16", "fp32", NULL, 1);
	verify("bf16", "bf16", "fp32", NULL, 1);
	verify("int16", "int16", "fixed", NULL, 1);
	verify("fp32", "fp32", "fp32", NULL, 1);
	verify("fp16", "fp16", "fixed", NULL, 1);
}

/* The reference against arithmetic that needs none of it: float sums where double is exact. */
static void reference__int8_into_fp32__equals_c(void **state)
{
	struct qb_hw_unit *u = unit_of("int8", "int8", "fp32", NULL);

	(void)state;
	for (uint32_t i = 0; i < 1 << 20; i++) {
		float acc = (float)((int32_t)(i * 2654435761u) >> 6), want;
		uint32_t a = i & 255, b = i >> 8 & 255, bits;
		uint64_t in[QB_ACC_WORDS] = {0}, next[QB_ACC_WORDS];

		want = (float)((double)acc + (double)((int8_t)a * (int8_t)b));
		memcpy(&bits, &acc, sizeof(bits));
		in[0] = bits;
		qb__reference(u, a, b, in, next);
		memcpy(&bits, &want, sizeof(bits));
		assert_int_equal(next[0], bits);
	}
	qb_hw_unit_destroy(&u);
}

static void reference__fp32__equals_fma(void **state)
{
	struct qb_hw_unit *u = unit_of("fp32", "fp32", "fp32", NULL);

	(void)state;
	for (uint32_t i = 0; i < 1 << 20; i++) {
		uint32_t r[4];
		float x[3], want;
		uint64_t in[QB_ACC_WORDS] = {0}, next[QB_ACC_WORDS];

		for (int k = 0; k < 3; k++) {
			r[k] = (i * 3 + (uint32_t)k + 1) * 2654435761u;
			r[k] ^= r[k] >> 15;
			r[k] = r[k] * 2246822519u ^ r[k] << 7;
			memcpy(&x[k], &r[k], sizeof(x[k]));
		}
		in[0] = r[2];
		qb__reference(u, r[0], r[1], in, next);
		want = fmaf(x[0], x[1], x[2]);
		memcpy(&r[3], &want, sizeof(want));
		if (isnan(want)) {
			assert_int_equal(next[0], 0x7fc00000);
		} else {
			assert_int_equal(next[0], r[3]);
		}
	}
	qb_hw_unit_destroy(&u);
}

static void verify__one_gate_changed__is_found(void **state)
{
	struct qb_hw_unit *u = unit_of("int8", "int8", "fp16", NULL);
	int missed = 0, tried = 0;

	(void)state;
	for (int i = 2 + u->netlist.inputs; i < u->netlist.count; i += 37) {
		uint8_t op = u->netlist.gates[i].op;
		uint64_t pairs;

		if (op < QB_GATE_AND) {
			continue;
		}
		u->netlist.gates[i].op = op >= QB_GATE_NAND ? op - 3 : op + 3;
		missed += qb_hw_unit_verify(u, 4, SEED, &pairs, NULL) == QB_OK;
		tried++;
		u->netlist.gates[i].op = op;
	}
	assert_true(tried > 20);
	assert_int_equal(missed, 0);
	qb_hw_unit_destroy(&u);
}

static void parse__what_no_unit_has__says_what_there_is(void **state)
{
	struct qb_format f;
	struct qb_accumulator acc;
	struct qb_errbuf eb;

	(void)state;
	assert_int_equal(qb_hw_operand_parse(&f, "nf4", &eb), QB_EUNSUPPORTED);
	assert_int_equal(qb_hw_operand_parse(&f, "e8m0", &eb), QB_EUNSUPPORTED);
	assert_int_equal(qb_hw_operand_parse(&f, "int99", &eb), QB_EINVAL);
	assert_int_equal(qb_accumulator_parse(&acc, "fp8", &eb), QB_EINVAL);
	assert_int_equal(qb_accumulator_parse(&acc, "fixed0", &eb), QB_EINVAL);
	assert_int_equal(qb_accumulator_parse(&acc, "fixed513", &eb), QB_EINVAL);
	assert_int_equal(qb_accumulator_parse(&acc, "int9999999999", &eb), QB_EINVAL);
	assert_non_null(strstr(eb.text, "fp16"));
}

static void unit__fixed_beyond_the_widest__says_so(void **state)
{
	struct qb_format f;
	struct qb_accumulator acc;
	struct qb_hw_unit *u = NULL;
	struct qb_errbuf eb;

	(void)state;
	assert_int_equal(qb_hw_operand_parse(&f, "bf16", NULL), QB_OK);
	assert_int_equal(qb_accumulator_parse(&acc, "fixed", NULL), QB_OK);
	assert_int_equal(qb_hw_unit_create(&u, &f, &f, &acc, NULL, &eb), QB_EUNSUPPORTED);
	assert_null(u);
}

static void scheme_gates__common_schemes__grow_with_width(void **state)
{
	struct qb_format int4, int8;
	int w4a8, w8a8, floats;

	(void)state;
	assert_int_equal(qb_format_parse(&int4, "int4", NULL), QB_OK);
	assert_int_equal(qb_format_parse(&int8, "int8", NULL), QB_OK);
	assert_int_equal(qb_hw_scheme_gates(&int4, &int8, &w4a8, NULL), QB_OK);
	assert_int_equal(qb_hw_scheme_gates(&int8, &int8, &w8a8, NULL), QB_OK);
	assert_int_equal(qb_hw_scheme_gates(NULL, NULL, &floats, NULL), QB_OK);
	assert_true(w4a8 < w8a8 && w8a8 < floats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unit__each_format_and_accumulator__every_pair_exact),
		cmocka_unit_test(unit__mixed_operands__every_pair_exact),
		cmocka_unit_test(unit__given_width__wraps_exactly),
		cmocka_unit_test(unit__dadda_and_prefix_adders__every_pair_exact),
		cmocka_unit_test(unit__wide_operands__random_pairs_exact),
		cmocka_unit_test(reference__int8_into_fp32__equals_c),
		cmocka_unit_test(reference__fp32__equals_fma),
		cmocka_unit_test(verify__one_gate_changed__is_found),
		cmocka_unit_test(parse__what_no_unit_has__says_what_there_is),
		cmocka_unit_test(unit__fixed_beyond_the_widest__says_so),
		cmocka_unit_test(scheme_gates__common_schemes__grow_with_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
