/* SPDX-License-Identifier: Apache-2.0
 *
 * TFLite's operators as ONNX's. The table at the end has one line each.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/graph/tflite.h"

static enum qb_err no_memory(const struct tfl_op *op)
{
	return qb__tfl_fail(op, QB_ENOMEM, "out of memory");
}

static const struct tfl_tensor *tensor_in(const struct tfl_op *op, int i)
{
	return i < op->inputs && op->input[i] >= 0 ? &op->im->tensor[op->input[i]] : NULL;
}

static const struct tfl_tensor *tensor_out(const struct tfl_op *op)
{
	return &op->im->tensor[op->output[0]];
}

static bool is_image(const struct tfl_tensor *t)
{
	return t && t->ndim == 4;
}

/* One pixel an image: channels first and last are the same numbers in the same order. */
static bool is_pixel(const struct tfl_tensor *t)
{
	return is_image(t) && t->dim[1] == 1 && t->dim[2] == 1;
}

/* An axis of TFLite's order as ours. */
static int64_t image_axis(int64_t axis)
{
	static const int to[4] = {0, 2, 3, 1};

	return to[axis];
}

static enum qb_err node(struct tfl_op *op, const char *type, int inputs, struct qb_value *const *in,
	struct qb_value *out, struct qb_node **n)
{
	struct qb_node *made = qb__tfl_node(op->im, type, inputs, in, out);

	if (!made) {
		return no_memory(op);
	}
	if (n) {
		*n = made;
	}
	return QB_OK;
}

static enum qb_err add_ints(struct tfl_op *op, struct qb_node *n, const char *name, int count,
	const int64_t *ints)
{
	int64_t *copy = qb_arena_alloc(op->im->g->arena, (size_t)count + 1, sizeof(*copy));

	if (!copy) {
		return no_memory(op);
	}
	memcpy(copy, ints, (size_t)count * sizeof(*copy));
	qb_node_add_ints(n, name, count, copy);
	return QB_OK;
}

static enum qb_err transpose(struct tfl_op *op, struct qb_value *x, struct qb_value *y, bool to_image)
{
	static const int64_t in[4] = {0, 3, 1, 2}, out[4] = {0, 2, 3, 1};
	struct qb_node *n = NULL;

	QB_TRY(node(op, "Transpose", 1, &x, y, &n));
	return add_ints(op, n, "perm", 4, to_image ? in : out);
}

/* Input i as the graph has it; NULL where it is left out. */
static enum qb_err operand(struct tfl_op *op, int i, struct qb_value **out)
{
	*out = NULL;
	return tensor_in(op, i) ? qb__tfl_value(op->im, op->input[i], out) : QB_OK;
}

/* Input i in TFLite's own order. */
static enum qb_err rows(struct tfl_op *op, int i, struct qb_value **out)
{
	const struct tfl_tensor *t = tensor_in(op, i);
	struct qb_value *x;

	if (t && t->data) {
		return qb__tfl_constant(op->im, op->input[i], NULL, -1, NULL, out);
	}
	QB_TRY(operand(op, i, &x));
	*out = x;
	if (!is_image(t)) {
		return QB_OK;
	}
	*out = qb__tfl_temporary(op->im, x->name, x->dtype);
	if (!*out) {
		return no_memory(op);
	}
	(*out)->carried = x->carried;
	return transpose(op, x, *out, false);
}

static enum qb_err result(struct tfl_op *op, struct qb_value **out)
{
	QB_TRY(qb__tfl_value(op->im, op->output[0], out));
	if ((*out)->constant || (*out)->producer) {
		return qb__tfl_fail(op, QB_EFORMAT, "its output is a constant or computed twice");
	}
	return QB_OK;
}

/* A node that computes the output in TFLite's own order. */
static enum qb_err rows_node(struct tfl_op *op, const char *type, int inputs,
	struct qb_value *const *in, struct qb_node **n)
{
	struct qb_value *y, *z;

	QB_TRY(result(op, &y));
	z = y;
	if (is_image(tensor_out(op))) {
		z = qb__tfl_temporary(op->im, y->name, y->dtype);
		if (!z) {
			return no_memory(op);
		}
		z->carried = y->carried;
	}
	QB_TRY(node(op, type, inputs, in, z, n));
	return z == y ? QB_OK : transpose(op, z, y, true);
}

/* ---- activations ---- */

enum { ACT_NONE, ACT_RELU, ACT_RELU_N1_TO_1, ACT_RELU6, ACT_TANH };

static enum qb_err clip(struct tfl_op *op, struct qb_value *x, float lo, float hi, struct qb_value *y)
{
	struct qb_value *in[3] = {x, qb__tfl_floats(op->im, y->name, -1, &lo),
		qb__tfl_floats(op->im, y->name, -1, &hi)};

	return in[1] && in[2] ? node(op, "Clip", 3, in, y, NULL) : no_memory(op);
}

static enum qb_err activate(struct tfl_op *op, int act, struct qb_value *x, struct qb_value *y)
{
	switch (act) {
	case ACT_RELU: return node(op, "Relu", 1, &x, y, NULL);
	case ACT_RELU_N1_TO_1: return clip(op, x, -1, 1, y);
	case ACT_RELU6: return clip(op, x, 0, 6, y);
	case ACT_TANH: return node(op, "Tanh", 1, &x, y, NULL);
	default: return qb__tfl_fail(op, QB_EUNSUPPORTED, "its fused activation %d is not supported", act);
	}
}

/* TYPE(in...), then the activation of option `field`, gives the output. */
static enum qb_err fused(struct tfl_op *op, const char *type, int inputs, struct qb_value *const *in,
	int field, struct qb_node **n)
{
	int act = qb_fb_byte(&op->options, field, ACT_NONE);
	struct qb_value *y, *x;

	QB_TRY(result(op, &y));
	if (act == ACT_NONE) {
		return node(op, type, inputs, in, y, n);
	}
	x = qb__tfl_temporary(op->im, y->name, QB_F32);
	if (!x) {
		return no_memory(op);
	}
	QB_TRY(node(op, type, inputs, in, x, n));
	return activate(op, act, x, y);
}

/* ---- convolutions ---- */

/* An int32 bias has the scale of input times weight; a float one is what it is. */
static enum qb_err bias(struct tfl_op *op, int i, struct qb_value **out)
{
	struct tfl *im = op->im;
	struct tfl_tensor *t;
	const struct tfl_tensor *x = tensor_in(op, 0), *w = tensor_in(op, 1);

	*out = NULL;
	if (i >= op->inputs || op->input[i] < 0) {
		return QB_OK;
	}
	t = &im->tensor[op->input[i]];
	if (!t->data || t->ndim != 1) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "its bias is no vector that the file holds");
	}
	if (t->dtype != QB_F32 && !t->scales) {
		if (!x->scales || !w->scales || (w->scales > 1 && w->scales != t->dim[0])) {
			return qb__tfl_fail(op, QB_EFORMAT, "its bias is integers without a scale");
		}
		t->scale = qb_arena_alloc(im->g->arena, (size_t)w->scales, sizeof(*t->scale));
		t->zero = qb_arena_alloc(im->g->arena, (size_t)w->scales, sizeof(*t->zero));
		if (!t->scale || !t->zero) {
			return no_memory(op);
		}
		for (int k = 0; k < w->scales; k++) {
			t->scale[k] = x->scale[0] * w->scale[k];
		}
		t->scales = w->scales;
		t->axis = 0;
	}
	return qb__tfl_constant(im, op->input[i], NULL, -1, NULL, out);
}

static enum qb_err padding(struct tfl_op *op, struct qb_node *n)
{
	int padding = qb_fb_byte(&op->options, 0, 0);

	if (padding != 0 && padding != 1) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "padding %d is not supported; SAME and VALID are", padding);
	}
	qb_node_add_string(n, "auto_pad", padding ? "VALID" : "SAME_UPPER");
	return QB_OK;
}

/* Options that are small positive numbers. */
static enum qb_err two(struct tfl_op *op, int height, int width, int32_t fallback, int64_t out[2])
{
	out[0] = qb_fb_int(&op->options, height, fallback);
	out[1] = qb_fb_int(&op->options, width, fallback);
	if (out[0] < 1 || out[1] < 1 || out[0] > 1 << 20 || out[1] > 1 << 20) {
		return qb__tfl_fail(op, QB_EFORMAT, "a stride, dilation or window of %d x %d makes no sense",
			(int)out[0], (int)out[1]);
	}
	return QB_OK;
}

static enum qb_err need_images(const struct tfl_op *op, bool weights)
{
	if (!is_image(tensor_in(op, 0)) || (weights && !is_image(tensor_in(op, 1))) ||
		(weights && !tensor_in(op, 1)->data)) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "it needs an image%s of four dimensions",
			weights ? " and weights that the file holds," : "");
	}
	return QB_OK;
}

static enum qb_err conv_2d(struct tfl_op *op)
{
	bool depthwise = op->code == 4;
	static const int dense[4] = {0, 3, 1, 2}, by_channel[4] = {3, 0, 1, 2};
	struct qb_value *in[3];
	struct qb_node *n = NULL;
	int64_t strides[2], dilations[2], channels, groups;
	const struct tfl_tensor *w;

	QB_TRY(need_images(op, true));
	w = tensor_in(op, 1);
	channels = tensor_in(op, 0)->dim[3];
	groups = depthwise ? channels : w->dim[3] > 0 ? channels / w->dim[3] : 0;
	if (groups < 1 || (depthwise ? w->dim[0] != 1 : groups * w->dim[3] != channels)) {
		return qb__tfl_fail(op, QB_ESHAPE, "its weights do not fit an image of %d channels",
			(int)channels);
	}
	QB_TRY(operand(op, 0, &in[0]));
	QB_TRY(qb__tfl_constant(op->im, op->input[1], depthwise ? by_channel : dense, -1, NULL, &in[1]));
	QB_TRY(bias(op, 2, &in[2]));
	QB_TRY(two(op, 2, 1, 0, strides));
	QB_TRY(two(op, depthwise ? 6 : 5, depthwise ? 5 : 4, 1, dilations));
	QB_TRY(fused(op, "Conv", in[2] ? 3 : 2, in, depthwise ? 4 : 3, &n));
	QB_TRY(padding(op, n));
	QB_TRY(add_ints(op, n, "strides", 2, strides));
	QB_TRY(add_ints(op, n, "dilations", 2, dilations));
	qb_node_add_int(n, "group", groups);
	return QB_OK;
}

static enum qb_err transpose_conv(struct tfl_op *op)
{
	static const int perm[4] = {3, 0, 1, 2};
	const struct tfl_tensor *w = tensor_in(op, 1), *x = tensor_in(op, 2), *y = tensor_out(op);
	int64_t strides[2], pads[4] = {0}, more[2] = {0};
	struct qb_value *in[3] = {NULL};
	struct qb_node *n = NULL;

	if (!is_image(w) || !w->data || !is_image(x) || !is_image(y)) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "it needs an image and weights that the file holds");
	}
	QB_TRY(two(op, 2, 1, 0, strides));
	for (int i = 0; i < 2; i++) {
		int64_t left = (x->dim[1 + i] - 1) * strides[i] + w->dim[1 + i] - y->dim[1 + i];

		pads[i] = QB_MAX(left, 0) / 2;
		pads[2 + i] = QB_MAX(left, 0) - pads[i];
		more[i] = QB_MAX(-left, 0);
	}
	QB_TRY(operand(op, 2, &in[0]));
	QB_TRY(qb__tfl_constant(op->im, op->input[1], perm, -1, NULL, &in[1]));
	if (tensor_in(op, 3) && tensor_in(op, 3)->dtype != QB_F32 && !tensor_in(op, 3)->scales) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "its bias is integers without a scale");
	}
	QB_TRY(bias(op, 3, &in[2]));
	QB_TRY(fused(op, "ConvTranspose", in[2] ? 3 : 2, in, 3, &n));
	QB_TRY(add_ints(op, n, "strides", 2, strides));
	QB_TRY(add_ints(op, n, "pads", 4, pads));
	return add_ints(op, n, "output_padding", 2, more);
}

/* [..., K] x [N, K]: a Gemm of rows, or a MatMul that keeps the leading dimensions. */
static enum qb_err fully_connected(struct tfl_op *op)
{
	static const int turned[2] = {1, 0};
	static const int64_t flat[2] = {0, -1};
	const struct tfl_tensor *x = tensor_in(op, 0), *w = tensor_in(op, 1);
	bool keep = qb_fb_byte(&op->options, 2, 0) && x && x->ndim == 3;
	struct qb_value *in[3], *to[2];
	struct qb_node *n = NULL;

	if (!x || !w || w->ndim != 2 || !w->data || x->ndim < 2 || qb_fb_byte(&op->options, 1, 0)) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "it needs a matrix of weights that the file holds, in their "
			"default order");
	}
	QB_TRY(is_pixel(x) ? operand(op, 0, &in[0]) : rows(op, 0, &in[0]));
	QB_TRY(bias(op, 2, &in[2]));
	if (keep) {
		struct qb_value *sum[2], *y;

		QB_TRY(qb__tfl_constant(op->im, op->input[1], turned, -1, NULL, &in[1]));
		if (!in[2]) {
			return fused(op, "MatMul", 2, in, 0, NULL);
		}
		QB_TRY(result(op, &y));
		sum[0] = qb__tfl_temporary(op->im, y->name, QB_F32);
		sum[1] = in[2];
		if (!sum[0]) {
			return no_memory(op);
		}
		QB_TRY(node(op, "MatMul", 2, in, sum[0], NULL));
		return fused(op, "Add", 2, sum, 0, NULL);
	}
	if (x->ndim != 2) {
		to[0] = in[0];
		to[1] = qb__tfl_longs(op->im, in[0]->name, 2, flat);
		in[0] = qb__tfl_temporary(op->im, in[0]->name, QB_F32);
		if (!to[1] || !in[0]) {
			return no_memory(op);
		}
		in[0]->carried = to[0]->carried;
		QB_TRY(node(op, "Reshape", 2, to, in[0], NULL));
	}
	QB_TRY(qb__tfl_constant(op->im, op->input[1], NULL, -1, NULL, &in[1]));
	QB_TRY(fused(op, "Gemm", in[2] ? 3 : 2, in, 0, &n));
	qb_node_add_int(n, "transB", 1);
	return QB_OK;
}

/* ---- pools and reductions ---- */

static enum qb_err pool_2d(struct tfl_op *op)
{
	bool average = op->code == 1;
	int64_t strides[2], window[2];
	const struct tfl_tensor *x = tensor_in(op, 0);
	struct qb_value *in;
	struct qb_node *n = NULL;

	QB_TRY(need_images(op, false));
	QB_TRY(operand(op, 0, &in));
	QB_TRY(two(op, 2, 1, 0, strides));
	QB_TRY(two(op, 4, 3, 0, window));
	if (average && window[0] == x->dim[1] && window[1] == x->dim[2] && tensor_out(op)->ndim == 4 &&
		is_pixel(tensor_out(op))) {
		return fused(op, "GlobalAveragePool", 1, &in, 5, NULL);
	}
	QB_TRY(fused(op, average ? "AveragePool" : "MaxPool", 1, &in, 5, &n));
	QB_TRY(padding(op, n));
	QB_TRY(add_ints(op, n, "strides", 2, strides));
	return add_ints(op, n, "kernel_shape", 2, window);
}

static enum qb_err read_axes(struct tfl_op *op, int input, int64_t axes[QB_MAX_DIMS], int *count)
{
	const struct tfl_tensor *x = tensor_in(op, 0);

	QB_TRY(qb__tfl_ints(op, input, axes, QB_MAX_DIMS, count));
	for (int i = 0; i < *count; i++) {
		axes[i] += axes[i] < 0 ? x->ndim : 0;
		if (axes[i] < 0 || axes[i] >= x->ndim) {
			return qb__tfl_fail(op, QB_ESHAPE, "axis %d is none of its input's", (int)axes[i]);
		}
	}
	return QB_OK;
}

static enum qb_err mean_of_image(struct tfl_op *op, bool keep)
{
	struct qb_value *x, *y, *pooled;

	QB_TRY(operand(op, 0, &x));
	QB_TRY(result(op, &y));
	if (keep) {
		return node(op, "GlobalAveragePool", 1, &x, y, NULL);
	}
	pooled = qb__tfl_temporary(op->im, y->name, QB_F32);
	if (!pooled) {
		return no_memory(op);
	}
	pooled->carried = y->carried;
	QB_TRY(node(op, "GlobalAveragePool", 1, &x, pooled, NULL));
	return node(op, "Flatten", 1, &pooled, y, NULL);
}

static enum qb_err reduce(struct tfl_op *op)
{
	const char *type = op->code == 40 ? "ReduceMean" : op->code == 74 ? "ReduceSum"
		: op->code == 82 ? "ReduceMax" : "ReduceMin";
	int64_t axes[QB_MAX_DIMS];
	bool keep = qb_fb_byte(&op->options, 0, 0);
	struct qb_value *x;
	struct qb_node *n = NULL;
	int count;

	if (!tensor_in(op, 0)) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	QB_TRY(read_axes(op, 1, axes, &count));
	if (op->code == 40 && is_image(tensor_in(op, 0)) && count == 2 && axes[0] + axes[1] == 3 &&
		axes[0] * axes[1] == 2) {
		return mean_of_image(op, keep);
	}
	QB_TRY(rows(op, 0, &x));
	QB_TRY(rows_node(op, type, 1, &x, &n));
	n->opset = 11; /* axes as an attribute */
	qb_node_add_int(n, "keepdims", keep);
	return add_ints(op, n, "axes", count, axes);
}

static enum qb_err arg_max(struct tfl_op *op)
{
	int64_t axes[QB_MAX_DIMS];
	struct qb_value *x, *y;
	struct qb_node *n = NULL;
	int count;

	if (!tensor_in(op, 0)) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	QB_TRY(read_axes(op, 1, axes, &count));
	if (count != 1) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has %d axes", count);
	}
	if (is_image(tensor_in(op, 0)) && axes[0] == 3) {
		QB_TRY(operand(op, 0, &x));
		axes[0] = 1;
	} else {
		QB_TRY(rows(op, 0, &x));
	}
	QB_TRY(result(op, &y));
	y->dtype = QB_I64;
	QB_TRY(node(op, op->code == 56 ? "ArgMax" : "ArgMin", 1, &x, y, &n));
	qb_node_add_int(n, "axis", axes[0]);
	qb_node_add_int(n, "keepdims", 0);
	return QB_OK;
}

/* ---- element by element ---- */

/* An operand of an image: constants of fewer dimensions broadcast along the last axes of [N,H,W,C]. */
static enum qb_err broadcast_operand(struct tfl_op *op, int i, struct qb_value **out)
{
	const struct tfl_tensor *t = tensor_in(op, i);
	int64_t dim[4] = {1, 1, 1, 1}, turned[4];

	if (!t) {
		return qb__tfl_fail(op, QB_EFORMAT, "input %d is left out", i);
	}
	if (!t->data || t->ndim == 4) {
		return operand(op, i, out);
	}
	for (int k = 0; k < t->ndim; k++) {
		dim[4 - t->ndim + k] = t->dim[k];
	}
	for (int k = 0; k < 4; k++) {
		turned[k] = dim[qb__tfl_image[k]];
	}
	if (dim[1] * dim[2] == 1 || dim[3] == 1) {
		/* The same numbers in the same order. */
		return qb__tfl_constant(op->im, op->input[i], NULL, 4, turned, out);
	}
	return qb__tfl_fail(op, QB_EUNSUPPORTED, "its constant %s broadcasts in a way that is not supported",
		t->name);
}

static enum qb_err binary(struct tfl_op *op)
{
	static const struct {
		int code;
		const char *type;
		bool activation;
	} types[] = {{0, "Add", true}, {18, "Mul", true}, {41, "Sub", true}, {42, "Div", true},
		{55, "Max", false}, {57, "Min", false}, {54, "PRelu", false}, {78, "Pow", false}};
	bool image = is_image(tensor_out(op));
	struct qb_value *in[2], *y;
	size_t k = 0;

	while (types[k].code != op->code) {
		k++;
	}
	for (int i = 0; i < 2; i++) {
		const struct tfl_tensor *t = tensor_in(op, i);

		if (t && image && !t->data && t->ndim != 4) {
			return qb__tfl_fail(op, QB_EUNSUPPORTED, "it broadcasts %s to an image", t->name);
		}
		if (image) {
			QB_TRY(broadcast_operand(op, i, &in[i]));
		} else if (t) {
			QB_TRY(operand(op, i, &in[i]));
		} else {
			return qb__tfl_fail(op, QB_EFORMAT, "input %d is left out", i);
		}
	}
	if (types[k].activation) {
		return fused(op, types[k].type, 2, in, 0, NULL);
	}
	QB_TRY(result(op, &y));
	return node(op, types[k].type, 2, in, y, NULL);
}

static enum qb_err unary(struct tfl_op *op)
{
	static const struct {
		int code;
		const char *type;
	} types[] = {{8, "Floor"}, {14, "Sigmoid"}, {19, "Relu"}, {28, "Tanh"}, {47, "Exp"}, {59, "Neg"},
		{75, "Sqrt"}, {98, "LeakyRelu"}, {101, "Abs"}, {117, "HardSwish"}};
	struct qb_value *x, *y;
	struct qb_node *n = NULL;
	size_t k = 0;

	while (k < QB_COUNT(types) && types[k].code != op->code) {
		k++;
	}
	QB_TRY(operand(op, 0, &x));
	QB_TRY(result(op, &y));
	if (!x) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	if (k == QB_COUNT(types)) {
		return activate(op, op->code == 20 ? ACT_RELU_N1_TO_1 : ACT_RELU6, x, y);
	}
	QB_TRY(node(op, types[k].type, 1, &x, y, &n));
	if (op->code == 98) {
		n->attr[n->attrs++] = (struct qb_attr){.name = "alpha", .kind = QB_ATTR_FLOAT,
			.f = qb_fb_float(&op->options, 0, 0)};
	}
	return QB_OK;
}

static enum qb_err softmax(struct tfl_op *op)
{
	struct qb_value *in[2], *y;
	struct qb_node *n = NULL;
	float beta = op->code == 25 ? qb_fb_float(&op->options, 0, 0) : 1;

	QB_TRY(operand(op, 0, &in[0]));
	QB_TRY(result(op, &y));
	if (!in[0]) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	if (beta != 1 && beta != 0) {
		struct qb_value *scaled = qb__tfl_temporary(op->im, y->name, QB_F32);

		in[1] = qb__tfl_floats(op->im, y->name, -1, &beta);
		if (!in[1] || !scaled) {
			return no_memory(op);
		}
		QB_TRY(node(op, "Mul", 2, in, scaled, NULL));
		in[0] = scaled;
	}
	QB_TRY(node(op, op->code == 25 ? "Softmax" : "LogSoftmax", 1, in, y, &n));
	qb_node_add_int(n, "axis", is_image(tensor_in(op, 0)) ? 1 : -1);
	return QB_OK;
}

static enum qb_err l2_normalization(struct tfl_op *op)
{
	struct qb_value *x;
	struct qb_node *n = NULL;

	QB_TRY(operand(op, 0, &x));
	if (!x) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	QB_TRY(fused(op, "LpNormalization", 1, &x, 0, &n));
	qb_node_add_int(n, "axis", is_image(tensor_in(op, 0)) ? 1 : -1);
	return QB_OK;
}

/* ---- quantization ---- */

/* The same grid, shifted: uint8 around z + 128 is int8 around z. */
static bool same_grid(const struct tfl_tensor *a, const struct tfl_tensor *b)
{
	int shift = (a->dtype == QB_U8) * 128 - (b->dtype == QB_U8) * 128;

	return a->scales == 1 && b->scales == 1 && a->scale[0] == b->scale[0] &&
		(a->dtype == QB_U8 || a->dtype == QB_I8) && (b->dtype == QB_U8 || b->dtype == QB_I8) &&
		a->zero[0] - b->zero[0] == shift;
}

static enum qb_err quantize(struct tfl_op *op)
{
	struct tfl_tensor *y = &op->im->tensor[op->output[0]];
	struct qb_value *x, *v;

	QB_TRY(operand(op, 0, &x));
	if (!x) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	if (!y->value && !y->data && same_grid(tensor_in(op, 0), y)) {
		y->value = x;
		return QB_OK;
	}
	QB_TRY(result(op, &v));
	return node(op, "Identity", 1, &x, v, NULL);
}

/* ---- shapes ---- */

static enum qb_err reshape(struct tfl_op *op)
{
	const struct tfl_tensor *x = tensor_in(op, 0), *y = tensor_out(op);
	int64_t dim[QB_MAX_DIMS];
	struct qb_value *in[2], *out;

	if (!x) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	/* The shape of the output is in the file; the batch in front is kept. */
	for (int i = 0; i < y->ndim; i++) {
		dim[i] = i == 0 && x->ndim > 0 && x->dim[0] == y->dim[0] ? 0 : y->dim[i];
	}
	QB_TRY(is_pixel(x) ? operand(op, 0, &in[0]) : rows(op, 0, &in[0]));
	in[1] = qb__tfl_longs(op->im, y->name, y->ndim, dim);
	if (!in[1]) {
		return no_memory(op);
	}
	if (is_pixel(y)) {
		int64_t turned[4] = {dim[0], dim[3], 1, 1};

		in[1] = qb__tfl_longs(op->im, y->name, 4, turned);
		if (!in[1]) {
			return no_memory(op);
		}
		QB_TRY(result(op, &out));
		return node(op, "Reshape", 2, in, out, NULL);
	}
	return rows_node(op, "Reshape", 2, in, NULL);
}

static enum qb_err concatenation(struct tfl_op *op)
{
	const struct tfl_tensor *y = tensor_out(op);
	int64_t axis = qb_fb_int(&op->options, 0, 0);
	struct qb_value *in[QB_COUNT(op->input)];
	struct qb_node *n = NULL;

	axis += axis < 0 ? y->ndim : 0;
	if (axis < 0 || axis >= y->ndim) {
		return qb__tfl_fail(op, QB_ESHAPE, "axis %d is none of its output's", (int)axis);
	}
	for (int i = 0; i < op->inputs; i++) {
		QB_TRY(operand(op, i, &in[i]));
		if (!in[i] || tensor_in(op, i)->ndim != y->ndim) {
			return qb__tfl_fail(op, QB_ESHAPE, "input %d does not fit the others", i);
		}
	}
	QB_TRY(fused(op, "Concat", op->inputs, in, 1, &n));
	qb_node_add_int(n, "axis", is_image(y) ? image_axis(axis) : axis);
	return QB_OK;
}

static enum qb_err pad(struct tfl_op *op)
{
	const struct tfl_tensor *x = tensor_in(op, 0);
	int64_t pair[2 * QB_MAX_DIMS], pads[2 * QB_MAX_DIMS];
	struct qb_value *in[3], *y;
	struct qb_node *n = NULL;
	int count, inputs = 2;

	QB_TRY(operand(op, 0, &in[0]));
	QB_TRY(qb__tfl_ints(op, 1, pair, 2 * QB_MAX_DIMS, &count));
	if (!x || count != 2 * x->ndim) {
		return qb__tfl_fail(op, QB_ESHAPE, "it has %d paddings", count);
	}
	for (int i = 0; i < x->ndim; i++) {
		int from = is_image(x) ? qb__tfl_image[i] : i;

		pads[i] = pair[2 * from];
		pads[x->ndim + i] = pair[2 * from + 1];
	}
	in[1] = qb__tfl_longs(op->im, x->name, count, pads);
	if (!in[1]) {
		return no_memory(op);
	}
	if (op->code == 60) {
		const struct tfl_tensor *v = tensor_in(op, 2);

		if (!v || !v->data) {
			return qb__tfl_fail(op, QB_EUNSUPPORTED, "the number it pads with is not in the file");
		}
		QB_TRY(qb__tfl_constant(op->im, op->input[2], NULL, 0, NULL, &in[2]));
		inputs = 3;
	}
	if (op->code == 100 && qb_fb_byte(&op->options, 0, 0) != 0) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "symmetric mirrors are not supported");
	}
	QB_TRY(result(op, &y));
	QB_TRY(node(op, "Pad", inputs, in, y, &n));
	if (op->code == 100) {
		qb_node_add_string(n, "mode", "reflect");
	}
	return QB_OK;
}

static enum qb_err transpose_op(struct tfl_op *op)
{
	int64_t perm[QB_MAX_DIMS];
	struct qb_value *x;
	struct qb_node *n = NULL;
	int count;

	QB_TRY(rows(op, 0, &x));
	QB_TRY(qb__tfl_ints(op, 1, perm, QB_MAX_DIMS, &count));
	if (!x) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	QB_TRY(rows_node(op, "Transpose", 1, &x, &n));
	return add_ints(op, n, "perm", count, perm);
}

static enum qb_err slice(struct tfl_op *op)
{
	const struct tfl_tensor *x = tensor_in(op, 0);
	int64_t start[QB_MAX_DIMS], end[QB_MAX_DIMS];
	struct qb_value *in[3];
	int count, sizes;

	QB_TRY(rows(op, 0, &in[0]));
	QB_TRY(qb__tfl_ints(op, 1, start, QB_MAX_DIMS, &count));
	QB_TRY(qb__tfl_ints(op, 2, end, QB_MAX_DIMS, &sizes));
	if (!x || count != x->ndim || sizes != count) {
		return qb__tfl_fail(op, QB_ESHAPE, "it begins at %d numbers and has %d sizes", count, sizes);
	}
	for (int i = 0; i < count; i++) {
		end[i] = end[i] < 0 || start[i] + end[i] >= x->dim[i] ? INT64_MAX : start[i] + end[i];
	}
	in[1] = qb__tfl_longs(op->im, x->name, count, start);
	in[2] = qb__tfl_longs(op->im, x->name, count, end);
	return in[1] && in[2] ? rows_node(op, "Slice", 3, in, NULL) : no_memory(op);
}

static enum qb_err resize(struct tfl_op *op)
{
	bool linear = op->code == 23;
	bool corners = qb_fb_byte(&op->options, linear ? 2 : 0, 0);
	bool half = qb_fb_byte(&op->options, linear ? 3 : 1, 0);
	static const int64_t spatial[2] = {2, 3};
	struct qb_value *in[4] = {NULL}, *y;
	int64_t size[2];
	struct qb_node *n = NULL;
	int count;

	QB_TRY(need_images(op, false));
	QB_TRY(operand(op, 0, &in[0]));
	QB_TRY(qb__tfl_ints(op, 1, size, 2, &count));
	if (count != 2 || (!linear && (corners || half))) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "it needs two sizes, and to nearest pixels neither aligned "
			"corners nor half pixels");
	}
	in[3] = qb__tfl_longs(op->im, in[0]->name, 2, size);
	if (!in[3]) {
		return no_memory(op);
	}
	QB_TRY(result(op, &y));
	QB_TRY(node(op, "Resize", 4, in, y, &n));
	qb_node_add_string(n, "mode", linear ? "linear" : "nearest");
	qb_node_add_string(n, "coordinate_transformation_mode", corners ? "align_corners"
		: half ? "half_pixel" : "asymmetric");
	if (!linear) {
		qb_node_add_string(n, "nearest_mode", "floor");
	}
	return add_ints(op, n, "axes", 2, spatial);
}

static enum qb_err depth_space(struct tfl_op *op)
{
	struct qb_value *x, *y;
	struct qb_node *n = NULL;

	QB_TRY(need_images(op, false));
	QB_TRY(operand(op, 0, &x));
	QB_TRY(result(op, &y));
	QB_TRY(node(op, op->code == 5 ? "DepthToSpace" : "SpaceToDepth", 1, &x, y, &n));
	qb_node_add_int(n, "blocksize", qb_fb_int(&op->options, 0, 0));
	return QB_OK;
}

/* ---- the table ---- */

static const struct {
	int code; /* BuiltinOperator */
	const char *name;
	enum qb_err (*add)(struct tfl_op *op);
} table[] = {
	{0, "ADD", binary},
	{1, "AVERAGE_POOL_2D", pool_2d},
	{2, "CONCATENATION", concatenation},
	{3, "CONV_2D", conv_2d},
	{4, "DEPTHWISE_CONV_2D", conv_2d},
	{5, "DEPTH_TO_SPACE", depth_space},
	{6, "DEQUANTIZE", quantize},
	{8, "FLOOR", unary},
	{9, "FULLY_CONNECTED", fully_connected},
	{11, "L2_NORMALIZATION", l2_normalization},
	{14, "LOGISTIC", unary},
	{17, "MAX_POOL_2D", pool_2d},
	{18, "MUL", binary},
	{19, "RELU", unary},
	{20, "RELU_N1_TO_1", unary},
	{21, "RELU6", unary},
	{22, "RESHAPE", reshape},
	{23, "RESIZE_BILINEAR", resize},
	{25, "SOFTMAX", softmax},
	{26, "SPACE_TO_DEPTH", depth_space},
	{28, "TANH", unary},
	{34, "PAD", pad},
	{39, "TRANSPOSE", transpose_op},
	{40, "MEAN", reduce},
	{41, "SUB", binary},
	{42, "DIV", binary},
	{43, "SQUEEZE", reshape},
	{47, "EXP", unary},
	{50, "LOG_SOFTMAX", softmax},
	{54, "PRELU", binary},
	{55, "MAXIMUM", binary},
	{56, "ARG_MAX", arg_max},
	{57, "MINIMUM", binary},
	{59, "NEG", unary},
	{60, "PADV2", pad},
	{65, "SLICE", slice},
	{67, "TRANSPOSE_CONV", transpose_conv},
	{70, "EXPAND_DIMS", reshape},
	{74, "SUM", reduce},
	{75, "SQRT", unary},
	{78, "POW", binary},
	{79, "ARG_MIN", arg_max},
	{82, "REDUCE_MAX", reduce},
	{89, "REDUCE_MIN", reduce},
	{97, "RESIZE_NEAREST_NEIGHBOR", resize},
	{98, "LEAKY_RELU", unary},
	{100, "MIRROR_PAD", pad},
	{101, "ABS", unary},
	{114, "QUANTIZE", quantize},
	{117, "HARD_SWISH", unary},
};

enum qb_err qb__tfl_operator(struct tfl_op *op)
{
	for (size_t i = 0; i < QB_COUNT(table); i++) {
		if (table[i].code == op->code) {
			op->type = table[i].name;
			if (op->outputs < 1 || op->output[0] < 0) {
				return qb__tfl_fail(op, QB_EFORMAT, "it has no output");
			}
			return table[i].add(op);
		}
	}
	return qb__tfl_fail(op, QB_EUNSUPPORTED, "TFLite's operator %d is not supported%s", op->code,
		op->code == 32 ? " (a custom operator)" : "");
}
