/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/padding_input.h"

#include "core/graph/op.h"
#include "core/graph/shape.h"

/* Masks are a few nodes away from the softmax. */
enum { FAR = 32, LOOKS = 5000 };

/* Picks from a table of embeddings. */
static bool is_lookup(const struct qb_node *n)
{
	return qb_node_has(n, QB_TRAIT_LOOKUP) && n->inputs > 1 && n->input[0] && n->input[0]->constant;
}

/* Tokens themselves are not: a mask that is made of them says less than they do. */
static bool is_tokens(const struct qb_value *v)
{
	for (int i = 0; i < v->users; i++) {
		if (is_lookup(v->user[i].node)) {
			return true;
		}
	}
	return false;
}

static int input_of(const struct qb_graph *g, const struct qb_value *v, int64_t tokens)
{
	const struct qb_shape *s = &v->shape;

	for (int i = 0; i < g->inputs; i++) {
		if (g->input[i] == v) {
			return s->known && s->ndim >= 2 && qb_shape_product(s, 1, s->ndim) == tokens && s->dim[s->ndim - 1] == tokens && !is_tokens(v) ? i : -1;
		}
	}
	return -1;
}

static int look(const struct qb_graph *g, const struct qb_value *v, int64_t tokens, int depth, int *looks)
{
	const struct qb_node *n = v->producer;
	int found = -1;

	if (!n) {
		return input_of(g, v, tokens);
	}
	if (depth == 0 || (*looks)-- <= 0 || !n->op || n->op->class == QB_OP_MATMUL || is_lookup(n)) {
		return -1;
	}
	for (int i = 0; i < n->inputs && found < 0; i++) {
		found = n->input[i] && !n->input[i]->constant ? look(g, n->input[i], tokens, depth - 1, looks) : -1;
	}
	return found;
}

int qb_graph_padding_input(const struct qb_graph *g, const struct qb_attention_list *attention, int64_t tokens)
{
	int found = -1;

	for (int i = 0; i < attention->count && found < 0; i++) {
		int looks = LOOKS;

		found = look(g, attention->at[i].softmax->input[0], tokens, FAR, &looks);
	}
	return found;
}
