/* SPDX-License-Identifier: Apache-2.0
 *
 * Editing a graph: new values and nodes, and where nodes stand. Nodes are a list, which edits change at once; the array
 * g->node follows it when the graph is relinked, so that a pass may go through the array while it edits.
 */
#include <string.h>

#include "core/graph/op.h"
#include "core/graph/shape.h"

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

void qb_node_add_float(struct qb_node *n, const char *name, float v)
{
	n->attr[n->attrs++] = (struct qb_attr){.name = name, .kind = QB_ATTR_FLOAT, .f = v};
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

/* ---- where nodes stand ---- */

static void link_between(struct qb_graph *g, struct qb_node *before, struct qb_node *n, struct qb_node *after)
{
	n->before = before;
	n->after = after;
	*(before ? &before->after : &g->first) = n;
	*(after ? &after->before : &g->last) = n;
}

bool qb_graph_append(struct qb_graph *g, struct qb_node *n)
{
	if (n && g->nodes == g->room) {
		struct qb_node **bigger = qb_arena_alloc(g->arena, 2 * (size_t)g->room + 64, sizeof(*bigger));

		if (!bigger) {
			return false;
		}
		if (g->nodes) {
			memcpy(bigger, g->node, (size_t)g->nodes * sizeof(*bigger));
		}
		g->node = bigger;
		g->room = 2 * g->room + 64;
	}
	if (!n) {
		return false;
	}
	link_between(g, g->last, n, NULL);
	n->index = g->nodes;
	g->node[g->nodes++] = n;
	return true;
}

bool qb_graph_insert_before(struct qb_graph *g, struct qb_node *n, struct qb_node *at)
{
	if (n) {
		link_between(g, at->before, n, at);
	}
	return n;
}

bool qb_graph_insert_after(struct qb_graph *g, struct qb_node *n, struct qb_node *at)
{
	if (n) {
		link_between(g, at, n, at->after);
	}
	return n;
}

void qb_graph_remove(struct qb_graph *g, struct qb_node *n)
{
	*(n->before ? &n->before->after : &g->first) = n->after;
	*(n->after ? &n->after->before : &g->last) = n->before;
	n->before = n->after = NULL;
}

void qb_graph_merge(struct qb_graph *g, struct qb_node *p, struct qb_node *n)
{
	p->output[0] = n->output[0];
	p->output[0]->producer = p;
	qb_graph_remove(g, n);
}

/* ---- what reads a value ---- */

void qb_graph_move_outputs(struct qb_graph *g, struct qb_value *from, struct qb_value *to)
{
	for (int i = 0; i < g->outputs; i++) {
		if (g->output[i] == from) {
			g->output[i] = to;
			from->outputs--;
			to->outputs++;
			to->name = from->name;
			to->declared = from->declared;
		}
	}
}

void qb_graph_replace_value(struct qb_graph *g, struct qb_value *from, struct qb_value *to)
{
	for (struct qb_node *n = g->first; n; n = n->after) {
		for (int j = 0; j < n->inputs; j++) {
			n->input[j] = n->input[j] == from ? to : n->input[j];
		}
	}
	qb_graph_move_outputs(g, from, to);
}
