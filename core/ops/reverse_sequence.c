/* SPDX-License-Identifier: Apache-2.0
 *
 * ReverseSequence: each row of a batch reversed up to its own length.
 */
#include <inttypes.h>

#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

enum qb_err qb__infer_reverse_sequence(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	int64_t batch = qb_node_int(n, "batch_axis", 1), time = qb_node_int(n, "time_axis", 0);

	QB_TRY(qb__op_need_rank(n, 0, 2, QB_MAX_DIMS, eb));
	if (batch < 0 || batch > 1 || time != 1 - batch) {
		return qb_node_fail(eb, QB_EONNX, n, "batch_axis and time_axis are not 0 and 1");
	}
	QB_TRY(qb__op_need_dtype(n, 1, QB_I64, eb));
	if (n->input[0]->shape.known) {
		QB_TRY(qb__op_need_vector(n, 1, n->input[0]->shape.dim[batch], eb));
	}
	return qb__op_infer_same(g, n, eb);
}

enum qb_err qb__eval_reverse_sequence(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int time_axis = (int)qb_node_int(n, "time_axis", 0);
	int64_t inner = op_span(in[0], 2, in[0]->ndim), cols = in[0]->dim[1], times = in[0]->dim[time_axis];
	size_t bytes = (size_t)inner * qb_dtype_bytes(in[0]->dtype);

	for (int64_t i = 0; i < in[0]->dim[0] * cols; i++) {
		int64_t t = time_axis ? i % cols : i / cols, b = time_axis ? i / cols : i % cols;
		int64_t len = ((const int64_t *)in[1]->data)[b], from;

		if (len < 0 || len > times) {
			return qb_node_fail(eb, QB_EONNX, n, "a sequence of %" PRId64 " in %" PRId64 " steps", len, times);
		}
		t = t < len ? len - 1 - t : t;
		from = time_axis ? b * cols + t : t * cols + b;
		memcpy((char *)out[0].data + (size_t)i * bytes, (const char *)in[0]->data + (size_t)from * bytes,
			bytes);
	}
	return QB_OK;
}
