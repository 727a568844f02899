/* SPDX-License-Identifier: Apache-2.0
 *
 * Transpose.
 */
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"
#include "core/ops/strided_copy.h"

static enum qb_err read_perm(const struct qb_node *n, int rank, int perm[QB_MAX_DIMS], struct qb_errbuf *eb)
{
	const int64_t *ints;
	int count = qb_node_ints(n, "perm", &ints);
	bool seen[QB_MAX_DIMS] = { false };

	if (count && count != rank) {
		return qb_node_fail(eb, QB_ESHAPE, n, "perm has %d entries for %d dimensions", count, rank);
	}
	for (int i = 0; i < rank; i++) {
		int64_t p = count ? ints[i] : rank - 1 - i;

		if (p < 0 || p >= rank || seen[p]) {
			return qb_node_fail(eb, QB_EONNX, n, "perm is not a permutation");
		}
		seen[p] = true;
		perm[i] = (int)p;
	}
	return QB_OK;
}

enum qb_err qb__infer_transpose(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_shape y = *x;
	int perm[QB_MAX_DIMS];

	(void)g;
	if (!x->known) {
		return qb__op_set_unknown(n, n->input[0]->dtype);
	}
	QB_TRY(read_perm(n, x->ndim, perm, eb));
	for (int i = 0; i < x->ndim; i++) {
		y.dim[i] = x->dim[perm[i]];
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

enum qb_err qb__eval_transpose(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t stride[QB_MAX_DIMS], moved[QB_MAX_DIMS];
	int perm[QB_MAX_DIMS];

	QB_TRY(read_perm(n, in[0]->ndim, perm, eb));
	qb__op_strides(in[0], stride);
	for (int i = 0; i < in[0]->ndim; i++) {
		moved[i] = stride[perm[i]];
	}
	qb__op_copy_strided(in[0], 0, moved, &out[0]);
	return QB_OK;
}
