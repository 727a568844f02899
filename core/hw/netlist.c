/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hw/netlist.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

static uint32_t hash_gate(const struct qb_gate *g)
{
	uint64_t h = (uint64_t)(uint32_t)g->a << 32 | (uint32_t)g->b;

	h = (h ^ g->op) * 0x9e3779b97f4a7c15u;
	return (uint32_t)(h >> 32 ^ h);
}

static int *find_slot(int *table, int size, const struct qb_gate *gates, const struct qb_gate *g)
{
	uint32_t mask = (uint32_t)size - 1, i = hash_gate(g) & mask;

	while (table[i]) {
		const struct qb_gate *t = &gates[table[i]];

		if (t->op == g->op && t->a == g->a && t->b == g->b) {
			break;
		}
		i = (i + 1) & mask;
	}
	return &table[i];
}

static bool grow(struct qb_netlist *n)
{
	int cap = n->cap ? n->cap * 2 : 1024, size = cap * 4;
	struct qb_gate *gates = realloc(n->gates, (size_t)cap * sizeof(*gates));
	int *table;

	if (!gates) {
		return false;
	}
	n->gates = gates;
	table = calloc((size_t)size, sizeof(*table));
	if (!table) {
		return false;
	}
	for (int i = 2; i < n->count; i++) {
		*find_slot(table, size, gates, &gates[i]) = i;
	}
	free(n->table);
	n->table = table;
	n->table_size = size;
	n->cap = cap;
	return true;
}

static int append(struct qb_netlist *n, enum qb_gate_op op, int a, int b)
{
	struct qb_gate g = {.op = (uint8_t)op, .part = (uint8_t)n->part, .a = a, .b = b};
	int *slot;

	if (n->err != QB_OK || (n->count == n->cap && (n->cap > INT_MAX / 16 || !grow(n)))) {
		n->err = QB_ENOMEM;
		return QB_WIRE_0;
	}
	slot = find_slot(n->table, n->table_size, n->gates, &g);
	if (!*slot) {
		n->gates[n->count] = g;
		*slot = n->count++;
	}
	return *slot;
}

enum qb_err qb_netlist_init(struct qb_netlist *n, struct qb_errbuf *eb)
{
	*n = (struct qb_netlist){0};
	if (!grow(n)) {
		qb_netlist_fini(n);
		return qb_fail(eb, QB_ENOMEM, "no memory for a netlist");
	}
	n->gates[0] = n->gates[1] = (struct qb_gate){.op = QB_GATE_CONST};
	n->gates[1].a = 1;
	n->count = 2;
	return QB_OK;
}

void qb_netlist_fini(struct qb_netlist *n)
{
	free(n->gates);
	free(n->table);
	free(n->outputs);
	*n = (struct qb_netlist){0};
}

int qb_netlist_input(struct qb_netlist *n)
{
	return append(n, QB_GATE_INPUT, n->inputs++, 0);
}

static bool is_not_of(const struct qb_netlist *n, int a, int b)
{
	return n->gates[a].op == QB_GATE_NOT && n->gates[a].a == b;
}

int qb_not(struct qb_netlist *n, int a)
{
	if (a <= QB_WIRE_1) {
		return 1 - a;
	}
	if (n->gates[a].op == QB_GATE_NOT) {
		return n->gates[a].a;
	}
	return append(n, QB_GATE_NOT, a, 0);
}

static int commutative(struct qb_netlist *n, enum qb_gate_op op, int a, int b)
{
	return a < b ? append(n, op, a, b) : append(n, op, b, a);
}

int qb_and(struct qb_netlist *n, int a, int b)
{
	if (a == b || a == QB_WIRE_1) {
		return b;
	}
	if (b == QB_WIRE_1) {
		return a;
	}
	if (a == QB_WIRE_0 || b == QB_WIRE_0 || is_not_of(n, a, b) || is_not_of(n, b, a)) {
		return QB_WIRE_0;
	}
	return commutative(n, QB_GATE_AND, a, b);
}

int qb_or(struct qb_netlist *n, int a, int b)
{
	if (a == b || a == QB_WIRE_0) {
		return b;
	}
	if (b == QB_WIRE_0) {
		return a;
	}
	if (a == QB_WIRE_1 || b == QB_WIRE_1 || is_not_of(n, a, b) || is_not_of(n, b, a)) {
		return QB_WIRE_1;
	}
	return commutative(n, QB_GATE_OR, a, b);
}

int qb_xor(struct qb_netlist *n, int a, int b)
{
	bool invert = false;

	/* Inverters move behind the gate, where optimization makes an XNOR of them. */
	if (n->gates[a].op == QB_GATE_NOT) {
		a = n->gates[a].a;
		invert = !invert;
	}
	if (n->gates[b].op == QB_GATE_NOT) {
		b = n->gates[b].a;
		invert = !invert;
	}
	if (a == b) {
		return invert;
	}
	if (a <= QB_WIRE_1) {
		return a ^ (int)invert ? qb_not(n, b) : b;
	}
	if (b <= QB_WIRE_1) {
		return b ^ (int)invert ? qb_not(n, a) : a;
	}
	a = commutative(n, QB_GATE_XOR, a, b);
	return invert ? qb_not(n, a) : a;
}

int qb_mux(struct qb_netlist *n, int sel, int a, int b)
{
	if (a == b) {
		return a;
	}
	if (n->gates[sel].op == QB_GATE_NOT) {
		return qb_mux(n, n->gates[sel].a, b, a);
	}
	if (is_not_of(n, a, b) || is_not_of(n, b, a)) {
		return qb_xor(n, sel, b);
	}
	if (a == sel || a == QB_WIRE_1) {
		return qb_or(n, sel, b);
	}
	if (b == sel || b == QB_WIRE_0) {
		return qb_and(n, sel, a);
	}
	return qb_or(n, qb_and(n, sel, a), qb_and(n, qb_not(n, sel), b));
}

/* Finishing */

static int operands(const struct qb_gate *g)
{
	return g->op <= QB_GATE_INPUT ? 0 : g->op == QB_GATE_NOT ? 1 : 2;
}

/* How many gates and outputs read each wire, counting only gates that reach an output. */
static void count_fanout(const struct qb_netlist *n, int *fanout)
{
	memset(fanout, 0, (size_t)n->count * sizeof(*fanout));
	for (int i = 0; i < n->output_count; i++) {
		fanout[n->outputs[i]]++;
	}
	for (int i = n->count - 1; i > 1; i--) {
		const struct qb_gate *g = &n->gates[i];

		if (fanout[i] && operands(g) > 0) {
			fanout[g->a]++;
		}
		if (fanout[i] && operands(g) > 1) {
			fanout[g->b]++;
		}
	}
}

static int inverted_op(int op)
{
	switch (op) {
	case QB_GATE_AND: return QB_GATE_NAND;
	case QB_GATE_OR: return QB_GATE_NOR;
	case QB_GATE_XOR: return QB_GATE_XNOR;
	case QB_GATE_NAND: return QB_GATE_AND;
	case QB_GATE_NOR: return QB_GATE_OR;
	case QB_GATE_XNOR: return QB_GATE_XOR;
	default: return -1;
	}
}

/* One round of rewriting with the fan-outs that hold before it. Each rewrite saves a gate. */
static bool merge_inverters(struct qb_netlist *n, int *fanout)
{
	bool changed = false;

	for (int i = 2; i < n->count; i++) {
		struct qb_gate *g = &n->gates[i];
		struct qb_gate *a = &n->gates[g->a], *b = &n->gates[g->b];

		if (!fanout[i]) {
			continue;
		}
		if (g->op == QB_GATE_NOT && fanout[g->a] == 1 && inverted_op(a->op) >= 0) {
			/* NOT(AND) = NAND */
			fanout[g->a] = 0;
			g->op = (uint8_t)inverted_op(a->op);
			g->part = a->part;
			g->b = a->b;
			g->a = a->a;
			changed = true;
		} else if (operands(g) == 2 && g->op != QB_GATE_XOR && g->op != QB_GATE_XNOR &&
			a->op == QB_GATE_NOT && b->op == QB_GATE_NOT && g->a != g->b &&
			(fanout[g->a] == 1 || fanout[g->b] == 1)) {
			/* De Morgan: AND of two inverted wires is a NOR of the wires. */
			static const uint8_t dual[] = {[QB_GATE_AND] = QB_GATE_NOR,
				[QB_GATE_OR] = QB_GATE_NAND, [QB_GATE_NAND] = QB_GATE_OR,
				[QB_GATE_NOR] = QB_GATE_AND};

			fanout[g->a]--;
			fanout[g->b]--;
			fanout[a->a]++;
			fanout[b->a]++;
			g->op = dual[g->op];
			g->a = a->a;
			g->b = b->a;
			changed = true;
		}
	}
	return changed;
}

static void remove_dead(struct qb_netlist *n, const int *fanout, int *moved)
{
	int kept = 2;

	moved[0] = 0;
	moved[1] = 1;
	for (int i = 2; i < n->count; i++) {
		struct qb_gate g = n->gates[i];

		/* Inputs stay, read or not: patterns are given for all. */
		if (!fanout[i] && g.op != QB_GATE_INPUT) {
			continue;
		}
		if (operands(&g) > 0) {
			g.a = moved[g.a];
		}
		if (operands(&g) > 1) {
			g.b = moved[g.b];
		}
		moved[i] = kept;
		n->gates[kept++] = g;
	}
	n->count = kept;
	for (int i = 0; i < n->output_count; i++) {
		n->outputs[i] = moved[n->outputs[i]];
	}
}

enum qb_err qb_netlist_optimize(struct qb_netlist *n, const int *outputs, int count,
	struct qb_errbuf *eb)
{
	int *fanout = malloc((size_t)n->count * sizeof(*fanout));
	int *moved = malloc((size_t)n->count * sizeof(*moved));

	n->outputs = malloc((size_t)QB_MAX(count, 1) * sizeof(*n->outputs));
	if (n->err == QB_OK && fanout && moved && n->outputs) {
		memcpy(n->outputs, outputs, (size_t)count * sizeof(*outputs));
		n->output_count = count;
		do {
			count_fanout(n, fanout);
		} while (merge_inverters(n, fanout));
		remove_dead(n, fanout, moved);
	} else {
		n->err = QB_ENOMEM;
	}
	free(fanout);
	free(moved);
	free(n->table);
	n->table = NULL;
	return n->err == QB_OK ? QB_OK : qb_fail(eb, n->err, "no memory for a netlist");
}

void qb_netlist_count(const struct qb_netlist *n, int parts[QB_HW_PART_COUNT])
{
	memset(parts, 0, QB_HW_PART_COUNT * sizeof(*parts));
	for (int i = 2; i < n->count; i++) {
		parts[n->gates[i].part] += n->gates[i].op > QB_GATE_INPUT;
	}
}

enum qb_err qb_netlist_depth(const struct qb_netlist *n, int *depth, struct qb_errbuf *eb)
{
	int *level = calloc((size_t)n->count, sizeof(*level));
	int deepest = 0;

	if (!level) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the depth of a netlist");
	}
	for (int i = 2; i < n->count; i++) {
		const struct qb_gate *g = &n->gates[i];

		if (operands(g)) {
			level[i] = 1 + level[g->a];
		}
		if (operands(g) == 2) {
			level[i] = QB_MAX(level[i], 1 + level[g->b]);
		}
		deepest = QB_MAX(deepest, level[i]);
	}
	free(level);
	*depth = deepest;
	return QB_OK;
}

/* Simulation */

#define EACH_WORD(expression) \
	for (int k = 0; k < QB_LANES / 64; k++) { \
		y->w[k] = (expression); \
	} \
	break

void qb_netlist_simulate(const struct qb_netlist *n, const struct qb_lanes *inputs,
	struct qb_lanes *outputs, struct qb_lanes *scratch)
{
	for (int i = 0; i < n->count; i++) {
		const struct qb_gate *g = &n->gates[i];
		struct qb_lanes *y = &scratch[i];
		const struct qb_lanes *a = &scratch[g->a], *b = &scratch[g->b];

		switch ((enum qb_gate_op)g->op) {
		case QB_GATE_CONST: EACH_WORD(g->a ? ~UINT64_C(0) : 0);
		case QB_GATE_INPUT: *y = inputs[g->a]; break;
		case QB_GATE_NOT: EACH_WORD(~a->w[k]);
		case QB_GATE_AND: EACH_WORD(a->w[k] & b->w[k]);
		case QB_GATE_OR: EACH_WORD(a->w[k] | b->w[k]);
		case QB_GATE_XOR: EACH_WORD(a->w[k] ^ b->w[k]);
		case QB_GATE_NAND: EACH_WORD(~(a->w[k] & b->w[k]));
		case QB_GATE_NOR: EACH_WORD(~(a->w[k] | b->w[k]));
		case QB_GATE_XNOR: EACH_WORD(~(a->w[k] ^ b->w[k]));
		}
	}
	for (int i = 0; i < n->output_count; i++) {
		outputs[i] = scratch[n->outputs[i]];
	}
}

const char *qb_hw_part_name(enum qb_hw_part part)
{
	static const char *const names[] = {
#define X(id, name) [id] = (name),
		QB_HW_PARTS(X)
#undef X
	};

	return names[part];
}
