/* SPDX-License-Identifier: Apache-2.0
 *
 * Passes that make a network smaller without changing any number in it.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

/* Larger constants than this are computed when they are needed (a file of a few bytes can ask for any size). */
#define FOLD_MAX_BYTES ((size_t)256 << 20)

enum qb_err qb_pass_fold_constants(struct qb_graph *g, struct qb_errbuf *eb)
{
	QB_TRY(qb__graph_infer_fold(g, FOLD_MAX_BYTES, eb));
	return qb__graph_infer_batch(g);
}

/* Outputs that a node has whether they are read or not: Split's count is its meaning. */
static int least_outputs(const struct qb_node *n)
{
	return qb_node_is(n, QB_OP_Split) ? n->outputs
		: qb_node_is(n, QB_OP_TopK) ? 2
		: qb_node_is(n, QB_OP_DynamicQuantizeLinear) ? 3
								: 1;
}

enum qb_err qb_pass_remove_dead(struct qb_graph *g, struct qb_errbuf *eb)
{
	bool *read; /* [values]: by a node that stays, or as an output of the network */

	QB_TRY(qb_graph_relink(g, eb));
	read = qb_arena_alloc(g->arena, (size_t)g->values + 1, sizeof(*read));
	if (!read) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while removing dead nodes");
	}
	for (int i = 0; i < g->outputs; i++) {
		read[g->output[i]->index] = true;
	}
	for (int i = g->nodes - 1; i >= 0; i--) {
		struct qb_node *n = g->node[i];
		bool used = false;

		for (int j = 0; j < n->outputs; j++) {
			used |= read[n->output[j]->index];
		}
		if (!used) {
			qb_graph_remove(g, n);
			continue;
		}
		for (int j = 0; j < n->inputs; j++) {
			if (n->input[j]) {
				read[n->input[j]->index] = true;
			}
		}
		for (int least = least_outputs(n); n->outputs > least && !read[n->output[n->outputs - 1]->index];) {
			n->outputs--;
		}
	}
	return qb_graph_relink(g, eb);
}

/* ---- nodes that do nothing ---- */

static bool same_known_shape(const struct qb_node *n)
{
	const struct qb_shape *s = &n->output[0]->shape;

	for (int i = 0; s->known && i < s->ndim; i++) {
		if (s->dim[i] == QB_DIM_UNKNOWN) {
			return false;
		}
	}
	return qb_shape_equal(&n->input[0]->shape, s);
}

static bool identity_permutation(const struct qb_node *n)
{
	const int64_t *perm;
	int count = qb_node_ints(n, "perm", &perm);

	for (int i = 0; i < count; i++) {
		if (perm[i] != i) {
			return false;
		}
	}
	return count > 0;
}

/* One by -1 and 1 keeps the shape, but shifts. */
static bool pads_nothing(const struct qb_node *n)
{
	const struct qb_value *v = n->inputs > 1 ? n->input[1] : NULL;
	const int64_t *pads;
	int count = qb_node_ints(n, "pads", &pads);

	for (int i = 0; i < count; i++) {
		if (pads[i]) {
			return false;
		}
	}
	return v ? v->constant && qb__all_zero(v->constant) : count > 0;
}

static bool does_nothing(const struct qb_node *n)
{
	if (n->inputs < 1 || !n->input[0]) {
		return false;
	}
	if (n->output[0]->imported && !qb_imported_equal(n->input[0]->imported, n->output[0]->imported)) {
		return false; /* it holds the quantized copy */
	}
	for (int i = 1; i < n->outputs; i++) {
		if (qb_value_is_used(n->output[i])) {
			return false;
		}
	}
	if (qb_node_is(n, QB_OP_Identity) || qb_node_is(n, QB_OP_Dropout)) {
		return true;
	}
	if (qb_node_is(n, QB_OP_Cast)) {
		return n->input[0]->dtype == n->output[0]->dtype;
	}
	if (qb_node_is(n, QB_OP_Transpose)) {
		return identity_permutation(n);
	}
	if (qb_node_has(n, QB_TRAIT_OF_ONE) && n->inputs == 1) {
		return true;
	}
	return qb_node_has(n, QB_TRAIT_KEEPS_ORDER) && same_known_shape(n) &&
		(!qb_node_is(n, QB_OP_Pad) || pads_nothing(n));
}

static bool is_input(const struct qb_graph *g, const struct qb_value *v)
{
	for (int i = 0; i < g->inputs; i++) {
		if (g->input[i] == v) {
			return true;
		}
	}
	return false;
}

enum qb_err qb_pass_simplify(struct qb_graph *g, struct qb_errbuf *eb)
{
	struct qb_value **became; /* [values]: what a removed node's output is now; nodes come in order */

	QB_TRY(qb_graph_relink(g, eb));
	became = qb_arena_alloc(g->arena, (size_t)g->values + 1, sizeof(*became));
	if (!became) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while simplifying a network");
	}
	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];
		struct qb_value *x, *y = n->output[0];

		for (int j = 0; j < n->inputs; j++) {
			if (n->input[j] && became[n->input[j]->index]) {
				n->input[j] = became[n->input[j]->index];
			}
		}
		x = n->inputs ? n->input[0] : NULL;
		/* What an output would be renamed from must be free to change. */
		if (does_nothing(n) && !(y->outputs && (x->constant || is_input(g, x) || x->outputs))) {
			became[y->index] = x;
			qb_graph_move_outputs(g, y, x);
			qb_graph_remove(g, n);
		}
	}
	return qb_graph_relink(g, eb);
}
