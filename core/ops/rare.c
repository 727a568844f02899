/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that few networks have.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "core/ops/operands.h"
#include "core/ops/window.h"

/* ---- BitwiseNot ---- */

enum qb_err qb__infer_bitwise_not(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	if (op_is_float(n->input[0]->dtype) || n->input[0]->dtype == QB_BOOL) {
		return qb_node_fail(eb, QB_EONNX, n, "input 0, %s, is not an integer", n->input[0]->name);
	}
	return qb__op_infer_same(g, n, eb);
}

enum qb_err qb__eval_bitwise_not(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	size_t count = qb_tensor_size(in[0]);

	(void)n, (void)eb;
	for (size_t i = 0; i < count; i++) {
		qb__op_store_int(out[0].dtype, out[0].data, i, ~qb__op_load_int(in[0]->dtype, in[0]->data, i));
	}
	return QB_OK;
}

/* ---- MeanVarianceNormalization: over axes, by default batch and space ---- */

static enum qb_err mvn_axes(const struct qb_node *n, int rank, bool flag[QB_MAX_DIMS], struct qb_errbuf *eb)
{
	static const int64_t usual[] = { 0, 2, 3 };
	const int64_t *axes = usual;
	int count = qb_node_ints(n, "axes", &axes), a;

	count = qb_node_attr(n, "axes") ? count : 3;
	memset(flag, 0, QB_MAX_DIMS * sizeof(flag[0]));
	for (int i = 0; i < count; i++) {
		QB_TRY(qb__op_axis(n, axes[i], rank, false, &a, eb));
		flag[a] = true;
	}
	return QB_OK;
}

enum qb_err qb__infer_mvn(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	bool flag[QB_MAX_DIMS];

	if (n->input[0]->shape.known) {
		QB_TRY(mvn_axes(n, n->input[0]->shape.ndim, flag, eb));
	}
	return qb__op_infer_float_same(g, n, eb);
}

/* The group that element i belongs to: its index along the axes that are kept. */
static size_t group_of(const struct qb_tensor *x, const bool flag[QB_MAX_DIMS], size_t i)
{
	size_t group = 0, step = 1;

	for (int d = x->ndim - 1; d >= 0; d--) {
		size_t k = i % (size_t)x->dim[d];

		i /= (size_t)x->dim[d];
		if (!flag[d]) {
			group += k * step;
			step *= (size_t)x->dim[d];
		}
	}
	return group;
}

static enum qb_err mvn_f32(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	size_t count = qb_tensor_size(in[0]), groups = 1;
	const float *x = in[0]->data;
	bool flag[QB_MAX_DIMS];
	double *mean, *squares, each;

	QB_TRY(mvn_axes(n, in[0]->ndim, flag, eb));
	for (int i = 0; i < in[0]->ndim; i++) {
		groups *= flag[i] ? 1 : (size_t)in[0]->dim[i];
	}
	mean = qb_aligned_alloc(groups, 2 * sizeof(*mean));
	if (!mean) {
		return qb__op_no_memory(n, eb);
	}
	memset(mean, 0, groups * 2 * sizeof(*mean));
	squares = mean + groups;
	each = groups ? (double)(count / groups) : 1;
	for (size_t i = 0; i < count; i++) {
		mean[group_of(in[0], flag, i)] += (double)x[i] / each;
	}
	for (size_t i = 0; i < count; i++) {
		size_t g = group_of(in[0], flag, i);

		squares[g] += ((double)x[i] - mean[g]) * ((double)x[i] - mean[g]) / each;
	}
	for (size_t i = 0; i < count; i++) {
		size_t g = group_of(in[0], flag, i);

		((float *)out[0].data)[i] = (float)(((double)x[i] - mean[g]) / (sqrt(squares[g]) + 1e-9));
	}
	free(mean);
	return QB_OK;
}

enum qb_err qb__eval_mvn(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f32(mvn_f32, n, in, out, eb);
}

/* ---- Det ---- */

enum qb_err qb__infer_det(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_shape y = n->input[0]->shape;

	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_rank(n, 0, 2, QB_MAX_DIMS, eb));
	if (y.known) {
		QB_TRY(qb__op_need_dim(n, 0, y.ndim - 1, y.dim[y.ndim - 2], eb));
		y.ndim -= 2;
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

/* Gaussian elimination with row pivots, in place. */
static double determinant(double *a, int64_t k)
{
	double det = 1;

	for (int64_t c = 0; c < k; c++) {
		int64_t pivot = c;

		for (int64_t r = c + 1; r < k; r++) {
			pivot = fabs(a[r * k + c]) > fabs(a[pivot * k + c]) ? r : pivot;
		}
		if (a[pivot * k + c] == 0) {
			return 0;
		}
		for (int64_t j = c; j < k && pivot != c; j++) {
			double t = a[c * k + j];

			a[c * k + j] = a[pivot * k + j];
			a[pivot * k + j] = t;
		}
		det *= pivot == c ? a[c * k + c] : -a[c * k + c];
		for (int64_t r = c + 1; r < k; r++) {
			double f = a[r * k + c] / a[c * k + c];

			for (int64_t j = c; j < k; j++) {
				a[r * k + j] -= f * a[c * k + j];
			}
		}
	}
	return det;
}

enum qb_err qb__eval_det(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t k = in[0]->dim[in[0]->ndim - 1];
	size_t count = qb_tensor_size(&out[0]), size = (size_t)(k * k);
	double *a = qb_aligned_alloc(size, sizeof(*a));

	if (!a) {
		return qb__op_no_memory(n, eb);
	}
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < size; j++) {
			a[j] = qb__op_load(in[0]->dtype, in[0]->data, i * size + j);
		}
		qb__op_store(out[0].dtype, out[0].data, i, determinant(a, k));
	}
	free(a);
	return QB_OK;
}

/* ---- CenterCropPad ---- */

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

/* ---- Col2Im: x [N, C * block, L], image_shape, block_shape ---- */

struct col2im {
	int nd;
	int64_t image[QB_WINDOW_DIMS], block[QB_WINDOW_DIMS], steps[QB_WINDOW_DIMS];
	int64_t stride[QB_WINDOW_DIMS], dilation[QB_WINDOW_DIMS], lo[QB_WINDOW_DIMS];
	int64_t blocks, places, pixels;
};

static enum qb_err read_col2im(const struct qb_node *n, const struct qb_tensor *image,
	const struct qb_tensor *block, struct col2im *q, struct qb_errbuf *eb)
{
	const int64_t limit = 1 << 20, *strides, *dilations, *pads;
	int s = qb_node_ints(n, "strides", &strides), d = qb_node_ints(n, "dilations", &dilations);
	int p = qb_node_ints(n, "pads", &pads);

	*q = (struct col2im){ .blocks = 1, .places = 1, .pixels = 1 };
	q->nd = qb__op_ints(image, q->image, QB_WINDOW_DIMS);
	if (q->nd < 1 ||
	    qb__op_ints(block, q->block, QB_WINDOW_DIMS) != q->nd || (s && s != q->nd) || (d && d != q->nd) ||
	    (p && p != 2 * q->nd)) {
		return qb_node_fail(eb, QB_EONNX, n, "image_shape, block_shape, strides, dilations and pads do not agree");
	}
	for (int i = 0; i < q->nd; i++) {
		int64_t hi = p ? pads[i + q->nd] : 0, room;

		q->stride[i] = s ? strides[i] : 1;
		q->dilation[i] = d ? dilations[i] : 1;
		q->lo[i] = p ? pads[i] : 0;
		if (q->image[i] < 1 || q->image[i] > limit || q->block[i] < 1 || q->block[i] > limit ||
		    q->stride[i] < 1 || q->dilation[i] < 1 || q->dilation[i] > limit || q->lo[i] < 0 ||
		    q->lo[i] > limit || hi < 0 || hi > limit) {
			return qb_node_fail(eb, QB_EONNX, n, "a size along dimension %d is out of range", i);
		}
		room = q->image[i] + q->lo[i] + hi - q->dilation[i] * (q->block[i] - 1) - 1;
		if (room < 0) {
			return qb_node_fail(eb, QB_ESHAPE, n, "the block is larger than the padded image");
		}
		q->steps[i] = room / q->stride[i] + 1;
		q->blocks = qb_dim_mul(q->blocks, q->block[i]);
		q->places = qb_dim_mul(q->places, q->steps[i]);
		q->pixels = qb_dim_mul(q->pixels, q->image[i]);
	}
	return QB_OK;
}

enum qb_err qb__infer_col2im(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	struct col2im q;
	struct qb_shape y;

	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_rank(n, 0, 3, 3, eb));
	if (!x->known || !op_const(n, 1) || !op_const(n, 2)) {
		qb__op_set(n, 0, n->input[0]->dtype, qb_shape_unknown());
		return QB_OK;
	}
	QB_TRY(read_col2im(n, op_const(n, 1), op_const(n, 2), &q, eb));
	QB_TRY(qb__op_need_dim(n, 0, 2, q.places, eb));
	y = qb_shape_ranked(2 + q.nd);
	y.dim[0] = x->dim[0];
	y.dim[1] = qb_dim_div(x->dim[1], q.blocks);
	if (qb_dim_number(x->dim[1]) && !qb_dim_number(y.dim[1])) {
		return qb_node_fail(eb, QB_ESHAPE, n, "%" PRId64 " channels are no whole number of blocks", x->dim[1]);
	}
	memcpy(y.dim + 2, q.image, sizeof(y.dim[0]) * (size_t)q.nd);
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

static enum qb_err col2im_f32(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const float *x = in[0]->data;
	struct col2im q;
	int64_t count;

	QB_TRY(read_col2im(n, in[1], in[2], &q, eb));
	count = (int64_t)qb_tensor_size(in[0]);
	for (int64_t i = 0; i < count; i++) {
		int64_t place = i % q.places, k = i / q.places % q.blocks, plane = i / q.places / q.blocks;
		int64_t at = 0, step = 1;
		bool inside = true;

		for (int d = q.nd - 1; d >= 0; d--) {
			int64_t v = place % q.steps[d] * q.stride[d] + k % q.block[d] * q.dilation[d] - q.lo[d];

			inside &= v >= 0 && v < q.image[d];
			at += v * step;
			step *= q.image[d];
			place /= q.steps[d];
			k /= q.block[d];
		}
		if (inside) {
			((float *)out[0].data)[plane * q.pixels + at] += x[i];
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_col2im(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f32(col2im_f32, n, in, out, eb);
}

/* ---- MaxUnpool: x, indices, output_shape ---- */

enum qb_err qb__infer_max_unpool(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	const int64_t *kernel, *stride, *pads;
	int k = qb_node_ints(n, "kernel_shape", &kernel), s = qb_node_ints(n, "strides", &stride);
	int p = qb_node_ints(n, "pads", &pads);
	int64_t want[QB_MAX_DIMS];
	struct qb_shape y = *x;

	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_dtype(n, 1, QB_I64, eb));
	QB_TRY(qb__op_need_rank(n, 0, 3, QB_MAX_DIMS, eb));
	if (!x->known || !n->input[1]->shape.known || (op_in(n, 2) && !op_const(n, 2))) {
		qb__op_set(n, 0, n->input[0]->dtype, qb_shape_unknown());
		return QB_OK;
	}
	QB_TRY(qb__op_need_rank(n, 1, x->ndim, x->ndim, eb));
	for (int i = 0; i < x->ndim; i++) {
		QB_TRY(qb__op_need_dim(n, 1, i, x->dim[i], eb));
	}
	if (k != x->ndim - 2 || (s && s != k) || (p && p != 2 * k)) {
		return qb_node_fail(eb, QB_EONNX, n, "kernel_shape, strides and pads do not agree");
	}
	for (int i = 0; i < k; i++) {
		int64_t d = x->dim[2 + i], step = s ? stride[i] : 1, cut = p ? pads[i] + pads[i + k] : 0;

		if (step < 1 || step > 1 << 20 || kernel[i] < 1 || kernel[i] > 1 << 20 || cut < 0 || cut > 1 << 20) {
			return qb_node_fail(eb, QB_EONNX, n, "a window along dimension %d is out of range", i);
		}
		y.dim[2 + i] = qb_dim_number(d) && d < 1 << 30 ? (d - 1) * step - cut + kernel[i] : QB_DIM_UNKNOWN;
		if (qb_dim_number(d) && y.dim[2 + i] < 0) {
			return qb_node_fail(eb, QB_ESHAPE, n, "its output would be negative");
		}
	}
	if (op_const(n, 2)) {
		if (qb__op_ints(op_const(n, 2), want, QB_MAX_DIMS) != x->ndim) {
			return qb_node_fail(eb, QB_EONNX, n, "output_shape does not have %d entries", x->ndim);
		}
		for (int i = 0; i < x->ndim; i++) {
			if (want[i] < 0 || (i < 2 && !qb_dim_compatible(want[i], x->dim[i]))) {
				return qb_node_fail(eb, QB_ESHAPE, n, "output_shape holds %" PRId64, want[i]);
			}
			y.dim[i] = want[i];
		}
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

/* The indices count in the tensor that the windows alone would give; a larger output_shape keeps the places. */
static enum qb_err max_unpool_f32(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const int64_t *kernel, *stride, *pads, *index = in[1]->data;
	int k = qb_node_ints(n, "kernel_shape", &kernel), s = qb_node_ints(n, "strides", &stride);
	int p = qb_node_ints(n, "pads", &pads);
	int64_t from[QB_MAX_DIMS], count = (int64_t)qb_tensor_size(in[0]);

	for (int i = 0; i < k; i++) {
		from[i] = (in[0]->dim[2 + i] - 1) * (s ? stride[i] : 1) - (p ? pads[i] + pads[i + k] : 0) + kernel[i];
	}
	for (int64_t i = 0; i < count; i++) {
		int64_t rest = index[i], at = 0, step = 1, dims[QB_MAX_DIMS];
		bool inside = rest >= 0;

		for (int d = out[0].ndim - 1; d >= 0; d--) {
			int64_t len = d < 2 ? out[0].dim[d] : from[d - 2];

			dims[d] = inside && len ? rest % len : 0;
			rest = len ? rest / len : 0;
		}
		for (int d = out[0].ndim - 1; d >= 0; d--) {
			inside &= dims[d] < out[0].dim[d];
			at += dims[d] * step;
			step *= out[0].dim[d];
		}
		if (!inside || rest) {
			return qb_node_fail(eb, QB_EONNX, n, "index %" PRId64 " is outside its output", index[i]);
		}
		((float *)out[0].data)[at] = ((const float *)in[0]->data)[i];
	}
	return QB_OK;
}

enum qb_err qb__eval_max_unpool(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f32(max_unpool_f32, n, in, out, eb);
}
