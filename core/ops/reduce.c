/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions, arg-extrema, top-k, cumulative sums.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

/* ---- Reduce...: axes are an attribute before opset 18 (ReduceSum: 13), an input since ---- */

enum qb_err qb__op_reduced_axes(const struct qb_node *n, const struct qb_tensor *const in[], int rank,
	bool flag[QB_MAX_DIMS], bool *known, struct qb_errbuf *eb)
{
	int64_t axes[QB_MAX_DIMS];
	int count = qb__op_list(n, in, "axes", 1, axes, QB_MAX_DIMS);

	memset(flag, 0, QB_MAX_DIMS * sizeof(flag[0]));
	*known = count != OP_LIST_UNKNOWN;
	if (count == OP_LIST_BAD) {
		return qb_node_fail(eb, QB_EONNX, n, "axes is not a list of axes");
	}
	if (count == OP_LIST_ABSENT || count == 0) { /* none named: all of them, or nothing at all */
		for (int i = 0; i < rank; i++) {
			flag[i] = !qb_node_int(n, "noop_with_empty_axes", 0);
		}
		return QB_OK;
	}
	for (int i = 0; i < count; i++) {
		int a;

		QB_TRY(qb__op_axis(n, axes[i], rank, false, &a, eb));
		flag[a] = true;
	}
	return QB_OK;
}

enum qb_err qb__infer_reduce(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	bool keep = qb_node_int(n, "keepdims", 1) != 0, flag[QB_MAX_DIMS], known;
	struct qb_shape y = { .known = true };

	(void)g;
	if (!x->known) {
		qb__op_set(n, 0, n->input[0]->dtype, qb_shape_unknown());
		return QB_OK;
	}
	QB_TRY(qb__op_reduced_axes(n, NULL, x->ndim, flag, &known, eb));
	if (!known) {
		qb__op_set(n, 0, n->input[0]->dtype, keep ? qb_shape_ranked(x->ndim) : qb_shape_unknown());
		return QB_OK;
	}
	for (int i = 0; i < x->ndim; i++) {
		if (!flag[i]) {
			y.dim[y.ndim++] = x->dim[i];
		} else if (keep) {
			y.dim[y.ndim++] = 1;
		}
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

enum reduction { RED_SUM, RED_MEAN, RED_MAX, RED_MIN, RED_PROD, RED_L1, RED_L2, RED_LOG_SUM, RED_LOG_SUM_EXP,
	RED_SUM_SQUARE };

static const struct {
	const char *type;
	enum reduction kind;
} reductions[] = {
	{ "ReduceSum", RED_SUM }, { "ReduceMean", RED_MEAN }, { "ReduceMax", RED_MAX }, { "ReduceMin", RED_MIN },
	{ "ReduceProd", RED_PROD }, { "ReduceL1", RED_L1 }, { "ReduceL2", RED_L2 },
	{ "ReduceLogSum", RED_LOG_SUM }, { "ReduceLogSumExp", RED_LOG_SUM_EXP },
	{ "ReduceSumSquare", RED_SUM_SQUARE },
};

static double start_of(enum reduction kind)
{
	return kind == RED_MAX || kind == RED_LOG_SUM_EXP ? -INFINITY : kind == RED_MIN ? INFINITY :
		kind == RED_PROD ? 1 : 0;
}

static double combine(enum reduction kind, double acc, double v)
{
	switch (kind) {
	case RED_MAX: case RED_LOG_SUM_EXP: return v > acc || isnan(v) ? v : acc;
	case RED_MIN: return v < acc || isnan(v) ? v : acc;
	case RED_PROD: return acc * v;
	case RED_L1: return acc + fabs(v);
	case RED_L2: case RED_SUM_SQUARE: return acc + v * v;
	default: return acc + v;
	}
}

/* Where each element of x goes: the strides of the output seen from the input, 0 along reduced axes. */
static void reduced_strides(const struct qb_tensor *x, const bool flag[QB_MAX_DIMS],
	int64_t stride[QB_MAX_DIMS])
{
	int64_t s = 1;

	for (int i = x->ndim - 1; i >= 0; i--) {
		stride[i] = flag[i] ? 0 : s;
		s *= flag[i] ? 1 : x->dim[i];
	}
}

typedef void reduce_fn(void *arg, size_t from, size_t to);

static void each_reduced(const struct qb_tensor *x, const int64_t stride[QB_MAX_DIMS], reduce_fn *fn,
	void *arg)
{
	size_t count = qb_tensor_size(x);
	int64_t index[QB_MAX_DIMS] = { 0 }, at = 0;

	for (size_t i = 0; i < count; i++) {
		fn(arg, i, (size_t)at);
		at += qb_index_next(index, x->ndim, x->dim, stride);
	}
}

struct reducer {
	enum reduction kind;
	const struct qb_tensor *x;
	double *acc, *sum; /* sum: of exponentials, after acc holds the maxima */
};

static void reduce_one(void *arg, size_t from, size_t to)
{
	struct reducer *r = arg;

	r->acc[to] = combine(r->kind, r->acc[to], qb__op_load(r->x->dtype, r->x->data, from));
}

static void reduce_exp(void *arg, size_t from, size_t to)
{
	struct reducer *r = arg;

	r->sum[to] += exp(qb__op_load(r->x->dtype, r->x->data, from) -
		(isfinite(r->acc[to]) ? r->acc[to] : 0));
}

static enum qb_err reduce_with(const struct qb_node *n, struct reducer *r, const int64_t *stride,
	struct qb_tensor *y, struct qb_errbuf *eb)
{
	size_t count = qb_tensor_size(y);
	double share = count ? (double)qb_tensor_size(r->x) / (double)count : 1;

	r->acc = qb_aligned_alloc(count, 2 * sizeof(double));
	if (!r->acc) {
		return qb__op_no_memory(n, eb);
	}
	r->sum = r->acc + count;
	for (size_t i = 0; i < count; i++) {
		r->acc[i] = start_of(r->kind);
		r->sum[i] = 0;
	}
	each_reduced(r->x, stride, reduce_one, r);
	if (r->kind == RED_LOG_SUM_EXP) {
		each_reduced(r->x, stride, reduce_exp, r);
	}
	for (size_t i = 0; i < count; i++) {
		double v = r->acc[i];

		v = r->kind == RED_MEAN ? v / share : r->kind == RED_L2 ? sqrt(v) : r->kind == RED_LOG_SUM ? log(v) :
			r->kind == RED_LOG_SUM_EXP ? log(r->sum[i]) + (isfinite(v) ? v : 0) : v;
		if (r->x->dtype == QB_BOOL && isinf(v)) {
			v = v > 0;
		}
		qb__op_store(y->dtype, y->data, i, v);
	}
	free(r->acc);
	return QB_OK;
}

enum qb_err qb__eval_reduce(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct reducer r = { .x = in[0] };
	int64_t stride[QB_MAX_DIMS];
	bool flag[QB_MAX_DIMS], known, any = false;

	for (size_t i = 0; i < QB_COUNT(reductions); i++) {
		if (strcmp(n->type, reductions[i].type) == 0) {
			r.kind = reductions[i].kind;
		}
	}
	QB_TRY(qb__op_reduced_axes(n, in, in[0]->ndim, flag, &known, eb));
	for (int i = 0; i < in[0]->ndim; i++) {
		any |= flag[i];
	}
	if (!any && in[0]->ndim && qb_node_int(n, "noop_with_empty_axes", 0)) {
		return qb__eval_copy(n, in, out, eb);
	}
	reduced_strides(in[0], flag, stride);
	return reduce_with(n, &r, stride, &out[0], eb);
}

/* ---- ArgMax, ArgMin ---- */

enum qb_err qb__infer_arg(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	bool keep = qb_node_int(n, "keepdims", 1) != 0;
	struct qb_shape y = { .known = true };
	int axis;

	(void)g;
	if (!x->known) {
		qb__op_set(n, 0, QB_I64, qb_shape_unknown());
		return QB_OK;
	}
	QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", 0), x->ndim, false, &axis, eb));
	if (x->dim[axis] == 0) {
		return qb_node_fail(eb, QB_ESHAPE, n, "dimension %d is empty", axis);
	}
	for (int i = 0; i < x->ndim; i++) {
		if (i != axis) {
			y.dim[y.ndim++] = x->dim[i];
		} else if (keep) {
			y.dim[y.ndim++] = 1;
		}
	}
	qb__op_set(n, 0, QB_I64, y);
	return QB_OK;
}

enum qb_err qb__eval_arg(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t axis = qb_node_int(n, "axis", 0), dim, inner;
	bool last = qb_node_int(n, "select_last_index", 0) != 0, max = strcmp(n->type, "ArgMax") == 0;
	size_t count = qb_tensor_size(&out[0]);

	(void)eb;
	axis += axis < 0 ? in[0]->ndim : 0;
	dim = in[0]->dim[axis];
	inner = op_span(in[0], (int)axis + 1, in[0]->ndim);
	for (size_t i = 0; i < count; i++) {
		int64_t base = (int64_t)i / inner * dim * inner + (int64_t)i % inner, best = 0;
		double top = qb__op_load(in[0]->dtype, in[0]->data, (size_t)base);

		for (int64_t j = 1; j < dim; j++) {
			double v = qb__op_load(in[0]->dtype, in[0]->data, (size_t)(base + j * inner));

			if ((max ? v > top : v < top) || (last && v == top)) {
				top = v;
				best = j;
			}
		}
		((int64_t *)out[0].data)[i] = best;
	}
	return QB_OK;
}

/* ---- TopK: k is an attribute before opset 10 ---- */

enum qb_err qb__infer_topk(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_shape y = n->input[0]->shape;
	const struct qb_tensor *kt = op_const(n, 1);
	int64_t k = kt && qb_tensor_size(kt) == 1 ? qb__op_load_int(kt->dtype, kt->data, 0) :
		op_in(n, 1) ? QB_DIM_UNKNOWN : qb_node_int(n, "k", -1);
	int axis;

	(void)g;
	if (y.known) {
		QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", -1), y.ndim, false, &axis, eb));
		if (k != QB_DIM_UNKNOWN && (k < 0 || (qb_dim_number(y.dim[axis]) && k > y.dim[axis]))) {
			return qb_node_fail(eb, QB_EONNX, n, "k is %" PRId64 ", the dimension %" PRId64, k, y.dim[axis]);
		}
		y.dim[axis] = k;
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	qb__op_set(n, 1, QB_I64, y);
	return QB_OK;
}

struct ranked {
	double key; /* smaller comes first */
	int64_t whole;
	int64_t index;
};

static int by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->key != y->key) {
		return x->key < y->key ? -1 : 1;
	}
	if (x->whole != y->whole) {
		return x->whole < y->whole ? -1 : 1;
	}
	return x->index < y->index ? -1 : 1;
}

enum qb_err qb__eval_topk(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t axis = qb_node_int(n, "axis", -1), dim, k, inner, lines;
	bool largest = qb_node_int(n, "largest", 1) != 0, whole = !op_is_float(in[0]->dtype);
	size_t size = qb_dtype_bytes(in[0]->dtype);
	struct ranked *r;

	axis += axis < 0 ? in[0]->ndim : 0;
	dim = in[0]->dim[axis];
	k = out[0].dim[axis];
	inner = op_span(in[0], (int)axis + 1, in[0]->ndim);
	lines = op_span(in[0], 0, (int)axis) * inner;
	r = qb_aligned_alloc((size_t)dim, sizeof(*r));
	if (!r) {
		return qb__op_no_memory(n, eb);
	}
	for (int64_t l = 0; l < lines; l++) {
		int64_t base = l / inner * dim * inner + l % inner, to = l / inner * k * inner + l % inner;

		for (int64_t j = 0; j < dim; j++) {
			size_t at = (size_t)(base + j * inner);
			double v = qb__op_load(in[0]->dtype, in[0]->data, at);
			int64_t w = whole ? qb__op_load_int(in[0]->dtype, in[0]->data, at) : 0;

			v = isnan(v) ? (largest ? INFINITY : -INFINITY) : v;
			r[j] = (struct ranked){ largest ? -v : v, largest ? (w == INT64_MIN ? INT64_MAX : -w) : w, j };
		}
		qsort(r, (size_t)dim, sizeof(*r), by_rank);
		for (int64_t j = 0; j < k; j++) {
			memcpy((char *)out[0].data + (size_t)(to + j * inner) * size,
				(const char *)in[0]->data + (size_t)(base + r[j].index * inner) * size, size);
			if (op_wants(n, out, 1)) {
				((int64_t *)out[1].data)[to + j * inner] = r[j].index;
			}
		}
	}
	free(r);
	return QB_OK;
}

/* ---- CumSum ---- */

enum qb_err qb__infer_cumsum(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_tensor *axis = op_const(n, 1);
	int a;

	if (axis && n->input[0]->shape.known) {
		if (qb_tensor_size(axis) != 1) {
			return qb_node_fail(eb, QB_EONNX, n, "its axis is not one number");
		}
		QB_TRY(qb__op_axis(n, qb__op_load_int(axis->dtype, axis->data, 0), n->input[0]->shape.ndim, false, &a,
			eb));
	}
	return qb__op_infer_same(g, n, eb);
}

enum qb_err qb__eval_cumsum(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	bool exclusive = qb_node_int(n, "exclusive", 0) != 0, reverse = qb_node_int(n, "reverse", 0) != 0;
	enum qb_dtype t = in[0]->dtype;
	int64_t dim, inner, lines;
	int axis;

	QB_TRY(qb__op_axis(n, qb__op_load_int(in[1]->dtype, in[1]->data, 0), in[0]->ndim, false, &axis, eb));
	dim = in[0]->dim[axis];
	inner = op_span(in[0], axis + 1, in[0]->ndim);
	lines = op_span(in[0], 0, axis) * inner;
	for (int64_t l = 0; l < lines; l++) {
		int64_t base = l / inner * dim * inner + l % inner;
		uint64_t whole = 0;
		double sum = 0;

		for (int64_t j = 0; j < dim; j++) {
			size_t at = (size_t)(base + (reverse ? dim - 1 - j : j) * inner);
			double v = qb__op_load(t, in[0]->data, at);
			int64_t w = op_is_float(t) ? 0 : qb__op_load_int(t, in[0]->data, at);

			sum += exclusive ? 0 : v;
			whole += exclusive ? 0 : (uint64_t)w;
			if (op_is_float(t)) {
				qb__op_store(t, out[0].data, at, sum);
			} else {
				qb__op_store_int(t, out[0].data, at, (int64_t)whole);
			}
			sum += exclusive ? v : 0;
			whole += exclusive ? (uint64_t)w : 0;
		}
	}
	return QB_OK;
}
