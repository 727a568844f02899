/* SPDX-License-Identifier: Apache-2.0
 *
 * Elements named by indices in tensors: gathers and scatters.
 */
#include <inttypes.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

static void strides_of(const struct qb_tensor *t, int64_t stride[QB_MAX_DIMS])
{
	int64_t s = 1;

	for (int i = t->ndim - 1; i >= 0; i--) {
		stride[i] = s;
		s *= t->dim[i];
	}
}

static enum qb_err set_unknown(struct qb_node *n, enum qb_dtype dtype)
{
	qb__op_set(n, 0, dtype, qb_shape_unknown());
	return QB_OK;
}

/* ---- Gather: rows of one axis ---- */

enum qb_err qb__infer_gather(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape, *i = &n->input[1]->shape;
	struct qb_shape y = { .known = true };
	int axis;

	(void)g;
	if (!x->known || !i->known) {
		return set_unknown(n, n->input[0]->dtype);
	}
	QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", 0), x->ndim, false, &axis, eb));
	if (x->ndim + i->ndim - 1 > QB_MAX_DIMS) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "%d dimensions; at most %d are supported",
			x->ndim + i->ndim - 1, QB_MAX_DIMS);
	}
	for (int d = 0; d < axis; d++) {
		y.dim[y.ndim++] = x->dim[d];
	}
	for (int d = 0; d < i->ndim; d++) {
		y.dim[y.ndim++] = i->dim[d];
	}
	for (int d = axis + 1; d < x->ndim; d++) {
		y.dim[y.ndim++] = x->dim[d];
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

/* An index that the data give; negative counts from the end. */
static enum qb_err checked_index(const struct qb_node *n, const struct qb_tensor *t, size_t i, int64_t dim,
	int64_t *out, struct qb_errbuf *eb)
{
	int64_t v = qb__op_load_int(t->dtype, t->data, i);

	if (v < -dim || v >= dim) {
		return qb_node_fail(eb, QB_EONNX, n, "index %" PRId64 " is outside a dimension of %" PRId64, v, dim);
	}
	*out = v < 0 ? v + dim : v;
	return QB_OK;
}

enum qb_err qb__eval_gather(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t axis = qb_node_int(n, "axis", 0), dim, outer, inner, v;
	size_t count = qb_tensor_size(in[1]), bytes;
	char *dst = out[0].data;

	axis += axis < 0 ? in[0]->ndim : 0;
	dim = in[0]->dim[axis];
	outer = op_span(in[0], 0, (int)axis);
	inner = op_span(in[0], (int)axis + 1, in[0]->ndim);
	bytes = (size_t)inner * qb_dtype_bytes(in[0]->dtype);
	for (int64_t o = 0; o < outer; o++) {
		for (size_t i = 0; i < count; i++) {
			QB_TRY(checked_index(n, in[1], i, dim, &v, eb));
			memcpy(dst, (const char *)in[0]->data + (size_t)(o * dim + v) * bytes, bytes);
			dst += bytes;
		}
	}
	return QB_OK;
}

/* ---- GatherElements, ScatterElements ---- */

enum qb_err qb__infer_gather_elements(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape, *i = &n->input[1]->shape;
	int axis;

	(void)g;
	if (x->known) {
		QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", 0), x->ndim, false, &axis, eb));
		QB_TRY(qb__op_need_rank(n, 1, x->ndim, x->ndim, eb));
		for (int d = 0; i->known && d < x->ndim; d++) {
			if (d != axis && qb_dim_number(i->dim[d]) && qb_dim_number(x->dim[d]) &&
			    i->dim[d] > x->dim[d]) {
				return qb_node_fail(eb, QB_ESHAPE, n, "dimension %d of the indices, %" PRId64 ", is larger "
					"than the data's, %" PRId64, d, i->dim[d], x->dim[d]);
			}
		}
	}
	qb__op_set(n, 0, n->input[0]->dtype, *i);
	return QB_OK;
}

/* Calls of element i of the indices: where in x it points. */
static enum qb_err element_at(const struct qb_node *n, const struct qb_tensor *x, const struct qb_tensor *idx,
	size_t i, int64_t axis, const int64_t stride[QB_MAX_DIMS], int64_t *out, struct qb_errbuf *eb)
{
	int64_t rest = (int64_t)i, at = 0, v;

	for (int d = idx->ndim - 1; d >= 0; d--) {
		int64_t k = rest % idx->dim[d];

		rest /= idx->dim[d];
		if (d == axis) {
			QB_TRY(checked_index(n, idx, i, x->dim[d], &v, eb));
			k = v;
		}
		at += k * stride[d];
	}
	*out = at;
	return QB_OK;
}

enum qb_err qb__eval_gather_elements(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t axis = qb_node_int(n, "axis", 0), stride[QB_MAX_DIMS], at;
	size_t size = qb_dtype_bytes(in[0]->dtype), count = qb_tensor_size(in[1]);

	axis += axis < 0 ? in[0]->ndim : 0;
	strides_of(in[0], stride);
	for (size_t i = 0; i < count; i++) {
		QB_TRY(element_at(n, in[0], in[1], i, axis, stride, &at, eb));
		memcpy((char *)out[0].data + i * size, (const char *)in[0]->data + (size_t)at * size, size);
	}
	return QB_OK;
}

static void reduce_into(const struct qb_tensor *y, int64_t at, const struct qb_tensor *u, size_t i,
	const char *how)
{
	double a, b;

	if (strcmp(how, "none") == 0) {
		size_t size = qb_dtype_bytes(y->dtype);

		memcpy((char *)y->data + (size_t)at * size, (const char *)u->data + i * size, size);
		return;
	}
	a = qb__op_load(y->dtype, y->data, (size_t)at);
	b = qb__op_load(u->dtype, u->data, i);
	qb__op_store(y->dtype, y->data, (size_t)at, strcmp(how, "add") == 0 ? a + b : strcmp(how, "mul") == 0 ? a * b :
		strcmp(how, "max") == 0 ? QB_MAX(a, b) : QB_MIN(a, b));
}

static enum qb_err check_reduction(const struct qb_node *n, struct qb_errbuf *eb)
{
	const char *how = qb_node_string(n, "reduction", "none");

	if (strcmp(how, "none") && strcmp(how, "add") && strcmp(how, "mul") && strcmp(how, "max") &&
	    strcmp(how, "min")) {
		return qb_node_fail(eb, QB_EONNX, n, "reduction \"%.40s\" is not one of none, add, mul, max, min", how);
	}
	return QB_OK;
}

enum qb_err qb__infer_scatter_elements(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *i = &n->input[1]->shape, *u = &n->input[2]->shape;

	QB_TRY(check_reduction(n, eb));
	QB_TRY(qb__op_need_same(n, 2, eb));
	QB_TRY(qb__infer_gather_elements(g, n, eb));
	for (int d = 0; i->known && u->known && d < i->ndim; d++) {
		QB_TRY(qb__op_need_rank(n, 2, i->ndim, i->ndim, eb));
		QB_TRY(qb__op_need_dim(n, 2, d, i->dim[d], eb));
	}
	return qb__op_infer_same(g, n, eb);
}

enum qb_err qb__eval_scatter_elements(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t axis = qb_node_int(n, "axis", 0), stride[QB_MAX_DIMS], at;
	size_t count = qb_tensor_size(in[1]);

	axis += axis < 0 ? in[0]->ndim : 0;
	strides_of(in[0], stride);
	QB_TRY(qb__eval_copy(n, in, out, eb));
	for (size_t i = 0; i < count; i++) {
		QB_TRY(element_at(n, in[0], in[1], i, axis, stride, &at, eb));
		reduce_into(&out[0], at, in[2], i, qb_node_string(n, "reduction", "none"));
	}
	return QB_OK;
}

/* ---- GatherND, ScatterND: indices [..., k] name the first k dimensions (after batch_dims) ---- */

enum qb_err qb__infer_gather_nd(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape, *i = &n->input[1]->shape;
	int64_t batch = qb_node_int(n, "batch_dims", 0), k;
	struct qb_shape y = { .known = true };

	(void)g;
	QB_TRY(qb__op_need_dtype(n, 1, QB_I64, eb));
	QB_TRY(qb__op_need_rank(n, 1, 1, QB_MAX_DIMS, eb));
	if (!x->known || !i->known || !qb_dim_number(i->dim[i->ndim - 1])) {
		return set_unknown(n, n->input[0]->dtype);
	}
	k = i->dim[i->ndim - 1];
	if (batch < 0 || batch >= i->ndim || batch + k > x->ndim || k < 1 ||
	    i->ndim - 1 + x->ndim - batch - k > QB_MAX_DIMS) {
		return qb_node_fail(eb, QB_ESHAPE, n, "indices of %" PRId64 " elements after %" PRId64 " batch dimensions "
			"do not fit data of %d dimensions", k, batch, x->ndim);
	}
	for (int d = 0; d < batch; d++) {
		QB_TRY(qb__op_need_dim(n, 1, d, x->dim[d], eb));
	}
	for (int d = 0; d < i->ndim - 1; d++) {
		y.dim[y.ndim++] = i->dim[d];
	}
	for (int d = (int)(batch + k); d < x->ndim; d++) {
		y.dim[y.ndim++] = x->dim[d];
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

static enum qb_err tuple_at(const struct qb_node *n, const struct qb_tensor *x, int first,
	const struct qb_tensor *idx, size_t row, int64_t *out, struct qb_errbuf *eb)
{
	int k = (int)idx->dim[idx->ndim - 1];
	int64_t at = 0, v = 0;

	for (int j = 0; j < k; j++) {
		QB_TRY(checked_index(n, idx, row * (size_t)k + (size_t)j, x->dim[first + j], &v, eb));
		at = at * x->dim[first + j] + v;
	}
	*out = at;
	return QB_OK;
}

enum qb_err qb__eval_gather_nd(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int batch = (int)qb_node_int(n, "batch_dims", 0), k = (int)in[1]->dim[in[1]->ndim - 1];
	int64_t rows = op_span(in[1], 0, in[1]->ndim - 1), batches = op_span(in[0], 0, batch);
	int64_t per = batches ? rows / batches : 0, inner = op_span(in[0], batch + k, in[0]->ndim), at;
	int64_t span = op_span(in[0], batch, in[0]->ndim);
	size_t bytes = (size_t)inner * qb_dtype_bytes(in[0]->dtype), size = qb_dtype_bytes(in[0]->dtype);

	for (int64_t r = 0; r < rows; r++) {
		QB_TRY(tuple_at(n, in[0], batch, in[1], (size_t)r, &at, eb));
		memcpy((char *)out[0].data + (size_t)r * bytes,
			(const char *)in[0]->data + (size_t)(r / per * span + at * inner) * size, bytes);
	}
	return QB_OK;
}

enum qb_err qb__infer_scatter_nd(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape, *i = &n->input[1]->shape, *u = &n->input[2]->shape;

	QB_TRY(check_reduction(n, eb));
	QB_TRY(qb__op_need_dtype(n, 1, QB_I64, eb));
	QB_TRY(qb__op_need_same(n, 2, eb));
	QB_TRY(qb__op_need_rank(n, 1, 1, QB_MAX_DIMS, eb));
	if (x->known && i->known && qb_dim_number(i->dim[i->ndim - 1])) {
		int64_t k = i->dim[i->ndim - 1], want = i->ndim - 1 + x->ndim - k;

		if (k > x->ndim || (u->known && u->ndim != want)) {
			return qb_node_fail(eb, QB_ESHAPE, n, "indices of %" PRId64 " elements and updates of %d dimensions "
				"do not fit data of %d dimensions", k, u->ndim, x->ndim);
		}
		for (int d = 0; u->known && d < want; d++) {
			QB_TRY(qb__op_need_dim(n, 2, d, d < i->ndim - 1 ? i->dim[d] : x->dim[d - (i->ndim - 1) + k],
				eb));
		}
	}
	return qb__op_infer_same(g, n, eb);
}

enum qb_err qb__eval_scatter_nd(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int k = (int)in[1]->dim[in[1]->ndim - 1];
	int64_t rows = op_span(in[1], 0, in[1]->ndim - 1), inner = op_span(in[0], k, in[0]->ndim), at;

	QB_TRY(qb__eval_copy(n, in, out, eb));
	for (int64_t r = 0; r < rows; r++) {
		QB_TRY(tuple_at(n, in[0], 0, in[1], (size_t)r, &at, eb));
		for (int64_t j = 0; j < inner; j++) {
			reduce_into(&out[0], at * inner + j, in[2], (size_t)(r * inner + j),
				qb_node_string(n, "reduction", "none"));
		}
	}
	return QB_OK;
}
