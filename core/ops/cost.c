/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ops/cost.h"

#include <string.h>

/* Product of dimensions [from, to), or 0 when one is not a number. */
static double product(const struct qb_shape *s, int from, int to)
{
	double p = s->known ? 1 : 0;

	for (int i = from; i < to && s->known; i++) {
		p *= s->dim[i] >= 0 ? (double)s->dim[i] : 0;
	}
	return p;
}

static double whole(const struct qb_shape *s)
{
	return product(s, 0, s->ndim);
}

double qb_node_macs(const struct qb_node *node)
{
	const struct qb_shape *x, *w, *y;

	if (node->inputs < 2 || !node->input[0] || !node->input[1] || node->outputs < 1) {
		return 0;
	}
	x = &node->input[0]->shape;
	w = &node->input[1]->shape;
	y = &node->output[0]->shape;
	if (!strcmp(node->type, "Conv")) { /* w [M, C / groups, k...]: each output reads one filter */
		return whole(y) * product(w, 1, w->ndim);
	}
	if (!strcmp(node->type, "ConvTranspose")) { /* w [C, M / groups, k...]: each input feeds one */
		return whole(x) * product(w, 1, w->ndim);
	}
	if (!strcmp(node->type, "Gemm")) {
		int k = qb_node_int(node, "transA", 0) ? 0 : 1;

		return whole(y) * product(x, k, k + 1);
	}
	if (!strcmp(node->type, "MatMul")) {
		return x->known && x->ndim > 0 ? whole(y) * product(x, x->ndim - 1, x->ndim) : 0;
	}
	return 0;
}
