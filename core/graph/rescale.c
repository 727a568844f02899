/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/rescale.h"

#include <string.h>

#include "core/graph/activation.h"
#include "core/graph/linear.h"
#include "core/graph/op.h"

/* How far back constants are looked for. */
enum { DEPTH = 8 };

struct divider {
	struct qb_graph *g;
	const float *s;
	int64_t n;
	struct qb_errbuf *eb;
	enum qb_err err;
};

/* A float32 constant that is one number, or n along the last dimension alone. */
static bool is_channels(const struct qb_value *v, int64_t n)
{
	const struct qb_tensor *t = v ? v->constant : NULL;
	size_t count = t && t->dtype == QB_F32 ? qb_tensor_size(t) : 0;

	return count == 1 || (count == (size_t)n && t->ndim > 0 && t->dim[t->ndim - 1] == n);
}

/* ---- where the scales may go ---- */

enum way { NO_WAY, LAYER_NORM, LINEAR, RECTIFIER, CONSTANT, OTHER_SIDE, BOTH_SIDES };

static bool has_way(const struct qb_value *v, int64_t n, int uses, int depth);

static bool keeps_last(const struct qb_value *v, int64_t n)
{
	return v && v->shape.known && v->shape.ndim > 0 && v->shape.dim[v->shape.ndim - 1] == n;
}

static enum way way_norm(const struct qb_node *p, int64_t n)
{
	int64_t axis = qb_node_int(p, "axis", -1);
	bool last = axis == -1 || (p->input[0]->shape.known && axis == p->input[0]->shape.ndim - 1);

	for (int i = 1; i < p->inputs; i++) {
		if (p->input[i] && (!p->input[i]->constant || qb_tensor_size(p->input[i]->constant) != (size_t)n ||
				!is_channels(p->input[i], n))) {
			return NO_WAY;
		}
	}
	return last ? LAYER_NORM : NO_WAY;
}

/* *side: the input that is a constant, or the one that the scales go on to. */
static enum way way_arithmetic(const struct qb_node *p, int64_t n, int depth, int *side)
{
	bool sum = qb_node_is(p, QB_OP_Add) || qb_node_is(p, QB_OP_Sub), div = qb_node_is(p, QB_OP_Div);

	if (p->inputs != 2) {
		return NO_WAY;
	}
	for (int i = 0; i < 2; i++) {
		const struct qb_value *c = p->input[i], *other = p->input[1 - i];

		*side = i;
		if (!is_channels(c, n) || !keeps_last(other, n)) {
			continue;
		}
		if (!sum && !(div && i == 0)) {
			return CONSTANT;
		}
		if (sum && has_way(other, n, 1, depth)) {
			return BOTH_SIDES;
		}
	}
	/* A product of two: one of them is divided. */
	for (int i = 0; !sum && i < (div ? 1 : 2); i++) {
		*side = i;
		if (!p->input[i]->constant && keeps_last(p->input[i], n) && has_way(p->input[i], n, 1, depth)) {
			return OTHER_SIDE;
		}
	}
	return NO_WAY;
}

static enum way find_way(const struct qb_value *v, int64_t n, int uses, int depth, int *side)
{
	struct qb_node *p = v->producer;
	struct qb_linear l;

	if (!p || depth >= DEPTH || v != p->output[0] || p->outputs != 1 || v->dtype != QB_F32) {
		return NO_WAY;
	}
	if (qb_node_is(p, QB_OP_LayerNormalization)) {
		return way_norm(p, n);
	}
	if (qb_node_is(p, QB_OP_Mul) || qb_node_is(p, QB_OP_Div) || qb_node_is(p, QB_OP_Add) || qb_node_is(p, QB_OP_Sub)) {
		return way_arithmetic(p, n, depth + 1, side);
	}
	/* Not twice: a product is no work to do again for the others who use it. */
	if (v->users + v->outputs != uses) {
		return NO_WAY;
	}
	if (qb_node_is(p, QB_OP_Relu) && qb_activation_of(p->input[0]) == p) {
		return find_way(p->input[0], n, 1, depth, side) == LINEAR ? RECTIFIER : NO_WAY;
	}
	return (qb_node_is(p, QB_OP_Gemm) || qb_node_is(p, QB_OP_MatMul)) && qb_linear_of(p, &l) && l.outs == n ? LINEAR : NO_WAY;
}

static bool has_way(const struct qb_value *v, int64_t n, int uses, int depth)
{
	int side;

	return find_way(v, n, uses, depth, &side) != NO_WAY;
}

/* ---- the copies ---- */

static void *need(struct divider *d, void *p)
{
	if (!p && d->err == QB_OK) {
		d->err = qb_fail(d->eb, QB_ENOMEM, "no memory to rescale channels");
	}
	return p;
}

static struct qb_value *constant(struct divider *d, const char *name, int ndim, const int64_t *dim, float **data)
{
	struct qb_tensor *t = need(d, qb_arena_alloc(d->g->arena, 1, sizeof(*t)));

	if (!t) {
		return NULL;
	}
	t->dtype = QB_F32;
	t->ndim = ndim;
	memcpy(t->dim, dim, (size_t)ndim * sizeof(*dim));
	t->data = *data = need(d, qb_arena_alloc(d->g->arena, qb_tensor_size(t), sizeof(float)));
	name = need(d, qb_arena_printf(d->g->arena, "%s.scaled", name));
	return t->data && name ? need(d, qb_graph_add_constant(d->g, name, t)) : NULL;
}

/* The constant divided by s, or times s: as many elements as s has, where it was one. */
static struct qb_value *scaled_channels(struct divider *d, const struct qb_value *c, bool times)
{
	const struct qb_tensor *t = c->constant;
	bool one = qb_tensor_size(t) != (size_t)d->n;
	float *to;
	struct qb_value *v = constant(d, c->name, one ? 1 : t->ndim, one ? &d->n : t->dim, &to);

	for (int64_t i = 0; v && i < d->n; i++) {
		double x = (double)((const float *)t->data)[one ? 0 : i];

		to[i] = (float)(times ? x * (double)d->s[i] : x / (double)d->s[i]);
	}
	return v;
}

/* The constant of a linear layer with what belongs to output o divided by s[o]. */
static struct qb_value *scaled_outputs(struct divider *d, const struct qb_linear *l, bool bias)
{
	const struct qb_value *c = bias ? l->bias : l->weight;
	const float *from = c->constant->data;
	float *to;
	struct qb_value *v = constant(d, c->name, c->constant->ndim, c->constant->dim, &to);

	for (int64_t o = 0; v && o < l->outs; o++) {
		for (int64_t j = 0; j < (bias ? 1 : l->ins); j++) {
			int64_t at = bias ? o : qb_linear_at(l, o, j);

			to[at] = (float)((double)from[at] / (double)d->s[o]);
		}
	}
	return v;
}

/* A node like p, or a new one, with inputs of its own; its output is of v's shape. */
static struct qb_node *copy_node(struct divider *d, const struct qb_node *p, const struct qb_value *v)
{
	struct qb_node *n = need(d, qb_arena_alloc(d->g->arena, 1, sizeof(*n)));
	const char *name = need(d, qb_arena_printf(d->g->arena, "%s.scaled", v->name));

	if (!n || !name) {
		return NULL;
	}
	*n = *p;
	n->normal = NULL;
	n->name = need(d, qb_arena_printf(d->g->arena, "%s.scaled", p->name));
	n->input = need(d, qb_arena_alloc(d->g->arena, (size_t)p->inputs, sizeof(*n->input)));
	n->output = need(d, qb_arena_alloc(d->g->arena, 1, sizeof(*n->output)));
	if (!n->name || !n->input || !n->output || !(n->output[0] = need(d, qb_graph_add_value(d->g, name, QB_F32)))) {
		return NULL;
	}
	memcpy(n->input, p->input, (size_t)p->inputs * sizeof(*n->input));
	n->output[0]->shape = v->shape;
	n->output[0]->producer = n;
	return need(d, qb_graph_append(d->g, n) ? n : NULL);
}

static struct qb_value *divide(struct divider *d, const struct qb_value *v, int uses, int depth)
{
	int side = 0;
	enum way way = find_way(v, d->n, uses, depth, &side);
	struct qb_node *p = v->producer, *n = copy_node(d, p, v);
	struct qb_linear l;

	if (!n) {
		return NULL;
	}
	switch (way) {
	case LAYER_NORM:
		for (int i = 1; i < n->inputs; i++) {
			n->input[i] = p->input[i] ? scaled_channels(d, p->input[i], false) : NULL;
		}
		break;
	case LINEAR:
		qb_linear_of(p, &l);
		n->input[1] = scaled_outputs(d, &l, false);
		if (l.bias) {
			n->input[2] = scaled_outputs(d, &l, true);
		}
		break;
	case RECTIFIER:
		n->input[0] = divide(d, p->input[0], 1, depth);
		if (n->input[0]) {
			n->name = need(d, qb_arena_printf(d->g->arena, "%s.activation", n->input[0]->producer->name));
			n->input[0]->name = need(d, qb_arena_printf(d->g->arena, "%s.linear", n->output[0]->name));
		}
		break;
	case CONSTANT:
		n->input[side] = scaled_channels(d, p->input[side], qb_node_is(p, QB_OP_Div));
		break;
	case BOTH_SIDES:
		n->input[side] = scaled_channels(d, p->input[side], false);
		n->input[1 - side] = divide(d, p->input[1 - side], 1, depth + 1);
		break;
	default:
		n->input[side] = divide(d, p->input[side], 1, depth + 1);
	}
	return d->err == QB_OK ? n->output[0] : NULL;
}

static struct qb_value *multiply(struct divider *d, struct qb_value *v)
{
	struct qb_value *input[2] = {v, NULL};
	const struct qb_node mul = {.op = qb_op_of(QB_OP_Mul), .name = v->name, .type = qb_op_of(QB_OP_Mul)->type, .opset = 13,
		.inputs = 2, .outputs = 1, .input = input};
	struct qb_node *n = copy_node(d, &mul, v);
	float *to;

	if (!n || !(n->input[1] = constant(d, n->name, 1, &d->n, &to))) {
		return NULL;
	}
	for (int64_t i = 0; i < d->n; i++) {
		to[i] = 1 / d->s[i];
	}
	return n->output[0];
}

enum qb_err qb_graph_divide_channels(struct qb_graph *g, struct qb_value *v, const struct qb_channel_divisors *by,
	struct qb_value **out, bool *inserted, struct qb_errbuf *eb)
{
	struct divider d = {g, by->s, by->n, eb, QB_OK};

	*out = NULL;
	*inserted = false;
	if (has_way(v, by->n, by->uses, 0)) {
		*out = divide(&d, v, by->uses, 0);
	} else if (by->insert && keeps_last(v, by->n)) {
		*out = multiply(&d, v);
		*inserted = true;
	}
	return d.err;
}
