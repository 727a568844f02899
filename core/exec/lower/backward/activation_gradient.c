/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/lower/backward/activation_gradient.h"

#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/lowerings.h"
#include "core/graph/op.h"
#include "core/kernels/f32/activation_backward.h"

/* ---- activations that clip ---- */

static bool bound(const struct qb_node *n, int input, const char *attr, float *out)
{
	const struct qb_value *v = input < n->inputs ? n->input[input] : NULL;

	*out = qb_node_float(n, attr, *out);
	if (!v) {
		return true;
	}
	if (!v->constant || v->dtype != QB_F32 || qb_value_size(v) != 1) {
		return false;
	}
	*out = *(const float *)v->constant->data;
	return true;
}

bool qb_clip_of(const struct qb_node *n, struct qb_clip *clip)
{
	bool gradient = qb_node_is(n, QB_OP_ActivationGradient);
	enum qb_op_id id = gradient ? qb_node_operator(n) : n->op->id;

	*clip = (struct qb_clip){.lo = -INFINITY, .hi = INFINITY};
	if (id == QB_OP_Relu) {
		*clip = (struct qb_clip){.lo = 0, .hi = INFINITY, .above = 0};
		return true;
	}
	if (id != QB_OP_Clip || (!gradient && (!bound(n, 1, "min", &clip->lo) || !bound(n, 2, "max", &clip->hi)))) {
		return false;
	}
	if (gradient) {
		clip->lo = qb_node_float(n, "min", -INFINITY);
		clip->hi = qb_node_float(n, "max", INFINITY);
	}
	clip->above = nextafterf(clip->lo, -INFINITY);
	return true;
}

struct qb_node *qb_clip_behind(const struct qb_builder *b, const struct qb_value *v, struct qb_clip *clip, int *gradients,
	struct qb_node **gradient)
{
	struct qb_node *act = NULL;
	struct qb_clip other;

	*gradients = 0;
	*gradient = NULL;
	if (!qb_builder_is_training(b) || v->outputs || v->dtype != QB_F32) {
		return NULL;
	}
	for (int i = 0; i < v->users; i++) {
		struct qb_node *u = v->user[i].node;

		if (v->user[i].input) {
			return NULL;
		}
		if (qb_node_is(u, QB_OP_ActivationGradient)) {
			*gradient = u;
			++*gradients;
		} else if (act || !qb_clip_of(u, clip)) {
			return NULL;
		} else {
			act = u;
		}
	}
	return act && (!*gradient || (qb_clip_of(*gradient, &other) && other.lo == clip->lo && other.hi == clip->hi)) ? act : NULL;
}

const struct qb_node *qb_absorbed_gradient(const struct qb_builder *b, const struct qb_value *dy)
{
	return qb_node_is(dy->producer, QB_OP_ActivationGradient) && !qb_builder_has(b, dy) ? dy->producer : NULL;
}

/* ---- ActivationGradient ---- */

struct gradient {
	int64_t n;
	float a, b;
	qb_f32_gradient_fn *fn;
};

static const struct activation {
	enum qb_op_id id;
	qb_f32_gradient_fn *fn;
	const char *a, *b;
	float a_default, b_default;
} activations[] = {
	{QB_OP_Abs, qb_f32_abs_gradient, "", "", 0, 0},
	{QB_OP_Clip, qb_f32_clip_gradient, "min", "max", -INFINITY, INFINITY},
	{QB_OP_Elu, qb_f32_elu_gradient, "alpha", "", 1, 0},
	{QB_OP_Erf, qb_f32_erf_gradient, "", "", 0, 0},
	{QB_OP_Exp, qb_f32_exp_gradient, "", "", 0, 0},
	{QB_OP_Gelu, qb_f32_gelu_gradient, "", "", 0, 0},
	{QB_OP_HardSigmoid, qb_f32_hard_sigmoid_gradient, "alpha", "beta", 0.2f, 0.5f},
	{QB_OP_HardSwish, qb_f32_hard_swish_gradient, "", "", 0, 0},
	{QB_OP_LeakyRelu, qb_f32_leaky_gradient, "alpha", "", 0.01f, 0},
	{QB_OP_Log, qb_f32_log_gradient, "", "", 0, 0},
	{QB_OP_Neg, qb_f32_neg_gradient, "", "", 0, 0},
	{QB_OP_Reciprocal, qb_f32_reciprocal_gradient, "", "", 0, 0},
	{QB_OP_Relu, qb_f32_relu_gradient, "", "", 0, 0},
	{QB_OP_Sigmoid, qb_f32_sigmoid_gradient, "", "", 0, 0},
	{QB_OP_Softplus, qb_f32_softplus_gradient, "", "", 0, 0},
	{QB_OP_Sqrt, qb_f32_sqrt_gradient, "", "", 0, 0},
	{QB_OP_Swish, qb_f32_silu_gradient, "", "", 0, 0},
	{QB_OP_Tanh, qb_f32_tanh_gradient, "", "", 0, 0},
};

static void run_gradient(const void *context, const struct qb_operands *at)
{
	const struct gradient *g = context;

	g->fn(at->read[0], at->read[1], at->write[0], g->n, g->a, g->b);
}

static bool describe(const struct qb_node *n, struct gradient *g)
{
	enum qb_op_id id = qb_node_operator(n);
	size_t i = 0;

	while (i < QB_COUNT(activations) && activations[i].id != id) {
		i++;
	}
	if (i == QB_COUNT(activations) || (id == QB_OP_Swish && qb_node_float(n, "alpha", 1) != 1)) {
		return false;
	}
	g->fn = activations[i].fn;
	g->a = qb_node_float(n, activations[i].a, activations[i].a_default);
	g->b = qb_node_float(n, activations[i].b, activations[i].b_default);
	if (strcmp(qb_node_string(n, "approximate", "none"), "tanh") == 0) {
		g->fn = qb_f32_gelu_tanh_gradient;
	}
	return true;
}

/* What says where the activation's slope is: its input, or, where a step made a Relu's output alone, that. */
static const struct qb_value *seen(const struct qb_builder *b, const struct qb_value *x)
{
	for (int i = 0; !qb_builder_has(b, x) && i < x->users; i++) {
		if (qb_node_is(x->user[i].node, QB_OP_Relu)) {
			return x->user[i].node->output[0];
		}
	}
	return x;
}

enum qb_err qb__plan_activation_gradient(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *dy = n->input[1], *x = n->input[0];
	struct gradient g = {.n = (int64_t)qb_value_size(dy)};
	struct qb_place from, slope, to;

	if (dy->dtype != QB_F32 || dy->constant || x->constant || !g.n || !describe(n, &g)) {
		return QB_EUNSUPPORTED;
	}
	x = seen(b, x);
	QB_TRY(qb_builder_plain(b, x, &slope, eb));
	QB_TRY(qb_builder_source(b, dy, &slope.layout, &from, eb));
	QB_TRY(qb_builder_define(b, n->output[0], &slope.layout, &to, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "activation gradient", .fn = run_gradient, QB_CONTEXT(g),
		.reads = {slope.buffer, from.buffer}, .writes = {to.buffer}}, eb);
}
