/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors made from shapes and numbers: Shape, Range, ConstantOfShape, OneHot and the like.
 */
#include <inttypes.h>
#include <math.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

/* ---- Shape, Size ---- */

static int64_t clamp_axis(int64_t axis, int rank)
{
	axis += axis < 0 ? rank : 0;
	return QB_MAX(QB_MIN(axis, rank), 0);
}

enum qb_err qb__infer_shape(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	int64_t count = QB_DIM_UNKNOWN;

	(void)g, (void)eb;
	if (strcmp(n->type, "Size") == 0) {
		qb__op_set(n, 0, QB_I64, qb_shape_ranked(0));
		return QB_OK;
	}
	if (x->known) {
		int64_t start = clamp_axis(qb_node_int(n, "start", 0), x->ndim);
		int64_t end = clamp_axis(qb_node_int(n, "end", x->ndim), x->ndim);

		count = QB_MAX(end - start, 0);
	}
	qb__op_set(n, 0, QB_I64, qb_shape_make(1, &count));
	return QB_OK;
}

enum qb_err qb__eval_shape(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t start = clamp_axis(qb_node_int(n, "start", 0), in[0]->ndim);

	(void)eb;
	if (strcmp(n->type, "Size") == 0) {
		*(int64_t *)out[0].data = (int64_t)qb_tensor_size(in[0]);
		return QB_OK;
	}
	for (int64_t i = 0; i < out[0].dim[0]; i++) {
		((int64_t *)out[0].data)[i] = in[0]->dim[start + i];
	}
	return QB_OK;
}

/* ---- ConstantOfShape, Range, EyeLike ---- */

enum qb_err qb__infer_constant_of_shape(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_attr *a = qb_node_attr(n, "value");
	const struct qb_shape *s = &n->input[0]->shape;
	enum qb_dtype dtype = a && a->tensor ? a->tensor->dtype : QB_F32;
	int64_t dims[QB_MAX_DIMS];
	struct qb_shape y = qb_shape_unknown();
	int count;

	(void)g;
	QB_TRY(qb__op_need_dtype(n, 0, QB_I64, eb));
	QB_TRY(qb__op_need_rank(n, 0, 1, 1, eb));
	if (a && a->tensor && qb_tensor_size(a->tensor) != 1) {
		return qb_node_fail(eb, QB_EONNX, n, "its value is not one number");
	}
	if (op_const(n, 0)) {
		count = qb__op_ints(op_const(n, 0), dims, QB_MAX_DIMS);
		for (int i = 0; i < count; i++) {
			if (dims[i] < 0) {
				return qb_node_fail(eb, QB_ESHAPE, n, "dimension %d is %" PRId64, i, dims[i]);
			}
		}
		if (count < 0) {
			return qb_node_fail(eb, QB_EUNSUPPORTED, n, "more than %d dimensions", QB_MAX_DIMS);
		}
		y = qb_shape_make(count, dims);
	} else if (s->known && qb_dim_number(s->dim[0]) && s->dim[0] <= QB_MAX_DIMS) {
		y = qb_shape_ranked((int)s->dim[0]);
	}
	qb__op_set(n, 0, dtype, y);
	return QB_OK;
}

enum qb_err qb__eval_constant_of_shape(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_attr *a = qb_node_attr(n, "value");
	size_t count = qb_tensor_size(&out[0]), size = qb_dtype_bytes(out[0].dtype);

	(void)in, (void)eb;
	for (size_t i = 0; a && a->tensor && i < count; i++) {
		memcpy((char *)out[0].data + i * size, a->tensor->data, size);
	}
	return QB_OK;
}

enum qb_err qb__infer_range(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_tensor *t[3];
	int64_t count = QB_DIM_UNKNOWN;
	double v[3], steps;

	(void)g;
	for (int i = 0; i < 3; i++) {
		QB_TRY(qb__op_need_same(n, i, eb));
		t[i] = op_const(n, i);
		if (t[i] && qb_tensor_size(t[i]) != 1) {
			return qb_node_fail(eb, QB_EONNX, n, "start, limit and delta are not single numbers");
		}
	}
	if (t[0] && t[1] && t[2]) {
		for (int i = 0; i < 3; i++) {
			v[i] = qb__op_load(t[i]->dtype, t[i]->data, 0);
		}
		steps = ceil((v[1] - v[0]) / v[2]);
		if (v[2] == 0 || !(steps < (double)QB_MAX_ELEMENTS)) {
			return qb_node_fail(eb, QB_EONNX, n, "from %g to %g by %g is no range", v[0], v[1], v[2]);
		}
		count = steps > 0 ? (int64_t)steps : 0;
	}
	qb__op_set(n, 0, n->input[0]->dtype, qb_shape_make(1, &count));
	return QB_OK;
}

enum qb_err qb__eval_range(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	enum qb_dtype t = out[0].dtype;

	(void)n, (void)eb;
	for (int64_t i = 0; i < out[0].dim[0]; i++) {
		if (op_is_float(t)) {
			qb__op_store(t, out[0].data, (size_t)i, qb__op_load(t, in[0]->data, 0) +
				(double)i * qb__op_load(t, in[2]->data, 0));
		} else {
			qb__op_store_int(t, out[0].data, (size_t)i, (int64_t)((uint64_t)qb__op_load_int(t, in[0]->data, 0) +
				(uint64_t)i * (uint64_t)qb__op_load_int(t, in[2]->data, 0)));
		}
	}
	return QB_OK;
}

enum qb_err qb__infer_eye_like(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	enum qb_dtype t = n->input[0]->dtype;

	(void)g;
	QB_TRY(qb__op_need_rank(n, 0, 2, 2, eb));
	if (qb_node_attr(n, "dtype")) {
		t = qb_dtype_from_onnx((int)QB_MAX(QB_MIN(qb_node_int(n, "dtype", 0), 1000), 0));
		if (t == QB_DTYPE_NONE) {
			return qb_node_fail(eb, QB_EUNSUPPORTED, n, "element type %" PRId64 " is not supported",
				qb_node_int(n, "dtype", 0));
		}
	}
	qb__op_set(n, 0, t, n->input[0]->shape);
	return QB_OK;
}

enum qb_err qb__eval_eye_like(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t rows = out[0].dim[0], cols = out[0].dim[1], k = qb_node_int(n, "k", 0);

	(void)in, (void)eb;
	for (int64_t i = 0; i < rows; i++) {
		if (k >= -rows && k <= cols && i + k >= 0 && i + k < cols) {
			qb__op_store_int(out[0].dtype, out[0].data, (size_t)(i * cols + i + k), 1);
		}
	}
	return QB_OK;
}

/* ---- OneHot: indices, depth, [off, on] ---- */

enum qb_err qb__infer_one_hot(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	const struct qb_tensor *depth = op_const(n, 1);
	struct qb_shape y;
	int axis;

	(void)g;
	QB_TRY(qb__op_need_vector(n, 2, 2, eb));
	if (!x->known) {
		qb__op_set(n, 0, n->input[2]->dtype, qb_shape_unknown());
		return QB_OK;
	}
	QB_TRY(qb__op_need_rank(n, 0, 0, QB_MAX_DIMS - 1, eb));
	y = qb_shape_ranked(x->ndim + 1);
	QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", -1), y.ndim, false, &axis, eb));
	for (int i = 0, j = 0; i < y.ndim; i++) {
		y.dim[i] = i == axis ? QB_DIM_UNKNOWN : x->dim[j++];
	}
	if (depth) {
		if (qb_tensor_size(depth) != 1 ||
		    (y.dim[axis] = qb__op_load_int(depth->dtype, depth->data, 0)) < 0) {
			return qb_node_fail(eb, QB_EONNX, n, "depth is not one number of at least 0");
		}
	}
	qb__op_set(n, 0, n->input[2]->dtype, y);
	return QB_OK;
}

enum qb_err qb__eval_one_hot(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t axis = qb_node_int(n, "axis", -1), depth, inner;
	size_t count = qb_tensor_size(&out[0]), size = qb_dtype_bytes(out[0].dtype);

	(void)eb;
	axis += axis < 0 ? out[0].ndim : 0;
	depth = out[0].dim[axis];
	inner = op_span(&out[0], (int)axis + 1, out[0].ndim);
	for (size_t i = 0; i < count; i++) {
		int64_t at = (int64_t)i, hot = at / inner % depth;
		int64_t v = qb__op_load_int(in[0]->dtype, in[0]->data, (size_t)(at / inner / depth * inner + at % inner));
		bool on = v >= -depth && v < depth && (v < 0 ? v + depth : v) == hot;

		memcpy((char *)out[0].data + i * size, (const char *)in[2]->data + (on ? size : 0), size);
	}
	return QB_OK;
}

/* ---- NonZero, Compress, Unique's kin: shapes that depend on data ---- */

static int64_t count_nonzero(const struct qb_tensor *t)
{
	int64_t n = 0;

	for (size_t i = 0, size = qb_tensor_size(t); i < size; i++) {
		n += qb__op_load(t->dtype, t->data, i) != 0;
	}
	return n;
}

enum qb_err qb__infer_nonzero(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_shape y = qb_shape_ranked(2);

	(void)g, (void)eb;
	if (x->known) {
		y.dim[0] = x->ndim;
	}
	if (op_const(n, 0)) {
		y.dim[1] = count_nonzero(op_const(n, 0));
	}
	qb__op_set(n, 0, QB_I64, y);
	return QB_OK;
}

enum qb_err qb__eval_nonzero(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t *y = out[0].data, found = 0;
	size_t size = qb_tensor_size(in[0]);

	if (count_nonzero(in[0]) != out[0].dim[1]) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the data's nonzeros changed");
	}
	for (size_t i = 0; i < size; i++) {
		int64_t rest = (int64_t)i;

		if (qb__op_load(in[0]->dtype, in[0]->data, i) == 0) {
			continue;
		}
		for (int d = in[0]->ndim - 1; d >= 0; d--) {
			y[d * out[0].dim[1] + found] = rest % in[0]->dim[d];
			rest /= in[0]->dim[d];
		}
		found++;
	}
	return QB_OK;
}

enum qb_err qb__infer_compress(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	const struct qb_tensor *c = op_const(n, 1);
	struct qb_shape y = *x;
	int64_t limit = qb_shape_product(x, 0, x->ndim), count = 0;
	int axis = 0;

	(void)g;
	QB_TRY(qb__op_need_dtype(n, 1, QB_BOOL, eb));
	QB_TRY(qb__op_need_rank(n, 1, 1, 1, eb));
	if (!qb_node_attr(n, "axis")) {
		y = qb_shape_ranked(1);
	} else if (x->known) {
		QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", 0), x->ndim, false, &axis, eb));
		limit = x->dim[axis];
	}
	if (y.known) {
		y.dim[axis] = QB_DIM_UNKNOWN;
	}
	if (c && qb_dim_number(limit)) {
		for (int64_t i = 0; i < QB_MIN(c->dim[0], limit); i++) {
			count += ((const uint8_t *)c->data)[i] != 0;
		}
		y.dim[axis] = count;
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

enum qb_err qb__eval_compress(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	bool flat = !qb_node_attr(n, "axis");
	int64_t axis = flat ? 0 : qb_node_int(n, "axis", 0), dim, outer, inner;
	size_t bytes;
	char *dst = out[0].data;

	(void)eb;
	axis += axis < 0 ? in[0]->ndim : 0;
	dim = flat ? (int64_t)qb_tensor_size(in[0]) : in[0]->dim[axis];
	outer = flat ? 1 : op_span(in[0], 0, (int)axis);
	inner = flat ? 1 : op_span(in[0], (int)axis + 1, in[0]->ndim);
	bytes = (size_t)inner * qb_dtype_bytes(in[0]->dtype);
	for (int64_t o = 0; o < outer; o++) {
		for (int64_t i = 0; i < QB_MIN(in[1]->dim[0], dim); i++) {
			if (((const uint8_t *)in[1]->data)[i]) {
				memcpy(dst, (const char *)in[0]->data + (size_t)(o * dim + i) * bytes, bytes);
				dst += bytes;
			}
		}
	}
	return QB_OK;
}
