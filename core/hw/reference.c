/* SPDX-License-Identifier: Apache-2.0
 *
 * What a unit must compute, by other means than the unit: operands by qb_format_code_value, the product of two doubles
 * (exact: 24 bits times 24), the sum as an integer as long as it takes, rounded once.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/hw/reference.h"

/* Bits of the largest integer: products down to 2^-700 beside accumulators up to 2^128. */
enum { LIMBS = 40 };

/* |v| = mantissa * 2^exponent */
static uint64_t take_apart(double v, int *exponent)
{
	uint64_t m;

	m = (uint64_t)ldexp(frexp(fabs(v), exponent), 53);
	*exponent -= 53;
	while (m && !(m & 1)) {
		m >>= 1;
		++*exponent;
	}
	return m;
}

/* x += (or -=) m * 2^shift, modulo 2^(64 n) */
static void add_shifted(uint64_t *x, int n, uint64_t m, int shift, bool negative)
{
	unsigned __int128 part = (unsigned __int128)m << (shift % 64);
	uint64_t words[2] = {(uint64_t)part, (uint64_t)(part >> 64)};
	unsigned char carry = 0;

	for (int i = shift / 64, k = 0; i < n; i++, k++) {
		uint64_t w = k < 2 ? words[k] : 0, before = x[i];

		if (negative) {
			x[i] = before - w - carry;
			carry = before < w || (before == w && carry);
		} else {
			x[i] = before + w + carry;
			carry = x[i] < before || (x[i] == before && carry);
		}
	}
}

static int top_bit(const uint64_t *x, int n)
{
	for (int i = n - 1; i >= 0; i--) {
		if (x[i]) {
			return i * 64 + 63 - __builtin_clzll(x[i]);
		}
	}
	return -1;
}

static bool bit_of(const uint64_t *x, int i)
{
	return i >= 0 && (x[i / 64] >> (i % 64) & 1);
}

/* The code nearest to (-1)^negative * x * 2^base, ties to even. x is not zero. */
static uint64_t round_to_code(const uint64_t *x, int n, int base, bool negative,
	const struct qb_format *f)
{
	int top = top_bit(x, n), lowest = 1 - f->bias - f->man_bits - base;
	int unit = QB_MAX(top - f->man_bits, lowest); /* weight of the last place */
	uint64_t m = 0, sign = (uint64_t)negative << (f->bits - 1), rest = 0;
	uint64_t infinity = (UINT64_C(1) << f->exp_bits) - 1;
	uint64_t code;

	for (int i = top; i >= unit; i--) {
		m = m << 1 | bit_of(x, i);
	}
	for (int i = QB_MIN(unit - 2, top); i >= 0 && !rest; i--) {
		rest = bit_of(x, i);
	}
	if (unit - 1 <= top && bit_of(x, unit - 1) && (rest || (m & 1))) {
		m++;
	}
	/* A mantissa that reaches the hidden bit, or passes it, carries into the exponent. */
	code = ((uint64_t)(unit - lowest) << f->man_bits) + m;
	if (code >> f->man_bits >= infinity) {
		code = infinity << f->man_bits;
	}
	return sign | code;
}

static uint64_t sum_float(double acc, double product, const struct qb_format *f)
{
	uint64_t infinity = ((UINT64_C(1) << f->exp_bits) - 1) << f->man_bits;
	uint64_t x[LIMBS] = {0}, zero[LIMBS] = {0};
	int e1, e2, base, n;
	uint64_t m1, m2;

	if (isnan(acc + product)) {
		return infinity | UINT64_C(1) << (f->man_bits - 1);
	}
	if (isinf(acc) || isinf(product)) {
		return infinity | (uint64_t)(acc + product < 0) << (f->bits - 1);
	}
	if (acc == -product) {
		return (uint64_t)(signbit(acc + product) != 0) << (f->bits - 1);
	}
	m1 = take_apart(acc, &e1);
	m2 = take_apart(product, &e2);
	base = m1 == 0 ? e2 : m2 == 0 ? e1 : QB_MIN(e1, e2);
	n = (QB_MAX(m1 ? e1 - base : 0, m2 ? e2 - base : 0) + 64) / 64 + 2;
	if (m1) {
		add_shifted(x, n, m1, e1 - base, acc < 0);
	}
	if (m2) {
		add_shifted(x, n, m2, e2 - base, product < 0);
	}
	if (!(x[n - 1] >> 63)) {
		return round_to_code(x, n, base, false, f);
	}
	for (int i = 0; i < n; i++) {
		add_shifted(zero, n, x[i], 64 * i, true);
	}
	return round_to_code(zero, n, base, true, f);
}

/* FP32 is beyond qb_format_code_value, which serves formats up to 16 bits. */
static double value_of(const struct qb_format *f, uint32_t code)
{
	float v;

	if (f->bits < 32) {
		return qb_format_code_value(f, code);
	}
	memcpy(&v, &code, sizeof(v));
	return v;
}

double qb__reference_product(const struct qb_hw_unit *u, uint32_t a, uint32_t b)
{
	double p = value_of(&u->a, a) * value_of(&u->b, b);

	/* Integers have one zero. */
	return u->a.kind == QB_FORMAT_INT && u->b.kind == QB_FORMAT_INT ? p + 0.0 : p;
}

void qb__reference(const struct qb_hw_unit *u, uint32_t a, uint32_t b,
	const uint64_t acc[QB_ACC_WORDS], uint64_t next[QB_ACC_WORDS])
{
	double product = qb__reference_product(u, a, b);

	memcpy(next, acc, QB_ACC_WORDS * sizeof(*next));
	if (u->accumulator.kind == QB_ACCUMULATOR_FLOAT) {
		struct qb_format f =
			qb__float_format(u->accumulator.exp_bits, u->accumulator.man_bits);

		next[0] = sum_float(value_of(&f, (uint32_t)acc[0]), product, &f);
		return;
	}
	if (!isfinite(product)) {
		/* The number is lost and the invalid bit says so. */
		next[u->acc_bits / 64] |= UINT64_C(1) << (u->acc_bits % 64);
		return;
	}
	if (product != 0) {
		bool invalid = u->has_invalid && bit_of(acc, u->acc_bits);
		int e, words = (u->acc_bits + 63) / 64;
		uint64_t m = take_apart(product, &e);

		add_shifted(next, words, m, e - u->acc_lsb, product < 0);
		if (u->acc_bits % 64) {
			next[words - 1] &= (UINT64_C(1) << (u->acc_bits % 64)) - 1;
		}
		if (invalid) {
			next[u->acc_bits / 64] |= UINT64_C(1) << (u->acc_bits % 64);
		}
	}
}
