/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that rename dimensions and leave the data alone, and those that make tensors of shapes.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

/* The output is the input's bytes under another shape. */
enum qb_err qb__eval_copy(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	size_t count = qb_tensor_size(&out[0]);

	if (count != qb_tensor_size(in[0]) || out[0].dtype != in[0]->dtype) {
		return qb_node_fail(eb, QB_ESHAPE, n, "%zu elements do not become %zu", qb_tensor_size(in[0]), count);
	}
	memcpy(out[0].data, in[0]->data, count * qb_dtype_bytes(out[0].dtype));
	return QB_OK;
}

enum qb_err qb__infer_identity(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	return qb__op_infer_same(g, n, eb);
}

/* ---- Dropout: at inference the identity ---- */

enum qb_err qb__infer_dropout(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_tensor *training = op_const(n, 2), *ratio = op_const(n, 1);
	bool mask_is_float = n->opset < 10;

	QB_TRY(qb__op_infer_float_same(g, n, eb));
	if (training && qb__op_load(training->dtype, training->data, 0) != 0 &&
	    !(op_in(n, 1) && !ratio) && !(ratio && qb__op_load(ratio->dtype, ratio->data, 0) == 0)) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "dropout in training mode is not supported; export the "
			"network for inference");
	}
	qb__op_set(n, 1, mask_is_float ? n->input[0]->dtype : QB_BOOL, n->input[0]->shape);
	return QB_OK;
}

enum qb_err qb__eval_dropout(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_tensor *ratio = op_arg(n, in, 1), *training = op_arg(n, in, 2);

	if (training && qb__op_load(training->dtype, training->data, 0) != 0 &&
	    (!ratio || qb__op_load(ratio->dtype, ratio->data, 0) != 0)) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "dropout in training mode is not supported");
	}
	QB_TRY(qb__eval_copy(n, in, out, eb));
	if (op_wants(n, out, 1)) {
		size_t count = qb_tensor_size(&out[1]);

		for (size_t i = 0; i < count; i++) {
			qb__op_store_int(out[1].dtype, out[1].data, i, 1);
		}
	}
	return QB_OK;
}

/* ---- Reshape, Flatten, Squeeze, Unsqueeze ---- */

/* want [count]: the second input. 0 copies (unless allowzero), one -1 takes what is left. */
static enum qb_err reshape(const struct qb_node *n, const int64_t *want, int count, struct qb_shape *out,
	struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	bool allow_zero = qb_node_int(n, "allowzero", 0) != 0, kept[QB_MAX_DIMS] = { false };
	int64_t total = 1, named = 1;
	int rest = -1;

	*out = qb_shape_ranked(count);
	for (int i = 0; i < count; i++) {
		if (want[i] < -1 || (want[i] == -1 && rest >= 0)) {
			return qb_node_fail(eb, QB_EONNX, n, "entry %d of the new shape is %" PRId64, i, want[i]);
		}
		if (want[i] == -1) {
			rest = i;
		} else if (want[i] == 0 && !allow_zero) {
			if (x->known && i >= x->ndim) {
				return qb_node_fail(eb, QB_ESHAPE, n, "entry %d of the new shape copies a dimension that %s "
					"does not have", i, n->input[0]->name);
			}
			out->dim[i] = x->known ? x->dim[i] : QB_DIM_UNKNOWN;
			kept[i] = x->known; /* on both sides, so that it cancels even if unknown */
		} else {
			out->dim[i] = want[i];
		}
	}
	if (!x->known) {
		return QB_OK;
	}
	for (int i = 0; i < x->ndim; i++) {
		total = kept[i] && x->dim[i] != 0 ? total : qb_dim_mul(total, x->dim[i]);
	}
	for (int i = 0; i < count; i++) {
		if (i != rest && !(kept[i] && x->dim[i] != 0)) {
			named = qb_dim_mul(named, out->dim[i]);
		}
	}
	if (rest >= 0) {
		out->dim[rest] = qb_dim_div(total, named);
	}
	if (qb_dim_number(total) && qb_dim_number(named) &&
	    (rest >= 0 ? named == 0 || total % named : total != named)) {
		char t[256];

		return qb_node_fail(eb, QB_ESHAPE, n, "%s of shape %s does not reshape to %" PRId64 " elements%s",
			n->input[0]->name, qb_shape_text(x, t, sizeof(t)), named,
			rest >= 0 ? " times a whole number" : "");
	}
	return QB_OK;
}

enum qb_err qb__infer_reshape(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_value *s = n->input[1];
	int64_t want[QB_MAX_DIMS];
	struct qb_shape y;
	int count;

	(void)g;
	QB_TRY(qb__op_need_dtype(n, 1, QB_I64, eb));
	QB_TRY(qb__op_need_rank(n, 1, 1, 1, eb));
	if (s->shape.known && s->shape.dim[0] > QB_MAX_DIMS) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "the new shape has %" PRId64 " dimensions; at most %d are "
			"supported", s->shape.dim[0], QB_MAX_DIMS);
	}
	if (!s->constant) {
		y = s->shape.known && qb_dim_number(s->shape.dim[0]) ? qb_shape_ranked((int)s->shape.dim[0]) :
			qb_shape_unknown();
	} else {
		count = qb__op_ints(s->constant, want, QB_MAX_DIMS);
		if (count < 0) {
			return qb_node_fail(eb, QB_EONNX, n, "the new shape is not a list of integers");
		}
		QB_TRY(reshape(n, want, count, &y, eb));
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

enum qb_err qb__infer_flatten(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_shape y = qb_shape_ranked(2);
	int axis;

	(void)g;
	if (x->known) {
		QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", 1), x->ndim, true, &axis, eb));
		y.dim[0] = qb_shape_product(x, 0, axis);
		y.dim[1] = qb_shape_product(x, axis, x->ndim);
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

/* axes in [-rank, rank) as flags; each at most once. */
static enum qb_err axis_flags(const struct qb_node *n, const int64_t *axes, int count, int rank,
	bool flag[QB_MAX_DIMS], struct qb_errbuf *eb)
{
	memset(flag, 0, QB_MAX_DIMS * sizeof(flag[0]));
	for (int i = 0; i < count; i++) {
		int a;

		QB_TRY(qb__op_axis(n, axes[i], rank, false, &a, eb));
		if (flag[a]) {
			return qb_node_fail(eb, QB_EONNX, n, "axis %" PRId64 " appears twice", axes[i]);
		}
		flag[a] = true;
	}
	return QB_OK;
}

enum qb_err qb__infer_squeeze(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_shape y = { .known = true };
	int64_t axes[QB_MAX_DIMS];
	bool flag[QB_MAX_DIMS];
	int count = qb__op_list(n, NULL, "axes", 1, axes, QB_MAX_DIMS);

	(void)g;
	if (count == OP_LIST_BAD) {
		return qb_node_fail(eb, QB_EONNX, n, "axes is not a list of axes");
	}
	if (!x->known || count == OP_LIST_UNKNOWN) {
		qb__op_set(n, 0, n->input[0]->dtype, qb_shape_unknown());
		return QB_OK;
	}
	if (count > 0) {
		QB_TRY(axis_flags(n, axes, count, x->ndim, flag, eb));
	}
	for (int i = 0; i < x->ndim; i++) {
		bool drop = count > 0 ? flag[i] : count == OP_LIST_ABSENT && x->dim[i] == 1;

		if (count == OP_LIST_ABSENT && !qb_dim_number(x->dim[i]) && x->dim[i] == QB_DIM_UNKNOWN) {
			qb__op_set(n, 0, n->input[0]->dtype, qb_shape_unknown());
			return QB_OK;
		}
		if (drop && !qb_dim_compatible(x->dim[i], 1)) {
			return qb_node_fail(eb, QB_ESHAPE, n, "dimension %d of %s is %" PRId64 ", not 1", i,
				n->input[0]->name, x->dim[i]);
		}
		if (!drop) {
			y.dim[y.ndim++] = x->dim[i];
		}
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

enum qb_err qb__infer_unsqueeze(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	int64_t axes[QB_MAX_DIMS];
	bool flag[QB_MAX_DIMS];
	int count = qb__op_list(n, NULL, "axes", 1, axes, QB_MAX_DIMS);
	struct qb_shape y;

	(void)g;
	if (count == OP_LIST_BAD || count == OP_LIST_ABSENT) {
		return qb_node_fail(eb, QB_EONNX, n, "axes is missing or not a list of axes");
	}
	if (!x->known || count == OP_LIST_UNKNOWN) {
		qb__op_set(n, 0, n->input[0]->dtype, qb_shape_unknown());
		return QB_OK;
	}
	if (x->ndim + count > QB_MAX_DIMS) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "%d dimensions; at most %d are supported",
			x->ndim + count, QB_MAX_DIMS);
	}
	y = qb_shape_ranked(x->ndim + count);
	QB_TRY(axis_flags(n, axes, count, y.ndim, flag, eb));
	for (int i = 0, j = 0; i < y.ndim; i++) {
		y.dim[i] = flag[i] ? 1 : x->dim[j++];
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

/* ---- Constant ---- */

enum qb_err qb__infer_constant(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_attr *a;

	(void)g;
	if ((a = qb_node_attr(n, "value")) && a->kind == QB_ATTR_TENSOR) {
		qb__op_set(n, 0, a->tensor->dtype, qb_shape_of(a->tensor));
	} else if ((a = qb_node_attr(n, "value_int"))) {
		qb__op_set(n, 0, QB_I64, qb_shape_ranked(0));
	} else if ((a = qb_node_attr(n, "value_float"))) {
		qb__op_set(n, 0, QB_F32, qb_shape_ranked(0));
	} else if ((a = qb_node_attr(n, "value_ints"))) {
		qb__op_set(n, 0, QB_I64, qb_shape_make(1, (int64_t[]){ a->count }));
	} else if ((a = qb_node_attr(n, "value_floats"))) {
		qb__op_set(n, 0, QB_F32, qb_shape_make(1, (int64_t[]){ a->count }));
	} else {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "it holds no tensor and no numbers (strings and sparse "
			"tensors are not supported)");
	}
	return QB_OK;
}

enum qb_err qb__eval_constant(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_attr *a;

	(void)in, (void)eb;
	if ((a = qb_node_attr(n, "value")) && a->kind == QB_ATTR_TENSOR) {
		memcpy(out[0].data, a->tensor->data, qb_tensor_size(&out[0]) * qb_dtype_bytes(out[0].dtype));
	} else if ((a = qb_node_attr(n, "value_int"))) {
		*(int64_t *)out[0].data = a->i;
	} else if ((a = qb_node_attr(n, "value_float"))) {
		*(float *)out[0].data = a->f;
	} else if ((a = qb_node_attr(n, "value_ints"))) {
		if (a->kind == QB_ATTR_INTS && a->count) {
			memcpy(out[0].data, a->ints, sizeof(a->ints[0]) * (size_t)a->count);
		}
	} else if ((a = qb_node_attr(n, "value_floats"))) {
		if (a->kind == QB_ATTR_FLOATS && a->count) {
			memcpy(out[0].data, a->floats, sizeof(a->floats[0]) * (size_t)a->count);
		}
	}
	return QB_OK;
}
