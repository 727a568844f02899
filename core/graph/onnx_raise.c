/* SPDX-License-Identifier: Apache-2.0
 *
 * Nodes of an older opset as a newer one says them: every change of the supported operators between the oldest opset that
 * is read and the newest that is written. Some become several nodes.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/graph/onnx_raise.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

struct raise {
	struct qb_graph *g;
	int opset;
	struct qb_errbuf *eb;
};

static enum qb_err no_memory(const struct raise *r)
{
	return qb_fail(r->eb, QB_ENOMEM, "out of memory while writing an ONNX file");
}

/* ---- attributes ---- */

/* Attributes that are inputs since an opset: the input's position. */
static const struct moved {
	enum qb_op_id op;
	const char *attr;
	int since, input;
} moved_attrs[] = {
	{QB_OP_Slice, "starts", 10, 1}, {QB_OP_Slice, "ends", 10, 2}, {QB_OP_Slice, "axes", 10, 3},
	{QB_OP_TopK, "k", 10, 1},
	{QB_OP_Clip, "min", 11, 1}, {QB_OP_Clip, "max", 11, 2},
	{QB_OP_Pad, "pads", 11, 1}, {QB_OP_Pad, "value", 11, 2},
	{QB_OP_Squeeze, "axes", 13, 1}, {QB_OP_Unsqueeze, "axes", 13, 1}, {QB_OP_Split, "split", 13, 1},
	{QB_OP_ReduceSum, "axes", 13, 1},
	{QB_OP_ReduceMean, "axes", 18, 1}, {QB_OP_ReduceMax, "axes", 18, 1}, {QB_OP_ReduceMin, "axes", 18, 1},
	{QB_OP_ReduceProd, "axes", 18, 1}, {QB_OP_ReduceL1, "axes", 18, 1}, {QB_OP_ReduceL2, "axes", 18, 1},
	{QB_OP_ReduceLogSum, "axes", 18, 1}, {QB_OP_ReduceLogSumExp, "axes", 18, 1},
	{QB_OP_ReduceSumSquare, "axes", 18, 1},
};

/* Attributes that are gone since an opset and said nothing about inference. */
static const struct dropped {
	enum qb_op_id op;
	const char *attr;
	int since;
} dropped_attrs[] = {
	{QB_OP_BatchNormalization, "spatial", 9}, /* 1: the shape rule refuses 0 */
	{QB_OP_Dropout, "ratio", 12},
};

/* Words that are others since an opset. */
static const struct reworded {
	enum qb_op_id op;
	const char *attr, *from, *to;
	int since;
} reworded_attrs[] = {
	{QB_OP_GridSample, "mode", "bilinear", "linear", 20},
	{QB_OP_GridSample, "mode", "bicubic", "cubic", 20},
};

static bool is(const struct qb_node *n, enum qb_op_id op)
{
	return qb_node_is(n, op) && !*n->op->domain;
}

/* Whether a change of this operator at `since` lies between the node and the file. */
static bool crosses(const struct raise *r, const struct qb_node *n, enum qb_op_id op, int since)
{
	return is(n, op) && n->opset < since && r->opset >= since;
}

static int attr_index(const struct qb_node *n, const char *name)
{
	const struct qb_attr *a = qb_node_attr(n, name);

	return a ? (int)(a - n->attr) : -1;
}

/* The attributes in memory of their own, with room for more; a file's have none, a clone's are shared. */
static enum qb_err own_attrs(const struct raise *r, struct qb_node *n)
{
	struct qb_attr *attr = qb_arena_alloc(r->g->arena, (size_t)n->attrs + QB_NODE_ATTRS, sizeof(*attr));

	if (!attr) {
		return no_memory(r);
	}
	if (n->attrs) {
		memcpy(attr, n->attr, (size_t)n->attrs * sizeof(*attr));
	}
	n->attr = attr;
	return QB_OK;
}

static void drop_attr(struct qb_node *n, const char *name)
{
	int at = attr_index(n, name);

	if (at >= 0) {
		n->attrs--;
		memmove(n->attr + at, n->attr + at + 1, (size_t)(n->attrs - at) * sizeof(*n->attr));
	}
}

static void set_string(struct qb_node *n, const char *name, const char *value)
{
	drop_attr(n, name);
	qb_node_add_string(n, name, value);
}

/* ---- values ---- */

static struct qb_value *constant(const struct raise *r, const struct qb_node *n, const char *what,
	enum qb_dtype dtype, int ndim, int64_t count, const void *data)
{
	struct qb_tensor *t = qb_arena_alloc(r->g->arena, 1, sizeof(*t));
	const char *name = qb_arena_printf(r->g->arena, "%s.%s", n->output[0]->name, what);
	size_t bytes = (size_t)count * qb_dtype_bytes(dtype);

	if (!t || !name || !(t->data = qb_arena_alloc(r->g->arena, bytes + 1, 1))) {
		return NULL;
	}
	t->dtype = dtype;
	t->ndim = ndim;
	t->dim[0] = count;
	if (bytes) {
		memcpy(t->data, data, bytes);
	}
	return qb_graph_add_constant(r->g, name, t);
}

static struct qb_value *constant_of(const struct raise *r, const struct qb_node *n, const struct qb_attr *a)
{
	switch (a->kind) {
	case QB_ATTR_FLOAT:
		return constant(r, n, a->name, QB_F32, 0, 1, &a->f);
	case QB_ATTR_FLOATS:
		return constant(r, n, a->name, QB_F32, 1, a->count, a->floats);
	case QB_ATTR_INT:
		return constant(r, n, a->name, QB_I64, 1, 1, &a->i);
	default:
		return constant(r, n, a->name, QB_I64, 1, a->count, a->ints);
	}
}

/* Input `at` becomes v; the inputs between are absent. */
static enum qb_err set_input(const struct raise *r, struct qb_node *n, int at, struct qb_value *v)
{
	int inputs = QB_MAX(n->inputs, at + 1);
	struct qb_value **list = qb_arena_alloc(r->g->arena, (size_t)inputs, sizeof(*list));

	if (!list || !v) {
		return no_memory(r);
	}
	memcpy(list, n->input, (size_t)n->inputs * sizeof(*list));
	list[at] = v;
	n->input = list;
	n->inputs = inputs;
	return QB_OK;
}

/* TYPE(in...) to a new value, before the node at work. */
static enum qb_err add_before(struct raise *r, struct qb_node *n, enum qb_op_id op, int inputs,
	struct qb_value *const *in, const char *what, enum qb_dtype dtype, struct qb_value **out)
{
	const char *name = qb_arena_printf(r->g->arena, "%s.%s", n->output[0]->name, what);
	struct qb_node *made;

	*out = name ? qb_graph_add_value(r->g, name, dtype) : NULL;
	made = *out ? qb_node_create(r->g, op, name, r->opset, inputs, in, 1, out) : NULL;
	return qb_graph_insert_before(r->g, made, n) ? QB_OK : no_memory(r);
}

/* ---- changes of one operator ---- */

/* Before opset 13 everything from the axis on is one vector. Where that is one dimension, the axis says so. */
static bool is_one_dimension(const struct qb_shape *s, int64_t axis)
{
	for (int i = (int)axis + 1; s->known && i < s->ndim; i++) {
		if (s->dim[i] != 1) {
			return false;
		}
	}
	return s->known;
}

static enum qb_err raise_softmax(struct raise *r, struct qb_node *n)
{
	struct qb_value *x = n->input[0], *y = n->output[0], *in[2], *flat, *shape, *rows;
	struct qb_node *behind;
	int64_t axis = qb_node_int(n, "axis", 1);

	drop_attr(n, "axis");
	if (axis < 0 && x->shape.known) {
		axis += x->shape.ndim;
	}
	if (axis == -1 || is_one_dimension(&x->shape, axis)) {
		qb_node_add_int(n, "axis", axis);
		return QB_OK;
	}
	QB_TRY(add_before(r, n, QB_OP_Flatten, 1, &x, "flat", QB_F32, &flat));
	qb_node_add_int(flat->producer, "axis", axis);
	QB_TRY(add_before(r, n, QB_OP_Shape, 1, &x, "shape", QB_I64, &shape));
	rows = qb_graph_add_value(r->g, qb_arena_printf(r->g->arena, "%s.rows", y->name), QB_F32);
	if (!rows) {
		return no_memory(r);
	}
	QB_TRY(set_input(r, n, 0, flat));
	n->output[0] = in[0] = rows;
	in[1] = shape;
	behind = qb_node_create(r->g, QB_OP_Reshape, qb_arena_printf(r->g->arena, "%s.unflat", y->name), r->opset, 2, in, 1, &y);
	return qb_graph_insert_after(r->g, behind, n) ? QB_OK : no_memory(r);
}

/* The first Resize takes the sample floor(i / scale) where an axis grows and the ceiling where it shrinks, Upsample the floor;
 * NULL where one word cannot say it. */
static const char *nearest_of(const struct qb_node *n, const struct qb_value *scales)
{
	const struct qb_tensor *t = scales->constant;
	bool grows = false, shrinks = false;

	for (size_t i = 0; t && t->dtype == QB_F32 && i < qb_tensor_size(t); i++) {
		grows |= ((const float *)t->data)[i] > 1;
		shrinks |= ((const float *)t->data)[i] < 1;
	}
	return !shrinks || is(n, QB_OP_Upsample) ? "floor" : grows ? NULL : "ceil";
}

/* Upsample and the first Resize have scales alone. */
static enum qb_err raise_resize(struct raise *r, struct qb_node *n)
{
	const struct qb_attr *attr = qb_node_attr(n, "scales");
	struct qb_value *scales = attr ? constant_of(r, n, attr) : n->inputs > 1 ? n->input[1] : NULL;

	const char *nearest = scales ? nearest_of(n, scales) : NULL;

	if (!scales) {
		return no_memory(r);
	}
	if (!nearest && strcmp(qb_node_string(n, "mode", "nearest"), "nearest") == 0) {
		return qb_node_fail(r->eb, QB_EUNSUPPORTED, n, "it is of opset %d and both grows and shrinks to the nearest "
			"samples, which opset %d cannot say in one node", n->opset, r->opset);
	}
	qb_node_set_op(n, QB_OP_Resize);
	drop_attr(n, "scales");
	if (strcmp(qb_node_string(n, "mode", ""), "bilinear") == 0) {
		set_string(n, "mode", "linear");
	}
	set_string(n, "coordinate_transformation_mode", "asymmetric");
	set_string(n, "nearest_mode", nearest ? nearest : "floor");
	n->inputs = 1;
	return set_input(r, n, 2, scales);
}

/* Since opset 13 what is not given is left out; before, it is an empty tensor. */
static void leave_out_empty(struct qb_node *n)
{
	for (int i = 1; i < n->inputs; i++) {
		if (n->input[i] && n->input[i]->constant && qb_tensor_size(n->input[i]->constant) == 0) {
			n->input[i] = NULL;
		}
	}
	while (n->inputs > 1 && !n->input[n->inputs - 1]) {
		n->inputs--;
	}
}

/* Since opset 21 scale and bias are those of the channels, before those of the groups. */
static enum qb_err raise_group_norm(struct raise *r, struct qb_node *n)
{
	const struct qb_shape *x = &n->input[0]->shape;
	int64_t groups = qb_node_int(n, "num_groups", 1), channels = x->known && x->ndim > 1 ? x->dim[1] : 0;
	int64_t *group = qb_arena_alloc(r->g->arena, (size_t)QB_MAX(channels, 0) + 1, sizeof(*group));
	struct qb_value *in[2];

	if (channels <= 0 || groups <= 0) {
		return qb_node_fail(r->eb, QB_EUNSUPPORTED, n, "it has a scale for each group, opset %d has one for each channel, "
			"and how many channels there are is not known", r->opset);
	}
	for (int64_t c = 0; group && c < channels; c++) {
		group[c] = c / QB_MAX(channels / groups, 1);
	}
	in[1] = group ? constant(r, n, "group", QB_I64, 1, channels, group) : NULL;
	if (!in[1]) {
		return no_memory(r);
	}
	for (int i = 1; i < 3; i++) {
		struct qb_value *each;

		in[0] = n->input[i];
		QB_TRY(add_before(r, n, QB_OP_Gather, 2, in, i == 1 ? "scale" : "bias", QB_F32, &each));
		QB_TRY(set_input(r, n, i, each));
	}
	return QB_OK;
}

static enum qb_err raise_node(struct raise *r, struct qb_node *n)
{
	if (crosses(r, n, QB_OP_Softmax, 13) || crosses(r, n, QB_OP_LogSoftmax, 13) || crosses(r, n, QB_OP_Hardmax, 13)) {
		return raise_softmax(r, n);
	}
	if (crosses(r, n, QB_OP_Resize, 11) || (is(n, QB_OP_Upsample) && r->opset >= 10)) {
		return raise_resize(r, n);
	}
	if (crosses(r, n, QB_OP_Resize, 13)) {
		leave_out_empty(n);
	}
	if (crosses(r, n, QB_OP_Split, 18) && n->inputs < 2) {
		qb_node_add_int(n, "num_outputs", n->outputs);
	}
	if (crosses(r, n, QB_OP_Scatter, 11)) {
		qb_node_set_op(n, QB_OP_ScatterElements);
	}
	return crosses(r, n, QB_OP_GroupNormalization, 21) ? raise_group_norm(r, n) : QB_OK;
}

/* ---- all nodes ---- */

static enum qb_err raise_attrs(struct raise *r, struct qb_node *n)
{
	for (size_t i = 0; i < QB_COUNT(moved_attrs); i++) {
		const struct moved *m = &moved_attrs[i];
		const struct qb_attr *a = crosses(r, n, m->op, m->since) ? qb_node_attr(n, m->attr) : NULL;

		if (a) {
			QB_TRY(set_input(r, n, m->input, constant_of(r, n, a)));
			drop_attr(n, m->attr);
		}
	}
	for (size_t i = 0; i < QB_COUNT(dropped_attrs); i++) {
		if (crosses(r, n, dropped_attrs[i].op, dropped_attrs[i].since)) {
			drop_attr(n, dropped_attrs[i].attr);
		}
	}
	for (size_t i = 0; i < QB_COUNT(reworded_attrs); i++) {
		const struct reworded *w = &reworded_attrs[i];

		if (crosses(r, n, w->op, w->since) && strcmp(qb_node_string(n, w->attr, ""), w->from) == 0) {
			set_string(n, w->attr, w->to);
		}
	}
	return QB_OK;
}

enum qb_err qb__raise_nodes(struct qb_graph *g, int opset, struct qb_errbuf *eb)
{
	struct raise r = {.g = g, .opset = opset, .eb = eb};

	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];

		if (!*n->op->domain) {
			QB_TRY(own_attrs(&r, n));
			QB_TRY(raise_attrs(&r, n));
			QB_TRY(raise_node(&r, n));
			n->opset = opset;
		}
	}
	return qb_graph_relink(g, eb);
}
