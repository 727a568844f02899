/* SPDX-License-Identifier: Apache-2.0
 *
 * Det: determinants of the matrices in the last two dimensions.
 */
#include <math.h>
#include <stdlib.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

enum qb_err qb__infer_det(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_shape y = n->input[0]->shape;

	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_rank(n, 0, 2, QB_MAX_DIMS, eb));
	if (y.known) {
		QB_TRY(qb__op_need_dim(n, 0, y.ndim - 1, y.dim[y.ndim - 2], eb));
		y.ndim -= 2;
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

/* Gaussian elimination with row pivots, in place. */
static double determinant(double *a, int64_t k)
{
	double det = 1;

	for (int64_t c = 0; c < k; c++) {
		int64_t pivot = c;

		for (int64_t r = c + 1; r < k; r++) {
			pivot = fabs(a[r * k + c]) > fabs(a[pivot * k + c]) ? r : pivot;
		}
		if (a[pivot * k + c] == 0) {
			return 0;
		}
		for (int64_t j = c; j < k && pivot != c; j++) {
			double t = a[c * k + j];

			a[c * k + j] = a[pivot * k + j];
			a[pivot * k + j] = t;
		}
		det *= pivot == c ? a[c * k + c] : -a[c * k + c];
		for (int64_t r = c + 1; r < k; r++) {
			double f = a[r * k + c] / a[c * k + c];

			for (int64_t j = c; j < k; j++) {
				a[r * k + j] -= f * a[c * k + j];
			}
		}
	}
	return det;
}

enum qb_err qb__eval_det(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t k = in[0]->dim[in[0]->ndim - 1];
	size_t count = qb_tensor_size(&out[0]), size = (size_t)(k * k);
	double *a = qb_aligned_alloc(size, sizeof(*a));

	if (!a) {
		return qb__op_no_memory(n, eb);
	}
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < size; j++) {
			a[j] = qb__op_load(in[0]->dtype, in[0]->data, i * size + j);
		}
		qb__op_store(out[0].dtype, out[0].data, i, determinant(a, k));
	}
	free(a);
	return QB_OK;
}
