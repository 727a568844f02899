/* SPDX-License-Identifier: Apache-2.0
 *
 * Einsum, by its definition: a sum over every label that the output does not name. Those of two operands that are
 * matrix products become such before they run (qb_pass_split_einsum).
 */
#include <stdlib.h>

#include "core/graph/equation.h"
#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/rule.h"
#include "core/ops/shape_rule.h"

enum qb_err qb__infer_einsum(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_shape x[QB_MAX_OPERANDS], y;
	struct qb_equation e;

	(void)g;
	if (n->inputs > QB_MAX_OPERANDS) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "%d inputs; at most %d are supported", n->inputs,
			QB_MAX_OPERANDS);
	}
	for (int i = 0; i < n->inputs; i++) {
		if (!n->input[i]) {
			return qb_node_fail(eb, QB_EONNX, n, "input %d is left out", i);
		}
		QB_TRY(qb__op_need_same(n, i, eb));
		x[i] = n->input[i]->shape;
		if (!x[i].known) {
			qb__op_set(n, 0, n->input[0]->dtype, qb_shape_unknown());
			return QB_OK;
		}
	}
	QB_TRY(qb_equation_read(&e, n, x, eb));
	y = qb_shape_ranked(e.rank[e.operands]);
	for (int i = 0; i < y.ndim; i++) {
		y.dim[i] = e.dim[e.label[e.operands][i]];
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

struct walk {
	int order[QB_LABELS], labels; /* labels in use, the output's first */
	int64_t stride[QB_MAX_OPERANDS + 1][QB_LABELS];
};

static void plan_walk(const struct qb_equation *e, const struct qb_shape *x, struct walk *w)
{
	*w = (struct walk){ 0 };
	for (int t = 0; t <= e->operands; t++) {
		int64_t s = 1;

		for (int i = e->rank[t] - 1; i >= 0; i--) {
			int l = e->label[t][i];
			int64_t d = t < e->operands ? x[t].dim[i] : e->dim[l];

			w->stride[t][l] += d == 1 && e->dim[l] != 1 ? 0 : s;
			s *= d;
		}
	}
	for (int pass = 0; pass < 2; pass++) {
		for (int l = 0; l < QB_LABELS; l++) {
			bool in_output = false;

			for (int i = 0; i < e->rank[e->operands]; i++) {
				in_output |= e->label[e->operands][i] == l;
			}
			if (e->seen[l] && in_output == (pass == 0)) {
				w->order[w->labels++] = l;
			}
		}
	}
}

enum qb_err qb__eval_einsum(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct qb_shape x[QB_MAX_OPERANDS];
	int64_t index[QB_LABELS] = { 0 }, at[QB_MAX_OPERANDS + 1] = { 0 };
	size_t count = qb_tensor_size(&out[0]);
	bool empty = false, more = true;
	struct qb_equation e;
	struct walk w;
	double *acc;

	for (int i = 0; i < n->inputs; i++) {
		x[i] = qb_shape_of(in[i]);
		empty |= qb_tensor_size(in[i]) == 0;
	}
	QB_TRY(qb_equation_read(&e, n, x, eb));
	plan_walk(&e, x, &w);
	acc = qb_aligned_alloc(count, sizeof(*acc));
	if (!acc) {
		return qb__op_no_memory(n, eb);
	}
	memset(acc, 0, count * sizeof(*acc));
	while (more && !empty) {
		double product = 1;

		for (int t = 0; t < e.operands; t++) {
			product *= qb__op_load(in[t]->dtype, in[t]->data, (size_t)at[t]);
		}
		acc[at[e.operands]] += product;
		more = false;
		for (int k = w.labels - 1; k >= 0 && !more; k--) {
			int l = w.order[k];

			more = ++index[l] < e.dim[l];
			for (int t = 0; t <= e.operands; t++) {
				at[t] += more ? w.stride[t][l] : -w.stride[t][l] * (e.dim[l] - 1);
			}
			index[l] = more ? index[l] : 0;
		}
	}
	for (size_t i = 0; i < count; i++) {
		qb__op_store(out[0].dtype, out[0].data, i, acc[i]);
	}
	free(acc);
	return QB_OK;
}

/* ---- rule: the operand changes places with the output ---- */

/* One letter for every label in use. */
static void name_labels(const struct qb_equation *e, char letter[QB_LABELS])
{
	int used = 0;

	for (int l = 0; l < QB_LABELS; l++) {
		letter[l] = e->seen[l] ? (char)(used < 26 ? 'a' + used : 'A' + used - 26) : 0;
		used += e->seen[l];
	}
}

static bool term_has(const struct qb_equation *e, int t, int label)
{
	for (int i = 0; i < e->rank[t]; i++) {
		if (e->label[t][i] == label) {
			return true;
		}
	}
	return false;
}

static bool has_diagonal(const struct qb_equation *e)
{
	for (int t = 0; t <= e->operands; t++) {
		for (int i = 0; i < e->rank[t]; i++) {
			for (int j = 0; j < i; j++) {
				if (e->label[t][i] == e->label[t][j]) {
					return true;
				}
			}
		}
	}
	return false;
}

static bool stands_elsewhere(const struct qb_equation *e, int k, int label)
{
	for (int t = 0; t <= e->operands; t++) {
		if (t != k && term_has(e, t, label)) {
			return true;
		}
	}
	return false;
}

/* "ab,cd->ef" with the output as operand k, and what of operand k's labels stands elsewhere as the output. */
static const char *swapped(struct qb__rule *r, const struct qb_equation *e, int k)
{
	char letter[QB_LABELS], text[(QB_MAX_OPERANDS + 1) * (QB_MAX_DIMS + 2)];
	size_t at = 0;

	name_labels(e, letter);
	for (int t = 0; t < e->operands; t++) {
		int from = t == k ? e->operands : t;

		for (int i = 0; i < e->rank[from]; i++) {
			text[at++] = letter[e->label[from][i]];
		}
		text[at++] = t + 1 < e->operands ? ',' : '-';
	}
	text[at++] = '>';
	for (int i = 0; i < e->rank[k]; i++) {
		if (stands_elsewhere(e, k, e->label[k][i])) {
			text[at++] = letter[e->label[k][i]];
		}
	}
	text[at] = 0;
	return qb_arena_strdup(r->g->arena, text);
}

/* Labels that stand in no other term were summed by themselves, and dimensions may be 1 in all other terms: both are
 * expanded. Dimensions of 1 that were broadcast are summed. */
static struct qb_value *operand_gradient(struct qb__rule *r, const struct qb_node *n, const struct qb_equation *e, int k,
	struct qb_value *dy)
{
	struct qb_value *in[QB_MAX_OPERANDS], *v;
	const struct qb_shape *x = &n->input[k]->shape;
	struct qb_shape kept = *x, full = *x;
	struct qb_node *s;

	for (int t = 0; t < e->operands; t++) {
		in[t] = t == k ? dy : n->input[t];
	}
	s = qb__rule_begin(r, QB_OP_Einsum, e->operands, in, 1);
	qb_node_add_string(s, "equation", swapped(r, e, k));
	v = qb__rule_end(r, s);
	for (int i = 0, j = 0; v && i < x->ndim; i++) {
		kept.dim[i] = stands_elsewhere(e, k, e->label[k][i]) ? v->shape.dim[j++] : 1;
		full.dim[i] = QB_MAX(kept.dim[i], x->dim[i]);
	}
	return qb__rule_sum_to(r, qb__rule_expand(r, qb__rule_reshape(r, v, &kept), &full), x);
}

enum qb_err qb__gradient_einsum(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_shape x[QB_MAX_OPERANDS];
	struct qb_equation e;

	for (int i = 0; i < n->inputs; i++) {
		x[i] = n->input[i]->shape;
	}
	QB_TRY(qb_equation_read(&e, n, x, eb));
	if (has_diagonal(&e)) {
		return qb__rule_refuse(&r, "a label twice in one term, a diagonal, has no gradient");
	}
	for (int i = 0; i < n->inputs; i++) {
		if (wanted[i]) {
			dx[i] = operand_gradient(&r, n, &e, i, dy[0]);
		}
	}
	return r.err;
}
