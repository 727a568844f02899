/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ops/shape_rule.h"

#include <inttypes.h>

#include "core/ops/operands.h"

void qb__op_set(struct qb_node *n, int i, enum qb_dtype dtype, struct qb_shape shape)
{
	if (i < n->outputs && n->output[i]) {
		n->output[i]->dtype = dtype;
		n->output[i]->shape = shape;
	}
}

enum qb_err qb__op_set_unknown(struct qb_node *n, enum qb_dtype dtype)
{
	for (int i = 0; i < n->outputs; i++) {
		qb__op_set(n, i, dtype, qb_shape_unknown());
	}
	return QB_OK;
}

enum qb_err qb__op_need_rank(const struct qb_node *n, int i, int min, int max, struct qb_errbuf *eb)
{
	const struct qb_value *v = op_in(n, i);

	if (!v || !v->shape.known || (v->shape.ndim >= min && v->shape.ndim <= max)) {
		return QB_OK;
	}
	if (min == max) {
		return qb_node_fail(eb, QB_ESHAPE, n, "input %d, %s, has %d dimensions, not %d", i, v->name,
			v->shape.ndim, min);
	}
	return qb_node_fail(eb, QB_ESHAPE, n, "input %d, %s, has %d dimensions; %d to %d are possible", i, v->name,
		v->shape.ndim, min, max);
}

enum qb_err qb__op_need_float(const struct qb_node *n, int i, struct qb_errbuf *eb)
{
	const struct qb_value *v = op_in(n, i);

	if (v && !op_is_float(v->dtype)) {
		return qb_node_fail(eb, QB_EONNX, n, "input %d, %s, is %s, not floating point", i, v->name,
			qb_dtype_name(v->dtype));
	}
	return QB_OK;
}

enum qb_err qb__op_need_dtype(const struct qb_node *n, int i, enum qb_dtype dtype, struct qb_errbuf *eb)
{
	const struct qb_value *v = op_in(n, i);

	if (v && v->dtype != dtype) {
		return qb_node_fail(eb, QB_EONNX, n, "input %d, %s, is %s, not %s", i, v->name,
			qb_dtype_name(v->dtype), qb_dtype_name(dtype));
	}
	return QB_OK;
}

enum qb_err qb__op_need_same(const struct qb_node *n, int i, struct qb_errbuf *eb)
{
	return qb__op_need_dtype(n, i, n->input[0]->dtype, eb);
}

enum qb_err qb__op_axis(const struct qb_node *n, int64_t axis, int rank, bool past, int *out,
	struct qb_errbuf *eb)
{
	int64_t a = axis < 0 ? axis + rank : axis;

	if (a < 0 || a > rank || (a == rank && !past)) {
		return qb_node_fail(eb, QB_ESHAPE, n, "axis %" PRId64 " does not exist in a tensor of %d dimensions",
			axis, rank);
	}
	*out = (int)a;
	return QB_OK;
}

enum qb_err qb__op_need_dim(const struct qb_node *n, int i, int axis, int64_t want,
	struct qb_errbuf *eb)
{
	const struct qb_value *v = op_in(n, i);
	char text[256];

	if (!v || !v->shape.known || qb_dim_compatible(v->shape.dim[axis], want)) {
		return QB_OK;
	}
	return qb_node_fail(eb, QB_ESHAPE, n, "input %d, %s, has shape %s; dimension %d should be %" PRId64, i,
		v->name, qb_shape_text(&v->shape, text, sizeof(text)), axis, want);
}

enum qb_err qb__op_need_vector(const struct qb_node *n, int i, int64_t want, struct qb_errbuf *eb)
{
	if (!op_in(n, i)) {
		return QB_OK;
	}
	QB_TRY(qb__op_need_rank(n, i, 1, 1, eb));
	return qb__op_need_dim(n, i, 0, want, eb);
}

enum qb_err qb__op_shape_attr(const struct qb_node *n, struct qb_shape *out, struct qb_errbuf *eb)
{
	const struct qb_attr *a = qb_node_attr(n, "shape");

	if (!a || a->kind != QB_ATTR_INTS || a->count > QB_MAX_DIMS) {
		return qb_node_fail(eb, QB_EONNX, n, "the attribute shape is missing or no list of dimensions");
	}
	*out = qb_shape_make(a->count, a->ints);
	return qb_shape_concrete(out) ? QB_OK : qb_node_fail(eb, QB_ESHAPE, n, "the attribute shape holds a negative "
		"dimension");
}

enum qb_err qb__op_infer_same(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	(void)g, (void)eb;
	qb__op_set(n, 0, n->input[0]->dtype, n->input[0]->shape);
	return QB_OK;
}

enum qb_err qb__op_infer_float_same(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	QB_TRY(qb__op_need_float(n, 0, eb));
	return qb__op_infer_same(g, n, eb);
}
