/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/graph.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

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

/* Arrays grow by doubling; the arena keeps the old ones, which is at most as much again. */
static bool grow(struct qb_graph *g, struct qb_value ***array, int count)
{
	struct qb_value **bigger;

	if (count & (count - 1)) {
		return true; /* room until the next power of two */
	}
	bigger = qb_arena_alloc(g->arena, count ? 2 * (size_t)count : 1, sizeof(*bigger));
	if (!bigger) {
		return false;
	}
	if (count) {
		memcpy(bigger, *array, (size_t)count * sizeof(*bigger));
	}
	*array = bigger;
	return true;
}

struct qb_value *qb_graph_add_value(struct qb_graph *g, const char *name, enum qb_dtype dtype)
{
	struct qb_value *v = qb_arena_alloc(g->arena, 1, sizeof(*v));

	if (!v || !grow(g, &g->value, g->values)) {
		return NULL;
	}
	v->name = qb_arena_strdup(g->arena, name);
	if (!v->name) {
		return NULL;
	}
	v->dtype = dtype;
	v->index = g->values;
	g->value[g->values++] = v;
	return v;
}

struct qb_value *qb_graph_add_constant(struct qb_graph *g, const char *name, const struct qb_tensor *t)
{
	struct qb_value *v = qb_graph_add_value(g, name, t->dtype);

	if (v) {
		v->shape = qb_shape_of(t);
		v->constant = t;
	}
	return v;
}

/* ---- new nodes ---- */

static struct qb_value **list_of(struct qb_graph *g, int count, struct qb_value *const *from)
{
	struct qb_value **list = qb_arena_alloc(g->arena, (size_t)count + 1, sizeof(*list));

	if (list && count) {
		memcpy(list, from, (size_t)count * sizeof(*list));
	}
	return list;
}

struct qb_node *qb_node_create(struct qb_graph *g, enum qb_op_id op, const char *name, int opset,
	int inputs, struct qb_value *const *input, int outputs, struct qb_value *const *output)
{
	struct qb_node *n = qb_arena_alloc(g->arena, 1, sizeof(*n));

	if (!n) {
		return NULL;
	}
	qb_node_set_op(n, op);
	n->name = qb_arena_strdup(g->arena, name);
	n->opset = opset;
	n->inputs = inputs;
	n->outputs = outputs;
	n->input = list_of(g, inputs, input);
	n->output = list_of(g, outputs, output);
	n->attr = qb_arena_alloc(g->arena, QB_NODE_ATTRS, sizeof(*n->attr));
	if (!n->name || !n->input || !n->output || !n->attr) {
		return NULL;
	}
	for (int i = 0; i < outputs; i++) {
		n->output[i]->producer = n;
	}
	return n;
}

void qb_node_add_int(struct qb_node *n, const char *name, int64_t v)
{
	n->attr[n->attrs++] = (struct qb_attr){.name = name, .kind = QB_ATTR_INT, .i = v};
}

void qb_node_add_string(struct qb_node *n, const char *name, const char *v)
{
	n->attr[n->attrs++] = (struct qb_attr){.name = name, .kind = QB_ATTR_STRING, .s = v};
}

void qb_node_add_ints(struct qb_node *n, const char *name, int count, const int64_t *ints)
{
	n->attr[n->attrs++] =
		(struct qb_attr){.name = name, .kind = QB_ATTR_INTS, .count = count, .ints = ints};
}

size_t qb_value_size(const struct qb_value *v)
{
	size_t n = 1;

	for (int i = 0; i < v->shape.ndim; i++) {
		n *= (size_t)v->shape.dim[i];
	}
	return n;
}

bool qb_graph_has_output(const struct qb_graph *g, const struct qb_value *v)
{
	for (int i = 0; i < g->outputs; i++) {
		if (g->output[i] == v) {
			return true;
		}
	}
	return false;
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

void qb_graph_move_outputs(struct qb_graph *g, const struct qb_value *from, struct qb_value *to)
{
	for (int i = 0; i < g->outputs; i++) {
		if (g->output[i] == from) {
			g->output[i] = to;
			to->name = from->name;
			to->declared = from->declared;
		}
	}
}

void qb_graph_replace_value(struct qb_graph *g, struct qb_value *from, struct qb_value *to)
{
	for (int i = 0; i < g->nodes; i++) {
		for (int j = 0; j < g->node[i]->inputs; j++) {
			if (g->node[i]->input[j] == from) {
				g->node[i]->input[j] = to;
			}
		}
	}
	qb_graph_move_outputs(g, from, to);
}

/* ---- order ---- */

static void value_reset(struct qb_value *v)
{
	if (v) {
		v->producer = NULL;
		v->uses = 0;
		v->index = -1;
	}
}

static enum qb_err link_producers(struct qb_graph *g, struct qb_errbuf *eb)
{
	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];

		n->index = i;
		for (int j = 0; j < n->inputs; j++) {
			value_reset(n->input[j]);
		}
		for (int j = 0; j < n->outputs; j++) {
			value_reset(n->output[j]);
		}
	}
	for (int i = 0; i < g->inputs; i++) {
		value_reset(g->input[i]);
	}
	for (int i = 0; i < g->outputs; i++) {
		value_reset(g->output[i]);
	}
	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];

		for (int j = 0; j < n->outputs; j++) {
			struct qb_value *v = n->output[j];

			if (!v) { /* importers give what is left out a value */
				return qb_node_fail(eb, QB_EINTERNAL, n, "output %d is missing", j);
			}
			if (v->producer) {
				return qb_node_fail(eb, QB_EONNX, n, "output %s is also produced by node %s",
					v->name, v->producer->name);
			}
			if (v->constant) {
				return qb_node_fail(eb, QB_EONNX, n, "output %s is also an initializer", v->name);
			}
			v->producer = n;
		}
	}
	for (int i = 0; i < g->inputs; i++) {
		if (g->input[i]->producer) {
			return qb_node_fail(eb, QB_EONNX, g->input[i]->producer,
				"output %s is also an input of the network", g->input[i]->name);
		}
		g->input[i]->index = 0; /* marks it as fed */
	}
	return QB_OK;
}

static enum qb_err check_dangling(struct qb_graph *g, struct qb_errbuf *eb)
{
	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];

		for (int j = 0; j < n->inputs; j++) {
			struct qb_value *v = n->input[j];

			if (v && !v->producer && !v->constant && v->index != 0) {
				return qb_node_fail(eb, QB_EONNX, n,
					"input %d, %s, is produced by no node and is neither an initializer nor an "
					"input of the network", j, v->name);
			}
		}
	}
	for (int i = 0; i < g->outputs; i++) {
		struct qb_value *v = g->output[i];

		if (!v->producer && !v->constant && v->index != 0) {
			return qb_fail(eb, QB_EONNX, "output %s of the network is produced by no node", v->name);
		}
	}
	return QB_OK;
}

static enum qb_err fail_cycle(struct qb_graph *g, const int *waiting, struct qb_errbuf *eb)
{
	struct qb_node *n = NULL, *next;

	for (int i = 0; i < g->nodes && !n; i++) {
		n = waiting[i] > 0 ? g->node[i] : NULL;
	}
	/* Walking back through waiting producers for as many steps as there are nodes ends on the cycle. */
	for (int step = 0; step < g->nodes; step++) {
		next = NULL;
		for (int j = 0; j < n->inputs && !next; j++) {
			struct qb_node *p = n->input[j] ? n->input[j]->producer : NULL;

			next = p && waiting[p->index] > 0 ? p : NULL;
		}
		if (!next) {
			break;
		}
		n = next;
	}
	return qb_node_fail(eb, QB_EONNX, n, "the network has a cycle through this node");
}

/* Kahn's algorithm, first in first out from the present order, so that a sorted graph keeps its order
 * within each rank; a graph that is sorted already is not touched. */
static enum qb_err sort_nodes(struct qb_graph *g, struct qb_errbuf *eb)
{
	enum qb_err err = QB_OK;
	size_t count = (size_t)g->nodes, edges = 0;
	bool sorted = true;
	int *waiting = NULL, *first = NULL, *next = NULL, *user = NULL, head = 0, tail = 0, e = 0;
	struct qb_node **order = NULL;

	for (int i = 0; i < g->nodes; i++) {
		for (int j = 0; j < g->node[i]->inputs; j++) {
			struct qb_value *v = g->node[i]->input[j];

			sorted &= !(v && v->producer && v->producer->index >= i);
			edges++;
		}
	}
	if (sorted) {
		return QB_OK;
	}
	waiting = calloc(count + 1, sizeof(*waiting));
	first = malloc((count + 1) * sizeof(*first));
	next = malloc((edges + 1) * sizeof(*next));
	user = malloc((edges + 1) * sizeof(*user));
	order = qb_arena_alloc(g->arena, count + 1, sizeof(*order));
	if (!waiting || !first || !next || !user || !order) {
		err = qb_fail(eb, QB_ENOMEM, "out of memory while sorting %d nodes", g->nodes);
		goto out;
	}
	memset(first, -1, (count + 1) * sizeof(*first));
	for (int i = g->nodes - 1; i >= 0; i--) {
		for (int j = 0; j < g->node[i]->inputs; j++) {
			struct qb_value *v = g->node[i]->input[j];

			if (v && v->producer) {
				user[e] = i;
				next[e] = first[v->producer->index];
				first[v->producer->index] = e++;
				waiting[i]++;
			}
		}
	}
	for (int i = 0; i < g->nodes; i++) {
		if (waiting[i] == 0) {
			order[tail++] = g->node[i];
		}
	}
	while (head < tail) {
		for (int k = first[order[head++]->index]; k >= 0; k = next[k]) {
			if (--waiting[user[k]] == 0) {
				order[tail++] = g->node[user[k]];
			}
		}
	}
	if (tail < g->nodes) {
		err = fail_cycle(g, waiting, eb);
		goto out;
	}
	g->node = order;
	for (int i = 0; i < g->nodes; i++) {
		order[i]->index = i;
	}
out:
	free(waiting);
	free(first);
	free(next);
	free(user);
	return err;
}

static void list_value(struct qb_value **list, int *count, struct qb_value *v)
{
	if (v && v->index < 0) {
		v->index = *count;
		list[(*count)++] = v;
	}
}

/* Values in the order of first use; those that nothing touches are gone. */
static enum qb_err list_values(struct qb_graph *g, struct qb_errbuf *eb)
{
	size_t most = (size_t)g->inputs + (size_t)g->outputs, room = 1;
	struct qb_value **list;
	int count = 0;

	for (int i = 0; i < g->nodes; i++) {
		most += (size_t)g->node[i]->inputs + (size_t)g->node[i]->outputs;
	}
	while (room < most) {
		room *= 2; /* what grow() expects */
	}
	list = qb_arena_alloc(g->arena, room, sizeof(*list));
	if (!list) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while listing values");
	}
	for (int i = 0; i < g->inputs; i++) {
		g->input[i]->index = -1;
	}
	for (int i = 0; i < g->inputs; i++) {
		list_value(list, &count, g->input[i]);
	}
	for (int i = 0; i < g->nodes; i++) {
		for (int j = 0; j < g->node[i]->inputs; j++) {
			list_value(list, &count, g->node[i]->input[j]);
			if (g->node[i]->input[j]) {
				g->node[i]->input[j]->uses++;
			}
		}
		for (int j = 0; j < g->node[i]->outputs; j++) {
			list_value(list, &count, g->node[i]->output[j]);
		}
	}
	for (int i = 0; i < g->outputs; i++) {
		list_value(list, &count, g->output[i]);
		g->output[i]->uses++;
	}
	g->value = list;
	g->values = count;
	return QB_OK;
}

enum qb_err qb_graph_relink(struct qb_graph *g, struct qb_errbuf *eb)
{
	QB_TRY(link_producers(g, eb));
	QB_TRY(check_dangling(g, eb));
	QB_TRY(sort_nodes(g, eb));
	return list_values(g, eb);
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

static bool copy_into(struct qb_graph *g, const struct qb_graph *from)
{
	size_t room = 1;
	struct qb_value **map;

	while (room < (size_t)from->values) {
		room *= 2;
	}
	map = qb_arena_alloc(g->arena, room, sizeof(*map));
	g->node = qb_arena_alloc(g->arena, (size_t)from->nodes + 1, sizeof(*g->node));
	if (!map || !g->node) {
		return false;
	}
	for (int i = 0; i < from->values; i++) {
		map[i] = qb_arena_alloc(g->arena, 1, sizeof(*map[i]));
		if (!map[i]) {
			return false;
		}
		*map[i] = *from->value[i];
		map[i]->producer = NULL;
	}
	for (int i = 0; i < from->nodes; i++) {
		g->node[i] = copy_node(g->arena, from->node[i], map);
		if (!g->node[i]) {
			return false;
		}
		for (int j = 0; j < g->node[i]->outputs; j++) {
			if (g->node[i]->output[j]) {
				g->node[i]->output[j]->producer = g->node[i];
			}
		}
	}
	g->value = map;
	g->input = copy_values(g->arena, from->input, from->inputs, map);
	g->output = copy_values(g->arena, from->output, from->outputs, map);
	g->values = from->values;
	g->nodes = from->nodes;
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
		if (n->act.kind == QB_ACT_RELU) {
			fprintf(f, " relu");
		} else if (n->act.kind == QB_ACT_CLIP) {
			fprintf(f, " clip %g..%g", (double)n->act.lo, (double)n->act.hi);
		}
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
