/* SPDX-License-Identifier: Apache-2.0
 *
 * Combinational netlists of 2-input gates. A wire is an int; wires 0 and 1 are the constants. Building folds constants,
 * shares equal gates and drops double inversions, so that what is counted is what a circuit needs. Every gate
 * belongs to the part of the unit that was being built when it was first asked for.
 *
 * Memory errors stick: building goes on with wire 0, and qb_netlist_optimize reports them.
 */
#ifndef QB_HW_NETLIST_H
#define QB_HW_NETLIST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

enum qb_gate_op {
	QB_GATE_CONST,
	QB_GATE_INPUT,
	QB_GATE_NOT,
	QB_GATE_AND,
	QB_GATE_OR,
	QB_GATE_XOR,
	QB_GATE_NAND,
	QB_GATE_NOR,
	QB_GATE_XNOR,
};

/* part, its name in results */
#define QB_HW_PARTS(X) \
	X(QB_HW_DECODE, "decode") \
	X(QB_HW_MULTIPLIER, "multiplier") \
	X(QB_HW_EXPONENT, "exponent") \
	X(QB_HW_ALIGN, "align") \
	X(QB_HW_ADD, "add") \
	X(QB_HW_NORMALISE, "normalise") \
	X(QB_HW_ROUND, "round") \
	X(QB_HW_SPECIAL, "special")

enum qb_hw_part {
#define X(id, name) id,
	QB_HW_PARTS(X)
#undef X
	QB_HW_PART_COUNT
};

struct qb_gate {
	uint8_t op, part; /* enum qb_gate_op, enum qb_hw_part */
	int32_t a, b;     /* wires; an input: which one, 0 */
};

struct qb_netlist {
	struct qb_gate *gates; /* in order: a gate follows what it reads */
	int count, cap;
	int *table; /* hash of gates, open addressing */
	int table_size;
	int inputs;
	int *outputs;
	int output_count;
	enum qb_hw_part part; /* of the gates built next */
	bool fast;            /* adders built next are prefix adders */
	enum qb_err err;
};

enum { QB_WIRE_0 = 0, QB_WIRE_1 = 1 };

enum qb_err qb_netlist_init(struct qb_netlist *n, struct qb_errbuf *eb);
void qb_netlist_fini(struct qb_netlist *n);

int qb_netlist_input(struct qb_netlist *n);
int qb_not(struct qb_netlist *n, int a);
int qb_and(struct qb_netlist *n, int a, int b);
int qb_or(struct qb_netlist *n, int a, int b);
int qb_xor(struct qb_netlist *n, int a, int b);
/* sel ? a : b, three gates and an inverter that all multiplexers of this sel share. */
int qb_mux(struct qb_netlist *n, int sel, int a, int b);

/* With these outputs: merges inverters into the gates before them, removes gates without fan-out. */
enum qb_err qb_netlist_optimize(struct qb_netlist *n, const int *outputs, int count,
	struct qb_errbuf *eb);

/* What an optimized netlist costs: gates by part (inverters count), longest path in gates. */
void qb_netlist_count(const struct qb_netlist *n, int parts[QB_HW_PART_COUNT]);
enum qb_err qb_netlist_depth(const struct qb_netlist *n, int *depth, struct qb_errbuf *eb);

/* 512 patterns at a time. inputs [n->inputs], outputs [n->output_count]; scratch [n->count]. */
enum { QB_LANES = 512 };
struct qb_lanes {
	uint64_t w[QB_LANES / 64];
} __attribute__((aligned(64)));

void qb_netlist_simulate(const struct qb_netlist *n, const struct qb_lanes *inputs,
	struct qb_lanes *outputs, struct qb_lanes *scratch);

const char *qb_hw_part_name(enum qb_hw_part part);

#endif
