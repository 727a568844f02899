/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules of differentiation of operators that hand elements on in another shape or order, or repeat them.
 */
#include "core/ops/operands.h"
#include "core/ops/rule.h"

#define RULE(name) \
	enum qb_err qb__gradient_##name(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, \
		const bool *wanted, struct qb_value **dx, struct qb_errbuf *eb)

/* Reshape, Flatten, Squeeze, Unsqueeze, Identity, and Dropout at inference. */
RULE(reshape)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	if (wanted[0] && dy[0]) {
		dx[0] = qb__rule_reshape(&r, dy[0], &n->input[0]->shape);
	}
	return r.err;
}

RULE(transpose)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	const int64_t *perm;
	int count = qb_node_ints(n, "perm", &perm), rank = n->input[0]->shape.ndim, inverse[QB_MAX_DIMS];

	(void)wanted;
	for (int i = 0; i < rank; i++) {
		inverse[count ? perm[i] : rank - 1 - i] = i;
	}
	dx[0] = qb__rule_transpose(&r, dy[0], inverse);
	return r.err;
}

RULE(expand)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	(void)wanted;
	dx[0] = qb__rule_sum_to(&r, dy[0], &n->input[0]->shape);
	return r.err;
}

/* One dimension at a time: [before, repeats, the dimension and all after it], summed over the repeats. */
RULE(tile)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_shape now = n->output[0]->shape, split, sum;
	struct qb_value *v = dy[0];

	(void)wanted;
	for (int i = 0; i < x->ndim; i++) {
		int64_t repeats = x->dim[i] ? now.dim[i] / x->dim[i] : 1;

		if (repeats == 1) {
			continue;
		}
		now.dim[i] = x->dim[i];
		split = qb_shape_make(3, (int64_t[]){qb_shape_product(&now, 0, i), repeats, qb_shape_product(&now, i, now.ndim)});
		sum = split;
		sum.dim[1] = 1;
		v = qb__rule_reshape(&r, qb__rule_sum_to(&r, qb__rule_reshape(&r, v, &split), &sum), &now);
	}
	dx[0] = v;
	return r.err;
}

RULE(concat)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	int64_t axis = qb_node_int(n, "axis", 1), at = 0, size;

	axis += axis < 0 ? n->output[0]->shape.ndim : 0;
	for (int i = 0; i < n->inputs; i++) {
		size = n->input[i]->shape.dim[axis];
		if (wanted[i]) {
			dx[i] = qb__rule_slice(&r, dy[0], (int)axis, at, at + size);
		}
		at += size;
	}
	return r.err;
}

RULE(split)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_value **part = qb_arena_alloc(g->arena, (size_t)n->outputs, sizeof(*part));
	struct qb_node *c;

	(void)wanted;
	if (!part) {
		return qb__op_no_memory(n, eb);
	}
	for (int i = 0; i < n->outputs; i++) {
		part[i] = dy[i] ? dy[i] : qb__rule_zeros(&r, n->output[i]);
	}
	c = qb__rule_begin(&r, QB_OP_Concat, n->outputs, part, 1);
	qb_node_add_int(c, "axis", qb_node_int(n, "axis", 0));
	dx[0] = qb__rule_end(&r, c);
	return r.err;
}

RULE(trilu)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_node *t = qb__rule_begin(&r, QB_OP_Trilu, n->inputs, (struct qb_value *[]){dy[0], op_in(n, 1)}, 1);

	(void)wanted;
	qb_node_add_int(t, "upper", qb_node_int(n, "upper", 1));
	dx[0] = qb__rule_end(&r, t);
	return r.err;
}

/* Its own inverse. */
RULE(reverse_sequence)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_node *s = qb__rule_begin(&r, QB_OP_ReverseSequence, 2, (struct qb_value *[]){dy[0], n->input[1]}, 1);

	(void)wanted;
	qb_node_add_int(s, "batch_axis", qb_node_int(n, "batch_axis", 1));
	qb_node_add_int(s, "time_axis", qb_node_int(n, "time_axis", 0));
	dx[0] = qb__rule_end(&r, s);
	return r.err;
}

static struct qb_value *blocks(struct qb__rule *r, const struct qb_node *n, enum qb_op_id op, struct qb_value *dy)
{
	struct qb_node *b = qb__rule_begin(r, op, 1, &dy, 1);

	qb_node_add_int(b, "blocksize", qb_node_int(n, "blocksize", 1));
	return qb__rule_end(r, b);
}

RULE(space_to_depth)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	(void)wanted;
	dx[0] = blocks(&r, n, QB_OP_DepthToSpace, dy[0]);
	return r.err;
}

/* SpaceToDepth undoes the mode DCR; CRD has each channel's block together: [N,b,b,C,H,W] back to [N,C,b,b,H,W]. */
RULE(depth_to_space)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	const struct qb_shape *x = &n->input[0]->shape;
	int64_t b = qb_node_int(n, "blocksize", 1);
	struct qb_shape split = qb_shape_make(4, (int64_t[]){x->dim[0], b * b, x->dim[1] / (b * b), x->dim[2] * x->dim[3]});
	struct qb_value *v = blocks(&r, n, QB_OP_SpaceToDepth, dy[0]);

	(void)wanted;
	if (strcmp(qb_node_string(n, "mode", "DCR"), "CRD") == 0) {
		v = qb__rule_transpose(&r, qb__rule_reshape(&r, v, &split), (int[]){0, 2, 1, 3});
		v = qb__rule_reshape(&r, v, x);
	}
	dx[0] = v;
	return r.err;
}

/* What was cropped gets zeros, what was padded is cropped; the odd element at the end. */
RULE(center_crop_pad)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	const struct qb_shape *x = &n->input[0]->shape, *y = &n->output[0]->shape;
	int64_t before[QB_MAX_DIMS], after[QB_MAX_DIMS];

	(void)wanted;
	for (int i = 0; i < x->ndim; i++) {
		before[i] = (x->dim[i] - y->dim[i]) / 2; /* towards zero */
		after[i] = x->dim[i] - y->dim[i] - before[i];
	}
	dx[0] = qb__rule_pad(&r, dy[0], before, after);
	return r.err;
}
