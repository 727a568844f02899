/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/graph/gradient_check.h"

#include "core/graph/gradient.h"
#include "core/graph/shape.h"
#include "tests/unit/graph/double_graph.h"

static double next_random(struct builder *b)
{
	b->seed = b->seed * 6364136223846793005u + 1442695040888963407u;
	return (double)(b->seed >> 11) * 0x1p-53;
}

/* All different, in random order, away from 0 and from each other. */
static void fill(struct builder *b, float *v, size_t n, double lo, double hi)
{
	for (size_t i = 0; i < n; i++) {
		v[i] = (float)(lo + (hi - lo) * ((double)i + 0.37 + 0.2 * next_random(b)) / (double)n);
	}
	for (size_t i = n; i > 1; i--) {
		size_t k = (size_t)(next_random(b) * (double)i);
		float t = v[i - 1];

		v[i - 1] = v[k];
		v[k] = t;
	}
}

static struct qb_tensor *tensor(struct builder *b, enum qb_dtype dtype, const char *dims)
{
	struct qb_tensor *t = qb_arena_alloc(b->g->arena, 1, sizeof(*t));
	char *end = NULL;

	t->dtype = dtype;
	for (const char *p = dims; *p && *p != '='; p = *end == ',' ? end + 1 : end) {
		t->dim[t->ndim++] = strtol(p, &end, 10);
	}
	t->data = qb_arena_alloc(b->g->arena, qb_tensor_size(t), 8);
	return t;
}

static const char *new_name(struct builder *b)
{
	return qb_arena_printf(b->g->arena, "v%d", b->g->values);
}

struct qb_value *given(struct builder *b, enum qb_dtype dtype, const char *spec)
{
	struct qb_tensor *t = tensor(b, dtype, spec);
	const char *p = strchr(spec, '=') + 1;
	size_t n = qb_tensor_size(t);
	char *end;

	for (size_t i = 0; i < n; i++, p = end + 1) {
		double v = strtod(p, &end);

		if (dtype == QB_F32) {
			((float *)t->data)[i] = (float)v;
		} else if (dtype == QB_I64) {
			((int64_t *)t->data)[i] = (int64_t)v;
		} else {
			((uint8_t *)t->data)[i] = v != 0;
		}
	}
	return qb_graph_add_constant(b->g, new_name(b), t);
}

struct qb_value *drawn(struct builder *b, const char *spec)
{
	const char *at = strchr(spec, '@');
	bool constant = *spec == 'c';
	double lo = -1, hi = 1;
	struct qb_tensor *t;
	struct qb_value *v;

	spec += constant;
	if (at && at > spec) {
		assert_int_equal(sscanf(spec, "%lf~%lf@", &lo, &hi), 2);
	}
	t = tensor(b, QB_F32, at ? at + 1 : spec);
	fill(b, t->data, qb_tensor_size(t), lo, hi);
	v = constant ? qb_graph_add_constant(b->g, new_name(b), t) : qb_graph_add_value(b->g, new_name(b), QB_F32);
	if (!constant) {
		v->shape = qb_shape_of(t);
		v->constant = t; /* taken away before the graph is linked: its elements as an input */
		b->input[b->inputs++] = v;
	}
	return v;
}

void must(enum qb_err err, const struct qb_errbuf *eb, const char *what)
{
	if (err != QB_OK) {
		fail_msg("%s: %s", what, eb->text);
	}
}

struct qb_node *add_node(struct builder *b, enum qb_op_id op, int opset, int inputs, struct qb_value *const *in, int outputs)
{
	struct qb_value *out[MAX_OUTPUTS];
	struct qb_node *n;

	for (int i = 0; i < outputs; i++) {
		out[i] = qb_graph_add_value(b->g, new_name(b), QB_DTYPE_NONE);
	}
	n = qb_node_create(b->g, op, new_name(b), opset, inputs, in, outputs, out);
	assert_true(qb_graph_append(b->g, n));
	return n;
}

void finish(struct builder *b, const char *what)
{
	struct qb_errbuf eb = {0};

	must(qb_graph_relink(b->g, &eb), &eb, what);
	must(qb_graph_infer(b->g, &eb), &eb, what);
}

struct qb_value *weighted_sum(struct builder *b, struct qb_value *v)
{
	struct qb_tensor *t = qb_arena_alloc(b->g->arena, 1, sizeof(*t));
	float *w;
	struct qb_value *out;
	struct qb_node *n;

	*t = (struct qb_tensor){.dtype = v->dtype, .ndim = v->shape.ndim};
	memcpy(t->dim, v->shape.dim, sizeof(t->dim));
	t->data = qb_arena_alloc(b->g->arena, qb_tensor_size(t), 8);
	w = qb_arena_alloc(b->g->arena, qb_tensor_size(t), sizeof(*w));
	fill(b, w, qb_tensor_size(t), -1, 1.1);
	for (size_t i = 0; i < qb_tensor_size(t); i++) {
		if (t->dtype == QB_F64) {
			((double *)t->data)[i] = (double)w[i];
		} else {
			((float *)t->data)[i] = w[i];
		}
	}
	out = add_node(b, QB_OP_Mul, 14, 2, (struct qb_value *[]){v, qb_graph_add_constant(b->g, new_name(b), t)}, 1)->output[0];
	n = add_node(b, QB_OP_ReduceSum, 13, 1, &out, 1);
	qb_node_add_int(n, "keepdims", 0);
	return n->output[0];
}

void take_inputs(struct builder *b, struct point *p)
{
	for (int i = 0; i < b->inputs; i++) {
		const struct qb_tensor *t = b->input[i]->constant;
		double *d = qb_arena_alloc(b->g->arena, qb_tensor_size(t), sizeof(*d));

		for (size_t k = 0; k < qb_tensor_size(t); k++) {
			d[k] = (double)((const float *)t->data)[k];
		}
		p->tensor[i] = *t;
		p->tensor[i].dtype = QB_F64;
		p->tensor[i].data = d;
		p->arg[i] = &p->tensor[i];
		b->input[i]->constant = NULL;
	}
	b->g->input = b->input;
	b->g->inputs = b->inputs;
}

/* out [1 + inputs]: the loss, and what follows of the graph's outputs. */
static void evaluate(struct builder *b, const struct point *p, struct qb_tensor *out, const char *what)
{
	struct qb_errbuf eb = {0};

	must(qb_graph_eval(b->g, p->arg, out, &eb), &eb, what);
}

static double loss_at(struct builder *b, const struct point *p, const char *what)
{
	struct qb_tensor out[1 + MAX_INPUTS];
	double v;

	evaluate(b, p, out, what);
	v = ((const double *)out[0].data)[0];
	for (int i = 0; i < b->g->outputs; i++) {
		free(out[i].data);
	}
	return v;
}

/* gradient NULL: zero. */
static void compare(struct builder *b, struct point *p, int input, const double *gradient, const char *what)
{
	double *x = p->tensor[input].data, h = 1e-5, largest = 1e-3, worst = 0;
	size_t n = qb_tensor_size(&p->tensor[input]), at = 0;

	for (size_t i = 0; gradient && i < n; i++) {
		largest = fmax(largest, fabs(gradient[i]));
	}
	for (size_t i = 0; i < n; i++) {
		double was = x[i], up, down, error;

		x[i] = was + h;
		up = loss_at(b, p, what);
		x[i] = was - h;
		down = loss_at(b, p, what);
		x[i] = was;
		error = fabs((up - down) / (2 * h) - (gradient ? gradient[i] : 0)) / largest;
		if (!(error <= worst)) {
			worst = error;
			at = i;
		}
	}
	if (!(worst < 1e-6)) {
		fail_msg("%s: the gradient by input %d differs from the central difference by %g of its largest element, at "
			"element %zu", what, input, worst, at);
	}
}

void check_gradients(struct builder *b, struct qb_value *loss, const char *what)
{
	struct qb_value *gradient[MAX_INPUTS] = {NULL}, *outputs[1 + MAX_INPUTS] = {loss};
	struct qb_tensor out[1 + MAX_INPUTS];
	struct qb_errbuf eb = {0};
	struct point p;
	int count = 1, place[MAX_INPUTS];

	take_inputs(b, &p);
	b->g->output = outputs;
	b->g->outputs = 1;
	finish(b, what);
	must(qb_graph_gradient(b->g, loss, b->input, b->inputs, gradient, &eb), &eb, what);
	for (int i = 0; i < b->inputs; i++) {
		place[i] = gradient[i] ? count : 0;
		outputs[count] = gradient[i];
		count += gradient[i] != NULL;
	}
	b->g->outputs = count;
	must(qb_graph_relink(b->g, &eb), &eb, what);
	double_graph(b->g);
	evaluate(b, &p, out, what);
	for (int i = 0; i < count; i++) {
		assert_int_equal(out[i].dtype, QB_F64);
	}
	b->g->outputs = 1;
	for (int i = 0; i < b->inputs; i++) {
		compare(b, &p, i, place[i] ? out[place[i]].data : NULL, what);
	}
	for (int i = 0; i < count; i++) {
		free(out[i].data);
	}
	b->g->outputs = 0;
}

