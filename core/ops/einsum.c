/* SPDX-License-Identifier: Apache-2.0
 *
 * Einsum, by its definition: a sum over every label that the output does not name. Those of two operands that are
 * matrix products become such before they run (qb_pass_split_einsum).
 */
#include <stdlib.h>

#include "core/graph/equation.h"
#include "core/ops/element.h"
#include "core/ops/operands.h"
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
