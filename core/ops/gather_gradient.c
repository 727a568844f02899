/* SPDX-License-Identifier: Apache-2.0
 *
 * GatherGradient(indices, dy) -> dx [shape]: each row of dy is added to the row of dx that its index names, in order.
 * Attributes: Gather's axis; shape.
 */
#include <inttypes.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

enum qb_err qb__infer_gather_gradient(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *index = &n->input[0]->shape, *dy = &n->input[1]->shape;
	struct qb_shape x;
	int axis;

	(void)g;
	QB_TRY(qb__op_need_float(n, 1, eb));
	QB_TRY(qb__op_shape_attr(n, &x, eb));
	QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", 0), x.ndim, false, &axis, eb));
	if (!qb_shape_concrete(index) || !qb_shape_concrete(dy) ||
	    qb_shape_product(dy, 0, dy->ndim) != qb_shape_product(&x, 0, axis) *
	    qb_shape_product(index, 0, index->ndim) * qb_shape_product(&x, axis + 1, x.ndim)) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the gradient is not one of rows along axis %d", axis);
	}
	qb__op_set(n, 0, n->input[1]->dtype, x);
	return QB_OK;
}

static enum qb_err gather_gradient_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t axis = qb_node_int(n, "axis", 0), dim, outer, inner;
	int64_t count = (int64_t)qb_tensor_size(in[0]);
	const double *dy = in[1]->data;

	axis += axis < 0 ? out[0].ndim : 0;
	dim = out[0].dim[axis];
	outer = op_span(&out[0], 0, (int)axis);
	inner = op_span(&out[0], (int)axis + 1, out[0].ndim);
	for (int64_t i = 0; i < outer * count; i++, dy += inner) {
		int64_t v = qb__op_load_int(in[0]->dtype, in[0]->data, (size_t)(i % count));
		double *row;

		if (v < -dim || v >= dim) {
			return qb_node_fail(eb, QB_EONNX, n, "index %" PRId64 " is outside a dimension of %" PRId64, v, dim);
		}
		row = (double *)out[0].data + (i / count * dim + v + (v < 0 ? dim : 0)) * inner;
		for (int64_t j = 0; j < inner; j++) {
			row[j] += dy[j];
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_gather_gradient(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(gather_gradient_f64, n, in, out, eb);
}
