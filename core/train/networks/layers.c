/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/networks/layers.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/graph/op.h"
#include "core/graph/shape.h"

void *qb__layer_fail(struct qb__layers *l)
{
	if (l->err == QB_OK) {
		l->err = qb_fail(l->eb, QB_ENOMEM, "no memory for a network");
	}
	return NULL;
}

/* ---- values and nodes ---- */

struct qb_value *qb__layer_constant(struct qb__layers *l, enum qb_dtype type, int ndim, const int64_t *dim, const char *layer,
	const char *what)
{
	struct qb_tensor *t = qb_arena_alloc(l->g->arena, 1, sizeof(*t));
	const char *name = qb_arena_printf(l->g->arena, "%s.%s", layer, what);
	struct qb_value *v;

	if (!t || !name) {
		return qb__layer_fail(l);
	}
	*t = (struct qb_tensor){.dtype = type, .ndim = ndim};
	memcpy(t->dim, dim, (size_t)ndim * sizeof(*dim));
	t->data = qb_arena_alloc(l->g->arena, qb_tensor_size(t) + 1, qb_dtype_bytes(type));
	v = t->data ? qb_graph_add_constant(l->g, name, t) : NULL;
	return v ? v : qb__layer_fail(l);
}

struct qb_value *qb__layer_vector(struct qb__layers *l, int64_t size, const char *layer, const char *what)
{
	return qb__layer_constant(l, QB_F32, 1, &size, layer, what);
}

struct qb_value *qb__layer_integers(struct qb__layers *l, int64_t size, const int64_t *from, const char *layer,
	const char *what)
{
	struct qb_value *v = qb__layer_constant(l, QB_I64, 1, &size, layer, what);

	if (v) {
		memcpy(v->constant->data, from, (size_t)size * sizeof(*from));
	}
	return v;
}

struct qb_value *qb__layer_scalar(struct qb__layers *l, float x, const char *layer, const char *what)
{
	struct qb_value *v = qb__layer_constant(l, QB_F32, 0, (const int64_t[]){0}, layer, what);

	if (v) {
		*(float *)v->constant->data = x;
	}
	return v;
}

struct qb_node *qb__layer_begin(struct qb__layers *l, enum qb_op_id op, const char *name, const char *output, int inputs,
	struct qb_value *const *input)
{
	const char *own = output ? output : qb_arena_printf(l->g->arena, "%s.out", name);
	struct qb_value *y = own ? qb_graph_add_value(l->g, own, QB_F32) : NULL;
	struct qb_node *n;

	for (int i = 0; i < inputs; i++) {
		if (!input[i]) {
			return qb__layer_fail(l);
		}
	}
	n = y ? qb_node_create(l->g, op, name, QB__LAYERS_OPSET, inputs, input, 1, &y) : NULL;
	return qb_graph_append(l->g, n) ? n : qb__layer_fail(l);
}

void qb__layer_set_ints(struct qb__layers *l, struct qb_node *n, const char *name, int count, const int64_t *from)
{
	int64_t *own = qb_arena_alloc(l->g->arena, (size_t)count, sizeof(*own));

	if (!own) {
		qb__layer_fail(l);
		return;
	}
	memcpy(own, from, (size_t)count * sizeof(*own));
	qb_node_add_ints(n, name, count, own);
}

struct qb_value *qb__layer_end(struct qb__layers *l, struct qb_node *n)
{
	if (!n || l->err != QB_OK) {
		return NULL;
	}
	l->err = n->op->infer(l->g, n, l->eb);
	return l->err == QB_OK ? n->output[0] : NULL;
}

struct qb_value *qb__layer_index(struct qb__layers *l, int64_t i, const char *layer, const char *what)
{
	struct qb_value *v = qb__layer_constant(l, QB_I64, 0, (const int64_t[]){0}, layer, what);

	if (v) {
		*(int64_t *)v->constant->data = i;
	}
	return v;
}

struct qb_value *qb__layer_pair(struct qb__layers *l, enum qb_op_id op, const char *name, struct qb_value *a,
	struct qb_value *b)
{
	return a && b ? qb__layer_end(l, qb__layer_begin(l, op, name, NULL, 2, (struct qb_value *[]){a, b})) : NULL;
}

struct qb_value *qb__layer_unary(struct qb__layers *l, enum qb_op_id op, const char *name, struct qb_value *x)
{
	return x ? qb__layer_end(l, qb__layer_begin(l, op, name, NULL, 1, &x)) : NULL;
}

/* ---- layers ---- */

struct qb_value *qb__layer_input(struct qb__layers *l, const char *name, enum qb_dtype type, int ndim, const int64_t *dim)
{
	struct qb_value *v = qb_graph_add_value(l->g, name, type);

	l->g->input = qb_arena_alloc(l->g->arena, 1, sizeof(*l->g->input));
	if (!v || !l->g->input) {
		return qb__layer_fail(l);
	}
	v->shape = qb_shape_ranked(ndim + 1);
	v->shape.dim[0] = -1;
	memcpy(v->shape.dim + 1, dim, (size_t)ndim * sizeof(*dim));
	l->g->input[0] = v;
	l->g->inputs = 1;
	return v;
}

/* What goes before and behind one axis. */
static void pad_axis(const struct qb__conv *c, int64_t size, int axis, int64_t pads[4])
{
	int64_t outputs = (size + c->stride - 1) / c->stride, all = (outputs - 1) * c->stride + c->kernel[axis] - size;

	if (!c->same_upper) {
		pads[axis] = pads[2 + axis] = c->valid ? 0 : c->kernel[axis] / 2;
		return;
	}
	all = all > 0 ? all : 0;
	pads[axis] = all / 2;
	pads[2 + axis] = all - all / 2;
}

struct qb_value *qb__layer_conv(struct qb__layers *l, struct qb_value *x, const struct qb__conv *c, const char *fmt, ...)
{
	int64_t channels, outputs, pads[4];
	struct qb_value *in[3];
	struct qb_node *n;
	QB__LAYER_NAME(fmt, name);

	if (!x) {
		return NULL;
	}
	channels = x->shape.dim[1];
	outputs = c->depthwise ? channels : c->outputs;
	in[0] = x;
	in[1] = qb__layer_constant(l, QB_F32, 4, (const int64_t[]){outputs, c->depthwise ? 1 : channels, c->kernel[0], c->kernel[1]},
		name, "weight");
	in[2] = c->bias ? qb__layer_vector(l, outputs, name, "bias") : NULL;
	n = qb__layer_begin(l, QB_OP_Conv, name, NULL, c->bias ? 3 : 2, in);
	if (!n) {
		return NULL;
	}
	pad_axis(c, x->shape.dim[2], 0, pads);
	pad_axis(c, x->shape.dim[3], 1, pads);
	qb_node_add_int(n, "group", c->depthwise ? channels : 1);
	qb__layer_set_ints(l, n, "kernel_shape", 2, c->kernel);
	qb__layer_set_ints(l, n, "strides", 2, (const int64_t[]){c->stride, c->stride});
	qb__layer_set_ints(l, n, "pads", 4, pads);
	qb__layer_set_ints(l, n, "dilations", 2, (const int64_t[]){1, 1});
	return qb__layer_end(l, n);
}

struct qb_value *qb__layer_batch_norm(struct qb__layers *l, struct qb_value *x, float epsilon, const char *fmt, ...)
{
	static const char *const what[] = {"weight", "bias", "running_mean", "running_var"};
	struct qb_value *in[5];
	struct qb_node *n;
	QB__LAYER_NAME(fmt, name);

	if (!x) {
		return NULL;
	}
	in[0] = x;
	for (int i = 0; i < 4; i++) {
		in[1 + i] = qb__layer_vector(l, x->shape.dim[1], name, what[i]);
	}
	n = qb__layer_begin(l, QB_OP_BatchNormalization, name, NULL, 5, in);
	if (!n) {
		return NULL;
	}
	qb_node_add_float(n, "epsilon", epsilon);
	qb_node_add_float(n, "momentum", 0.9f);
	return qb__layer_end(l, n);
}

struct qb_value *qb__layer_relu(struct qb__layers *l, struct qb_value *x, const char *fmt, ...)
{
	QB__LAYER_NAME(fmt, name);

	return qb__layer_unary(l, QB_OP_Relu, name, x);
}

struct qb_value *qb__layer_relu6(struct qb__layers *l, struct qb_value *x, const char *fmt, ...)
{
	struct qb_value *in[3] = {x};
	QB__LAYER_NAME(fmt, name);

	if (!x) {
		return NULL;
	}
	in[1] = qb__layer_scalar(l, 0, name, "min");
	in[2] = qb__layer_scalar(l, 6, name, "max");
	return qb__layer_end(l, qb__layer_begin(l, QB_OP_Clip, name, NULL, 3, in));
}

struct qb_value *qb__layer_add(struct qb__layers *l, struct qb_value *a, struct qb_value *b, const char *fmt, ...)
{
	QB__LAYER_NAME(fmt, name);

	return qb__layer_pair(l, QB_OP_Add, name, a, b);
}

struct qb_value *qb__layer_reshape(struct qb__layers *l, struct qb_value *x, int ndim, const int64_t *dim, const char *name)
{
	return x ? qb__layer_pair(l, QB_OP_Reshape, name, x, qb__layer_integers(l, ndim, dim, name, "shape")) : NULL;
}

struct qb_value *qb__layer_transpose(struct qb__layers *l, struct qb_value *x, int ndim, const int64_t *perm, const char *name)
{
	struct qb_node *n = x ? qb__layer_begin(l, QB_OP_Transpose, name, NULL, 1, &x) : NULL;

	if (n) {
		qb__layer_set_ints(l, n, "perm", ndim, perm);
	}
	return qb__layer_end(l, n);
}

static struct qb_value *every(struct qb__layers *l, struct qb_value *x, int64_t stride, const char *layer)
{
	const int64_t from[] = {0, 0}, to[] = {INT64_MAX, INT64_MAX}, axes[] = {2, 3}, steps[] = {stride, stride};
	const char *name = qb_arena_printf(l->g->arena, "%s.slice", layer);
	struct qb_value *in[5] = {x};

	if (!name) {
		return qb__layer_fail(l);
	}
	in[1] = qb__layer_integers(l, 2, from, name, "starts");
	in[2] = qb__layer_integers(l, 2, to, name, "ends");
	in[3] = qb__layer_integers(l, 2, axes, name, "axes");
	in[4] = qb__layer_integers(l, 2, steps, name, "steps");
	return qb__layer_end(l, qb__layer_begin(l, QB_OP_Slice, name, NULL, 5, in));
}

struct qb_value *qb__layer_subsample(struct qb__layers *l, struct qb_value *x, int64_t stride, int64_t channels,
	const char *fmt, ...)
{
	int64_t more, pads[8] = {0};
	struct qb_value *in[3];
	QB__LAYER_NAME(fmt, name);

	if (!x) {
		return NULL;
	}
	more = channels - x->shape.dim[1];
	in[0] = stride == 1 ? x : every(l, x, stride, name);
	if (!in[0] || more == 0) {
		return in[0];
	}
	pads[1] = more / 2;
	pads[5] = more - more / 2;
	in[1] = qb__layer_integers(l, 8, pads, name, "pads");
	in[2] = qb__layer_scalar(l, 0, name, "value");
	return qb__layer_end(l, qb__layer_begin(l, QB_OP_Pad, name, NULL, 3, in));
}

struct qb_value *qb__layer_global_mean(struct qb__layers *l, struct qb_value *x)
{
	return qb__layer_flatten(l, qb__layer_unary(l, QB_OP_GlobalAveragePool, "pool", x));
}

struct qb_value *qb__layer_flatten(struct qb__layers *l, struct qb_value *x)
{
	return qb__layer_unary(l, QB_OP_Flatten, "flatten", x);
}

struct qb_value *qb__layer_linear(struct qb__layers *l, struct qb_value *x, int64_t outputs, const char *output,
	const char *fmt, ...)
{
	struct qb_value *in[3];
	struct qb_node *n;
	QB__LAYER_NAME(fmt, name);

	if (!x) {
		return NULL;
	}
	in[0] = x;
	in[1] = qb__layer_constant(l, QB_F32, 2, (const int64_t[]){outputs, x->shape.dim[1]}, name, "weight");
	in[2] = qb__layer_vector(l, outputs, name, "bias");
	n = qb__layer_begin(l, QB_OP_Gemm, name, output, 3, in);
	if (!n) {
		return NULL;
	}
	qb_node_add_int(n, "transB", 1);
	return qb__layer_end(l, n);
}
