/* SPDX-License-Identifier: Apache-2.0
 *
 * The floating-point accumulator. The product is exact and not normalised; the operand with the smaller exponent is
 * aligned to the other, the sum is normalised by its leading zeros and rounded once. Three savings:
 *  - Where the difference of exponents is negative, its one's complement is one too small; the product, then the operand
 *    that moves, is wired one place lower instead.
 *  - Exponents may mislead about which operand is larger, so that a difference may be negative. Its magnitude is
 *    ~x + 1, and the + 1 is left to the rounding: ~x followed by ones without end is the same number.
 *  - The exponent is written less one and the hidden bit is added to it, which serves subnormals, too.
 */
#include "core/base/size.h"
#include "core/hw/datapath.h"

static int bits_for(int value)
{
	int n = 0;

	while (value >> n) {
		n++;
	}
	return n;
}

/* The product's exponent, such that its highest wire has the weight of an accumulator's hidden bit with the same
 * exponent; two's complement in width wires. */
static struct qb_word product_exponent(struct qb_netlist *n, const struct qb__product *p,
	int offset, int width)
{
	struct qb_word base = qb_word_constant((uint64_t)(int64_t)offset, width);
	struct qb_word sum;

	if (!p->a->exponent.n && !p->b->exponent.n) {
		return qb_word_constant((uint64_t)(int64_t)(offset + 2), width);
	}
	if (!p->a->exponent.n || !p->b->exponent.n) {
		base = qb_word_constant((uint64_t)(int64_t)(offset + 1), width);
		return qb_word_add(n, p->a->exponent.n ? &p->a->exponent : &p->b->exponent, &base,
			QB_WIRE_0, width, NULL);
	}
	sum = qb_word_add(n, &p->a->exponent, &p->b->exponent, QB_WIRE_0,
		QB_MAX(p->a->exponent.n, p->b->exponent.n) + 1, NULL);
	return qb_word_add(n, &sum, &base, QB_WIRE_0, width, NULL);
}

/* Amounts that leave nothing are all the same: high wires join into ones below. */
static struct qb_word saturate(struct qb_netlist *n, const struct qb_word *amount, int width)
{
	struct qb_word y = {.n = QB_MIN(bits_for(width), amount->n)};
	int beyond = qb_word_any(n, amount, y.n, amount->n - y.n);

	for (int i = 0; i < y.n; i++) {
		y.w[i] = qb_or(n, amount->w[i], beyond);
	}
	return y;
}

struct aligned {
	struct qb_word big, small; /* of one width, the top at the weight of the hidden bit */
	struct qb_word exponent;   /* of big */
	int product_is_big;
	int product_max;           /* exponent */
};

static struct qb_word at_top(const struct qb_word *x, int width)
{
	struct qb_word y = {.n = width};

	for (int i = 0; i < width; i++) {
		y.w[i] = qb_word_bit(x, i - (width - x->n));
	}
	return y;
}

static void align(struct qb_netlist *n, const struct qb_accumulator *acc,
	const struct qb__operand *r, const struct qb__product *p, int width, struct aligned *out)
{
	int bias = (1 << (acc->exp_bits - 1)) - 1;
	int offset = p->lsb - 2 + p->sig.n - 1 + bias;
	int low = 2 + offset, high = p->a->exponent_max + p->b->exponent_max + offset;
	int r_max = (1 << acc->exp_bits) - 1, reach = QB_MAX(QB_MAX(high, r_max), r_max - low);
	int wires = bits_for(reach) + 1, not_less, moved;
	struct qb_word ep, not_er, difference, distance, product, sig, lower, moves, extended;

	n->part = QB_HW_EXPONENT;
	ep = product_exponent(n, p, offset, wires);
	extended = r->exponent;
	while (extended.n < wires) {
		extended.w[extended.n++] = QB_WIRE_0;
	}
	not_er = qb_word_not(n, &extended);
	difference = qb_word_add(n, &ep, &not_er, QB_WIRE_1, wires, NULL);
	not_less = qb_not(n, difference.w[wires - 1]);
	out->product_is_big = qb_and(n, not_less, qb_not(n, p->zero));
	difference.n = wires - 1;
	distance = qb_word_xor(n, &difference, qb_not(n, not_less));
	/* Only a product that is big has an exponent that matters, and then it is not below the register's. */
	out->product_max = high;
	out->exponent = qb_word_mux(n, out->product_is_big, &ep, &r->exponent,
		QB_MAX(bits_for(QB_MAX(high, 0)), acc->exp_bits));

	n->part = QB_HW_ALIGN;
	product = at_top(&p->sig, width);
	sig = at_top(&r->sig, width);
	out->big = qb_word_mux(n, out->product_is_big, &product, &sig, width);
	lower = p->sig;
	lower.w[lower.n++] = QB_WIRE_0;
	moved = QB_MAX(lower.n, r->sig.n);
	lower = at_top(&lower, moved);
	sig = at_top(&r->sig, moved);
	moves = qb_word_mux(n, out->product_is_big, &sig, &lower, moved);
	distance = saturate(n, &distance, width);
	out->small = qb_word_shift_down(n, &moves, &distance, width, true);
}

struct normal {
	struct qb_word sig;      /* raw, the top is the hidden bit */
	struct qb_word exponent; /* less one where the hidden bit is set */
};

/* x has one wire more than the aligned words: its top weighs twice the hidden bit. y is its magnitude, or one less. */
static void normalise(struct qb_netlist *n, const struct qb_word *x, const struct qb_word *y,
	const struct qb_word *exponent, struct normal *out, int *zero)
{
	struct qb_word zeros = qb_word_leading_zeros(n, y, zero), inverted, shift;
	int width = QB_MAX(zeros.n, exponent->n), no_borrow;

	while (zeros.n < width) {
		zeros.w[zeros.n++] = QB_WIRE_0;
	}
	inverted = qb_word_not(n, &zeros);
	out->exponent = qb_word_add(n, exponent, &inverted, QB_WIRE_1, width, &no_borrow);
	/* A subnormal result stops where the exponent is least. */
	shift = qb_word_mux(n, no_borrow, &zeros, exponent, bits_for(x->n));
	out->sig = qb_word_shift_up(n, x, &shift);
}

/* precision: with the hidden bit. result: mantissa, then exponent with as many wires as it may need. */
static void round_sum(struct qb_netlist *n, const struct normal *s, int negative, int precision,
	struct qb_word *mantissa, struct qb_word *exponent)
{
	int top = s->sig.n - precision;
	int guard = qb_xor(n, s->sig.w[top - 1], negative);
	int rest = qb_word_any(n, &s->sig, 0, top - 1);
	int lowest = qb_xor(n, s->sig.w[top], negative);
	int hidden = qb_xor(n, s->sig.w[s->sig.n - 1], negative);
	int carry, odd_tie = qb_and(n, qb_not(n, rest), lowest);

	/* x: guard and (rest or odd). ~x.111...: guard, or all ones below an odd one. */
	carry = qb_mux(n, negative, qb_or(n, guard, odd_tie),
		qb_and(n, guard, qb_or(n, rest, lowest)));
	mantissa->n = precision - 1;
	for (int i = 0; i < precision - 1; i++) {
		int bit = qb_xor(n, s->sig.w[top + i], negative);

		qb_full_adder(n, bit, carry, QB_WIRE_0, &mantissa->w[i], &carry);
	}
	exponent->n = s->exponent.n + 1;
	for (int i = 0; i < s->exponent.n; i++) {
		qb_full_adder(n, qb_and(n, s->exponent.w[i], hidden), carry,
			i ? QB_WIRE_0 : hidden, &exponent->w[i], &carry);
	}
	exponent->w[exponent->n - 1] = carry;
}

void qb__accumulate_float(struct qb_netlist *n, const struct qb_accumulator *acc,
	const struct qb_word *register_bits, const struct qb__product *p, struct qb_word *next)
{
	struct qb_format f = qb__float_format(acc->exp_bits, acc->man_bits);
	int precision = acc->man_bits + 1;
	/* Below the product's lowest possible leading one: precision, a guard and a sticky place (docs/hardware.md). */
	int width = QB_MAX(p->leading_zeros + precision + 3, p->sig.n + 2);
	struct qb__operand r;
	struct aligned s;
	struct normal m;
	struct qb_word sum, x, y, mantissa = {.n = 0}, exponent = {.n = 0};
	int differ, carry, negative, zero, special, nan, beyond, clear, sign;

	n->part = QB_HW_DECODE;
	qb__decode(n, &f, register_bits, &r);
	align(n, acc, &r, p, width, &s);

	n->part = QB_HW_ADD;
	differ = qb_xor(n, r.sign, p->sign);
	s.small = qb_word_xor(n, &s.small, differ);
	sum = qb_word_add(n, &s.big, &s.small, differ, width, &carry);
	negative = qb_and(n, differ, qb_not(n, carry));
	x = sum;
	x.w[x.n++] = qb_xor(n, carry, differ);
	y = qb_word_xor(n, &sum, negative);
	y.w[y.n++] = qb_and(n, carry, qb_not(n, differ));

	n->part = QB_HW_NORMALISE;
	normalise(n, &x, &y, &s.exponent, &m, &zero);
	n->part = QB_HW_ROUND;
	round_sum(n, &m, negative, precision, &mantissa, &exponent);

	/* Products this far below the largest accumulator cannot carry its exponent past all ones. */
	if (s.product_max <= (1 << acc->exp_bits) - 4) {
		exponent.n = acc->exp_bits;
	}

	n->part = QB_HW_SPECIAL;
	nan = qb_or(n, qb_or(n, r.nan, p->nan),
		qb_and(n, differ, qb_and(n, r.inf, p->inf)));
	special = qb_or(n, qb_or(n, r.inf, r.nan), qb_or(n, p->inf, p->nan));
	beyond = qb_or(n, special,
		qb_word_any(n, &exponent, acc->exp_bits, exponent.n - acc->exp_bits));
	clear = qb_or(n, beyond, qb_word_all(n, &exponent, 0, acc->exp_bits));
	sign = qb_xor(n, qb_mux(n, s.product_is_big, p->sign, r.sign), negative);
	/* An exact difference of zero is positive. */
	sign = qb_and(n, sign,
		qb_not(n, qb_and(n, differ, qb_and(n, zero, qb_not(n, negative)))));
	sign = qb_mux(n, p->inf, p->sign, qb_mux(n, r.inf, r.sign, sign));
	sign = qb_and(n, sign, qb_not(n, nan));

	next->n = 0;
	for (int i = 0; i < acc->man_bits; i++) {
		int bit = qb_and(n, mantissa.w[i], qb_not(n, clear));

		next->w[next->n++] = i == acc->man_bits - 1 ? qb_or(n, bit, nan) : bit;
	}
	for (int i = 0; i < acc->exp_bits; i++) {
		next->w[next->n++] = qb_or(n, qb_word_bit(&exponent, i), beyond);
	}
	next->w[next->n++] = sign;
}
