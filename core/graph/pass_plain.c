/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators in pieces, put together for a network that runs in float and whose values inside nobody observes.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

/* x times its own Sigmoid or HardSigmoid is Swish or HardSwish of x; the other node then is dead. */
static void try_gate(struct qb_node *n)
{
	for (int i = 0; i < 2 && qb_node_is(n, QB_OP_Mul) && n->inputs == 2; i++) {
		const struct qb_node *gate = n->input[i] ? n->input[i]->producer : NULL;
		bool hard = qb_node_is(gate, QB_OP_HardSigmoid) && qb_node_float(gate, "alpha", 0.2f) == 1.0f / 6 &&
			qb_node_float(gate, "beta", 0.5f) == 0.5f;

		if ((hard || qb_node_is(gate, QB_OP_Sigmoid)) && gate->input[0] == n->input[1 - i] &&
		    n->output[0]->dtype == QB_F32) {
			qb_node_set_op(n, hard ? QB_OP_HardSwish : QB_OP_Swish);
			n->opset = 24;
			n->input[0] = n->input[1 - i];
			n->inputs = 1;
			return;
		}
	}
}

/* ---- shuffled channels: two factors of a dimension change places between two Reshapes ---- */

/* The node that makes v for one reader, of this operator. */
static const struct qb_node *only_by(const struct qb_value *v, enum qb_op_id op)
{
	return qb_value_only_user(v) && qb_node_is(v->producer, op) ? v->producer : NULL;
}

/* How many groups of x's channels n shuffles, after the Reshape and the Transpose that it shows; 0: it does not. */
static int64_t shuffled_groups(const struct qb_node *n, struct qb_value **x)
{
	const struct qb_node *turn = qb_node_is(n, QB_OP_Reshape) ? only_by(n->input[0], QB_OP_Transpose) : NULL;
	const struct qb_node *split = turn ? only_by(turn->input[0], QB_OP_Reshape) : NULL;
	const struct qb_shape *from, *parts;
	const int64_t *perm;

	if (!split || split->input[0]->dtype != QB_F32 || split->input[0]->constant ||
	    !qb_shape_equal(&split->input[0]->shape, &n->output[0]->shape)) {
		return 0;
	}
	*x = split->input[0];
	from = &split->input[0]->shape;
	parts = &split->output[0]->shape;
	if (from->ndim < 3 || parts->ndim != from->ndim + 1 || qb_node_ints(turn, "perm", &perm) != parts->ndim) {
		return 0;
	}
	for (int i = 0; i < parts->ndim; i++) {
		bool factor = i == 1 || i == 2;

		if (perm[i] != (factor ? 3 - i : i) || (!factor && parts->dim[i] != from->dim[i - (i > 2)])) {
			return 0;
		}
	}
	return parts->dim[1];
}

/* One Gather, which takes images as they lie. */
static enum qb_err try_shuffle(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_value *in[2];
	int64_t groups = shuffled_groups(n, &in[0]), channels = groups ? in[0]->shape.dim[1] : 0;
	struct qb_tensor *t;
	struct qb_node *made;

	if (!channels) {
		return QB_OK;
	}
	t = qb_arena_alloc(g->arena, 1, sizeof(*t));
	if (!t || !(t->data = qb_arena_alloc(g->arena, (size_t)channels, sizeof(int64_t)))) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while fusing a shuffle");
	}
	t->dtype = QB_I64;
	t->ndim = 1;
	t->dim[0] = channels;
	for (int64_t c = 0; c < channels; c++) {
		((int64_t *)t->data)[c] = c % groups * (channels / groups) + c / groups;
	}
	in[1] = qb_graph_add_constant(g, qb_arena_printf(g->arena, "%s:channels", n->name), t);
	made = in[1] ? qb_node_create(g, QB_OP_Gather, n->name, 13, 2, in, 1, n->output) : NULL;
	if (!qb_graph_insert_before(g, made, n)) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while fusing a shuffle");
	}
	qb_node_add_int(made, "axis", 1);
	qb_graph_remove(g, n);
	return QB_OK;
}

enum qb_err qb_pass_join_frozen(struct qb_graph *g, struct qb_errbuf *eb)
{
	QB_TRY(qb_graph_relink(g, eb));
	for (int i = 0; i < g->nodes; i++) {
		try_gate(g->node[i]);
		QB_TRY(try_shuffle(g, g->node[i], eb));
	}
	return qb_pass_remove_dead(g, eb);
}
