/* SPDX-License-Identifier: Apache-2.0
 *
 * TFLite's operators that take parts of a tensor and put parts together: slices, splits, packs, look-ups, and products
 * of two computed tensors, whose factors they mostly feed.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/graph/tflite_ops.h"

/* The op with one of its outputs as the only one. */
static struct tfl_op with_output(const struct tfl_op *op, int k)
{
	struct tfl_op one = *op;

	one.output[0] = op->output[k];
	one.outputs = 1;
	return one;
}

static enum qb_err axis_of(const struct tfl_op *op, int64_t axis, int ndim, int64_t *out)
{
	*out = axis + (axis < 0 ? ndim : 0);
	return *out >= 0 && *out < ndim ? QB_OK
		: qb__tfl_fail(op, QB_ESHAPE, "axis %lld is none of %d", (long long)axis, ndim);
}

/* No tensor is longer, and sums of a few such numbers do not overflow. */
static void tame(int64_t *v, int count)
{
	for (int i = 0; i < count; i++) {
		v[i] = QB_MAX(QB_MIN(v[i], (int64_t)1 << 40), -((int64_t)1 << 40));
	}
}

/* A cut along some axes of TFLite's order; ends beyond the tensor mean its end. */
struct cut {
	int count;
	int64_t axis[QB_MAX_DIMS], start[QB_MAX_DIMS], end[QB_MAX_DIMS], step[QB_MAX_DIMS];
};

/* y = cut of x. With `keep` y is op's output and has as many axes; else a temporary in TFLite's order is made. */
static enum qb_err join_cut(struct tfl_op *op, int input, const struct cut *c, bool keep,
	struct qb_value **out)
{
	const struct tfl_tensor *t = qb__tfl_in(op, input);
	bool image = keep && qb__tfl_is_image(t) && qb__tfl_is_image(qb__tfl_out(op));
	struct qb_value *in[5];
	int64_t axis[QB_MAX_DIMS];

	QB_TRY(image ? qb__tfl_operand(op, input, &in[0]) : qb__tfl_operand_nhwc(op, input, &in[0]));
	for (int i = 0; i < c->count; i++) {
		axis[i] = image ? qb__tfl_image_axis(c->axis[i]) : c->axis[i];
	}
	in[1] = qb__tfl_longs(op->im, t->name, c->count, c->start);
	in[2] = qb__tfl_longs(op->im, t->name, c->count, c->end);
	in[3] = qb__tfl_longs(op->im, t->name, c->count, axis);
	in[4] = qb__tfl_longs(op->im, t->name, c->count, c->step);
	if (!in[1] || !in[2] || !in[3] || !in[4]) {
		return qb__tfl_no_memory(op);
	}
	if (image) {
		QB_TRY(qb__tfl_result(op, out));
		return qb__tfl_add_node(op, QB_OP_Slice, 5, in, *out, NULL);
	}
	if (keep) {
		return qb__tfl_add_node_nhwc(op, QB_OP_Slice, 5, in, NULL);
	}
	*out = qb__tfl_temporary(op->im, t->name, in[0]->dtype);
	if (!*out) {
		return qb__tfl_no_memory(op);
	}
	(*out)->imported = in[0]->imported;
	return qb__tfl_add_node(op, QB_OP_Slice, 5, in, *out, NULL);
}

/* Squeeze or Unsqueeze of these axes, in the form that has them as an attribute. */
static enum qb_err set_axes(struct tfl_op *op, struct qb_node *n, int count, const int64_t *axes)
{
	n->opset = 11;
	return qb__tfl_add_ints(op, n, "axes", count, axes);
}

/* A cut of one axis, kept or taken out. */
static enum qb_err join_part(struct tfl_op *op, int input, int64_t axis, int64_t start, int64_t end,
	bool keep)
{
	struct cut c = {.count = 1, .axis = {axis}, .start = {start}, .end = {end}, .step = {1}};
	struct qb_value *part;
	struct qb_node *n = NULL;

	QB_TRY(join_cut(op, input, &c, keep, &part));
	if (keep) {
		return QB_OK;
	}
	QB_TRY(qb__tfl_add_node_nhwc(op, QB_OP_Squeeze, 1, &part, &n));
	return set_axes(op, n, 1, &axis);
}

/* ---- slices ---- */

enum qb_err qb__tfl_slice(struct tfl_op *op)
{
	const struct tfl_tensor *x = qb__tfl_in(op, 0);
	int64_t start[QB_MAX_DIMS], size[QB_MAX_DIMS];
	struct cut c = {0};
	struct qb_value *y;
	int count, sizes;

	QB_TRY(qb__tfl_ints(op, 1, start, QB_MAX_DIMS, &count));
	QB_TRY(qb__tfl_ints(op, 2, size, QB_MAX_DIMS, &sizes));
	if (!x || count != x->ndim || sizes != count) {
		return qb__tfl_fail(op, QB_ESHAPE, "it begins at %d indices and has %d sizes", count, sizes);
	}
	tame(start, count);
	tame(size, count);
	for (int i = 0; i < count; i++) {
		c.axis[c.count] = i;
		c.start[c.count] = start[i];
		c.end[c.count] = size[i] < 0 || start[i] + size[i] >= x->dim[i] ? INT64_MAX : start[i] + size[i];
		c.step[c.count] = 1;
		c.count += start[i] != 0 || c.end[c.count] != INT64_MAX;
	}
	return join_cut(op, 0, &c, true, &y);
}

enum { STRIDED_BEGIN = 0, STRIDED_END = 1, STRIDED_ELLIPSIS = 2, STRIDED_NEW = 3, STRIDED_SHRINK = 4, STRIDED_OFFSET = 5 };

/* One axis of a strided slice; false where it leaves the axis as it is. */
static bool strided_axis(const struct tfl_op *op, int i, int64_t dim, int64_t *start, int64_t *end, int64_t step)
{
	int bit = 1 << i;
	bool back = step < 0;

	if (qb_fb_int(&op->options, STRIDED_SHRINK, 0) & bit) {
		*end = *start == -1 ? INT64_MAX : *start + 1;
		return true;
	}
	if (qb_fb_byte(&op->options, STRIDED_OFFSET, 0)) {
		*end += *start;
	}
	if (qb_fb_int(&op->options, STRIDED_BEGIN, 0) & bit) {
		*start = back ? INT64_MAX : 0;
	}
	if (qb_fb_int(&op->options, STRIDED_END, 0) & bit) {
		*end = back ? INT64_MIN : INT64_MAX;
	}
	/* What is wholly kept may be longer when the network runs: the batch. */
	return step != 1 || *start != 0 || *end < dim;
}

enum qb_err qb__tfl_strided_slice(struct tfl_op *op)
{
	const struct tfl_tensor *x = qb__tfl_in(op, 0);
	int32_t shrink = qb_fb_int(&op->options, STRIDED_SHRINK, 0);
	int64_t start[QB_MAX_DIMS], end[QB_MAX_DIMS], step[QB_MAX_DIMS], gone[QB_MAX_DIMS];
	struct cut c = {0};
	struct qb_value *y;
	struct qb_node *n = NULL;
	int counts[3], taken = 0;

	QB_TRY(qb__tfl_ints(op, 1, start, QB_MAX_DIMS, &counts[0]));
	QB_TRY(qb__tfl_ints(op, 2, end, QB_MAX_DIMS, &counts[1]));
	QB_TRY(qb__tfl_ints(op, 3, step, QB_MAX_DIMS, &counts[2]));
	if (!x || counts[0] > x->ndim || counts[1] != counts[0] || counts[2] != counts[0]) {
		return qb__tfl_fail(op, QB_ESHAPE, "it has %d starts, %d ends and %d strides", counts[0], counts[1],
			counts[2]);
	}
	tame(start, counts[0]);
	tame(end, counts[0]);
	if (qb_fb_int(&op->options, STRIDED_ELLIPSIS, 0) || qb_fb_int(&op->options, STRIDED_NEW, 0)) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "an ellipsis or a new axis in a slice is not supported; convert "
			"the model with x[:, a:b] and tf.expand_dims in their place");
	}
	for (int i = 0; i < counts[0]; i++) {
		if (step[i] == 0) {
			return qb__tfl_fail(op, QB_EFORMAT, "the stride of axis %d is 0", i);
		}
		if (strided_axis(op, i, x->dim[i], &start[i], &end[i], step[i])) {
			c.axis[c.count] = i;
			c.start[c.count] = start[i];
			c.end[c.count] = end[i];
			c.step[c.count++] = shrink & 1 << i ? 1 : step[i];
		}
		if (shrink & 1 << i) {
			gone[taken++] = i;
		}
	}
	QB_TRY(join_cut(op, 0, &c, taken == 0, &y));
	if (taken == 0) {
		return QB_OK;
	}
	QB_TRY(qb__tfl_add_node_nhwc(op, QB_OP_Squeeze, 1, &y, &n));
	return set_axes(op, n, taken, gone);
}

/* ---- splits and packs ---- */

enum { SPLIT = 49, SPLIT_V = 102 };

enum qb_err qb__tfl_split(struct tfl_op *op)
{
	bool sizes_given = op->code == SPLIT_V;
	int input = sizes_given ? 0 : 1, count = op->outputs;
	const struct tfl_tensor *x = qb__tfl_in(op, input);
	int64_t axis, size[QB_COUNT(op->output)], at = 0;
	int one;

	if (!x) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	QB_TRY(qb__tfl_ints(op, sizes_given ? 2 : 0, &axis, 1, &one));
	if (one != 1) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has %d axes", one);
	}
	QB_TRY(axis_of(op, axis, x->ndim, &axis));
	if (sizes_given) {
		QB_TRY(qb__tfl_ints(op, 1, size, QB_COUNT(size), &count));
		tame(size, count);
	}
	if (count != op->outputs || (!sizes_given && x->dim[axis] % count)) {
		return qb__tfl_fail(op, QB_ESHAPE, "it makes %d outputs of %d parts of %lld", op->outputs, count,
			(long long)x->dim[axis]);
	}
	for (int k = 0; k < count; k++) {
		struct tfl_op part = with_output(op, k);
		int64_t now = !sizes_given ? x->dim[axis] / count : size[k];

		if (part.output[0] < 0) {
			return qb__tfl_fail(op, QB_EFORMAT, "output %d is left out", k);
		}
		now = now < 0 ? qb__tfl_out(&part)->ndim > axis ? qb__tfl_out(&part)->dim[axis] : 0 : now;
		QB_TRY(join_part(&part, input, axis, at, k == count - 1 ? INT64_MAX : at + now, true));
		at += now;
	}
	return QB_OK;
}

enum qb_err qb__tfl_unpack(struct tfl_op *op)
{
	const struct tfl_tensor *x = qb__tfl_in(op, 0);
	int64_t axis;

	if (!x) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	QB_TRY(axis_of(op, qb_fb_int(&op->options, 1, 0), x->ndim, &axis));
	if (x->dim[axis] != op->outputs) {
		return qb__tfl_fail(op, QB_ESHAPE, "it makes %d outputs of %lld parts", op->outputs,
			(long long)x->dim[axis]);
	}
	for (int k = 0; k < op->outputs; k++) {
		struct tfl_op part = with_output(op, k);

		if (part.output[0] < 0) {
			return qb__tfl_fail(op, QB_EFORMAT, "output %d is left out", k);
		}
		QB_TRY(join_part(&part, 0, axis, k, k + 1, false));
	}
	return QB_OK;
}

enum qb_err qb__tfl_pack(struct tfl_op *op)
{
	const struct tfl_tensor *y = qb__tfl_out(op);
	struct qb_value *in[QB_COUNT(op->input)];
	struct qb_node *n = NULL;
	int64_t axis;

	QB_TRY(axis_of(op, qb_fb_int(&op->options, 1, 0), y->ndim, &axis));
	for (int i = 0; i < op->inputs; i++) {
		struct qb_value *x;

		if (!qb__tfl_in(op, i)) {
			return qb__tfl_fail(op, QB_EFORMAT, "input %d is left out", i);
		}
		QB_TRY(qb__tfl_operand_nhwc(op, i, &x));
		in[i] = qb__tfl_temporary(op->im, y->name, x->dtype);
		if (!in[i]) {
			return qb__tfl_no_memory(op);
		}
		in[i]->imported = x->imported;
		QB_TRY(qb__tfl_add_node(op, QB_OP_Unsqueeze, 1, &x, in[i], &n));
		QB_TRY(set_axes(op, n, 1, &axis));
	}
	QB_TRY(qb__tfl_add_node_nhwc(op, QB_OP_Concat, op->inputs, in, &n));
	qb_node_add_int(n, "axis", axis);
	return QB_OK;
}

/* ---- look-ups ---- */

static enum qb_err read_indices(struct tfl_op *op, struct qb_value **out)
{
	const struct tfl_tensor *t = qb__tfl_in(op, 1);
	int64_t *index;
	int count, room;

	if (!t || !t->data) {
		return t ? qb__tfl_operand_nhwc(op, 1, out) : qb__tfl_fail(op, QB_EFORMAT, "it has no indices");
	}
	if (t->ndim > 1 || t->bytes > 1 << 24) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "indices that the file holds have to be a number or a list");
	}
	room = (int)t->bytes / 4 + 1;
	index = qb_arena_alloc(op->im->g->arena, (size_t)room, sizeof(*index));
	if (!index) {
		return qb__tfl_no_memory(op);
	}
	QB_TRY(qb__tfl_ints(op, 1, index, room, &count));
	*out = qb__tfl_longs(op->im, t->name, t->ndim ? count : -1, index);
	return *out ? QB_OK : qb__tfl_no_memory(op);
}

enum qb_err qb__tfl_gather(struct tfl_op *op)
{
	const struct tfl_tensor *x = qb__tfl_in(op, 0);
	struct qb_value *in[2];
	struct qb_node *n = NULL;
	int64_t axis;

	if (!x) {
		return qb__tfl_fail(op, QB_EFORMAT, "it has no input");
	}
	QB_TRY(axis_of(op, qb_fb_int(&op->options, 0, 0), x->ndim, &axis));
	if (qb_fb_int(&op->options, 1, 0) != 0) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "batch dimensions of a look-up are not supported");
	}
	QB_TRY(qb__tfl_operand_nhwc(op, 0, &in[0]));
	QB_TRY(read_indices(op, &in[1]));
	QB_TRY(qb__tfl_add_node_nhwc(op, QB_OP_Gather, 2, in, &n));
	qb_node_add_int(n, "axis", axis);
	return QB_OK;
}

/* ---- products ---- */

static enum qb_err factor(struct tfl_op *op, int i, bool transposed, struct qb_value **out)
{
	const struct tfl_tensor *t = qb__tfl_in(op, i);
	int64_t perm[QB_MAX_DIMS];
	struct qb_node *n = NULL;
	struct qb_value *x;

	if (!t || t->ndim < 2) {
		return qb__tfl_fail(op, QB_ESHAPE, "input %d is no matrix", i);
	}
	QB_TRY(qb__tfl_operand_nhwc(op, i, out));
	if (!transposed) {
		return QB_OK;
	}
	for (int k = 0; k < t->ndim; k++) {
		perm[k] = k < t->ndim - 2 ? k : 2 * t->ndim - 3 - k;
	}
	x = *out;
	*out = qb__tfl_temporary(op->im, t->name, x->dtype);
	if (!*out) {
		return qb__tfl_no_memory(op);
	}
	(*out)->imported = x->imported;
	QB_TRY(qb__tfl_add_node(op, QB_OP_Transpose, 1, &x, *out, &n));
	return qb__tfl_add_ints(op, n, "perm", t->ndim, perm);
}

enum qb_err qb__tfl_batch_matmul(struct tfl_op *op)
{
	struct qb_value *in[2];

	QB_TRY(factor(op, 0, qb_fb_byte(&op->options, 0, 0), &in[0]));
	QB_TRY(factor(op, 1, qb_fb_byte(&op->options, 1, 0), &in[1]));
	return qb__tfl_add_node_nhwc(op, QB_OP_MatMul, 2, in, NULL);
}
