/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/activation.h"

#include <math.h>

#include "core/base/size.h"
#include "core/graph/op.h"

/* A bound of Clip: an attribute before opset 11, an input since. */
static bool read_bound(const struct qb_node *n, int input, const char *attr, float fallback, float *out)
{
	const struct qb_value *v = input < n->inputs ? n->input[input] : NULL;

	if (!v) {
		*out = qb_node_float(n, attr, fallback);
		return true;
	}
	if (!v->constant || v->constant->dtype != QB_F32 || qb_tensor_size(v->constant) != 1) {
		return false;
	}
	*out = *(const float *)v->constant->data;
	return true;
}

bool qb_activation_read(const struct qb_node *n, struct qb_act *act)
{
	if (qb_node_is(n, QB_OP_Relu)) {
		*act = (struct qb_act){QB_ACT_RELU, 0, INFINITY};
		return true;
	}
	if (!qb_node_is(n, QB_OP_Clip) || !read_bound(n, 1, "min", -INFINITY, &act->lo) ||
		!read_bound(n, 2, "max", INFINITY, &act->hi) || isnan(act->lo) || isnan(act->hi)) {
		return false;
	}
	act->lo = QB_MIN(act->lo, act->hi); /* Clip takes the upper bound where they cross */
	act->kind = QB_ACT_CLIP;
	return true;
}

struct qb_act qb_activation_compose(struct qb_act first, struct qb_act second)
{
	struct qb_act a = {QB_ACT_CLIP, 0, 0};

	if (first.kind == QB_ACT_NONE) {
		return second;
	}
	a.lo = QB_MIN(QB_MAX(first.lo, second.lo), second.hi);
	a.hi = QB_MIN(QB_MAX(first.hi, second.lo), second.hi);
	if (a.lo == 0 && isinf(a.hi)) {
		a.kind = QB_ACT_RELU;
	}
	return a;
}

/* The activation that alone reads v. */
static struct qb_node *next_of(const struct qb_value *v, struct qb_act *act)
{
	struct qb_node *n = qb_value_only_user(v);

	return n && n->input[0] == v && v->dtype == QB_F32 && !v->apart &&
		(!v->imported || qb_imported_equal(v->imported, n->output[0]->imported)) && qb_activation_read(n, act) ? n : NULL;
}

struct qb_node *qb_activation_of(const struct qb_value *v)
{
	struct qb_act act;

	return qb_node_has(v->producer, QB_TRAIT_ACTIVATION) && v == v->producer->output[0] ? next_of(v, &act) : NULL;
}

static struct qb_value *follow(const struct qb_node *n, struct qb_act *act)
{
	struct qb_value *v = n->output[0];
	struct qb_act one;

	*act = (struct qb_act){0};
	for (const struct qb_node *a; qb_node_has(n, QB_TRAIT_ACTIVATION) && (a = next_of(v, &one));) {
		*act = qb_activation_compose(*act, one);
		v = a->output[0];
	}
	return v;
}

struct qb_act qb_node_activation(const struct qb_node *n)
{
	struct qb_act act;

	follow(n, &act);
	return act;
}

struct qb_value *qb_node_result(const struct qb_node *n)
{
	struct qb_act act;

	return follow(n, &act);
}

struct qb_node *qb_value_layer(const struct qb_value *v)
{
	struct qb_node *n = v->producer;
	struct qb_act act;

	while (n && n->inputs && n->input[0] && qb_activation_read(n, &act) && next_of(n->input[0], &act) == n && n->input[0]->producer) {
		n = n->input[0]->producer;
	}
	return n && n != v->producer && !qb_node_has(n, QB_TRAIT_ACTIVATION) ? v->producer : n;
}

void qb_activation_set_relu(struct qb_node *n)
{
	qb_node_set_op(n, QB_OP_Relu);
	n->inputs = 1;
	n->attrs = 0;
	n->opset = 13;
}
