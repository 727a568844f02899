/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/graph.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

struct qb_graph *qb_graph_create(void)
{
	struct qb_arena *arena = qb_arena_create();
	struct qb_graph *g = arena ? qb_arena_alloc(arena, 1, sizeof(*g)) : NULL;

	if (!g) {
		qb_arena_destroy(&arena);
		return NULL;
	}
	g->arena = arena;
	return g;
}

void qb_graph_destroy(struct qb_graph **graph)
{
	struct qb_arena *arena;

	if (!*graph) {
		return;
	}
	qb_graph_destroy(&(*graph)->open);
	arena = (*graph)->arena; /* the graph lives in it */
	qb_arena_destroy(&arena);
	*graph = NULL;
}

enum qb_err qb_node_fail(struct qb_errbuf *eb, enum qb_err code, const struct qb_node *n,
	const char *fmt, ...)
{
	char text[768];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return qb_fail(eb, code, "node %.200s (%.64s): %s", n->name, n->type, text);
}

size_t qb_value_size(const struct qb_value *v)
{
	size_t n = 1;

	for (int i = 0; i < v->shape.ndim; i++) {
		n *= (size_t)v->shape.dim[i];
	}
	return n;
}

size_t qb_value_bytes(const struct qb_value *v)
{
	return qb_dtype_bytes(v->dtype) * qb_value_size(v);
}

int qb_graph_find(const struct qb_graph *g, const char *name, int guess)
{
	if (guess < g->values && !strcmp(g->value[guess]->name, name)) {
		return guess;
	}
	for (int i = 0; i < g->values; i++) {
		if (!strcmp(g->value[i]->name, name)) {
			return i;
		}
	}
	return -1;
}

/* ---- copies ---- */

static struct qb_value **copy_values(struct qb_arena *arena, struct qb_value *const *from, int count,
	struct qb_value *const *map)
{
	struct qb_value **to = qb_arena_alloc(arena, (size_t)count + 1, sizeof(*to));

	for (int i = 0; to && i < count; i++) {
		to[i] = from[i] ? map[from[i]->index] : NULL;
	}
	return to;
}

static struct qb_node *copy_node(struct qb_arena *arena, const struct qb_node *from,
	struct qb_value *const *map)
{
	struct qb_node *n = qb_arena_alloc(arena, 1, sizeof(*n));

	if (!n) {
		return NULL;
	}
	*n = *from;
	n->input = copy_values(arena, from->input, from->inputs, map);
	n->output = copy_values(arena, from->output, from->outputs, map);
	n->attr = qb_arena_alloc(arena, (size_t)from->attrs + 1, sizeof(*n->attr));
	if (!n->input || !n->output || !n->attr) {
		return NULL;
	}
	if (from->attrs) {
		memcpy(n->attr, from->attr, (size_t)from->attrs * sizeof(*n->attr));
	}
	return n;
}

static bool join(struct qb_graph *g, struct qb_node *n)
{
	for (int j = 0; j < n->outputs; j++) {
		if (n->output[j]) {
			n->output[j]->producer = n;
		}
	}
	for (int j = 0; j < n->inputs; j++) {
		if (n->input[j] && !qb__value_add_user(g, n->input[j], n, j)) {
			return false;
		}
	}
	return true;
}

static bool copy_into(struct qb_graph *g, const struct qb_graph *from)
{
	size_t room = 1;
	struct qb_value **map;

	while (room < (size_t)from->values) {
		room *= 2;
	}
	map = qb_arena_alloc(g->arena, room, sizeof(*map));
	if (!map) {
		return false;
	}
	for (int i = 0; i < from->values; i++) {
		map[i] = qb_arena_alloc(g->arena, 1, sizeof(*map[i]));
		if (!map[i]) {
			return false;
		}
		*map[i] = *from->value[i];
		map[i]->producer = NULL;
		map[i]->user = NULL;
		map[i]->users = map[i]->user_room = 0;
	}
	for (int i = 0; i < from->nodes; i++) {
		if (!qb_graph_append(g, copy_node(g->arena, from->node[i], map)) || !join(g, g->node[i])) {
			return false;
		}
	}
	g->value = map;
	g->input = copy_values(g->arena, from->input, from->inputs, map);
	g->output = copy_values(g->arena, from->output, from->outputs, map);
	g->values = from->values;
	g->inputs = from->inputs;
	g->outputs = from->outputs;
	g->name = from->name;
	g->producer = from->producer;
	g->opset = from->opset;
	g->format = from->format;
	g->converted = from->converted;
	g->fold_budget = from->fold_budget;
	g->folded = from->folded;
	return g->input && g->output;
}

enum qb_err qb_graph_clone(struct qb_graph **out, const struct qb_graph *graph, struct qb_errbuf *eb)
{
	struct qb_graph *g = qb_graph_create();

	if (!g || !copy_into(g, graph)) {
		qb_graph_destroy(&g);
		return qb_fail(eb, QB_ENOMEM, "out of memory while copying a network");
	}
	*out = g;
	return QB_OK;
}

/* ---- attributes ---- */

const struct qb_attr *qb_node_attr(const struct qb_node *n, const char *name)
{
	for (int i = 0; i < n->attrs; i++) {
		if (strcmp(n->attr[i].name, name) == 0) {
			return &n->attr[i];
		}
	}
	return NULL;
}

int64_t qb_node_int(const struct qb_node *n, const char *name, int64_t fallback)
{
	const struct qb_attr *a = qb_node_attr(n, name);

	return a && a->kind == QB_ATTR_INT ? a->i : fallback;
}

float qb_node_float(const struct qb_node *n, const char *name, float fallback)
{
	const struct qb_attr *a = qb_node_attr(n, name);

	return a && a->kind == QB_ATTR_FLOAT ? a->f : fallback;
}

const char *qb_node_string(const struct qb_node *n, const char *name, const char *fallback)
{
	const struct qb_attr *a = qb_node_attr(n, name);

	return a && a->kind == QB_ATTR_STRING ? a->s : fallback;
}

int qb_node_ints(const struct qb_node *n, const char *name, const int64_t **ints)
{
	const struct qb_attr *a = qb_node_attr(n, name);

	if (!a || a->kind != QB_ATTR_INTS) {
		return 0;
	}
	*ints = a->ints;
	return a->count;
}

/* ---- for people ---- */

static void print_value(const struct qb_value *v, FILE *f)
{
	char text[256];

	if (!v) {
		fprintf(f, "-");
		return;
	}
	fprintf(f, "%s %s%s%s", v->name, v->constant ? "const " : "", qb_dtype_name(v->dtype),
		qb_shape_text(&v->shape, text, sizeof(text)));
}

void qb_graph_print(const struct qb_graph *g, FILE *f)
{
	fprintf(f, "graph %s, opset %" PRId64 ", %d nodes, %d values\n", g->name ? g->name : "", g->opset,
		g->nodes, g->values);
	for (int i = 0; i < g->inputs; i++) {
		fprintf(f, "  input ");
		print_value(g->input[i], f);
		fprintf(f, "\n");
	}
	for (int i = 0; i < g->nodes; i++) {
		const struct qb_node *n = g->node[i];

		fprintf(f, "  %s %s(", n->name, n->type);
		for (int j = 0; j < n->inputs; j++) {
			fprintf(f, "%s", j ? ", " : "");
			print_value(n->input[j], f);
		}
		fprintf(f, ")");
		fprintf(f, " ->");
		for (int j = 0; j < n->outputs; j++) {
			fprintf(f, "%s", j ? ", " : " ");
			print_value(n->output[j], f);
		}
		fprintf(f, "\n");
	}
	for (int i = 0; i < g->outputs; i++) {
		fprintf(f, "  output ");
		print_value(g->output[i], f);
		fprintf(f, "\n");
	}
}

int64_t qb_node_macs(const struct qb_node *n)
{
	const struct qb_shape *x, *w, *y;
	int64_t m;

	if (n->inputs < 2 || n->outputs < 1 || !n->input[0] || !n->input[1] || !n->output[0]) {
		return 0;
	}
	x = &n->input[0]->shape;
	w = &n->input[1]->shape;
	y = &n->output[0]->shape;
	if (!x->known || !w->known || !y->known) {
		return 0;
	}
	if (qb_node_is(n, QB_OP_Conv)) {
		return qb_dim_mul(qb_shape_product(y, 0, y->ndim), qb_shape_product(w, 1, w->ndim));
	}
	if (qb_node_is(n, QB_OP_ConvTranspose)) {
		return qb_dim_mul(qb_shape_product(x, 0, x->ndim), qb_shape_product(w, 1, w->ndim));
	}
	if (qb_node_is(n, QB_OP_Gemm)) {
		m = qb_node_int(n, "transA", 0) ? x->dim[0] : x->dim[1];
		return qb_dim_mul(qb_shape_product(y, 0, y->ndim), m);
	}
	if (qb_node_is(n, QB_OP_MatMul)) {
		return qb_dim_mul(qb_shape_product(y, 0, y->ndim), x->dim[x->ndim - 1]);
	}
	if ((qb_node_is(n, QB_OP_RNN) || qb_node_is(n, QB_OP_GRU) || qb_node_is(n, QB_OP_LSTM)) && n->inputs > 2 &&
		n->input[2] && n->input[2]->shape.known) {
		/* Every step of every sequence meets all weights once. */
		const struct qb_shape *r = &n->input[2]->shape;

		return qb_dim_add(qb_dim_mul(qb_shape_product(x, 0, 2), qb_shape_product(w, 0, w->ndim)),
			qb_dim_mul(qb_shape_product(x, 0, 2), qb_shape_product(r, 0, r->ndim)));
	}
	return 0;
}
