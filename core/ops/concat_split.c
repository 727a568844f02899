/* SPDX-License-Identifier: Apache-2.0
 *
 * Concat, and its inverse Split.
 */
#include <inttypes.h>

#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

enum qb_err qb__infer_concat(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_shape y = n->input[0]->shape;
	int axis = 0;

	(void)g;
	for (int i = 0; i < n->inputs; i++) {
		const struct qb_shape *x;

		if (!n->input[i]) {
			return qb_node_fail(eb, QB_EONNX, n, "input %d is left out", i);
		}
		QB_TRY(qb__op_need_same(n, i, eb));
		x = &n->input[i]->shape;
		if (!x->known || !y.known) {
			y.known = false;
			continue;
		}
		if (x->ndim != y.ndim) {
			return qb_node_fail(eb, QB_ESHAPE, n, "%s has %d dimensions, %s has %d", n->input[i]->name,
				x->ndim, n->input[0]->name, y.ndim);
		}
		QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", 1), y.ndim, false, &axis, eb));
		for (int d = 0; i && d < y.ndim; d++) {
			if (d == axis) {
				y.dim[d] = qb_dim_add(y.dim[d], x->dim[d]);
			} else {
				QB_TRY(qb__op_need_dim(n, i, d, y.dim[d], eb));
				y.dim[d] = qb_dim_merge(y.dim[d], x->dim[d]);
			}
		}
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

enum qb_err qb__eval_concat(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t axis = qb_node_int(n, "axis", 1), outer, row;
	size_t size = qb_dtype_bytes(out[0].dtype);
	char *dst = out[0].data;

	(void)eb;
	axis += axis < 0 ? out[0].ndim : 0;
	outer = op_span(&out[0], 0, (int)axis);
	for (int64_t o = 0; o < outer; o++) {
		for (int i = 0; i < n->inputs; i++) {
			row = op_span(in[i], (int)axis, in[i]->ndim);
			memcpy(dst, (const char *)in[i]->data + (size_t)(o * row) * size, (size_t)row * size);
			dst += (size_t)row * size;
		}
	}
	return QB_OK;
}

enum { MAX_SPLIT = 4096 };

/* The sizes of the parts: given, or equal ones of which the last may be smaller (opset 18). */
static enum qb_err split_sizes(const struct qb_node *n, const struct qb_tensor *const in[], int64_t total,
	int64_t size[MAX_SPLIT], bool *known, struct qb_errbuf *eb)
{
	int count, parts = n->outputs;
	int64_t sum = 0, each;

	if (parts > MAX_SPLIT) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "%d outputs; at most %d are supported", parts, MAX_SPLIT);
	}
	count = qb__op_list(n, in, "split", 1, size, MAX_SPLIT);
	*known = count != OP_LIST_UNKNOWN;
	if (count == OP_LIST_UNKNOWN) {
		return QB_OK;
	}
	if (count == OP_LIST_ABSENT) {
		parts = (int)QB_MIN(QB_MAX(qb_node_int(n, "num_outputs", parts), 1), MAX_SPLIT);
		*known = qb_dim_number(total);
		if (!*known) {
			return QB_OK;
		}
		if (n->opset < 18 && total % parts) {
			return qb_node_fail(eb, QB_ESHAPE, n, "%" PRId64 " does not split into %d equal parts", total,
				parts);
		}
		each = (total + parts - 1) / parts;
		for (int i = 0; i < parts; i++) {
			size[i] = QB_MAX(QB_MIN(each, total - i * each), 0);
		}
		count = parts;
	}
	if (count < n->outputs) {
		return qb_node_fail(eb, QB_ESHAPE, n, "split names %d sizes for %d outputs", count, n->outputs);
	}
	for (int i = 0; i < count; i++) {
		if (size[i] < 0 || size[i] > QB_MAX_ELEMENTS) {
			return qb_node_fail(eb, QB_ESHAPE, n, "split has a part of %" PRId64, size[i]);
		}
		sum += size[i];
	}
	if (qb_dim_number(total) && sum != total) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the parts sum to %" PRId64 ", the dimension is %" PRId64, sum,
			total);
	}
	return QB_OK;
}

enum qb_err qb__infer_split(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	int64_t size[MAX_SPLIT];
	struct qb_shape y = *x;
	bool known;
	int axis;

	(void)g;
	if (!x->known) {
		return qb__op_set_unknown(n, n->input[0]->dtype);
	}
	QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", 0), x->ndim, false, &axis, eb));
	QB_TRY(split_sizes(n, NULL, x->dim[axis], size, &known, eb));
	for (int i = 0; i < n->outputs; i++) {
		y.dim[axis] = known ? size[i] : QB_DIM_UNKNOWN;
		qb__op_set(n, i, n->input[0]->dtype, y);
	}
	return QB_OK;
}

enum qb_err qb__eval_split(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t axis = qb_node_int(n, "axis", 0), size[MAX_SPLIT], outer, row, inner, begin = 0;
	size_t bytes = qb_dtype_bytes(in[0]->dtype);
	bool known;

	axis += axis < 0 ? in[0]->ndim : 0;
	QB_TRY(split_sizes(n, in, in[0]->dim[axis], size, &known, eb));
	outer = op_span(in[0], 0, (int)axis);
	inner = op_span(in[0], (int)axis + 1, in[0]->ndim);
	row = in[0]->dim[axis] * inner;
	for (int i = 0; i < n->outputs; i++) {
		for (int64_t o = 0; o < outer && op_wants(n, out, i); o++) {
			memcpy((char *)out[i].data + (size_t)(o * size[i] * inner) * bytes,
				(const char *)in[0]->data + (size_t)(o * row + begin * inner) * bytes,
				(size_t)(size[i] * inner) * bytes);
		}
		begin += size[i];
	}
	return QB_OK;
}
