/* SPDX-License-Identifier: Apache-2.0
 *
 * Constants that several nodes read. A scheme quantizes weights, holds biases in 32 bits on a scale of their layer and leaves
 * other constants alone: a constant that is more than one of these becomes as many values of the same elements.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/graph/linear.h"
#include "core/graph/names.h"
#include "core/graph/op.h"

enum use { USE_WEIGHT, USE_BIAS, USE_MOVED, USE_OTHER };

/* What is known of a constant, and what became of it. */
struct uses {
	bool weight, other;     /* something reads it as a weight; as neither a weight nor a bias */
	bool given;             /* a bias has it already */
	struct qb_value *plain; /* beside a weight: for all that reads it as neither */
};

static enum use use_of(const struct qb_node *n, int k)
{
	if (qb_node_holds_weight(n, k)) {
		return USE_WEIGHT;
	}
	if (n->op && n->op->class == QB_OP_MATMUL && k == 2) {
		return USE_BIAS;
	}
	/* A table that is looked up is the weight that it also is: such networks tie them to keep one. */
	return n->op && n->op->class == QB_OP_PASS ? USE_MOVED : USE_OTHER;
}

static bool is_shared(const struct qb_value *v)
{
	return v && v->constant && v->constant->dtype == QB_F32 && v->users + v->outputs > 1;
}

static void note_uses(const struct qb_graph *g, struct uses *u)
{
	for (int i = 0; i < g->values; i++) {
		const struct qb_value *v = g->value[i];

		u[i].other = v->outputs > 0;
		for (int k = 0; is_shared(v) && k < v->users; k++) {
			enum use use = use_of(v->user[k].node, v->user[k].input);

			u[i].weight |= use == USE_WEIGHT;
			u[i].other |= use == USE_OTHER || use == USE_MOVED;
		}
	}
}

static struct qb_value *copy_of(struct qb_graph *g, const struct qb_value *v, const struct qb_node *n)
{
	const char *name = qb_arena_printf(g->arena, "%s/%s", v->name, n->name);
	struct qb_value *copy = name ? qb_graph_add_constant(g, name, v->constant) : NULL;

	if (copy) {
		copy->imported = v->imported;
	}
	return copy;
}

/* The value that this use reads from now on; NULL when memory ends. */
static struct qb_value *value_for(struct qb_graph *g, struct uses *u, const struct qb_node *n, int k)
{
	struct qb_value *v = n->input[k];

	switch (use_of(n, k)) {
	case USE_BIAS:
		if (!u->weight && !u->other && !u->given) {
			u->given = true;
			return v;
		}
		return copy_of(g, v, n);
	case USE_OTHER:
		if (u->weight) {
			u->plain = u->plain ? u->plain : copy_of(g, v, n);
			return u->plain;
		}
		return v;
	default:
		return v;
	}
}

static enum qb_err separate(struct qb_graph *g, struct qb_errbuf *eb)
{
	struct uses *u;

	QB_TRY(qb_graph_relink(g, eb));
	u = qb_arena_alloc(g->arena, (size_t)g->values + 1, sizeof(*u));
	if (u) {
		note_uses(g, u);
	}
	for (int i = 0; u && i < g->nodes; i++) {
		struct qb_node *n = g->node[i];

		for (int k = 0; u && k < n->inputs; k++) {
			if (is_shared(n->input[k])) {
				n->input[k] = value_for(g, &u[n->input[k]->index], n, k);
				u = n->input[k] ? u : NULL;
			}
		}
	}
	return u ? qb_graph_relink(g, eb) : qb_fail(eb, QB_ENOMEM, "out of memory while copying shared constants");
}

static bool is_edge(const struct qb_graph *g, const struct qb_value *v)
{
	for (int i = 0; i < g->inputs; i++) {
		if (g->input[i] == v) {
			return true;
		}
	}
	return v->outputs > 0;
}

enum qb_err qb_pass_name_values(struct qb_graph *g, struct qb_errbuf *eb)
{
	struct qb_names seen = {0};
	bool fits = true;

	/* The network's own inputs and outputs keep their names, so they come first. */
	for (int edges = 1; edges >= 0; edges--) {
		for (int i = 0; i < g->values && fits; i++) {
			struct qb_value *v = g->value[i];
			const char *name = v->name;

			if (is_edge(g, v) != edges) {
				continue;
			}
			for (int k = 2; name && qb_names_get(&seen, name); k++) {
				name = qb_arena_printf(g->arena, "%s.%d", v->name, k);
			}
			fits = name && qb_names_set(&seen, name, v);
			v->name = fits ? name : v->name;
		}
	}
	qb_names_fini(&seen);
	return fits ? QB_OK : qb_fail(eb, QB_ENOMEM, "out of memory while naming values");
}

enum qb_err qb_pass_separate_constants(struct qb_graph *g, struct qb_errbuf *eb)
{
	QB_TRY(separate(g, eb));
	return qb_pass_name_values(g, eb);
}
