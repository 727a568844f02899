/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hw/operand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qb_format qb__float_format(int exp_bits, int man_bits)
{
	return (struct qb_format){.kind = QB_FORMAT_FLOAT, .bits = 1 + exp_bits + man_bits,
		.is_signed = true, .exp_bits = exp_bits, .man_bits = man_bits,
		.bias = (1 << (exp_bits - 1)) - 1, .specials = QB_SPECIALS_IEEE, .overflows = true};
}

enum qb_err qb__operand_check(const struct qb_format *f, struct qb_errbuf *eb)
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
	QB_TRY(qb__operand_check(&f, eb));
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
