/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "core/hw/mac.h"

struct names {
	const struct qb_hw_unit *unit;
	char text[3][24];
};

static const char *wire_name(struct names *s, int slot, int wire)
{
	const struct qb_hw_unit *u = s->unit;
	const struct qb_gate *g = &u->netlist.gates[wire];
	char *t = s->text[slot];
	int input = g->a;

	if (g->op == QB_GATE_CONST) {
		snprintf(t, sizeof(s->text[0]), "1'b%d", wire);
	} else if (g->op != QB_GATE_INPUT) {
		snprintf(t, sizeof(s->text[0]), "w%d", wire);
	} else if (input < u->a_bits) {
		snprintf(t, sizeof(s->text[0]), "a[%d]", input);
	} else if (input < u->a_bits + u->b_bits) {
		snprintf(t, sizeof(s->text[0]), "b[%d]", input - u->a_bits);
	} else {
		snprintf(t, sizeof(s->text[0]), "acc[%d]", input - u->a_bits - u->b_bits);
	}
	return t;
}

static void write_gate(struct names *s, FILE *out, int i)
{
	static const struct {
		const char *before, *between, *after;
	} forms[] = {
		[QB_GATE_NOT] = {"~", "", ""},
		[QB_GATE_AND] = {"", " & ", ""},
		[QB_GATE_OR] = {"", " | ", ""},
		[QB_GATE_XOR] = {"", " ^ ", ""},
		[QB_GATE_NAND] = {"~(", " & ", ")"},
		[QB_GATE_NOR] = {"~(", " | ", ")"},
		[QB_GATE_XNOR] = {"~(", " ^ ", ")"},
	};
	const struct qb_gate *g = &s->unit->netlist.gates[i];

	fprintf(out, "\twire w%d = %s%s%s%s%s;\n", i, forms[g->op].before, wire_name(s, 0, g->a),
		forms[g->op].between, g->op == QB_GATE_NOT ? "" : wire_name(s, 1, g->b),
		forms[g->op].after);
}

static void write_ports(const struct qb_hw_unit *u, FILE *out)
{
	fprintf(out, "\tinput wire [%d:0] a,\n\tinput wire [%d:0] b,\n", u->a_bits - 1,
		u->b_bits - 1);
}

static void write_next(const struct qb_hw_unit *u, const char *name, FILE *out)
{
	struct names s = {.unit = u};
	int part = -1;

	fprintf(out, "module %s_next(\n", name);
	write_ports(u, out);
	fprintf(out, "\tinput wire [%d:0] acc,\n\toutput wire [%d:0] next\n);\n",
		u->register_bits - 1, u->register_bits - 1);
	for (int i = 2; i < u->netlist.count; i++) {
		if (u->netlist.gates[i].op == QB_GATE_INPUT) {
			continue;
		}
		if (u->netlist.gates[i].part != part) {
			part = u->netlist.gates[i].part;
			fprintf(out, "\t// %s\n", qb_hw_part_name((enum qb_hw_part)part));
		}
		write_gate(&s, out, i);
	}
	for (int i = 0; i < u->netlist.output_count; i++) {
		fprintf(out, "\tassign next[%d] = %s;\n", i,
			wire_name(&s, 0, u->netlist.outputs[i]));
	}
	fprintf(out, "endmodule\n\n");
}

static void write_clocked(const struct qb_hw_unit *u, const char *name, FILE *out)
{
	fprintf(out, "module %s(\n\tinput wire clk,\n\tinput wire clear,\n", name);
	write_ports(u, out);
	fprintf(out, "\toutput reg [%d:0] acc\n);\n", u->register_bits - 1);
	fprintf(out, "\twire [%d:0] next;\n", u->register_bits - 1);
	fprintf(out, "\t%s_next sum(.a(a), .b(b), .acc(acc), .next(next));\n", name);
	fprintf(out, "\talways @(posedge clk)\n\t\tacc <= clear ? %d'b0 : next;\nendmodule\n",
		u->register_bits);
}

static bool is_identifier(const char *name)
{
	if (!isalpha((unsigned char)name[0])) {
		return false;
	}
	for (const char *p = name; *p; p++) {
		if (!isalnum((unsigned char)*p) && *p != '_') {
			return false;
		}
	}
	return true;
}

enum qb_err qb_hw_unit_write_verilog(const struct qb_hw_unit *u, const char *name, FILE *out,
	struct qb_errbuf *eb)
{
	if (!is_identifier(name)) {
		return qb_fail(eb, QB_EINVAL, "\"%.60s\" cannot name a Verilog module: "
			"letters, digits and underscores, a letter first", name);
	}
	fprintf(out, "// acc + a * b; a: %s, b: %s, acc: %s%s; %d gates of two inputs, depth %d\n",
		u->a.name, u->b.name, u->accumulator.name,
		u->has_invalid ? " and above it a bit that says an operand was infinite or NaN" : "",
		u->gates, u->depth);
	write_next(u, name, out);
	write_clocked(u, name, out);
	if (fflush(out) != 0 || ferror(out)) {
		return qb_fail(eb, QB_EIO, "writing the Verilog of %s: %s", name, strerror(errno));
	}
	return QB_OK;
}
