/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/size.h"
#include "core/hw/cells.h"

static int gates_of(const struct qb_netlist *n)
{
	int parts[QB_HW_PART_COUNT], sum = 0;

	qb_netlist_count(n, parts);
	for (int i = 0; i < QB_HW_PART_COUNT; i++) {
		sum += parts[i];
	}
	return sum;
}

static void netlist__full_adder__five_gates(void **state)
{
	struct qb_netlist n;
	int w[2], a, b, c;

	(void)state;
	assert_int_equal(qb_netlist_init(&n, NULL), QB_OK);
	a = qb_netlist_input(&n);
	b = qb_netlist_input(&n);
	c = qb_netlist_input(&n);
	qb_full_adder(&n, a, b, c, &w[0], &w[1]);
	assert_int_equal(qb_netlist_optimize(&n, w, 2, NULL), QB_OK);
	assert_int_equal(gates_of(&n), 5);
	qb_netlist_fini(&n);
}

static void netlist__full_adder_with_constant__half_adder(void **state)
{
	(void)state;
	for (int constant = 0; constant < 2; constant++) {
		struct qb_netlist n;
		int w[2], a, b;

		assert_int_equal(qb_netlist_init(&n, NULL), QB_OK);
		a = qb_netlist_input(&n);
		b = qb_netlist_input(&n);
		qb_full_adder(&n, constant, a, b, &w[0], &w[1]);
		assert_int_equal(qb_netlist_optimize(&n, w, 2, NULL), QB_OK);
		assert_int_equal(gates_of(&n), 2);
		qb_netlist_fini(&n);
	}
}

static void netlist__multiplexer__three_gates_and_shared_inverter(void **state)
{
	struct qb_netlist n;
	struct qb_word a, b, y;
	int sel;

	(void)state;
	assert_int_equal(qb_netlist_init(&n, NULL), QB_OK);
	sel = qb_netlist_input(&n);
	a = qb_word_inputs(&n, 8);
	b = qb_word_inputs(&n, 8);
	y = qb_word_mux(&n, sel, &a, &b, 8);
	assert_int_equal(qb_netlist_optimize(&n, y.w, 8, NULL), QB_OK);
	assert_int_equal(gates_of(&n), 3 * 8 + 1);
	qb_netlist_fini(&n);
}

static void netlist__constants_and_repeats__cost_nothing(void **state)
{
	struct qb_netlist n;
	int a, b, x;

	(void)state;
	assert_int_equal(qb_netlist_init(&n, NULL), QB_OK);
	a = qb_netlist_input(&n);
	b = qb_netlist_input(&n);
	assert_int_equal(qb_and(&n, a, QB_WIRE_1), a);
	assert_int_equal(qb_and(&n, a, qb_not(&n, a)), QB_WIRE_0);
	assert_int_equal(qb_or(&n, qb_not(&n, a), a), QB_WIRE_1);
	assert_int_equal(qb_xor(&n, a, a), QB_WIRE_0);
	assert_int_equal(qb_not(&n, qb_not(&n, a)), a);
	assert_int_equal(qb_and(&n, a, b), qb_and(&n, b, a));
	x = qb_not(&n, qb_and(&n, a, b));
	assert_int_equal(qb_netlist_optimize(&n, &x, 1, NULL), QB_OK);
	assert_int_equal(gates_of(&n), 1);
	assert_int_equal(n.gates[n.outputs[0]].op, QB_GATE_NAND);
	qb_netlist_fini(&n);
}

/* Word functions against C's arithmetic, on every pair of 6-bit words: 4096 patterns. */

enum { BITS = 6, PATTERNS = 1 << (2 * BITS) };

typedef struct qb_word builder(struct qb_netlist *n, const struct qb_word *a,
	const struct qb_word *b);
typedef unsigned expected(unsigned a, unsigned b);

static void check_words(builder *build, expected *want, bool fast)
{
	static struct qb_lanes inputs[2 * BITS], outputs[64], scratch[4096];
	struct qb_netlist n;
	struct qb_word a, b, y;

	assert_int_equal(qb_netlist_init(&n, NULL), QB_OK);
	n.fast = fast;
	a = qb_word_inputs(&n, BITS);
	b = qb_word_inputs(&n, BITS);
	y = build(&n, &a, &b);
	assert_int_equal(qb_netlist_optimize(&n, y.w, y.n, NULL), QB_OK);
	assert_true(n.count <= 4096);
	for (unsigned base = 0; base < PATTERNS; base += QB_LANES) {
		memset(inputs, 0, sizeof(inputs));
		for (unsigned i = 0; i < QB_LANES; i++) {
			for (int k = 0; k < 2 * BITS; k++) {
				inputs[k].w[i / 64] |= (uint64_t)((base + i) >> k & 1) << (i % 64);
			}
		}
		qb_netlist_simulate(&n, inputs, outputs, scratch);
		for (unsigned i = 0; i < QB_LANES; i++) {
			unsigned p = base + i, got = 0;

			for (int k = 0; k < y.n; k++) {
				got |= (unsigned)(outputs[k].w[i / 64] >> (i % 64) & 1) << k;
			}
			if (got != want(p % 64, p / 64)) {
				fail_msg("pattern %u %u: %u, not %u", p % 64, p / 64, got,
					want(p % 64, p / 64));
			}
		}
	}
	qb_netlist_fini(&n);
}

static int to_signed(unsigned x)
{
	return x >= 32 ? (int)x - 64 : (int)x;
}

#define MULTIPLY(name, kind, signed_a, signed_b) \
	static struct qb_word name(struct qb_netlist *n, const struct qb_word *a, \
		const struct qb_word *b) \
	{ \
		return qb_word_multiply(n, kind, a, signed_a, b, signed_b); \
	}
MULTIPLY(array_uu, QB_MULTIPLIER_ARRAY, false, false)
MULTIPLY(array_ss, QB_MULTIPLIER_ARRAY, true, true)
MULTIPLY(array_su, QB_MULTIPLIER_ARRAY, true, false)
MULTIPLY(dadda_uu, QB_MULTIPLIER_DADDA, false, false)
MULTIPLY(dadda_ss, QB_MULTIPLIER_DADDA, true, true)
MULTIPLY(dadda_su, QB_MULTIPLIER_DADDA, true, false)

static unsigned times_uu(unsigned a, unsigned b)
{
	return a * b;
}

static unsigned times_ss(unsigned a, unsigned b)
{
	return (unsigned)(to_signed(a) * to_signed(b)) & 4095;
}

static unsigned times_su(unsigned a, unsigned b)
{
	return (unsigned)(to_signed(a) * (int)b) & 4095;
}

static void multiplier__all_pairs__exact_product(void **state)
{
	(void)state;
	for (int fast = 0; fast < 2; fast++) {
		check_words(array_uu, times_uu, fast);
		check_words(array_ss, times_ss, fast);
		check_words(array_su, times_su, fast);
		check_words(dadda_uu, times_uu, fast);
		check_words(dadda_ss, times_ss, fast);
		check_words(dadda_su, times_su, fast);
	}
}

static struct qb_word sum(struct qb_netlist *n, const struct qb_word *a, const struct qb_word *b)
{
	int carry;
	struct qb_word y = qb_word_add(n, a, b, QB_WIRE_1, BITS, &carry);

	y.w[y.n++] = carry;
	return y;
}

static unsigned sum_plus_one(unsigned a, unsigned b)
{
	return a + b + 1;
}

static void adder__ripple_and_prefix__sum_and_carry(void **state)
{
	(void)state;
	check_words(sum, sum_plus_one, false);
	check_words(sum, sum_plus_one, true);
}

static struct qb_word shift_down(struct qb_netlist *n, const struct qb_word *a,
	const struct qb_word *b)
{
	struct qb_word amount = *b;

	amount.n = 4;
	return qb_word_shift_down(n, a, &amount, 8, true);
}

static unsigned shifted_down(unsigned a, unsigned b)
{
	unsigned amount = b & 15, x = a << 2;

	return x >> amount | ((x & ((1u << amount) - 1)) != 0);
}

static void shift_down__bits_fall_off__lowest_bit_remembers(void **state)
{
	(void)state;
	check_words(shift_down, shifted_down, false);
}

static struct qb_word shift_up(struct qb_netlist *n, const struct qb_word *a,
	const struct qb_word *b)
{
	struct qb_word amount = *b;

	amount.n = 3;
	return qb_word_shift_up(n, a, &amount);
}

static unsigned shifted_up(unsigned a, unsigned b)
{
	return a << (b & 7) & 63;
}

static void shift_up__all_amounts__zeros_below(void **state)
{
	(void)state;
	check_words(shift_up, shifted_up, false);
}

static struct qb_word zeros(struct qb_netlist *n, const struct qb_word *a, const struct qb_word *b)
{
	int none;
	struct qb_word y = qb_word_leading_zeros(n, a, &none);

	(void)b;
	y.w[y.n++] = none;
	return y;
}

static unsigned zeros_above(unsigned a, unsigned b)
{
	unsigned count = 0;

	(void)b;
	while (count < BITS && !(a >> (BITS - 1 - count))) {
		count++;
	}
	return count | (unsigned)(a == 0) << 3;
}

static void leading_zeros__all_words__counted(void **state)
{
	(void)state;
	check_words(zeros, zeros_above, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(netlist__full_adder__five_gates),
		cmocka_unit_test(netlist__full_adder_with_constant__half_adder),
		cmocka_unit_test(netlist__multiplexer__three_gates_and_shared_inverter),
		cmocka_unit_test(netlist__constants_and_repeats__cost_nothing),
		cmocka_unit_test(multiplier__all_pairs__exact_product),
		cmocka_unit_test(adder__ripple_and_prefix__sum_and_carry),
		cmocka_unit_test(shift_down__bits_fall_off__lowest_bit_remembers),
		cmocka_unit_test(shift_up__all_amounts__zeros_below),
		cmocka_unit_test(leading_zeros__all_words__counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
