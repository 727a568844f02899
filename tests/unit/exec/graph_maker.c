/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/exec/graph_maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 256, OPSET = 18 };

void gm_init(struct graph_maker *m)
{
	struct qb_graph *g = qb_graph_create();

	assert_non_null(g);
	g->opset = OPSET;
	g->input = qb_arena_alloc(g->arena, MANY, sizeof(*g->input));
	g->output = qb_arena_alloc(g->arena, MANY, sizeof(*g->output));
	assert_true(g->input && g->output);
	*m = (struct graph_maker){.g = g};
}

void gm_fini(struct graph_maker *m)
{
	qb_graph_destroy(&m->g);
}

static const char *next_name(struct graph_maker *m)
{
	return qb_arena_printf(m->g->arena, "v%d", m->made++);
}

static size_t copy_shape(int ndim, const int64_t *dim, int64_t *to)
{
	size_t n = 1;

	for (int i = 0; i < ndim; i++) {
		to[i] = dim[i];
		n *= (size_t)dim[i];
	}
	return n;
}

struct qb_value *gm_input(struct graph_maker *m, enum qb_dtype dtype, int ndim, const int64_t *dim)
{
	struct qb_value *v = qb_graph_add_value(m->g, next_name(m), dtype);

	assert_non_null(v);
	assert_true(m->g->inputs < MANY);
	v->shape = (struct qb_shape){.known = true, .ndim = ndim};
	copy_shape(ndim, dim, v->shape.dim);
	m->g->input[m->g->inputs++] = v;
	return v;
}

struct qb_value *gm_constant(struct graph_maker *m, enum qb_dtype dtype, int ndim, const int64_t *dim, const void *data)
{
	struct qb_tensor *t = qb_arena_alloc(m->g->arena, 1, sizeof(*t));
	struct qb_value *v;
	size_t n;

	assert_non_null(t);
	*t = (struct qb_tensor){.dtype = dtype, .ndim = ndim};
	n = copy_shape(ndim, dim, t->dim) * qb_dtype_bytes(dtype);
	t->data = qb_arena_alloc(m->g->arena, n + 1, 1);
	assert_non_null(t->data);
	memcpy(t->data, data, n);
	v = qb_graph_add_constant(m->g, next_name(m), t);
	assert_non_null(v);
	return v;
}

struct qb_node *gm_node(struct graph_maker *m, enum qb_op_id op, int outputs, int inputs, struct qb_value *const *input)
{
	struct qb_value *out[8];
	struct qb_node *n;

	assert_true(outputs <= 8);
	for (int i = 0; i < outputs; i++) {
		out[i] = qb_graph_add_value(m->g, next_name(m), QB_DTYPE_NONE);
		assert_non_null(out[i]);
	}
	n = qb_node_create(m->g, op, next_name(m), OPSET, inputs, input, outputs, out);
	assert_non_null(n);
	return n;
}

void gm_ints(struct graph_maker *m, struct qb_node *n, const char *name, int count, const int64_t *ints)
{
	int64_t *copy = qb_arena_alloc(m->g->arena, (size_t)count + 1, sizeof(*copy));

	assert_non_null(copy);
	memcpy(copy, ints, (size_t)count * sizeof(*copy));
	qb_node_add_ints(n, name, count, copy);
}

struct qb_value *gm_add(struct graph_maker *m, struct qb_node *n)
{
	struct qb_errbuf eb = {0};

	assert_true(qb_graph_append(m->g, n));
	if (n->op->infer(m->g, n, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
	return n->output[0];
}

struct qb_value *gm_op(struct graph_maker *m, enum qb_op_id op, int inputs, struct qb_value *const *input)
{
	return gm_add(m, gm_node(m, op, 1, inputs, input));
}

void gm_output(struct graph_maker *m, struct qb_value *v)
{
	assert_true(m->g->outputs < MANY);
	m->g->output[m->g->outputs++] = v;
}

struct qb_graph *gm_finish(struct graph_maker *m)
{
	struct qb_errbuf eb = {0};

	if (qb_graph_relink(m->g, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
	return m->g;
}
