/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/attention.h"

#include "core/graph/linear.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

/* Nodes between the parts of one attention, and back to the layer that makes its operands; nodes that are looked at for
 * one attention, whatever the network. */
enum { NEAR = 12, FAR = 32, LOOKS = 20000 };

struct search {
	struct qb_attention a;
	struct qb__masked masks;
	int looks; /* left */
};

/* ---- values ---- */

/* Computed from constants alone: a weight, perhaps behind moves or a DequantizeLinear. */
static bool is_static(struct search *s, const struct qb_value *v, int depth)
{
	const struct qb_node *p = v ? v->producer : NULL;

	if (!p || depth == 0 || s->looks-- <= 0) {
		return v && v->constant;
	}
	for (int i = 0; i < p->inputs; i++) {
		if (p->input[i] && !is_static(s, p->input[i], depth - 1)) {
			return false;
		}
	}
	return p->inputs > 0;
}

static bool is_constant(struct search *s, const struct qb_value *v)
{
	return is_static(s, v, 4);
}

static int64_t dim_from_end(const struct qb_value *v, int k)
{
	return v->shape.known && v->shape.ndim >= k ? v->shape.dim[v->shape.ndim - k] : QB_DIM_UNKNOWN;
}

/* Whether both have, or may have, the same last dimension. */
static bool keeps_last(const struct qb_value *a, const struct qb_value *b)
{
	return qb_dim_compatible(dim_from_end(a, 1), dim_from_end(b, 1));
}

static bool is_product(struct search *s, const struct qb_node *n)
{
	return qb_node_is(n, QB_OP_MatMul) && !is_constant(s, n->input[0]) && !is_constant(s, n->input[1]);
}

/* A layer: weights times what it reads at input 0. */
static bool is_layer(struct search *s, const struct qb_node *n)
{
	return n && n->op && n->op->class == QB_OP_MATMUL && is_constant(s, n->input[1]) && !is_constant(s, n->input[0]);
}

static bool is_arithmetic(const struct qb_node *n)
{
	return qb_node_is(n, QB_OP_Mul) || qb_node_is(n, QB_OP_Div) || qb_node_is(n, QB_OP_Add) || qb_node_is(n, QB_OP_Sub);
}

static bool is_move(const struct qb_node *n)
{
	return qb_node_has(n, QB_TRAIT_MOVES) || qb_node_is(n, QB_OP_Dropout) || qb_node_is(n, QB_OP_Cast);
}

/* Hands the last dimension of its input on: a move that keeps it, or a function of single elements. */
static bool passes_last(const struct qb_node *n)
{
	return n->outputs > 0 && keeps_last(n->input[0], n->output[0]) &&
		(is_move(n) || qb_node_is(n, QB_OP_Clip) || qb_node_is(n, QB_OP_Tanh) || qb_node_has(n, QB_TRAIT_CODES));
}

/* ---- back from the softmax to the scores ---- */

static void note_mask(struct qb__masked *m, const struct qb_node *n, int side)
{
	struct qb_attention_mask found;

	if (qb_node_is(n, QB_OP_Where)) {
		found = (struct qb_attention_mask){side == 1 ? QB_MASK_KEEPS : QB_MASK_DROPS, n->input[0]};
	} else if (qb_node_is(n, QB_OP_Add) || (qb_node_is(n, QB_OP_Sub) && side == 0)) {
		found = (struct qb_attention_mask){qb_node_is(n, QB_OP_Add) ? QB_MASK_ADDED : QB_MASK_SUBTRACTED, n->input[1 - side]};
	} else {
		return;
	}
	if (m->count < QB_ATTENTION_MASKS) {
		m->mask[m->count++] = found;
	}
}

/* The product that v is made of. */
static struct qb_node *find_scores(struct search *s, const struct qb_value *v, int depth)
{
	struct qb_node *n = v ? v->producer : NULL, *found = NULL;

	if (!n || depth == 0 || s->looks-- <= 0) {
		return NULL;
	}
	if (is_product(s, n)) {
		return n;
	}
	if (is_arithmetic(n) || qb_node_has(n, QB_TRAIT_MASKS)) {
		for (int i = 0; i < n->inputs && !found; i++) {
			if (n->input[i] && n->input[i]->dtype == QB_F32) {
				found = find_scores(s, n->input[i], depth - 1);
			}
			if (found) {
				note_mask(&s->masks, n, i);
			}
		}
		return found;
	}
	return passes_last(n) ? find_scores(s, n->input[0], depth - 1) : NULL;
}

/* ---- forward from the softmax to the context ---- */

static struct qb_node *find_context(struct search *s, struct qb_value *v, int depth)
{
	for (int i = 0; i < v->users && depth > 0 && s->looks-- > 0; i++) {
		struct qb_node *n = v->user[i].node, *found;

		if (is_product(s, n) && v->user[i].input == 0) {
			s->a.probabilities = v;
			return n;
		}
		if (n->outputs < 1 || !(is_arithmetic(n) || qb_node_is(n, QB_OP_Where) || passes_last(n))) {
			continue;
		}
		found = find_context(s, n->output[0], depth - 1);
		if (found) {
			s->a.clipped |= qb_node_is(n, QB_OP_Clip);
			return found;
		}
	}
	return NULL;
}

/* ---- forward from the context to the layer behind it ---- */

/* v = a Sigmoid, perhaps moved. */
static bool is_gate(const struct qb_value *v, int depth)
{
	const struct qb_node *n = v ? v->producer : NULL;

	return n && depth > 0 && (qb_node_is(n, QB_OP_Sigmoid) ||
		((is_move(n) || qb_node_has(n, QB_TRAIT_CODES)) && is_gate(n->input[0], depth - 1)));
}

static struct qb_node *find_output(struct search *s, struct qb_value *v, int depth)
{
	for (int i = 0; i < v->users && depth > 0 && s->looks-- > 0; i++) {
		struct qb_node *n = v->user[i].node, *found;
		int side = v->user[i].input;
		bool arithmetic = is_arithmetic(n), gate = qb_node_is(n, QB_OP_Mul) && is_gate(n->input[1 - side], NEAR);

		if (is_layer(s, n) && side == 0) {
			s->a.merged = v;
			return n;
		}
		if (n->outputs < 1 || !(gate || (arithmetic && is_constant(s, n->input[1 - side])) || is_move(n) ||
			qb_node_has(n, QB_TRAIT_CODES) || qb_node_is(n, QB_OP_LayerNormalization))) {
			continue;
		}
		found = find_output(s, n->output[0], depth - 1);
		if (found) {
			s->a.gated |= gate;
			return found;
		}
	}
	return NULL;
}

/* ---- back from an operand to the layer that makes it ---- */

static struct qb_node *find_layer(struct search *s, const struct qb_value *v, int depth)
{
	struct qb_node *n = v ? v->producer : NULL, *found = NULL;

	if (!n || depth == 0 || s->looks-- <= 0 || is_product(s, n) || qb_node_is(n, QB_OP_Softmax)) {
		return NULL;
	}
	if (is_layer(s, n)) {
		return n;
	}
	/* Rotations, norms and scales of queries and keys are between; shapes are not floats. */
	for (int i = 0; i < n->inputs && !found; i++) {
		found = n->input[i] && n->input[i]->dtype == QB_F32 ? find_layer(s, n->input[i], depth - 1) : NULL;
	}
	return found;
}

/* What layer n reads, before it became a matrix of rows. */
static struct qb_value *input_of(const struct qb_node *n)
{
	struct qb_value *v = n->input[0];

	while (v->shape.known && v->shape.ndim == 2 && v->producer && qb_node_has(v->producer, QB_TRAIT_VIEW) &&
		!qb_node_is(v->producer, QB_OP_Transpose) && keeps_last(v, v->producer->input[0])) {
		v = v->producer->input[0];
	}
	return v;
}

/* ---- one attention ---- */

static int64_t count_heads(const struct qb_attention *a)
{
	const struct qb_shape *s = &a->context->output[0]->shape;
	int64_t wide = a->merged ? dim_from_end(a->merged, 1) : QB_DIM_UNKNOWN;

	if (s->known && s->ndim > 3 && s->dim[s->ndim - 3] > 0) {
		return s->dim[s->ndim - 3];
	}
	if (wide > 0 && a->value_width > 0) {
		return wide / a->value_width;
	}
	/* [k times the batch, T, dv] */
	return s->known && s->ndim == 3 && s->dim[0] < 0 && s->dim[0] != QB_DIM_UNKNOWN ? -s->dim[0] : 0;
}

static void measure(struct qb_attention *a)
{
	const struct qb_value *q = a->scores->input[0], *k = a->scores->input[1], *v = a->context->input[1];

	a->width = dim_from_end(q, 1) != QB_DIM_UNKNOWN ? dim_from_end(q, 1) : dim_from_end(k, 2);
	a->value_width = dim_from_end(v, 1);
	a->queries = dim_from_end(q, 2);
	a->keys = dim_from_end(v, 2) != QB_DIM_UNKNOWN ? dim_from_end(v, 2) : dim_from_end(k, 1);
	a->heads = count_heads(a);
}

static bool over_last(const struct qb_node *n)
{
	int64_t axis = qb_node_int(n, "axis", n->opset < 13 ? 1 : -1);

	return axis == -1 || (n->input[0]->shape.known && axis == n->input[0]->shape.ndim - 1);
}

static bool read_attention(struct search *s, struct qb_node *softmax)
{
	struct qb_attention *a = &s->a;

	*s = (struct search){.a = {.softmax = softmax}, .looks = LOOKS};
	if (!qb_node_is(softmax, QB_OP_Softmax) || !softmax->input[0]->shape.known || softmax->input[0]->shape.ndim < 3 ||
		!over_last(softmax)) {
		return false;
	}
	a->scores = find_scores(s, softmax->input[0], NEAR);
	a->context = a->scores ? find_context(s, softmax->output[0], NEAR) : NULL;
	if (!a->context) {
		return false;
	}
	a->query = find_layer(s, a->scores->input[0], FAR);
	a->key = find_layer(s, a->scores->input[1], FAR);
	a->value = find_layer(s, a->context->input[1], FAR);
	a->output = find_output(s, a->context->output[0], FAR);
	a->input = a->query ? input_of(a->query) : NULL;
	measure(a);
	return true;
}

enum qb_err qb_graph_find_attention(struct qb_attention_list *out, struct qb_graph *g, struct qb_errbuf *eb)
{
	struct qb_attention_list list = {.at = qb_arena_alloc(g->arena, (size_t)g->nodes + 1, sizeof(*list.at))};
	struct qb__masked *masked = qb_arena_alloc(g->arena, (size_t)g->nodes + 1, sizeof(*masked));

	if (!list.at || !masked) {
		return qb_fail(eb, QB_ENOMEM, "no memory to look for attention");
	}
	for (int i = 0; i < g->nodes; i++) {
		struct search s;

		if (read_attention(&s, g->node[i])) {
			list.at[list.count] = s.a;
			masked[list.count++] = s.masks;
		}
	}
	QB_TRY(qb__find_causal(g, masked, list.count, eb));
	for (int i = 0; i < list.count; i++) {
		list.at[i].causal = masked[i].causal;
	}
	*out = list;
	return QB_OK;
}
