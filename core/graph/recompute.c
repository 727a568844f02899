/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/recompute.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"

struct recompute {
	struct qb_graph *g;
	int loss;                /* index of the node that ends the forward pass */
	struct qb_value **again; /* [values]: what takes the place of a value in the backward pass; NULL: itself */
	int added;
	struct qb_errbuf *eb;
};

static bool is_cheap(const struct qb_node *n)
{
	static const enum qb_op_id ops[] = {QB_OP_BatchNormalizationTraining, QB_OP_Clip, QB_OP_FakeQuantize, QB_OP_Gelu,
		QB_OP_HardSigmoid, QB_OP_HardSwish, QB_OP_LayerNormalization, QB_OP_LeakyRelu, QB_OP_Relu, QB_OP_Swish};

	for (size_t i = 0; i < QB_COUNT(ops); i++) {
		if (qb_node_is(n, ops[i])) {
			return n->outputs == 1 && n->attrs <= QB_NODE_ATTRS;
		}
	}
	return false;
}

/* Steps of a plan tell the gradient of what clips by other values than its input (core/exec/lower/backward), which need not
 * live for it. */
static bool needs_input(const struct qb_node *n)
{
	enum qb_op_id id = qb_node_is(n, QB_OP_ActivationGradient) ? qb_node_operator(n) : QB_OP_IDS;

	return id != QB_OP_Relu && id != QB_OP_Clip;
}

static bool is_read_backward(const struct recompute *r, const struct qb_value *v)
{
	for (int i = 0; i < v->users; i++) {
		if (v->user[i].node->index > r->loss && needs_input(v->user[i].node)) {
			return true;
		}
	}
	return false;
}

static bool is_forward(const struct recompute *r, const struct qb_value *v)
{
	return v->producer && v->producer->index <= r->loss;
}

/* Can v be made again of values that are there in the backward pass? */
static bool can_remake(const struct recompute *r, const struct qb_value *v)
{
	const struct qb_node *n = v->producer;

	if (!is_forward(r, v) || !is_cheap(n)) {
		return false;
	}
	for (int i = 0; i < n->inputs; i++) {
		const struct qb_value *x = n->input[i];

		if (x && x->producer && !can_remake(r, x) && !is_read_backward(r, x)) {
			return false;
		}
	}
	return true;
}

/* v again, and what it is made of where that is cheap, too, before the node `at`. */
static enum qb_err remake(struct recompute *r, struct qb_value *v, struct qb_node *at, struct qb_value **out)
{
	const struct qb_node *n = v->producer;
	const char *name = qb_arena_printf(r->g->arena, "%s.again", v->name);
	struct qb_value **in = qb_arena_alloc(r->g->arena, (size_t)n->inputs + 1, sizeof(*in)), *y;
	struct qb_node *made;

	if (r->again[v->index]) {
		*out = r->again[v->index];
		return QB_OK;
	}
	for (int i = 0; in && i < n->inputs; i++) {
		in[i] = n->input[i];
		if (in[i] && can_remake(r, in[i])) {
			QB_TRY(remake(r, in[i], at, &in[i]));
		}
	}
	y = name && in ? qb_graph_add_value(r->g, name, v->dtype) : NULL;
	made = y ? qb_node_create(r->g, n->op->id, name, n->opset, n->inputs, in, 1, &y) : NULL;
	if (!made) {
		return qb_fail(r->eb, QB_ENOMEM, "no memory to compute %s again", v->name);
	}
	y->shape = v->shape;
	memcpy(made->attr, n->attr, (size_t)n->attrs * sizeof(*n->attr));
	made->attrs = n->attrs;
	if (!qb_graph_insert_before(r->g, made, at)) {
		return qb_fail(r->eb, QB_ENOMEM, "no memory to compute %s again", v->name);
	}
	r->added++;
	r->again[v->index] = *out = y;
	return QB_OK;
}

/* In the order in which the backward pass reads, so that what several want is there for the first of them. */
static enum qb_err remake_read(struct recompute *r, int node, int values)
{
	struct qb_node *u = r->g->node[node];

	for (int i = 0; needs_input(u) && i < u->inputs; i++) {
		struct qb_value *v = u->input[i];

		if (v && v->index < values && !v->outputs && can_remake(r, v)) {
			QB_TRY(remake(r, v, u, &u->input[i]));
		}
	}
	return QB_OK;
}

enum qb_err qb_graph_recompute(struct qb_graph *g, const struct qb_value *loss, int *count, struct qb_errbuf *eb)
{
	struct recompute r = {.g = g, .loss = loss->producer ? loss->producer->index : g->nodes, .eb = eb};
	int nodes = g->nodes, values = g->values;
	enum qb_err err = QB_OK;

	r.again = calloc((size_t)values + 1, sizeof(*r.again));
	if (!r.again) {
		return qb_fail(eb, QB_ENOMEM, "no memory to compute values again");
	}
	for (int i = r.loss + 1; err == QB_OK && i < nodes; i++) {
		err = remake_read(&r, i, values);
	}
	free(r.again);
	QB_TRY(err);
	if (count) {
		*count = r.added;
	}
	return qb_graph_relink(g, eb);
}
