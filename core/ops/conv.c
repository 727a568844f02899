/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv, ConvTranspose: any group, stride, dilation and padding, one to three spatial dimensions.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "core/ops/conv_loops.h"
#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"
#include "core/ops/window.h"

enum { MAX_SPATIAL = 3 };

static enum qb_err check_group(const struct qb_node *n, int64_t *group, struct qb_errbuf *eb)
{
	*group = qb_node_int(n, "group", 1);
	if (*group < 1 || *group > INT32_MAX) {
		return qb_node_fail(eb, QB_EONNX, n, "group is %" PRId64, *group);
	}
	return QB_OK;
}

static enum qb_err check_conv_inputs(const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape, *w = &n->input[1]->shape;

	QB_TRY(qb__op_need_rank(n, 0, 3, 2 + MAX_SPATIAL, eb));
	QB_TRY(qb__op_need_rank(n, 1, 3, 2 + MAX_SPATIAL, eb));
	if (x->known && w->known && x->ndim != w->ndim) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the weight %s has %d dimensions, its input %s has %d",
			n->input[1]->name, w->ndim, n->input[0]->name, x->ndim);
	}
	return QB_OK;
}

static enum qb_err infer_conv(struct qb_node *n, enum qb_dtype dtype, int bias, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	const struct qb_shape *w = &n->input[1]->shape;
	struct qb_shape y;
	struct qb_window win;
	int64_t group;

	QB_TRY(check_conv_inputs(n, eb));
	QB_TRY(check_group(n, &group, eb));
	if (!w->known) {
		qb__op_set(n, 0, dtype, x->known ? qb_shape_ranked(x->ndim) : qb_shape_unknown());
		return QB_OK;
	}
	if (qb_dim_number(w->dim[0]) && w->dim[0] % group) {
		return qb_node_fail(eb, QB_ESHAPE, n, "%" PRId64 " output channels do not split into %" PRId64
			" groups", w->dim[0], group);
	}
	if (x->known && qb_dim_number(x->dim[1]) && qb_dim_number(w->dim[1]) &&
	    (w->dim[1] > x->dim[1] / group || x->dim[1] != w->dim[1] * group)) {
		return qb_node_fail(eb, QB_ESHAPE, n, "its input %s has %" PRId64 " channels, the weight %s wants "
			"%" PRId64 " in each of %" PRId64 " groups", n->input[0]->name, x->dim[1],
			n->input[1]->name, w->dim[1], group);
	}
	QB_TRY(qb__op_need_vector(n, bias, w->dim[0], eb));
	y = qb_shape_ranked(w->ndim);
	y.dim[0] = x->known ? x->dim[0] : QB_DIM_UNKNOWN;
	y.dim[1] = w->dim[0];
	if (x->known) {
		QB_TRY(qb_window_conv(&win, n, w->ndim - 2, x->dim + 2, w->dim + 2, eb));
		memcpy(y.dim + 2, win.out, sizeof(y.dim[0]) * (size_t)win.ndim);
	}
	qb__op_set(n, 0, dtype, y);
	return QB_OK;
}

enum qb_err qb__infer_conv(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_same(n, 1, eb));
	QB_TRY(qb__op_need_same(n, 2, eb));
	return infer_conv(n, n->input[0]->dtype, 2, eb);
}

/* ---- evaluation ---- */

/* Sums in double precision: this is what faster paths are compared with. */
static enum qb_err conv_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_tensor *x = in[0], *w = in[1], *b = op_arg(n, in, 2);
	struct qb__conv q;

	QB_TRY(qb__conv_of(&q, n, x, w, eb));
	for (int64_t i = 0; i < q.n * q.m; i++) {
		int64_t m = i % q.m, first = i / q.m * q.c + m / q.mg * q.cg;
		double *y = (double *)out[0].data + i * q.out_size, bias = b ? ((const double *)b->data)[m] : 0;

		for (int64_t j = 0; j < q.out_size; j++) {
			y[j] = bias;
		}
		for (int64_t c = 0; c < q.cg; c++) {
			qb__conv_add(&q, (const double *)x->data + (first + c) * q.in_size,
				(const double *)w->data + (m * q.cg + c) * q.kernel_size, y);
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_conv(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(conv_f64, n, in, out, eb);
}

/* ---- integers: values less their zero points, then the same convolution, exact in double below 2^53 ---- */

static void subtract_zero(const struct qb_tensor *t, const struct qb_tensor *zero, int axis, double *out)
{
	int64_t inner = op_span(t, axis + 1, t->ndim), channels = t->dim[axis];
	size_t count = qb_tensor_size(t), zeros = zero ? qb_tensor_size(zero) : 0;

	for (size_t i = 0; i < count; i++) {
		size_t c = zeros > 1 ? (size_t)((int64_t)i / inner % channels) : 0;
		int64_t z = zeros ? qb__op_load_int(zero->dtype, zero->data, c) : 0;

		out[i] = (float)(qb__op_load_int(t->dtype, t->data, i) - z);
	}
}

static enum qb_err check_quantized(const struct qb_node *n, int i, struct qb_errbuf *eb)
{
	const struct qb_value *v = op_in(n, i);

	if (v && v->dtype != QB_U8 && v->dtype != QB_I8) {
		return qb_node_fail(eb, QB_EONNX, n, "input %d, %s, is %s, not uint8 or int8", i, v->name,
			qb_dtype_name(v->dtype));
	}
	return QB_OK;
}

static enum qb_err check_zero_point(const struct qb_node *n, int i, int of, struct qb_errbuf *eb)
{
	const struct qb_value *v = op_in(n, i);

	if (!v) {
		return QB_OK;
	}
	QB_TRY(qb__op_need_dtype(n, i, n->input[of]->dtype, eb));
	return qb__op_need_rank(n, i, 0, 1, eb);
}

/* Scale or zero point of the weight: one, or one a channel. */
static enum qb_err check_per_channel(const struct qb_node *n, int i, int64_t channels,
	struct qb_errbuf *eb)
{
	const struct qb_value *v = op_in(n, i);
	int64_t count = v ? qb_shape_product(&v->shape, 0, v->shape.ndim) : 1;

	if (qb_dim_number(count) && count != 1 && !qb_dim_compatible(count, channels)) {
		return qb_node_fail(eb, QB_ESHAPE, n, "input %d, %s, has %" PRId64 " elements; 1 or %" PRId64
			" are possible", i, v->name, count, channels);
	}
	return QB_OK;
}

static int64_t weight_channels(const struct qb_node *n, int i)
{
	return n->input[i]->shape.known && n->input[i]->shape.ndim ? n->input[i]->shape.dim[0] : QB_DIM_UNKNOWN;
}

enum qb_err qb__infer_conv_integer(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	(void)g;
	QB_TRY(check_quantized(n, 0, eb));
	QB_TRY(check_quantized(n, 1, eb));
	QB_TRY(check_zero_point(n, 2, 0, eb));
	QB_TRY(check_zero_point(n, 3, 1, eb));
	QB_TRY(check_per_channel(n, 2, 1, eb));
	QB_TRY(check_per_channel(n, 3, weight_channels(n, 1), eb));
	return infer_conv(n, QB_I32, INT32_MAX, eb);
}

/* sum [N,M,out...]: exact, for the accumulators are doubles. */
static enum qb_err conv_of_integers(const struct qb_node *n, const struct qb_tensor *x,
	const struct qb_tensor *xz, const struct qb_tensor *w, const struct qb_tensor *wz,
	int64_t *sum, struct qb_errbuf *eb)
{
	struct qb__conv q;
	double *xf = qb_aligned_alloc(qb_tensor_size(x), sizeof(*xf));
	double *wf = qb_aligned_alloc(qb_tensor_size(w), sizeof(*wf));
	double *acc = NULL;
	enum qb_err err;

	QB_TRY_OUT(qb__conv_of(&q, n, x, w, eb));
	acc = qb_aligned_alloc((size_t)q.out_size, sizeof(*acc));
	if (!xf || !wf || !acc) {
		err = qb__op_no_memory(n, eb);
		goto out;
	}
	subtract_zero(x, xz, 1, xf);
	subtract_zero(w, wz, 0, wf);
	for (int64_t i = 0; i < q.n * q.m; i++) {
		int64_t sample = i / q.m, m = i % q.m;

		memset(acc, 0, (size_t)q.out_size * sizeof(*acc));
		for (int64_t c = 0; c < q.cg; c++) {
			qb__conv_add(&q, xf + (sample * q.c + m / q.mg * q.cg + c) * q.in_size,
				wf + (m * q.cg + c) * q.kernel_size, acc);
		}
		for (int64_t j = 0; j < q.out_size; j++) {
			sum[i * q.out_size + j] = (int64_t)acc[j];
		}
	}
	err = QB_OK;
out:
	free(xf);
	free(wf);
	free(acc);
	return err;
}

enum qb_err qb__eval_conv_integer(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	size_t count = qb_tensor_size(&out[0]);
	int64_t *sum = qb_aligned_alloc(count, sizeof(*sum));
	enum qb_err err;

	if (!sum) {
		return qb__op_no_memory(n, eb);
	}
	err = conv_of_integers(n, in[0], op_arg(n, in, 2), in[1], op_arg(n, in, 3), sum, eb);
	for (size_t i = 0; err == QB_OK && i < count; i++) {
		((int32_t *)out[0].data)[i] = (int32_t)sum[i];
	}
	free(sum);
	return err;
}

/* QLinearConv: x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias (int32 in x_scale * w_scale). */
enum qb_err qb__infer_qlinear_conv(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_value *w = n->input[3], *input1 = n->input[1];
	enum qb_err err;

	(void)g;
	QB_TRY(check_quantized(n, 0, eb));
	QB_TRY(check_quantized(n, 3, eb));
	QB_TRY(check_quantized(n, 7, eb));
	QB_TRY(check_zero_point(n, 2, 0, eb));
	QB_TRY(check_zero_point(n, 5, 3, eb));
	for (int i = 1; i < 8; i++) {
		QB_TRY(check_per_channel(n, i, i == 4 || i == 5 ? weight_channels(n, 3) : i == 3 ? QB_DIM_UNKNOWN : 1,
			eb));
		if (i == 1 || i == 4 || i == 6) {
			QB_TRY(qb__op_need_dtype(n, i, QB_F32, eb));
		}
	}
	QB_TRY(qb__op_need_dtype(n, 8, QB_I32, eb));
	n->input[1] = w; /* the rule of Conv, with the weight where Conv has it */
	err = infer_conv(n, n->input[7]->dtype, 8, eb);
	n->input[1] = input1;
	return err;
}

static int64_t round_even(double v)
{
	return (int64_t)__builtin_nearbyint(v);
}

enum qb_err qb__eval_qlinear_conv(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	size_t count = qb_tensor_size(&out[0]);
	int64_t *sum = qb_aligned_alloc(count, sizeof(*sum));
	const struct qb_tensor *b = op_arg(n, in, 8);
	int64_t inner = op_span(&out[0], 2, out[0].ndim), channels = out[0].dim[1];
	int64_t lo = out[0].dtype == QB_U8 ? 0 : INT8_MIN, hi = out[0].dtype == QB_U8 ? UINT8_MAX : INT8_MAX;
	size_t scales = qb_tensor_size(in[4]);
	enum qb_err err;

	if (!sum) {
		return qb__op_no_memory(n, eb);
	}
	err = conv_of_integers(n, in[0], in[2], in[3], in[5], sum, eb);
	for (size_t i = 0; err == QB_OK && i < count; i++) {
		size_t c = (size_t)((int64_t)i / inner % channels);
		double scale = (double)(((const float *)in[1]->data)[0] *
			((const float *)in[4]->data)[scales > 1 ? c : 0] / ((const float *)in[6]->data)[0]);
		int64_t s = sum[i] + (b ? ((const int32_t *)b->data)[c] : 0);
		double scaled = (double)s * scale;
		int64_t v = round_even(QB_MAX(QB_MIN(scaled, 1e9), -1e9)) +
			qb__op_load_int(in[7]->dtype, in[7]->data, 0);

		qb__op_store_int(out[0].dtype, out[0].data, i, QB_MAX(QB_MIN(v, hi), lo));
	}
	free(sum);
	return err;
}

/* ---- ConvTranspose: weight [C, M/group, k...] ---- */

enum qb_err qb__infer_conv_transpose(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape, *w = &n->input[1]->shape;
	struct qb_window win;
	struct qb_shape y;
	int64_t group;

	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_same(n, 1, eb));
	QB_TRY(qb__op_need_same(n, 2, eb));
	QB_TRY(check_conv_inputs(n, eb));
	QB_TRY(check_group(n, &group, eb));
	if (!w->known || !x->known) {
		qb__op_set(n, 0, n->input[0]->dtype, qb_shape_unknown());
		return QB_OK;
	}
	QB_TRY(qb__op_need_dim(n, 1, 0, x->dim[1], eb));
	if (qb_dim_number(w->dim[0]) && w->dim[0] % group) {
		return qb_node_fail(eb, QB_ESHAPE, n, "%" PRId64 " input channels do not split into %" PRId64
			" groups", w->dim[0], group);
	}
	QB_TRY(qb__op_need_vector(n, 2, qb_dim_mul(w->dim[1], group), eb));
	QB_TRY(qb_window_transposed(&win, n, w->ndim - 2, x->dim + 2, w->dim + 2, eb));
	y = qb_shape_ranked(w->ndim);
	y.dim[0] = x->dim[0];
	y.dim[1] = qb_dim_mul(w->dim[1], group);
	memcpy(y.dim + 2, win.out, sizeof(y.dim[0]) * (size_t)win.ndim);
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

/* The input gradient of the convolution from the larger side to the smaller one, and a bias. */
static enum qb_err conv_transpose_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_tensor *x = in[0], *w = in[1], *b = op_arg(n, in, 2);
	struct qb__conv q;

	QB_TRY(qb__conv_of_transposed(&q, n, x, w, out, eb));
	for (int64_t i = 0; i < q.n * q.c; i++) {
		int64_t sample = i / q.c, c = i % q.c, first = c / q.cg * q.mg;
		double *y = (double *)out[0].data + i * q.in_size, bias = b ? ((const double *)b->data)[c] : 0;

		for (int64_t j = 0; j < q.in_size; j++) {
			y[j] = bias;
		}
		for (int64_t m = first; m < first + q.mg; m++) {
			qb__conv_scatter(&q, (const double *)x->data + (sample * q.m + m) * q.out_size,
				(const double *)w->data + (m * q.cg + c % q.cg) * q.kernel_size, y);
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_conv_transpose(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(conv_transpose_f64, n, in, out, eb);
}
