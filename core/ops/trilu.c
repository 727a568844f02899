/* SPDX-License-Identifier: Apache-2.0
 *
 * Trilu: the upper or the lower triangle of matrices.
 */
#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

enum qb_err qb__infer_trilu(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	QB_TRY(qb__op_need_rank(n, 0, 2, QB_MAX_DIMS, eb));
	return qb__op_infer_same(g, n, eb);
}

enum qb_err qb__eval_trilu(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_tensor *x = in[0], *k = op_arg(n, in, 1);
	int64_t offset = k ? qb__op_load_int(k->dtype, k->data, 0) : 0, cols = x->dim[x->ndim - 1];
	int64_t rows = x->dim[x->ndim - 2], count = (int64_t)qb_tensor_size(x);
	bool upper = qb_node_int(n, "upper", 1) != 0;
	size_t size = qb_dtype_bytes(x->dtype);

	(void)eb;
	offset = QB_MAX(QB_MIN(offset, QB_MAX_ELEMENTS), -QB_MAX_ELEMENTS);
	for (int64_t i = 0; i < count; i++) {
		int64_t d = i % cols - i / cols % rows;

		if (upper ? d >= offset : d <= offset) {
			memcpy((char *)out[0].data + (size_t)i * size, (const char *)x->data + (size_t)i * size, size);
		}
	}
	return QB_OK;
}
