/* SPDX-License-Identifier: Apache-2.0
 *
 * What units are made of, on words: wires, the least significant first. A full adder is 5 gates, a half adder 2, a
 * multiplexer 3; wherever an input is constant, folding leaves less.
 */
#ifndef QB_HW_CELLS_H
#define QB_HW_CELLS_H

#include "core/hw/netlist.h"

enum { QB_WORD_MAX = 768 };

struct qb_word {
	int n;
	int w[QB_WORD_MAX];
};

/* Wire i, or 0 above the word's end and below its beginning. */
int qb_word_bit(const struct qb_word *x, int i);
struct qb_word qb_word_constant(uint64_t value, int n);
struct qb_word qb_word_inputs(struct qb_netlist *n, int count);
struct qb_word qb_word_not(struct qb_netlist *n, const struct qb_word *x);
struct qb_word qb_word_xor(struct qb_netlist *n, const struct qb_word *x, int wire);
struct qb_word qb_word_mux(struct qb_netlist *n, int sel, const struct qb_word *a,
	const struct qb_word *b, int width);
/* OR and AND over wires from..from+count-1, as balanced trees. */
int qb_word_any(struct qb_netlist *n, const struct qb_word *x, int from, int count);
int qb_word_all(struct qb_netlist *n, const struct qb_word *x, int from, int count);

void qb_full_adder(struct qb_netlist *n, int a, int b, int c, int *sum, int *carry);

/* a + b + carry, width wires; the carry out of them where asked for. Ripple, or Sklansky's prefix tree if n->fast. */
struct qb_word qb_word_add(struct qb_netlist *n, const struct qb_word *a, const struct qb_word *b,
	int carry, int width, int *carry_out);

/* The product of two unsigned words, or of two's complement words (Baugh-Wooley), as wide as both together. */
enum qb_multiplier { QB_MULTIPLIER_SMALLEST, QB_MULTIPLIER_ARRAY, QB_MULTIPLIER_DADDA };
struct qb_word qb_word_multiply(struct qb_netlist *n, enum qb_multiplier kind,
	const struct qb_word *a, bool a_signed, const struct qb_word *b, bool b_signed);

/* x moves down by amount inside a word of width wires whose top it starts at. What falls off the bottom is ORed into
 * the lowest wire (jam), or known never to fall off. */
struct qb_word qb_word_shift_down(struct qb_netlist *n, const struct qb_word *x,
	const struct qb_word *amount, int width, bool jam);

/* x moves up by amount, zeros come in below. */
struct qb_word qb_word_shift_up(struct qb_netlist *n, const struct qb_word *x,
	const struct qb_word *amount);

/* How many zeros stand above x's highest one; x->n where there is none, and *none says so. */
struct qb_word qb_word_leading_zeros(struct qb_netlist *n, const struct qb_word *x, int *none);

#endif
