/* SPDX-License-Identifier: Apache-2.0
 *
 * For rules of differentiation (struct qb_op.gradient): nodes appended to a graph of concrete shapes, their outputs'
 * types and shapes inferred at once. After a failure every function does nothing and returns NULL (a node: one that is in no
 * graph), so that a rule need look at r.err only at its end.
 */
#ifndef QB_OPS_RULE_H
#define QB_OPS_RULE_H

#include "core/ops/window.h"

struct qb__rule {
	struct qb_graph *g;
	const struct qb_node *of; /* names what is made, and errors */
	struct qb_errbuf *eb;
	enum qb_err err;
	struct qb_node sink;
	struct qb_attr sink_attr[QB_NODE_ATTRS];
};

/* The opset of nodes that rules make: axes are inputs of ReduceSum, softmax takes one axis. */
enum { QB_RULE_OPSET = 18, QB_RULE_OUTPUTS = 8 };

static inline struct qb__rule qb__rule_of(struct qb_graph *g, const struct qb_node *n, struct qb_errbuf *eb)
{
	return (struct qb__rule){.g = g, .of = n, .eb = eb};
}

/* ---- nodes ---- */

/* A node whose attributes the caller sets before qb__rule_end appends it; inputs may be NULL where the operator allows it. */
struct qb_node *qb__rule_begin(struct qb__rule *r, enum qb_op_id op, int inputs, struct qb_value *const *in, int outputs);
/* Its output 0. */
struct qb_value *qb__rule_end(struct qb__rule *r, struct qb_node *n);
/* Both, without attributes. */
struct qb_value *qb__rule_1(struct qb__rule *r, enum qb_op_id op, struct qb_value *a);
struct qb_value *qb__rule_2(struct qb__rule *r, enum qb_op_id op, struct qb_value *a, struct qb_value *b);
struct qb_value *qb__rule_3(struct qb__rule *r, enum qb_op_id op, struct qb_value *a, struct qb_value *b, struct qb_value *c);

/* Those of the attributes named (up to a NULL) that `from` has. */
void qb__rule_copy_attrs(struct qb_node *n, const struct qb_node *from, const char *const *names);
/* The list is copied. */
void qb__rule_ints(struct qb__rule *r, struct qb_node *n, const char *name, int count, const int64_t *ints);
void qb__rule_shape(struct qb__rule *r, struct qb_node *n, const struct qb_shape *shape);
/* The attributes of a convolution: group, and those of its window, pads explicit. */
void qb__rule_window(struct qb__rule *r, struct qb_node *n, const struct qb_window *w, int64_t group);

/* ---- constants ---- */

/* One element of like's type. Choose values that float32 holds exactly: divide by 3, do not multiply by a third. */
struct qb_value *qb__rule_number(struct qb__rule *r, const struct qb_value *like, double v);
/* int64 [count] */
struct qb_value *qb__rule_list(struct qb__rule *r, int count, const int64_t *v);

/* ---- arithmetic; operands broadcast ---- */

struct qb_value *qb__rule_add(struct qb__rule *r, struct qb_value *a, struct qb_value *b);
struct qb_value *qb__rule_sub(struct qb__rule *r, struct qb_value *a, struct qb_value *b);
struct qb_value *qb__rule_mul(struct qb__rule *r, struct qb_value *a, struct qb_value *b);
struct qb_value *qb__rule_div(struct qb__rule *r, struct qb_value *a, struct qb_value *b);
struct qb_value *qb__rule_neg(struct qb__rule *r, struct qb_value *a);
struct qb_value *qb__rule_scale(struct qb__rule *r, struct qb_value *a, double factor); /* a where factor is 1 */
/* mask as 0 and 1 of like's type */
struct qb_value *qb__rule_as(struct qb__rule *r, struct qb_value *mask, struct qb_value *like);

/* ---- shapes; each returns its argument where nothing is to do ---- */

/* The sum over what broadcasting added to like's shape. */
struct qb_value *qb__rule_sum_to(struct qb__rule *r, struct qb_value *a, const struct qb_shape *like);
struct qb_value *qb__rule_expand(struct qb__rule *r, struct qb_value *a, const struct qb_shape *to);
struct qb_value *qb__rule_reshape(struct qb__rule *r, struct qb_value *a, const struct qb_shape *to);
struct qb_value *qb__rule_transpose(struct qb__rule *r, struct qb_value *a, const int *order);
/* a[..., from:to, ...] along axis */
struct qb_value *qb__rule_slice(struct qb__rule *r, struct qb_value *a, int axis, int64_t from, int64_t to);
/* Zeros around, one pair a dimension; negative ones crop. */
struct qb_value *qb__rule_pad(struct qb__rule *r, struct qb_value *a, const int64_t *before, const int64_t *after);
/* The transpose of a gather of rows along axis: [shape], rows of dy added where indices name them. */
struct qb_value *qb__rule_ungather(struct qb__rule *r, struct qb_value *indices, struct qb_value *dy, int axis,
	const struct qb_shape *shape);
struct qb_value *qb__rule_zeros(struct qb__rule *r, const struct qb_value *like); /* a constant of like's type and shape */

/* For what a rule cannot do: QB_EUNSUPPORTED, naming the node. Returns it. */
enum qb_err qb__rule_refuse(struct qb__rule *r, const char *why);

#endif
