/* SPDX-License-Identifier: Apache-2.0
 *
 * CenterCropPad: crops or pads about the centre.
 */
#include <inttypes.h>

#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

static enum qb_err crop_target(const struct qb_node *n, const struct qb_tensor *shape, int rank,
	int64_t target[QB_MAX_DIMS], struct qb_errbuf *eb)
{
	int64_t want[QB_MAX_DIMS];
	const int64_t *axes;
	int have = qb_node_ints(n, "axes", &axes), count = qb__op_ints(shape, want, QB_MAX_DIMS), a;

	if (count != (have ? have : rank)) {
		return qb_node_fail(eb, QB_EONNX, n, "the shape has %d entries for %d axes", count, have ? have : rank);
	}
	for (int i = 0; i < count; i++) {
		QB_TRY(qb__op_axis(n, have ? axes[i] : i, rank, false, &a, eb));
		if (want[i] < 0) {
			return qb_node_fail(eb, QB_EONNX, n, "the shape holds %" PRId64, want[i]);
		}
		target[a] = want[i];
	}
	return QB_OK;
}

enum qb_err qb__infer_center_crop_pad(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_shape y = n->input[0]->shape;

	(void)g;
	if (y.known && op_const(n, 1)) {
		QB_TRY(crop_target(n, op_const(n, 1), y.ndim, y.dim, eb));
	} else if (y.known) {
		y = qb_shape_ranked(y.ndim);
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

enum qb_err qb__eval_center_crop_pad(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	size_t size = qb_dtype_bytes(in[0]->dtype), count = qb_tensor_size(&out[0]);
	int64_t index[QB_MAX_DIMS] = { 0 };

	(void)n, (void)eb;
	for (size_t i = 0; i < count; i++) {
		int64_t at = 0;
		bool inside = true;

		for (int d = 0; d < out[0].ndim; d++) {
			int64_t have = in[0]->dim[d], want = out[0].dim[d];
			/* The odd element is cut, or put, at the end. */
			int64_t k = index[d] + (have > want ? (have - want) / 2 : -((want - have) / 2));

			inside &= k >= 0 && k < have;
			at = at * have + k;
		}
		if (inside) {
			memcpy((char *)out[0].data + i * size, (const char *)in[0]->data + (size_t)at * size, size);
		}
		for (int d = out[0].ndim - 1; d >= 0 && ++index[d] == out[0].dim[d]; d--) {
			index[d] = 0;
		}
	}
	return QB_OK;
}
