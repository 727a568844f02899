/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hw/mac.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/hw/datapath.h"

static bool magnitude_is_power(const struct qb_format *f)
{
	return f->kind == QB_FORMAT_INT && f->is_signed;
}

static void multiply(struct qb_hw_unit *u, const struct qb__operand *a, const struct qb__operand *b,
	struct qb__product *p)
{
	struct qb_netlist *n = &u->netlist;
	bool integers = u->a.kind == QB_FORMAT_INT && u->b.kind == QB_FORMAT_INT;

	n->part = QB_HW_MULTIPLIER;
	p->a = a;
	p->b = b;
	p->sig = qb_word_multiply(n, u->options.multiplier, &a->sig, false, &b->sig, false);
	/* The largest magnitude of a signed integer is a power of two, so the highest wire stays 0. */
	p->sig.n -= magnitude_is_power(&u->a) || magnitude_is_power(&u->b);
	p->sign = qb_xor(n, a->sign, b->sign);
	n->part = QB_HW_SPECIAL;
	p->zero = qb_or(n, a->zero, b->zero);
	if (integers) {
		p->sign = qb_and(n, p->sign, qb_not(n, p->zero)); /* no negative zero */
	}
	p->nan = qb_or(n, qb_or(n, a->nan, b->nan),
		qb_or(n, qb_and(n, a->inf, b->zero), qb_and(n, a->zero, b->inf)));
	p->inf = qb_and(n, qb_or(n, a->inf, b->inf), qb_not(n, p->nan));
	p->lsb = a->lsb + b->lsb;
	p->leading_zeros = u->a.no_subnormals && u->b.no_subnormals ? 1 : p->sig.n - 1;
}

/* Fixed point */

/* acc + addend, the addend's top wire negative; the wires above it count up or down. */
static struct qb_word accumulate(struct qb_netlist *n, const struct qb_word *acc,
	const struct qb_word *addend, int sign, int carry)
{
	struct qb_word y = {.n = acc->n}, extended = *addend;
	int low = QB_MIN(acc->n, addend->n), step;

	if (n->fast) {
		while (extended.n < acc->n) {
			extended.w[extended.n++] = sign;
		}
		return qb_word_add(n, acc, &extended, carry, acc->n, NULL);
	}
	y = qb_word_add(n, acc, addend, carry, low, &carry);
	y.n = acc->n;
	/* carry - sign is 1, 0 or -1: each wire above costs three gates rather than five. */
	step = qb_xor(n, carry, sign);
	for (int i = low; i < acc->n; i++) {
		y.w[i] = qb_xor(n, acc->w[i], step);
		step = qb_and(n, step, qb_xor(n, acc->w[i], sign));
	}
	return y;
}

/* Places the product by the sum of its operands' exponents: down from the top by how far each is from its largest,
 * which is its complement and costs no subtraction. */
static struct qb_word place_product(struct qb_netlist *n, const struct qb__product *p, int width)
{
	struct qb_word a = qb_word_not(n, &p->a->exponent), b = qb_word_not(n, &p->b->exponent);
	struct qb_word distance, x;
	int span;

	n->part = QB_HW_EXPONENT;
	distance = a.n == 0 ? b : a;
	if (a.n && b.n) {
		distance = qb_word_add(n, &a, &b, QB_WIRE_0, QB_MAX(a.n, b.n) + 1, NULL);
	}
	span = (a.n ? (1 << a.n) - 2 : 0) + (b.n ? (1 << b.n) - 2 : 0);
	n->part = QB_HW_ALIGN;
	x = qb_word_shift_down(n, &p->sig, &distance, p->sig.n + span, false);
	/* The exponents of infinities are never used: nothing reaches the places above. */
	x.n = QB_MIN(x.n, width);
	return x;
}

static int ceil_log2(int x)
{
	int n = 0;

	while (n < 30 && 1 << n < x) {
		n++;
	}
	return n;
}

/* Wires of the product on the grid of the smallest product, without and with its sign. */
static int placed_width(const struct qb__product *p)
{
	return p->sig.n + p->a->exponent_max - 1 + p->b->exponent_max - 1;
}

static void accumulate_fixed(struct qb_hw_unit *u, const struct qb_word *acc,
	const struct qb__product *p, const struct qb_word *a, const struct qb_word *b,
	struct qb_word *next)
{
	struct qb_netlist *n = &u->netlist;
	struct qb_word x, number = *acc;
	int invalid;

	number.n = u->acc_bits;
	if (u->a.kind == QB_FORMAT_INT && u->b.kind == QB_FORMAT_INT) {
		/* Two's complement throughout. */
		n->part = QB_HW_MULTIPLIER;
		x = qb_word_multiply(n, u->options.multiplier, a, u->a.is_signed, b, u->b.is_signed);
		n->part = QB_HW_ADD;
		*next = accumulate(n, &number, &x,
			u->a.is_signed || u->b.is_signed ? x.w[x.n - 1] : QB_WIRE_0, QB_WIRE_0);
	} else {
		x = place_product(n, p, placed_width(p));
		n->part = QB_HW_ADD;
		x = qb_word_xor(n, &x, p->sign);
		*next = accumulate(n, &number, &x, p->sign, p->sign);
	}
	if (u->has_invalid) {
		n->part = QB_HW_SPECIAL;
		invalid = qb_or(n, p->nan, p->inf);
		next->w[next->n++] = qb_or(n, acc->w[u->acc_bits], invalid);
	}
}

/* Units */

static enum qb_err choose_width(struct qb_hw_unit *u, const struct qb__product *p,
	struct qb_errbuf *eb)
{
	bool integers = u->a.kind == QB_FORMAT_INT && u->b.kind == QB_FORMAT_INT;
	int product = integers ? u->a_bits + u->b_bits
			       : placed_width(p) + (u->a.is_signed || u->b.is_signed);
	int exact = product + ceil_log2(u->options.terms);

	u->acc_lsb = p->lsb;
	u->has_invalid = u->a.specials != QB_SPECIALS_NONE || u->b.specials != QB_SPECIALS_NONE;
	u->acc_bits = u->accumulator.width ? u->accumulator.width : exact;
	if (u->acc_bits > QB_ACCUMULATOR_BITS_MAX) {
		return qb_fail(eb, QB_EUNSUPPORTED,
			"%s x %s: an exact fixed-point accumulator needs %d bits, and %d are the most; "
			"accumulate in fp32, fp16 or bf16", u->a.name, u->b.name, exact, QB_ACCUMULATOR_BITS_MAX);
	}
	return QB_OK;
}

static enum qb_err build(struct qb_hw_unit *u, struct qb_errbuf *eb)
{
	struct qb_netlist *n = &u->netlist;
	struct qb_word a, b, acc, next = {.n = 0};
	struct qb__operand x, y;
	struct qb__product p = {0};

	QB_TRY(qb_netlist_init(n, eb));
	n->fast = u->options.fast;
	a = qb_word_inputs(n, u->a_bits);
	b = qb_word_inputs(n, u->b_bits);
	n->part = QB_HW_DECODE;
	qb__decode(n, &u->a, &a, &x);
	qb__decode(n, &u->b, &b, &y);
	multiply(u, &x, &y, &p);
	if (u->accumulator.kind == QB_ACCUMULATOR_FIXED) {
		QB_TRY(choose_width(u, &p, eb));
		acc = qb_word_inputs(n, u->acc_bits + u->has_invalid);
		accumulate_fixed(u, &acc, &p, &a, &b, &next);
	} else {
		u->acc_bits = 1 + u->accumulator.exp_bits + u->accumulator.man_bits;
		acc = qb_word_inputs(n, u->acc_bits);
		qb__accumulate_float(n, &u->accumulator, &acc, &p, &next);
	}
	QB_TRY(qb_netlist_optimize(n, next.w, next.n, eb));
	QB_TRY(qb_netlist_depth(n, &u->depth, eb));
	qb_netlist_count(n, u->parts);
	u->gates = 0;
	for (int i = 0; i < QB_HW_PART_COUNT; i++) {
		u->gates += u->parts[i];
	}
	u->register_bits = u->acc_bits + u->has_invalid;
	return QB_OK;
}

static enum qb_err create(struct qb_hw_unit **out, const struct qb_format *a,
	const struct qb_format *b, const struct qb_accumulator *accumulator,
	const struct qb_hw_options *options, enum qb_multiplier multiplier, struct qb_errbuf *eb)
{
	struct qb_hw_unit *u = calloc(1, sizeof(*u));
	enum qb_err err;

	if (!u) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a multiply-accumulate unit");
	}
	u->a = *a;
	u->b = *b;
	u->accumulator = *accumulator;
	u->options = *options;
	u->options.multiplier = multiplier;
	u->a_bits = a->bits;
	u->b_bits = b->bits;
	err = build(u, eb);
	if (err != QB_OK) {
		qb_hw_unit_destroy(&u);
		return err;
	}
	*out = u;
	return QB_OK;
}

enum qb_err qb_hw_unit_create(struct qb_hw_unit **out, const struct qb_format *a,
	const struct qb_format *b, const struct qb_accumulator *accumulator,
	const struct qb_hw_options *options, struct qb_errbuf *eb)
{
	struct qb_hw_options o = options ? *options : (struct qb_hw_options){0};
	struct qb_hw_unit *array = NULL, *dadda = NULL;

	QB_TRY(qb__operand_check(a, eb));
	QB_TRY(qb__operand_check(b, eb));
	if (o.terms == 0) {
		o.terms = 1024;
	}
	if (o.terms < 1 || o.terms > 1 << 24) {
		return qb_fail(eb, QB_EINVAL, "an accumulator is sized for 1 to 2^24 products, not %d",
			o.terms);
	}
	if (o.multiplier != QB_MULTIPLIER_SMALLEST) {
		return create(out, a, b, accumulator, &o, o.multiplier, eb);
	}
	QB_TRY(create(&array, a, b, accumulator, &o, QB_MULTIPLIER_ARRAY, eb));
	if (create(&dadda, a, b, accumulator, &o, QB_MULTIPLIER_DADDA, eb) != QB_OK) {
		qb_hw_unit_destroy(&array);
		return eb ? eb->code : QB_ENOMEM;
	}
	if (dadda->gates < array->gates) {
		qb_hw_unit_destroy(&array);
		*out = dadda;
	} else {
		qb_hw_unit_destroy(&dadda);
		*out = array;
	}
	return QB_OK;
}

void qb_hw_unit_destroy(struct qb_hw_unit **unit)
{
	if (*unit) {
		qb_netlist_fini(&(*unit)->netlist);
		free(*unit);
		*unit = NULL;
	}
}
