/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ops/rule.h"

#include "core/graph/infer.h"
#include "core/ops/element.h"
#include "core/ops/operands.h"

static void fail_memory(struct qb__rule *r)
{
	if (r->err == QB_OK) {
		r->err = qb_node_fail(r->eb, QB_ENOMEM, r->of, "out of memory while differentiating it");
	}
}

enum qb_err qb__rule_refuse(struct qb__rule *r, const char *why)
{
	if (r->err == QB_OK) {
		r->err = qb_node_fail(r->eb, QB_EUNSUPPORTED, r->of, "%s", why);
	}
	return r->err;
}

static const char *name_of(struct qb__rule *r, const char *what)
{
	return qb_arena_printf(r->g->arena, "%s.gradient.%s%d", r->of->name, what, r->g->values);
}

/* ---- nodes ---- */

static struct qb_node *sink(struct qb__rule *r)
{
	r->sink = (struct qb_node){.attr = r->sink_attr};
	return &r->sink;
}

struct qb_node *qb__rule_begin(struct qb__rule *r, enum qb_op_id op, int inputs, struct qb_value *const *in, int outputs)
{
	struct qb_value *out[QB_RULE_OUTPUTS];
	struct qb_node *n;
	const char *name;

	if (outputs > QB_RULE_OUTPUTS) {
		qb__rule_refuse(r, "its rule makes a node of more outputs than a rule may");
	}
	if (r->err != QB_OK) {
		return sink(r);
	}
	name = name_of(r, qb_op_of(op)->type);
	for (int i = 0; name && i < outputs; i++) {
		const char *o = i ? qb_arena_printf(r->g->arena, "%s.%d", name, i) : name;

		out[i] = o ? qb_graph_add_value(r->g, o, QB_DTYPE_NONE) : NULL;
		name = out[i] ? name : NULL;
	}
	n = name ? qb_node_create(r->g, op, name, QB_RULE_OPSET, inputs, in, outputs, out) : NULL;
	if (!n) {
		fail_memory(r);
		return sink(r);
	}
	return n;
}

struct qb_value *qb__rule_end(struct qb__rule *r, struct qb_node *n)
{
	if (r->err != QB_OK) {
		return NULL;
	}
	if (!qb_graph_append(r->g, n)) {
		fail_memory(r);
		return NULL;
	}
	r->err = qb__node_infer(r->g, n, r->eb);
	return r->err == QB_OK ? n->output[0] : NULL;
}

struct qb_value *qb__rule_1(struct qb__rule *r, enum qb_op_id op, struct qb_value *a)
{
	return qb__rule_end(r, qb__rule_begin(r, op, 1, (struct qb_value *[]){a}, 1));
}

struct qb_value *qb__rule_2(struct qb__rule *r, enum qb_op_id op, struct qb_value *a, struct qb_value *b)
{
	return qb__rule_end(r, qb__rule_begin(r, op, 2, (struct qb_value *[]){a, b}, 1));
}

struct qb_value *qb__rule_3(struct qb__rule *r, enum qb_op_id op, struct qb_value *a, struct qb_value *b, struct qb_value *c)
{
	return qb__rule_end(r, qb__rule_begin(r, op, 3, (struct qb_value *[]){a, b, c}, 1));
}

void qb__rule_copy_attrs(struct qb_node *n, const struct qb_node *from, const char *const *names)
{
	for (int i = 0; names[i]; i++) {
		const struct qb_attr *a = qb_node_attr(from, names[i]);

		if (a) {
			n->attr[n->attrs++] = *a;
		}
	}
}

void qb__rule_ints(struct qb__rule *r, struct qb_node *n, const char *name, int count, const int64_t *ints)
{
	int64_t *copy = qb_arena_alloc(r->g->arena, (size_t)count + 1, sizeof(*copy));

	if (!copy) {
		fail_memory(r);
		return;
	}
	for (int i = 0; i < count; i++) {
		copy[i] = ints[i];
	}
	qb_node_add_ints(n, name, count, copy);
}

void qb__rule_shape(struct qb__rule *r, struct qb_node *n, const struct qb_shape *shape)
{
	qb__rule_ints(r, n, "shape", shape->ndim, shape->dim);
}

/* ---- constants ---- */

/* Zeros. */
static struct qb_tensor *tensor_of(struct qb__rule *r, enum qb_dtype dtype, const struct qb_shape *shape)
{
	struct qb_tensor *t = r->err == QB_OK ? qb_arena_alloc(r->g->arena, 1, sizeof(*t)) : NULL;

	if (t) {
		*t = (struct qb_tensor){.dtype = dtype, .ndim = shape->ndim};
		memcpy(t->dim, shape->dim, sizeof(t->dim));
		t->data = qb_arena_alloc(r->g->arena, qb_tensor_size(t), qb_dtype_bytes(dtype));
	}
	if (!t || !t->data) {
		fail_memory(r);
		return NULL;
	}
	return t;
}

static struct qb_value *constant_of(struct qb__rule *r, const struct qb_tensor *t)
{
	const char *name = t ? name_of(r, "constant") : NULL;
	struct qb_value *v = name ? qb_graph_add_constant(r->g, name, t) : NULL;

	if (!v) {
		fail_memory(r);
	}
	return v;
}

struct qb_value *qb__rule_number(struct qb__rule *r, const struct qb_value *like, double v)
{
	struct qb_shape scalar = qb_shape_make(0, NULL);
	struct qb_tensor *t = r->err == QB_OK ? tensor_of(r, like->dtype, &scalar) : NULL;

	if (t) {
		qb__op_store(t->dtype, t->data, 0, v);
	}
	return constant_of(r, t);
}

struct qb_value *qb__rule_list(struct qb__rule *r, int count, const int64_t *v)
{
	struct qb_shape shape = qb_shape_make(1, (int64_t[]){count});
	struct qb_tensor *t = tensor_of(r, QB_I64, &shape);

	for (int i = 0; t && i < count; i++) {
		((int64_t *)t->data)[i] = v[i];
	}
	return constant_of(r, t);
}

struct qb_value *qb__rule_zeros(struct qb__rule *r, const struct qb_value *like)
{
	return r->err == QB_OK ? constant_of(r, tensor_of(r, like->dtype, &like->shape)) : NULL;
}

/* ---- arithmetic ---- */

struct qb_value *qb__rule_add(struct qb__rule *r, struct qb_value *a, struct qb_value *b)
{
	return qb__rule_2(r, QB_OP_Add, a, b);
}

struct qb_value *qb__rule_sub(struct qb__rule *r, struct qb_value *a, struct qb_value *b)
{
	return qb__rule_2(r, QB_OP_Sub, a, b);
}

struct qb_value *qb__rule_mul(struct qb__rule *r, struct qb_value *a, struct qb_value *b)
{
	return qb__rule_2(r, QB_OP_Mul, a, b);
}

struct qb_value *qb__rule_div(struct qb__rule *r, struct qb_value *a, struct qb_value *b)
{
	return qb__rule_2(r, QB_OP_Div, a, b);
}

struct qb_value *qb__rule_neg(struct qb__rule *r, struct qb_value *a)
{
	return qb__rule_1(r, QB_OP_Neg, a);
}

struct qb_value *qb__rule_scale(struct qb__rule *r, struct qb_value *a, double factor)
{
	return factor == 1 || r->err != QB_OK ? a : qb__rule_mul(r, a, qb__rule_number(r, a, factor));
}

struct qb_value *qb__rule_as(struct qb__rule *r, struct qb_value *mask, struct qb_value *like)
{
	return qb__rule_2(r, QB_OP_CastLike, mask, like);
}

/* ---- shapes ---- */

struct qb_value *qb__rule_sum_to(struct qb__rule *r, struct qb_value *a, const struct qb_shape *like)
{
	struct qb_node *n;

	if (r->err != QB_OK || qb_shape_equal(&a->shape, like)) {
		return a;
	}
	n = qb__rule_begin(r, QB_OP_SumTo, 1, &a, 1);
	qb__rule_shape(r, n, like);
	return qb__rule_end(r, n);
}

struct qb_value *qb__rule_expand(struct qb__rule *r, struct qb_value *a, const struct qb_shape *to)
{
	if (r->err != QB_OK || qb_shape_equal(&a->shape, to)) {
		return a;
	}
	return qb__rule_2(r, QB_OP_Expand, a, qb__rule_list(r, to->ndim, to->dim));
}

struct qb_value *qb__rule_reshape(struct qb__rule *r, struct qb_value *a, const struct qb_shape *to)
{
	struct qb_node *n;

	if (r->err != QB_OK || qb_shape_equal(&a->shape, to)) {
		return a;
	}
	n = qb__rule_begin(r, QB_OP_Reshape, 2, (struct qb_value *[]){a, qb__rule_list(r, to->ndim, to->dim)}, 1);
	qb_node_add_int(n, "allowzero", 1); /* a dimension of 0 is one */
	return qb__rule_end(r, n);
}

struct qb_value *qb__rule_transpose(struct qb__rule *r, struct qb_value *a, const int *order)
{
	int64_t perm[QB_MAX_DIMS];
	bool same = true;
	struct qb_node *n;

	for (int i = 0; r->err == QB_OK && i < a->shape.ndim; i++) {
		perm[i] = order[i];
		same &= order[i] == i;
	}
	if (r->err != QB_OK || same) {
		return a;
	}
	n = qb__rule_begin(r, QB_OP_Transpose, 1, &a, 1);
	qb__rule_ints(r, n, "perm", a->shape.ndim, perm);
	return qb__rule_end(r, n);
}

struct qb_value *qb__rule_slice(struct qb__rule *r, struct qb_value *a, int axis, int64_t from, int64_t to)
{
	int64_t at = axis;

	if (r->err != QB_OK || (from == 0 && to == a->shape.dim[axis])) {
		return a;
	}
	return qb__rule_end(r, qb__rule_begin(r, QB_OP_Slice, 4, (struct qb_value *[]){a, qb__rule_list(r, 1, &from),
		qb__rule_list(r, 1, &to), qb__rule_list(r, 1, &at)}, 1));
}

struct qb_value *qb__rule_pad(struct qb__rule *r, struct qb_value *a, const int64_t *before, const int64_t *after)
{
	int64_t pads[2 * QB_MAX_DIMS];
	bool any = false;
	int rank = r->err == QB_OK ? a->shape.ndim : 0;

	for (int i = 0; i < rank; i++) {
		pads[i] = before[i];
		pads[rank + i] = after[i];
		any |= before[i] || after[i];
	}
	return any ? qb__rule_2(r, QB_OP_Pad, a, qb__rule_list(r, 2 * rank, pads)) : a;
}
