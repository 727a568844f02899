/* SPDX-License-Identifier: Apache-2.0
 *
 * Multipliers: partial products in columns, which full and half adders reduce. An array multiplier finishes a column
 * before it begins the next, so nothing is left to add and its count of gates is the least. Dadda's (Alta Frequenza,
 * 1965) reduces all columns to two wires in the fewest stages, and an adder joins these.
 */
#include <stdlib.h>

#include "core/base/size.h"
#include "core/hw/cells.h"

enum { HEIGHT_MAX = 64, COLUMNS_MAX = 128 };

struct heap {
	int columns;
	int height[COLUMNS_MAX];
	int wire[COLUMNS_MAX][HEIGHT_MAX];
};

static void put(struct heap *h, int column, int wire)
{
	if (column < h->columns && wire != QB_WIRE_0 && h->height[column] < HEIGHT_MAX) {
		h->wire[column][h->height[column]++] = wire;
	}
}

static int take(struct heap *h, int column)
{
	int wire;

	if (!h->height[column]) {
		return QB_WIRE_0;
	}
	wire = h->wire[column][0];
	h->height[column]--;
	for (int i = 0; i < h->height[column]; i++) {
		h->wire[column][i] = h->wire[column][i + 1];
	}
	return wire;
}

/* count wires of the column (2 or 3) become one there and a carry in the next. */
static void reduce(struct qb_netlist *n, struct heap *h, int column, int count)
{
	int a = take(h, column), b = take(h, column), c = count == 3 ? take(h, column) : QB_WIRE_0;
	int sum, carry;

	qb_full_adder(n, a, b, c, &sum, &carry);
	put(h, column, sum);
	put(h, column + 1, carry);
}

static struct qb_word sum_array(struct qb_netlist *n, struct heap *h)
{
	struct qb_word y = {.n = h->columns};

	for (int i = 0; i < h->columns; i++) {
		while (h->height[i] > 1) {
			reduce(n, h, i, h->height[i] > 2 ? 3 : 2);
		}
		y.w[i] = take(h, i);
	}
	return y;
}

static struct qb_word sum_dadda(struct qb_netlist *n, struct heap *h)
{
	static const int stages[] = {63, 42, 28, 19, 13, 9, 6, 4, 3, 2};
	struct qb_word a = {.n = h->columns}, b = a;

	for (size_t s = 0; s < QB_COUNT(stages); s++) {
		for (int i = 0; i < h->columns; i++) {
			while (h->height[i] > stages[s]) {
				reduce(n, h, i, h->height[i] > stages[s] + 1 ? 3 : 2);
			}
		}
	}
	for (int i = 0; i < h->columns; i++) {
		a.w[i] = take(h, i);
		b.w[i] = take(h, i);
	}
	return qb_word_add(n, &a, &b, QB_WIRE_0, h->columns, NULL);
}

struct qb_word qb_word_multiply(struct qb_netlist *n, enum qb_multiplier kind,
	const struct qb_word *a, bool a_signed, const struct qb_word *b, bool b_signed)
{
	struct heap *h = calloc(1, sizeof(*h));
	struct qb_word y = {.n = a->n + b->n};
	bool ones[COLUMNS_MAX + 1] = {false};

	if (!h || y.n > COLUMNS_MAX || QB_MIN(a->n, b->n) > HEIGHT_MAX - 4) {
		free(h);
		n->err = QB_ENOMEM;
		return y;
	}
	h->columns = y.n;
	/* A partial product of negative weight is -t 2^k = (1 - t) 2^k - 2^k (Baugh and Wooley, 1973); the constants
	 * -2^k, modulo the width, are ones from wire k up, added up here in advance. */
	for (int i = 0; i < a->n; i++) {
		for (int j = 0; j < b->n; j++) {
			bool negative = (a_signed && i == a->n - 1) != (b_signed && j == b->n - 1);
			int t = qb_and(n, a->w[i], b->w[j]);

			put(h, i + j, negative ? qb_not(n, t) : t);
			for (int k = i + j, carry = 0; negative && k < y.n; k++) {
				int sum = ones[k] + 1 + carry;

				ones[k] = sum & 1;
				carry = sum >> 1;
			}
		}
	}
	for (int k = 0; k < y.n; k++) {
		put(h, k, ones[k] ? QB_WIRE_1 : QB_WIRE_0);
	}
	y = kind == QB_MULTIPLIER_DADDA ? sum_dadda(n, h) : sum_array(n, h);
	free(h);
	return y;
}
