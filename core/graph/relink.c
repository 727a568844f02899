/* SPDX-License-Identifier: Apache-2.0
 *
 * What follows from a graph's edges: the order of its nodes, the producer and the users of each value, indices.
 */
#include <stdlib.h>
#include <string.h>

#include "core/graph/infer.h"

/* ---- the array of nodes ---- */

static enum qb_err list_nodes(struct qb_graph *g, struct qb_errbuf *eb)
{
	int count = 0;

	for (struct qb_node *n = g->first; n; n = n->after) {
		count++;
	}
	if (count > g->room) {
		struct qb_node **bigger = qb_arena_alloc(g->arena, (size_t)count, sizeof(*bigger));

		if (!bigger) {
			return qb_fail(eb, QB_ENOMEM, "out of memory while listing %d nodes", count);
		}
		g->node = bigger;
		g->room = count;
	}
	g->nodes = 0;
	for (struct qb_node *n = g->first; n; n = n->after) {
		n->index = g->nodes;
		g->node[g->nodes++] = n;
	}
	return QB_OK;
}

/* ---- producers ---- */

static void value_reset(struct qb_value *v)
{
	if (v) {
		v->producer = NULL;
		v->users = v->outputs = 0;
		v->index = -1;
	}
}

static enum qb_err link_producers(struct qb_graph *g, struct qb_errbuf *eb)
{
	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];

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

/* ---- order ---- */

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

static void set_order(struct qb_graph *g, struct qb_node *const *order)
{
	g->first = g->last = NULL;
	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = order[i];

		g->node[i] = n;
		n->index = i;
		n->before = g->last;
		n->after = NULL;
		*(g->last ? &g->last->after : &g->first) = n;
		g->last = n;
	}
}

/* Edges by the node that they come from. */
struct sort {
	int *waiting; /* [nodes]: inputs whose producers are not yet in order */
	int *first;   /* [nodes]: of its edges; -1: none */
	int *next, *user; /* [edges]: the next one of the same node; where it goes */
	struct qb_node **order; /* [nodes] */
};

static enum qb_err sort_init(struct sort *s, size_t nodes, size_t edges, struct qb_errbuf *eb)
{
	s->waiting = calloc(nodes + 1, sizeof(*s->waiting));
	s->first = malloc((nodes + 1) * sizeof(*s->first));
	s->next = malloc((edges + 1) * sizeof(*s->next));
	s->user = malloc((edges + 1) * sizeof(*s->user));
	s->order = malloc((nodes + 1) * sizeof(*s->order));
	if (!s->waiting || !s->first || !s->next || !s->user || !s->order) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while sorting %zu nodes", nodes);
	}
	memset(s->first, -1, (nodes + 1) * sizeof(*s->first));
	return QB_OK;
}

static void sort_fini(struct sort *s)
{
	free(s->waiting);
	free(s->first);
	free(s->next);
	free(s->user);
	free(s->order);
}

static bool is_sorted(const struct qb_graph *g, size_t *edges)
{
	bool sorted = true;

	*edges = 0;
	for (int i = 0; i < g->nodes; i++) {
		for (int j = 0; j < g->node[i]->inputs; j++) {
			struct qb_value *v = g->node[i]->input[j];

			sorted &= !(v && v->producer && v->producer->index >= i);
			++*edges;
		}
	}
	return sorted;
}

static void add_edges(struct sort *s, const struct qb_graph *g)
{
	int e = 0;

	for (int i = g->nodes - 1; i >= 0; i--) {
		for (int j = 0; j < g->node[i]->inputs; j++) {
			struct qb_value *v = g->node[i]->input[j];

			if (v && v->producer) {
				s->user[e] = i;
				s->next[e] = s->first[v->producer->index];
				s->first[v->producer->index] = e++;
				s->waiting[i]++;
			}
		}
	}
}

/* Returns how many nodes there are in order: less than all where the graph has a cycle. */
static int put_in_order(struct sort *s, const struct qb_graph *g)
{
	int head = 0, tail = 0;

	for (int i = 0; i < g->nodes; i++) {
		if (s->waiting[i] == 0) {
			s->order[tail++] = g->node[i];
		}
	}
	while (head < tail) {
		for (int k = s->first[s->order[head++]->index]; k >= 0; k = s->next[k]) {
			if (--s->waiting[s->user[k]] == 0) {
				s->order[tail++] = g->node[s->user[k]];
			}
		}
	}
	return tail;
}

/* Kahn's algorithm, first in first out from the present order, so that a sorted graph keeps its order
 * within each rank; a graph that is sorted already is not touched. */
static enum qb_err sort_nodes(struct qb_graph *g, struct qb_errbuf *eb)
{
	struct sort s = {0};
	enum qb_err err;
	size_t edges;

	if (is_sorted(g, &edges)) {
		return QB_OK;
	}
	QB_TRY_OUT(sort_init(&s, (size_t)g->nodes, edges, eb));
	add_edges(&s, g);
	if (put_in_order(&s, g) < g->nodes) {
		QB_TRY_OUT(fail_cycle(g, s.waiting, eb));
	}
	set_order(g, s.order);
out:
	sort_fini(&s);
	return err;
}

/* ---- values and their users ---- */

bool qb__value_add_user(struct qb_graph *g, struct qb_value *v, struct qb_node *n, int input)
{
	if (v->users == v->user_room) {
		int room = v->user_room ? 2 * v->user_room : 4;
		struct qb_use *bigger = qb_arena_alloc(g->arena, (size_t)room, sizeof(*bigger));

		if (!bigger) {
			return false;
		}
		if (v->users) {
			memcpy(bigger, v->user, (size_t)v->users * sizeof(*bigger));
		}
		v->user = bigger;
		v->user_room = room;
	}
	v->user[v->users++] = (struct qb_use){n, input};
	return true;
}

struct qb_node *qb_value_only_user(const struct qb_value *v)
{
	return v->users == 1 && !v->outputs ? v->user[0].node : NULL;
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
			struct qb_value *v = g->node[i]->input[j];

			list_value(list, &count, v);
			if (v && !qb__value_add_user(g, v, g->node[i], j)) {
				return qb_fail(eb, QB_ENOMEM, "out of memory while listing the users of %s", v->name);
			}
		}
		for (int j = 0; j < g->node[i]->outputs; j++) {
			list_value(list, &count, g->node[i]->output[j]);
		}
	}
	for (int i = 0; i < g->outputs; i++) {
		list_value(list, &count, g->output[i]);
		g->output[i]->outputs++;
	}
	g->value = list;
	g->values = count;
	return QB_OK;
}

enum qb_err qb_graph_relink(struct qb_graph *g, struct qb_errbuf *eb)
{
	QB_TRY(list_nodes(g, eb));
	QB_TRY(link_producers(g, eb));
	QB_TRY(check_dangling(g, eb));
	QB_TRY(sort_nodes(g, eb));
	return list_values(g, eb);
}

