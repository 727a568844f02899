/* SPDX-License-Identifier: Apache-2.0
 *
 * Composite operators that exporters write out as several nodes become one node again: LayerNormalization and Gelu. They
 * are quantized as one: only their input and output are values of the network.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"

static struct qb_node *made_by(const struct qb_value *v, enum qb_op_id op)
{
	struct qb_node *p = v ? v->producer : NULL;

	return qb_node_is(p, op) ? p : NULL;
}

/* The same, where that is the only user of the value. */
static struct qb_node *only_by(const struct qb_value *v, enum qb_op_id op)
{
	return v && qb_value_only_user(v) ? made_by(v, op) : NULL;
}

static bool is_scalar(const struct qb_value *v, double *out)
{
	if (!v || !v->constant || v->constant->dtype != QB_F32 || qb_tensor_size(v->constant) != 1) {
		return false;
	}
	*out = (double)*(const float *)v->constant->data;
	return true;
}

static bool is_near(const struct qb_value *v, double want)
{
	double have;

	return is_scalar(v, &have) && fabs(have - want) <= 1e-4 * fabs(want);
}

/* The other operand where one is such a constant, or NULL. */
static struct qb_value *beside(const struct qb_node *n, double constant)
{
	for (int i = 0; n && i < 2; i++) {
		if (is_near(n->input[i], constant)) {
			return n->input[1 - i];
		}
	}
	return NULL;
}

/* The operator that a pattern of nodes computes. */
struct composite {
	enum qb_op_id op;
	int opset, inputs, attrs;
	struct qb_value *input[3];
	struct qb_attr attr[2];
};

/* n, the last node of the pattern, becomes the operator. */
static enum qb_err replace(struct qb_graph *g, struct qb_node *n, const struct composite *c, struct qb_errbuf *eb)
{
	struct qb_value **input = qb_arena_alloc(g->arena, (size_t)c->inputs, sizeof(*input));
	struct qb_attr *attr = qb_arena_alloc(g->arena, (size_t)c->attrs + 1, sizeof(*attr));

	if (!input || !attr) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while nodes become one %s", qb_op_of(c->op)->type);
	}
	memcpy(input, c->input, sizeof(*input) * (size_t)c->inputs);
	memcpy(attr, c->attr, sizeof(*attr) * (size_t)c->attrs);
	qb_node_set_op(n, c->op);
	n->opset = c->opset;
	n->input = input;
	n->inputs = c->inputs;
	n->attr = attr;
	n->attrs = c->attrs;
	return QB_OK;
}

/* ---- LayerNormalization: (x - mean) / sqrt(mean((x - mean)^2) + epsilon) * gain + shift ---- */

/* A mean over the last dimension, which stays. */
static struct qb_value *mean_of(const struct qb_value *v)
{
	const struct qb_node *n = made_by(v, QB_OP_ReduceMean);
	const int64_t *axes;
	int count = n ? qb_node_ints(n, "axes", &axes) : 0, rank;
	const struct qb_tensor *t = n && n->inputs > 1 && n->input[1] ? n->input[1]->constant : NULL;

	if (!n || !n->input[0]->shape.known || qb_node_int(n, "keepdims", 1) != 1) {
		return NULL;
	}
	rank = n->input[0]->shape.ndim;
	if (t && t->dtype == QB_I64) {
		count = (int)QB_MIN(qb_tensor_size(t), 100);
		axes = t->data;
	}
	return count == 1 && (axes[0] == -1 || axes[0] == rank - 1) ? n->input[0] : NULL;
}

/* v = x - mean(x): returns x. */
static struct qb_value *centred(const struct qb_value *v)
{
	const struct qb_node *n = made_by(v, QB_OP_Sub);

	return n && mean_of(n->input[1]) == n->input[0] ? n->input[0] : NULL;
}

/* v = d squared: returns d. */
static struct qb_value *squared(const struct qb_value *v)
{
	const struct qb_node *n = made_by(v, QB_OP_Pow);

	if (n) {
		return is_near(n->input[1], 2) ? n->input[0] : NULL;
	}
	n = made_by(v, QB_OP_Mul);
	return n && n->input[0] == n->input[1] ? n->input[0] : NULL;
}

static bool is_row(const struct qb_value *v, const struct qb_value *x)
{
	int rank = x->shape.ndim;

	return v->constant && v->dtype == QB_F32 && v->shape.ndim == 1 && x->shape.known && rank > 0 &&
		x->shape.dim[rank - 1] == v->shape.dim[0];
}

/* n = something * gain + shift. */
static enum qb_err try_layer_norm(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	for (int s = 0; s < 2 && qb_node_is(n, QB_OP_Add) && n->inputs == 2; s++) {
		const struct qb_node *scale = only_by(n->input[1 - s], QB_OP_Mul);

		for (int k = 0; k < 2 && scale; k++) {
			const struct qb_node *div = only_by(scale->input[1 - k], QB_OP_Div);
			struct qb_value *x = div ? centred(div->input[0]) : NULL;
			const struct qb_node *root = x ? only_by(div->input[1], QB_OP_Sqrt) : NULL;
			const struct qb_node *sum = root ? only_by(root->input[0], QB_OP_Add) : NULL;
			struct composite c = {.op = QB_OP_LayerNormalization, .opset = 17, .inputs = 3, .attrs = 2,
				.input = {x, scale->input[k], n->input[s]},
				.attr = {{.name = "axis", .kind = QB_ATTR_INT, .i = -1},
					{.name = "epsilon", .kind = QB_ATTR_FLOAT}}};
			double epsilon;

			for (int e = 0; e < 2 && sum; e++) {
				struct qb_value *d = is_scalar(sum->input[e], &epsilon)
					? squared(mean_of(sum->input[1 - e])) : NULL;

				/* The deviation may have been computed twice. */
				if (d && centred(d) == x && is_row(c.input[1], x) && is_row(c.input[2], x)) {
					c.attr[1].f = (float)epsilon;
					return replace(g, n, &c, eb);
				}
			}
		}
	}
	return QB_OK;
}

/* ---- Gelu: x / 2 * (1 + erf(x / sqrt(2))) ---- */

/* v = 1 + erf(x / sqrt(2)): returns x. */
static struct qb_value *one_and_erf(const struct qb_value *v)
{
	const struct qb_node *erf = NULL, *n;
	const struct qb_value *inner = beside(only_by(v, QB_OP_Add), 1);

	erf = only_by(inner, QB_OP_Erf);
	if (!erf) {
		return NULL;
	}
	n = only_by(erf->input[0], QB_OP_Div);
	if (n) {
		return is_near(n->input[1], 1.41421356) ? n->input[0] : NULL;
	}
	return beside(only_by(erf->input[0], QB_OP_Mul), 0.70710678);
}

/* v = x / 2. */
static bool is_half(const struct qb_value *v, const struct qb_value *x)
{
	const struct qb_node *div = only_by(v, QB_OP_Div);

	return beside(only_by(v, QB_OP_Mul), 0.5) == x || (div && div->input[0] == x && is_near(div->input[1], 2));
}

static enum qb_err try_gelu(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_value *x = NULL;

	if (!qb_node_is(n, QB_OP_Mul) || n->inputs != 2) {
		return QB_OK;
	}
	for (int i = 0; i < 2 && !x; i++) {
		const struct qb_node *m = only_by(n->input[i], QB_OP_Mul);

		/* (x / 2) * (1 + erf) */
		x = one_and_erf(n->input[i]);
		x = x && is_half(n->input[1 - i], x) ? x : NULL;
		for (int k = 0; k < 2 && m && !x; k++) {
			struct qb_value *y = one_and_erf(m->input[k]);

			/* (x * (1 + erf)) / 2 */
			if (y && y == m->input[1 - k] && is_near(n->input[1 - i], 0.5)) {
				x = y;
			}
			/* x * ((1 + erf) / 2) */
			if (y && y == n->input[1 - i] && is_near(m->input[1 - k], 0.5)) {
				x = y;
			}
		}
	}
	return x ? replace(g, n, &(struct composite){.op = QB_OP_Gelu, .opset = 20, .inputs = 1, .input = {x}}, eb) : QB_OK;
}

enum qb_err qb_pass_recognize_composites(struct qb_graph *g, struct qb_errbuf *eb)
{
	QB_TRY(qb_graph_relink(g, eb));
	for (int i = 0; i < g->nodes; i++) {
		QB_TRY(try_layer_norm(g, g->node[i], eb));
		QB_TRY(try_gelu(g, g->node[i], eb));
	}
	return qb_pass_remove_dead(g, eb);
}
