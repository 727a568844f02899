/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantization out of the operators and into the values. A value of codes whose scale is known has a twin: the float
 * value that it is the quantization of. Whoever dequantizes the codes reads the twin instead, which has the
 * quantizer; operators that only move codes move their twins.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

/* ---- operators on codes ---- */

static enum qb_err expand_all(struct qb_graph *g, struct qb_errbuf *eb)
{
	int room = 1;
	struct qb_node **made;

	for (int i = 0; i < g->nodes; i++) {
		room = QB_MAX(room, qb__expanded_most(g->node[i]));
	}
	made = qb_arena_alloc(g->arena, (size_t)room, sizeof(*made));
	if (!made) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while lifting quantization");
	}
	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];
		int count;

		QB_TRY(qb__expand_quantized(g, n, n->op->domain, made, qb__expanded_most(n), &count, eb));
		for (int k = 0; k < count; k++) {
			qb_graph_insert_before(g, made[k], n);
		}
		if (count) {
			qb_graph_remove(g, n);
		}
	}
	return qb_graph_relink(g, eb);
}

/* ---- twins ---- */

struct lifter {
	struct qb_graph *g;
	struct qb_value **twin;   /* [values] of codes */
	struct qb_value **became; /* [values] of floats that now are another value */
	int values;               /* before new ones were added */
	struct qb_errbuf *eb;
};

static enum qb_err no_memory(struct lifter *l)
{
	return qb_fail(l->eb, QB_ENOMEM, "out of memory while lifting quantization");
}

static struct qb_value *twin_of(const struct lifter *l, const struct qb_value *v)
{
	return v && v->index < l->values ? l->twin[v->index] : NULL;
}

static bool is_one_of(struct qb_value *const *list, int count, const struct qb_value *v)
{
	for (int i = 0; i < count; i++) {
		if (list[i] == v) {
			return true;
		}
	}
	return false;
}

/* Whether all users of x quantize it by c, so that it may take that quantizer itself. */
static bool quantized_alike(const struct qb_value *x, const struct qb_imported *c)
{
	for (int i = 0; i < x->users; i++) {
		const struct qb_node *n = x->user[i].node;
		struct qb_imported other;

		if (x->user[i].input != 0 || !qb_node_is(n, QB_OP_QuantizeLinear) ||
			!qb__read_quantizer(n, n->output[0]->dtype, &other) || !qb_imported_equal(&other, c)) {
			return false;
		}
	}
	return !x->outputs;
}

static bool may_import(const struct lifter *l, const struct qb_value *x, const struct qb_imported *c)
{
	return x->imported ? qb_imported_equal(x->imported, c)
			  : !x->constant && x->index < l->values && quantized_alike(x, c);
}

static bool code_range(enum qb_dtype code, double *lo, double *hi)
{
	int bits = code == QB_I4 || code == QB_U4 ? 4 : code == QB_I8 || code == QB_U8 ? 8 : 16;
	bool is_signed = code == QB_I4 || code == QB_I8 || code == QB_I16;

	*lo = is_signed ? -(double)(1 << (bits - 1)) : 0;
	*hi = *lo + (1 << bits) - 1;
	return !qb_dtype_is_float8(code);
}

static double zero_point(const struct qb_tensor *z)
{
	switch (z ? z->dtype : QB_DTYPE_NONE) {
	case QB_U8: case QB_U4: return *(const uint8_t *)z->data;
	case QB_I8: case QB_I4: return *(const int8_t *)z->data;
	case QB_U16: return *(const uint16_t *)z->data;
	case QB_I16: return *(const int16_t *)z->data;
	default: return 0;
	}
}

/* What is beyond the codes of x, a layer's output, is cut off there: a Clip between the layer and x. */
static enum qb_err cut_off(struct lifter *l, struct qb_value *x, const struct qb_imported *c)
{
	double lo, hi, scale = *(const float *)c->scale->data, zero = zero_point(c->zero);
	struct qb_node *n = x->producer, *clip;
	struct qb_value *whole;

	if (!qb_node_has(n, QB_TRAIT_ACTIVATION) || !code_range(c->code, &lo, &hi)) {
		return QB_OK;
	}
	whole = qb_graph_add_value(l->g, qb_arena_printf(l->g->arena, "%s.linear", x->name), QB_F32);
	clip = whole ? qb_node_create(l->g, QB_OP_Clip, qb_arena_printf(l->g->arena, "%s.activation", n->name), 6, 1, &whole, 1, &x)
		: NULL;
	if (!qb_graph_insert_after(l->g, clip, n)) {
		return no_memory(l);
	}
	qb_node_add_float(clip, "min", (float)(scale * (lo - zero)));
	qb_node_add_float(clip, "max", (float)(scale * (hi - zero)));
	whole->shape = x->shape;
	whole->producer = n;
	n->output[0] = whole;
	return QB_OK;
}

static enum qb_err lift_quantize(struct lifter *l, struct qb_node *n)
{
	struct qb_value *x = n->input[0], *copy;
	struct qb_imported c;
	struct qb_node *identity;

	/* It goes with the dead nodes where nobody reads its codes any more. */
	if (x->dtype != QB_F32 || !qb__read_quantizer(n, n->output[0]->dtype, &c) || c.axis >= 0) {
		return QB_OK;
	}
	if (may_import(l, x, &c)) {
		x->imported = x->imported ? x->imported : qb__keep_imported(l->g, &c);
		QB_TRY(cut_off(l, x, &c));
		l->twin[n->output[0]->index] = x;
		return x->imported ? QB_OK : no_memory(l);
	}
	copy = qb_graph_add_value(l->g, qb_arena_printf(l->g->arena, "%s:quantized", x->name), QB_F32);
	if (!copy) {
		return no_memory(l);
	}
	copy->shape = x->shape;
	copy->imported = qb__keep_imported(l->g, &c);
	identity = qb_node_create(l->g, QB_OP_Identity, n->name, QB_MAX((int)l->g->opset, 13), 1, &x, 1,
		&copy);
	if (!copy->imported || !qb_graph_insert_after(l->g, identity, n)) {
		return no_memory(l);
	}
	l->twin[n->output[0]->index] = copy;
	return QB_OK;
}

static enum qb_err lift_dequantize(struct lifter *l, struct qb_node *n)
{
	struct qb_value *x = twin_of(l, n->input[0]), *y = n->output[0];
	const struct qb_graph *g = l->g;
	struct qb_imported c;

	if (y->dtype == QB_F32 && qb__read_quantizer(n, n->input[0]->dtype, &c) && c.axis < 0) {
		/* What is out of range is a matter of the QuantizeLinear. */
		c.overflows = x && x->imported && x->imported->overflows;
		if (x && qb_imported_equal(x->imported, &c)) {
			if (!is_one_of(g->output, g->outputs, y)) {
				l->became[y->index] = x;
				qb_graph_remove(l->g, n);
				return QB_OK;
			}
			if (!is_one_of(g->input, g->inputs, x) && !is_one_of(g->output, g->outputs, x)) {
				l->became[y->index] = x;
				qb_graph_replace_value(l->g, y, x);
				qb_graph_remove(l->g, n);
				return QB_OK;
			}
		}
		y->imported = qb__keep_imported(l->g, &c);
		if (!y->imported) {
			return no_memory(l);
		}
	}
	return QB_OK;
}

/* Inputs that hold what is moved: 1, all of them (-1), or none (0). */
static int moved_inputs(const struct qb_node *n)
{
	if (qb_node_is(n, QB_OP_Concat)) {
		return -1;
	}
	if (qb_node_is(n, QB_OP_MaxPool)) {
		return n->outputs == 1;
	}
	if (qb_node_is(n, QB_OP_Resize)) {
		return strcmp(qb_node_string(n, "mode", "nearest"), "nearest") == 0;
	}
	return qb_node_has(n, QB_TRAIT_MOVES);
}

static enum qb_err lift_moved(struct lifter *l, struct qb_node *n)
{
	int count = moved_inputs(n);
	const struct qb_value *first = n->inputs ? twin_of(l, n->input[0]) : NULL;
	struct qb_value **in, **out;
	struct qb_node *twin;

	count = count < 0 ? n->inputs : count;
	for (int i = 0; i < count; i++) {
		struct qb_value *t = twin_of(l, n->input[i]);

		if (!t || !qb_imported_equal(t->imported, first->imported)) {
			return QB_OK;
		}
	}
	if (!count) {
		return QB_OK;
	}
	in = qb_arena_alloc(l->g->arena, (size_t)n->inputs, sizeof(*in));
	out = qb_arena_alloc(l->g->arena, (size_t)n->outputs, sizeof(*out));
	if (!in || !out) {
		return no_memory(l);
	}
	for (int i = 0; i < n->inputs; i++) {
		in[i] = i < count ? twin_of(l, n->input[i]) : n->input[i];
	}
	for (int i = 0; i < n->outputs; i++) {
		struct qb_value *v = n->output[i];

		if (!v) {
			return QB_OK;
		}
		out[i] = qb_graph_add_value(l->g, v->name, QB_F32);
		v->name = qb_arena_printf(l->g->arena, "%s:codes", v->name);
		if (!out[i] || !v->name) {
			return no_memory(l);
		}
		out[i]->shape = v->shape;
		out[i]->imported = first->imported;
		l->twin[v->index] = out[i];
	}
	twin = qb_node_create(l->g, n->op->id, n->name, n->opset, n->inputs, in, n->outputs, out);
	if (!qb_graph_insert_after(l->g, twin, n)) {
		return no_memory(l);
	}
	twin->attr = n->attr;
	twin->attrs = n->attrs;
	return QB_OK;
}

static enum qb_err lift_all(struct lifter *l)
{
	struct qb_graph *g = l->g;

	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];

		for (int k = 0; k < n->inputs; k++) {
			struct qb_value *v = n->input[k];

			if (v && v->index < l->values && l->became[v->index]) {
				n->input[k] = l->became[v->index];
			}
		}
		if (qb_node_is(n, QB_OP_QuantizeLinear)) {
			QB_TRY(lift_quantize(l, n));
		} else if (qb_node_is(n, QB_OP_DequantizeLinear)) {
			QB_TRY(lift_dequantize(l, n));
		} else {
			QB_TRY(lift_moved(l, n));
		}
	}
	return QB_OK;
}

/* ---- ranges taken anew for each input ---- */

/* The node that alone reads v, of this operator. */
static struct qb_node *only_user(const struct qb_value *v, enum qb_op_id op)
{
	struct qb_node *n = qb_value_only_user(v);

	return qb_node_is(n, op) ? n : NULL;
}

/* What product * Cast(sums) multiplies by: the input's scale times the weight's, which is returned. */
static const struct qb_tensor *weight_scale(const struct qb_node *mul, const struct qb_value *sums,
	const struct qb_value *input_scale)
{
	const struct qb_value *other = mul->input[mul->input[0] == sums];
	const struct qb_node *p = other->producer;

	for (int k = 0; qb_node_is(p, QB_OP_Mul) && k < 2; k++) {
		const struct qb_value *w = p->input[1 - k];

		if (p->input[k] == input_scale && w->constant && w->dtype == QB_F32 &&
			qb__good_scales(w->constant)) {
			return w->constant;
		}
	}
	return NULL;
}

struct dynamic {
	struct qb_node *quantize, *product, *mul;
	const struct qb_tensor *scale, *zero; /* of the weight */
	bool conv;
	int axis;
};

static bool match_dynamic(struct qb_node *n, struct dynamic *d)
{
	const struct qb_value *x = n->input[0], *w = n->inputs > 1 ? n->input[1] : NULL;
	const struct qb_value *wz = n->inputs > 3 ? n->input[3] : NULL;
	struct qb_node *cast;
	size_t channels;

	*d = (struct dynamic){.quantize = x->producer, .product = n,
		.conv = qb_node_is(n, QB_OP_ConvInteger)};
	if ((!d->conv && !qb_node_is(n, QB_OP_MatMulInteger)) ||
		!qb_node_is(x->producer, QB_OP_DynamicQuantizeLinear) || x->producer->outputs < 3 ||
		n->inputs < 3 || n->input[2] != x->producer->output[2] || !w->constant ||
		(w->dtype != QB_I8 && w->dtype != QB_U8) || (wz && !wz->constant)) {
		return false;
	}
	cast = only_user(n->output[0], QB_OP_Cast);
	d->mul = cast && cast->output[0]->dtype == QB_F32 ? only_user(cast->output[0], QB_OP_Mul) : NULL;
	d->scale = d->mul ? weight_scale(d->mul, cast->output[0], x->producer->output[1]) : NULL;
	d->zero = wz ? wz->constant : NULL;
	if (!d->scale) {
		return false;
	}
	channels = qb_tensor_size(d->scale);
	d->axis = channels == 1 ? -1 : d->conv ? 0 : w->constant->ndim - 1;
	return (channels == 1 || (!d->conv && w->constant->ndim == 2 &&
		(int64_t)channels == w->constant->dim[1])) &&
		(!d->zero || qb_tensor_size(d->zero) == 1 || qb_tensor_size(d->zero) == channels);
}

static double code_at(const struct qb_tensor *t, size_t i)
{
	return t->dtype == QB_U8 ? ((const uint8_t *)t->data)[i] : ((const int8_t *)t->data)[i];
}

/* The weight's numbers, carrying its quantizer. */
static struct qb_value *real_weight(struct qb_graph *g, const struct dynamic *d)
{
	const struct qb_value *w = d->product->input[1];
	const struct qb_tensor *codes = w->constant;
	struct qb_tensor *t = qb_arena_alloc(g->arena, 1, sizeof(*t));
	size_t n = qb_tensor_size(codes), channels = qb_tensor_size(d->scale);
	size_t zeros = d->zero ? qb_tensor_size(d->zero) : 0;
	struct qb_value *v;

	if (!t || zeros > channels) {
		return NULL;
	}
	*t = *codes;
	t->dtype = QB_F32;
	t->data = qb_arena_alloc(g->arena, n + 1, sizeof(float));
	v = t->data ? qb_graph_add_constant(g, qb_arena_printf(g->arena, "%s:real", w->name), t) : NULL;
	for (size_t i = 0; v && i < n; i++) {
		size_t c = i % channels;
		double zero = zeros ? code_at(d->zero, zeros > 1 ? c : 0) : 0;

		((float *)t->data)[i] =
			(float)((code_at(codes, i) - zero) * (double)((const float *)d->scale->data)[c]);
	}
	if (v && zeros <= 1 && channels > 1 && zeros) {
		return qb__all_zero(d->zero) ? v : NULL;
	}
	return v;
}

/* x -> DynamicQuantizeLinear -> MatMulInteger -> Cast -> Mul by both scales: a MatMul of x with the real weight. */
static enum qb_err lift_dynamic(struct qb_graph *g, struct qb_errbuf *eb)
{
	for (int i = 0; i < g->nodes; i++) {
		struct qb_imported c = {.code = QB_U8, .axis = -1}, wc;
		struct qb_value *in[2];
		struct qb_node *made;
		struct dynamic d;

		if (!g->node[i]->inputs || !g->node[i]->input[0] || !match_dynamic(g->node[i], &d)) {
			continue;
		}
		in[0] = d.quantize->input[0];
		in[1] = real_weight(g, &d);
		if (!in[1]) {
			continue;
		}
		wc = (struct qb_imported){.scale = d.scale,
			.zero = d.zero && !qb__all_zero(d.zero) ? d.zero : NULL,
			.code = d.product->input[1]->dtype, .axis = d.axis};
		in[1]->imported = qb__keep_imported(g, &wc);
		if (!in[0]->imported) {
			in[0]->imported = qb__keep_imported(g, &c);
		}
		made = qb_node_create(g, d.conv ? QB_OP_Conv : QB_OP_MatMul, d.product->name,
			QB_MAX((int)g->opset, 13), 2, in, 1, &d.mul->output[0]);
		/* In place of the Mul, the only user of its inputs. */
		if (!in[0]->imported || !in[1]->imported || !qb_graph_insert_before(g, made, d.mul)) {
			return qb_fail(eb, QB_ENOMEM, "out of memory while lifting quantization");
		}
		qb_graph_remove(g, d.mul);
		made->attr = d.product->attr;
		made->attrs = d.product->attrs;
	}
	return qb_pass_remove_dead(g, eb);
}

static bool any_quantization(const struct qb_graph *g)
{
	for (int i = 0; i < g->nodes; i++) {
		if (qb_node_has(g->node[i], QB_TRAIT_CODES)) {
			return true;
		}
	}
	return false;
}

enum qb_err qb_pass_lift_quantization(struct qb_graph *g, struct qb_errbuf *eb)
{
	struct lifter l = {.g = g, .eb = eb};

	if (!any_quantization(g)) {
		return qb_pass_fold_constants(g, eb);
	}
	QB_TRY(expand_all(g, eb));
	QB_TRY(qb_pass_fold_constants(g, eb));
	QB_TRY(lift_dynamic(g, eb));
	l.values = g->values;
	l.twin = qb_arena_alloc(g->arena, (size_t)g->values + 1, sizeof(*l.twin));
	l.became = qb_arena_alloc(g->arena, (size_t)g->values + 1, sizeof(*l.became));
	if (!l.twin || !l.became) {
		return no_memory(&l);
	}
	QB_TRY(lift_all(&l));
	return qb_pass_remove_dead(g, eb);
}
