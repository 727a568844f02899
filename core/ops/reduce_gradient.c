/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules of differentiation of reductions and cumulative sums.
 */
#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/rule.h"

/* A reduction with its reduced dimensions kept as 1, so that operands broadcast. */
struct reduced {
	struct qb_value *x, *y, *dy;
	double count; /* elements of x for each of y */
	struct qb_shape kept;
	bool nothing; /* no axes, and that is what its attribute asks for: the identity */
};

static enum qb_err reduced_of(struct qb__rule *r, const struct qb_node *n, struct qb_value *dy, struct reduced *out)
{
	const struct qb_shape *x = &n->input[0]->shape;
	bool flag[QB_MAX_DIMS], known;

	QB_TRY(qb__op_reduced_axes(n, NULL, x->ndim, flag, &known, r->eb));
	if (!known) {
		return qb__rule_refuse(r, "its axes are computed, and it has no gradient then");
	}
	*out = (struct reduced){.x = n->input[0], .kept = *x, .count = 1};
	out->nothing = x->ndim && qb_node_int(n, "noop_with_empty_axes", 0) != 0;
	for (int i = 0; i < x->ndim; i++) {
		out->nothing &= !flag[i];
		out->kept.dim[i] = flag[i] ? 1 : x->dim[i];
		out->count *= flag[i] ? (double)x->dim[i] : 1;
	}
	out->y = qb__rule_reshape(r, n->output[0], &out->kept);
	out->dy = qb__rule_reshape(r, dy, &out->kept);
	return r->err;
}

/* One rule: from r and what it reduces to the gradient, which may still want to be expanded. */
#define RULE(name, expression) \
	enum qb_err qb__gradient_##name(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, \
		const bool *wanted, struct qb_value **dx, struct qb_errbuf *eb) \
	{ \
		struct qb__rule rule = qb__rule_of(g, n, eb), *r = &rule; \
		struct reduced q; \
	\
		if (wanted[0]) { \
			QB_TRY(reduced_of(r, n, dy[0], &q)); \
			dx[0] = q.nothing ? dy[0] : qb__rule_expand(r, expression, &q.x->shape); \
		} \
		return r->err; \
	}

/* x / |x|, 0 for a zero vector */
static struct qb_value *direction(struct qb__rule *r, const struct reduced *q)
{
	struct qb_value *zero = qb__rule_number(r, q->y, 0);
	struct qb_value *scale = qb__rule_3(r, QB_OP_Where, qb__rule_2(r, QB_OP_Equal, q->y, zero), zero,
		qb__rule_div(r, q->dy, q->y));

	return qb__rule_mul(r, q->x, scale);
}

/* Elements that are the extreme share its gradient equally, as PyTorch's amax does. */
static struct qb_value *extremes(struct qb__rule *r, const struct reduced *q)
{
	struct qb_value *is = qb__rule_as(r, qb__rule_2(r, QB_OP_Equal, q->x, q->y), q->dy);

	return qb__rule_mul(r, is, qb__rule_div(r, q->dy, qb__rule_sum_to(r, is, &q->kept)));
}

/* The product of all others: with no zero among x that of the elements over the element; with one, of the rest for it and 0
 * for the rest; with more, 0. */
static struct qb_value *others(struct qb__rule *r, const struct reduced *q)
{
	struct qb_value *zero = qb__rule_number(r, q->x, 0), *is_zero = qb__rule_2(r, QB_OP_Equal, q->x, zero);
	struct qb_value *zeros = qb__rule_as(r, is_zero, q->x), *rest, *product, *open;
	int64_t axes[QB_MAX_DIMS];
	int count = 0;

	for (int i = 0; i < q->kept.ndim; i++) {
		if (q->kept.dim[i] != q->x->shape.dim[i]) {
			axes[count++] = i;
		}
	}
	rest = qb__rule_3(r, QB_OP_Where, is_zero, qb__rule_number(r, q->x, 1), q->x);
	product = count ? qb__rule_2(r, QB_OP_ReduceProd, rest, qb__rule_list(r, count, axes)) : rest;
	open = qb__rule_2(r, QB_OP_Equal, qb__rule_sum_to(r, zeros, &q->kept), zeros);
	return qb__rule_3(r, QB_OP_Where, open, qb__rule_mul(r, q->dy, qb__rule_div(r, product, rest)), zero);
}

RULE(reduce_prod, others(r, &q))
RULE(reduce_sum, q.dy)
RULE(reduce_mean, qb__rule_div(r, q.dy, qb__rule_number(r, q.dy, q.count)))
RULE(reduce_l1, qb__rule_mul(r, qb__rule_1(r, QB_OP_Sign, q.x), q.dy))
RULE(reduce_l2, direction(r, &q))
RULE(reduce_sum_square, qb__rule_mul(r, q.x, qb__rule_scale(r, q.dy, 2)))
RULE(reduce_log_sum, qb__rule_div(r, q.dy, qb__rule_1(r, QB_OP_Exp, q.y)))
RULE(reduce_log_sum_exp, qb__rule_mul(r, qb__rule_1(r, QB_OP_Exp, qb__rule_sub(r, q.x, q.y)), q.dy))
RULE(reduce_extreme, extremes(r, &q))

/* The transpose of a cumulative sum runs the other way. */
enum qb_err qb__gradient_cumsum(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_node *c = qb__rule_begin(&r, QB_OP_CumSum, 2, (struct qb_value *[]){dy[0], n->input[1]}, 1);

	(void)wanted;
	qb_node_add_int(c, "exclusive", qb_node_int(n, "exclusive", 0));
	qb_node_add_int(c, "reverse", !qb_node_int(n, "reverse", 0));
	dx[0] = qb__rule_end(&r, c);
	return r.err;
}

/* What was picked gets its gradient back; needs the indices. */
enum qb_err qb__gradient_topk(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_node *s;

	(void)wanted;
	if (n->outputs < 2) {
		return qb__rule_refuse(&r, "it has no gradient without its second output, the indices");
	}
	s = qb__rule_begin(&r, QB_OP_ScatterElements, 3, (struct qb_value *[]){qb__rule_zeros(&r, n->input[0]),
		n->output[1], dy[0]}, 1);
	qb_node_add_int(s, "axis", qb_node_int(n, "axis", -1));
	dx[0] = qb__rule_end(&r, s);
	return r.err;
}
