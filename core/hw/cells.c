/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hw/cells.h"

#include "core/base/size.h"

int qb_word_bit(const struct qb_word *x, int i)
{
	return i >= 0 && i < x->n ? x->w[i] : QB_WIRE_0;
}

struct qb_word qb_word_constant(uint64_t value, int n)
{
	struct qb_word y = {.n = n};

	for (int i = 0; i < n; i++) {
		y.w[i] = i < 64 && (value >> i & 1) ? QB_WIRE_1 : QB_WIRE_0;
	}
	return y;
}

struct qb_word qb_word_inputs(struct qb_netlist *n, int count)
{
	struct qb_word y = {.n = count};

	for (int i = 0; i < count; i++) {
		y.w[i] = qb_netlist_input(n);
	}
	return y;
}

struct qb_word qb_word_not(struct qb_netlist *n, const struct qb_word *x)
{
	struct qb_word y = {.n = x->n};

	for (int i = 0; i < x->n; i++) {
		y.w[i] = qb_not(n, x->w[i]);
	}
	return y;
}

struct qb_word qb_word_xor(struct qb_netlist *n, const struct qb_word *x, int wire)
{
	struct qb_word y = {.n = x->n};

	for (int i = 0; i < x->n; i++) {
		y.w[i] = qb_xor(n, x->w[i], wire);
	}
	return y;
}

struct qb_word qb_word_mux(struct qb_netlist *n, int sel, const struct qb_word *a,
	const struct qb_word *b, int width)
{
	struct qb_word y = {.n = width};

	for (int i = 0; i < width; i++) {
		y.w[i] = qb_mux(n, sel, qb_word_bit(a, i), qb_word_bit(b, i));
	}
	return y;
}

int qb_word_any(struct qb_netlist *n, const struct qb_word *x, int from, int count)
{
	int half = count / 2;

	if (count <= 1) {
		return count == 1 ? qb_word_bit(x, from) : QB_WIRE_0;
	}
	return qb_or(n, qb_word_any(n, x, from, half),
		qb_word_any(n, x, from + half, count - half));
}

int qb_word_all(struct qb_netlist *n, const struct qb_word *x, int from, int count)
{
	int half = count / 2;

	if (count <= 1) {
		return count == 1 ? qb_word_bit(x, from) : QB_WIRE_1;
	}
	return qb_and(n, qb_word_all(n, x, from, half),
		qb_word_all(n, x, from + half, count - half));
}

/* Adders */

void qb_full_adder(struct qb_netlist *n, int a, int b, int c, int *sum, int *carry)
{
	int x;

	/* A constant goes last: what remains is a half adder, or XNOR and OR. */
	if (a <= QB_WIRE_1) {
		x = a;
		a = c;
		c = x;
	}
	if (b <= QB_WIRE_1) {
		x = b;
		b = c;
		c = x;
	}
	x = qb_xor(n, a, b);
	*sum = qb_xor(n, x, c);
	if (c == QB_WIRE_1) {
		*carry = qb_or(n, a, b);
	} else {
		*carry = qb_or(n, qb_and(n, a, b), qb_and(n, x, c));
	}
}

static struct qb_word add_ripple(struct qb_netlist *n, const struct qb_word *a,
	const struct qb_word *b, int carry, int width, int *carry_out)
{
	struct qb_word y = {.n = width};

	for (int i = 0; i < width; i++) {
		qb_full_adder(n, qb_word_bit(a, i), qb_word_bit(b, i), carry, &y.w[i], &carry);
	}
	if (carry_out) {
		*carry_out = carry;
	}
	return y;
}

/* Sklansky 1960: the least depth, at the price of fan-out. g and p of wires 0..i stand at i in the end. */
static struct qb_word add_prefix(struct qb_netlist *n, const struct qb_word *a,
	const struct qb_word *b, int carry, int width, int *carry_out)
{
	struct qb_word y = {.n = width}, half = y, g = y, p = y;

	for (int i = 0; i < width; i++) {
		half.w[i] = qb_xor(n, qb_word_bit(a, i), qb_word_bit(b, i));
		g.w[i] = qb_and(n, qb_word_bit(a, i), qb_word_bit(b, i));
		p.w[i] = half.w[i];
	}
	if (width) {
		g.w[0] = qb_or(n, g.w[0], qb_and(n, p.w[0], carry));
	}
	for (int step = 1; step < width; step *= 2) {
		for (int i = 0; i < width; i++) {
			int from = (i & ~(step - 1)) - 1;

			if (!(i & step)) {
				continue;
			}
			g.w[i] = qb_or(n, g.w[i], qb_and(n, p.w[i], g.w[from]));
			p.w[i] = qb_and(n, p.w[i], p.w[from]);
		}
	}
	for (int i = 0; i < width; i++) {
		y.w[i] = qb_xor(n, half.w[i], i ? g.w[i - 1] : carry);
	}
	if (carry_out) {
		*carry_out = width ? g.w[width - 1] : carry;
	}
	return y;
}

struct qb_word qb_word_add(struct qb_netlist *n, const struct qb_word *a, const struct qb_word *b,
	int carry, int width, int *carry_out)
{
	return n->fast ? add_prefix(n, a, b, carry, width, carry_out)
		       : add_ripple(n, a, b, carry, width, carry_out);
}

/* Shifters */

struct qb_word qb_word_shift_down(struct qb_netlist *n, const struct qb_word *x,
	const struct qb_word *amount, int width, bool jam)
{
	struct qb_word y = *x;
	int lost = QB_WIRE_0;

	/* The smallest step first: the word is still short then. Wires are counted from the top here. */
	for (int k = 0; k < amount->n; k++) {
		int step = k < 30 ? QB_MIN(1 << k, width) : width;
		struct qb_word z = {.n = QB_MIN(y.n + step, width)};

		if (amount->w[k] == QB_WIRE_0) {
			continue;
		}
		if (jam && y.n + step > width) {
			int out = y.n + step - width;

			lost = qb_or(n, lost, qb_and(n, amount->w[k], qb_word_any(n, &y, 0, out)));
		}
		for (int i = 0; i < z.n; i++) {
			int moved = i >= step ? qb_word_bit(&y, y.n - 1 - (i - step)) : QB_WIRE_0;

			z.w[z.n - 1 - i] =
				qb_mux(n, amount->w[k], moved, qb_word_bit(&y, y.n - 1 - i));
		}
		y = z;
	}
	if (y.n < width) {
		struct qb_word z = {.n = width};

		for (int i = 0; i < y.n; i++) {
			z.w[width - 1 - i] = y.w[y.n - 1 - i];
		}
		y = z;
	}
	y.w[0] = qb_or(n, y.w[0], lost);
	return y;
}

struct qb_word qb_word_shift_up(struct qb_netlist *n, const struct qb_word *x,
	const struct qb_word *amount)
{
	struct qb_word y = *x;

	/* The largest step first: most of what it leaves behind is known to be zero. */
	for (int k = amount->n - 1; k >= 0; k--) {
		int step = QB_MIN(1 << k, x->n);
		struct qb_word z = {.n = x->n};

		for (int i = 0; i < x->n; i++) {
			z.w[i] = qb_mux(n, amount->w[k], qb_word_bit(&y, i - step), y.w[i]);
		}
		y = z;
	}
	return y;
}

/* Zeros above the highest one of the top 2^k wires ending at index top (wires below the word count as ones, so that
 * a word of zeros counts to its own width). */
static struct qb_word count_zeros(struct qb_netlist *n, const struct qb_word *x, int top, int k,
	int *none)
{
	struct qb_word y = {.n = 0}, high, low;
	int high_none, low_none;

	if (k == 0) {
		*none = top < 0 ? QB_WIRE_0 : qb_not(n, x->w[top]);
		return y;
	}
	high = count_zeros(n, x, top, k - 1, &high_none);
	if (high_none == QB_WIRE_0) {
		*none = QB_WIRE_0;
		high.w[high.n++] = QB_WIRE_0;
		return high;
	}
	low = count_zeros(n, x, top - (1 << (k - 1)), k - 1, &low_none);
	y = qb_word_mux(n, high_none, &low, &high, k - 1);
	y.w[y.n++] = high_none;
	*none = qb_and(n, high_none, low_none);
	return y;
}

struct qb_word qb_word_leading_zeros(struct qb_netlist *n, const struct qb_word *x, int *none)
{
	struct qb_word y;
	int k = 0, beyond;

	while (1 << k <= x->n) {
		k++;
	}
	y = count_zeros(n, x, x->n - 1, k, &beyond);
	*none = qb_not(n, qb_word_any(n, x, 0, x->n));
	return y;
}
