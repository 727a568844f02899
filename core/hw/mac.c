/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hw/datapath.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

enum { FIXED_MAX = 512 };

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
	size_t n = strspn(digits, "0123456789");

	for (size_t i = 0; i < QB_COUNT(named); i++) {
		if (!strcmp(name, named[i].name)) {
			*out = named[i];
			return QB_OK;
		}
	}
	if (n >= 1 && n <= 3 && !digits[n] && digits[0] != '0' && atoi(digits) <= FIXED_MAX) {
		*out = (struct qb_accumulator){.kind = QB_ACCUMULATOR_FIXED, .width = atoi(digits)};
		snprintf(out->name, sizeof(out->name), "%.15s", name);
		return QB_OK;
	}
	return qb_fail(eb, QB_EINVAL,
		"\"%.40s\" is no accumulator; there are fixed (wide enough to be exact), fixedN (N from 1 to %d bits), "
		"fp16, bf16 and fp32", name, FIXED_MAX);
}

struct qb_format qb__float_format(int exp_bits, int man_bits)
{
	return (struct qb_format){.kind = QB_FORMAT_FLOAT, .bits = 1 + exp_bits + man_bits,
		.is_signed = true, .exp_bits = exp_bits, .man_bits = man_bits,
		.bias = (1 << (exp_bits - 1)) - 1, .specials = QB_SPECIALS_IEEE, .overflows = true};
}

static enum qb_err check_operand(const struct qb_format *f, struct qb_errbuf *eb)
{
	const char *name = f->name[0] ? f->name : "this format";

	if (f->kind == QB_FORMAT_TABLE || f->kind == QB_FORMAT_LOG2 || f->no_zero) {
		return qb_fail(eb, QB_EUNSUPPORTED,
			"%s: units multiply integers and floats; %s", name,
			f->no_zero ? "this is a scale, applied once a block"
				   : "tables and logarithms are decoded into one of these first");
	}
	if (f->kind == QB_FORMAT_INT ? f->bits < 1 || f->bits > 16
				     : f->exp_bits < 1 || f->exp_bits > 8 || f->man_bits < 0 ||
			f->man_bits > 23 || abs(f->bias) > 256 ||
			f->bits != f->is_signed + f->exp_bits + f->man_bits) {
		return qb_fail(eb, QB_EINVAL, "%s: operands are integers of 1 to 16 bits, or floats "
			"of 1 to 8 exponent and up to 23 mantissa bits", name);
	}
	return QB_OK;
}

enum qb_err qb_hw_operand_parse(struct qb_format *out, const char *name, struct qb_errbuf *eb)
{
	struct qb_format f;

	if (!strcmp(name, "fp32")) {
		f = qb__float_format(8, 23);
		snprintf(f.name, sizeof(f.name), "fp32");
	} else {
		QB_TRY(qb_format_parse(&f, name, eb));
	}
	QB_TRY(check_operand(&f, eb));
	*out = f;
	return QB_OK;
}

/* Decoding */

static void decode_int(struct qb_netlist *n, const struct qb_format *f, const struct qb_word *code,
	struct qb__operand *out)
{
	int below = QB_WIRE_0;

	out->sign = f->is_signed ? code->w[code->n - 1] : QB_WIRE_0;
	out->sig.n = code->n;
	out->exponent_max = 1;
	/* -x inverts every bit above the lowest one that is set. */
	for (int i = 0; i < code->n; i++) {
		out->sig.w[i] = qb_xor(n, code->w[i], qb_and(n, out->sign, below));
		below = qb_or(n, below, code->w[i]);
	}
	out->zero = qb_not(n, below);
}

static void decode_float(struct qb_netlist *n, const struct qb_format *f,
	const struct qb_word *code, struct qb__operand *out)
{
	int m = f->man_bits, e = f->exp_bits;
	int normal = qb_word_any(n, code, m, e), mantissa = qb_word_any(n, code, 0, m);

	out->sign = f->is_signed ? code->w[code->n - 1] : QB_WIRE_0;
	out->sig.n = m + 1;
	for (int i = 0; i < m; i++) {
		out->sig.w[i] = f->no_subnormals ? qb_and(n, code->w[i], normal) : code->w[i];
	}
	out->sig.w[m] = normal;
	out->exponent.n = e;
	memcpy(out->exponent.w, code->w + m, (size_t)e * sizeof(int));
	out->exponent.w[0] = qb_or(n, code->w[m], qb_not(n, normal));
	if (e == 1) {
		out->exponent.w[0] = QB_WIRE_1;
	}
	out->exponent_max = (1 << e) - 1 - (f->specials == QB_SPECIALS_IEEE);
	out->lsb = 1 - f->bias - m;
	out->zero = f->no_subnormals ? qb_not(n, normal) : qb_not(n, qb_or(n, normal, mantissa));
	if (f->specials == QB_SPECIALS_IEEE) {
		int ones = qb_word_all(n, code, m, e);

		out->nan = qb_and(n, ones, mantissa);
		out->inf = qb_and(n, ones, qb_not(n, mantissa));
	} else if (f->specials == QB_SPECIALS_FN) {
		out->nan = qb_word_all(n, code, 0, m + e);
	} else if (f->specials == QB_SPECIALS_FNUZ) {
		out->nan = qb_and(n, out->sign, qb_not(n, qb_or(n, normal, mantissa)));
	}
}

void qb__decode(struct qb_netlist *n, const struct qb_format *f, const struct qb_word *code,
	struct qb__operand *out)
{
	*out = (struct qb__operand){0};
	if (f->kind == QB_FORMAT_INT) {
		decode_int(n, f, code, out);
	} else {
		decode_float(n, f, code, out);
	}
}

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
	if (u->acc_bits > FIXED_MAX) {
		return qb_fail(eb, QB_EUNSUPPORTED,
			"%s x %s: an exact fixed-point accumulator needs %d bits, and %d are the most; "
			"accumulate in fp32, fp16 or bf16", u->a.name, u->b.name, exact, FIXED_MAX);
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
	QB_TRY(qb_netlist_finish(n, next.w, next.n, eb));
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

	QB_TRY(check_operand(a, eb));
	QB_TRY(check_operand(b, eb));
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
