/* SPDX-License-Identifier: Apache-2.0
 *
 * SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND of images. Around a convolution they are how TensorFlow writes a dilated one, and
 * become that: every block-th pixel of the padded image is an image of its own, so a convolution of those is one with
 * gaps, and what the blocks padded too much is cropped afterwards. Elsewhere they become moves.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/graph/tflite_ops.h"

enum { CONV_2D = 3, DEPTHWISE_CONV_2D = 4, BATCH_TO_SPACE = 37 };

/* Block heights and widths, and what is padded or cropped: top, bottom, left, right. */
struct spacing {
	int64_t block[2], edge[4];
};

static enum qb_err read_spacing(struct tfl_op *op, struct spacing *s)
{
	int blocks, edges;

	QB_TRY(qb__tfl_need_images(op, false));
	QB_TRY(qb__tfl_ints(op, 1, s->block, 2, &blocks));
	QB_TRY(qb__tfl_ints(op, 2, s->edge, 4, &edges));
	if (blocks != 2 || edges != 4 || !qb__tfl_is_image(qb__tfl_out(op))) {
		return qb__tfl_fail(op, QB_EUNSUPPORTED, "it needs blocks of two dimensions of an image");
	}
	for (int i = 0; i < 4; i++) {
		if (s->block[i / 2] < 1 || s->block[i / 2] > 1 << 20 || s->edge[i] < 0 || s->edge[i] > 1 << 20) {
			return qb__tfl_fail(op, QB_EFORMAT, "its blocks and paddings make no sense");
		}
	}
	return QB_OK;
}

/* The only operator that reads the output of op; false where there are several or it is an output of the network. */
static bool only_user(const struct tfl_op *op, struct tfl_op *user)
{
	const struct tfl_tensor *y = qb__tfl_out(op);

	return y->uses == 1 && y->user >= 0 && qb__tfl_read_operator(op->im, (size_t)y->user, user) == QB_OK &&
		user->outputs == 1 && user->output[0] >= 0 && user->inputs > 0 && user->input[0] == op->output[0];
}

/* A convolution without padding, strides or dilations of its own. */
static bool is_plain_conv(const struct tfl_op *op)
{
	bool depthwise = op->code == DEPTHWISE_CONV_2D;

	return (depthwise || op->code == CONV_2D) && qb_fb_byte(&op->options, 0, 0) == 1 &&
		qb_fb_int(&op->options, 1, 0) == 1 && qb_fb_int(&op->options, 2, 0) == 1 &&
		qb_fb_int(&op->options, depthwise ? 5 : 4, 1) == 1 && qb_fb_int(&op->options, depthwise ? 6 : 5, 1) == 1;
}

static enum qb_err find_dilation(struct tfl_op *op, const struct spacing *s, bool *found)
{
	struct tfl_op conv, back;
	struct tfl_dilation *d;
	struct spacing crops;

	*found = false;
	if (!only_user(op, &conv) || !is_plain_conv(&conv) || !only_user(&conv, &back) ||
		back.code != BATCH_TO_SPACE) {
		return QB_OK;
	}
	back.type = "BATCH_TO_SPACE_ND";
	QB_TRY(read_spacing(&back, &crops));
	for (int i = 0; i < 4; i++) {
		if (crops.block[i / 2] != s->block[i / 2] || s->edge[i] < crops.edge[i]) {
			return QB_OK;
		}
	}
	d = qb_arena_alloc(op->im->g->arena, 1, sizeof(*d));
	if (!d) {
		return qb__tfl_no_memory(op);
	}
	*d = (struct tfl_dilation){.x = op->input[0], .y = back.output[0], .rate = {s->block[0], s->block[1]},
		.pads = {s->edge[0] - crops.edge[0], s->edge[2] - crops.edge[2], s->edge[1] - crops.edge[1],
			s->edge[3] - crops.edge[3]}};
	op->im->tensor[op->output[0]].dilation = d;
	op->im->tensor[conv.output[0]].dilation = d;
	*found = true;
	return QB_OK;
}

/* ---- as moves ---- */

static enum qb_err temporary(struct tfl_op *op, const struct qb_value *like, struct qb_value **out)
{
	*out = qb__tfl_temporary(op->im, like->name, like->dtype);
	if (!*out) {
		return qb__tfl_no_memory(op);
	}
	(*out)->imported = like->imported;
	return QB_OK;
}

static enum qb_err reshape(struct tfl_op *op, struct qb_value *x, int count, const int64_t *dim,
	struct qb_value *y)
{
	struct qb_value *in[2] = {x, qb__tfl_longs(op->im, x->name, count, dim)};

	return in[1] ? qb__tfl_add_node(op, QB_OP_Reshape, 2, in, y, NULL) : qb__tfl_no_memory(op);
}

/* y = x as `apart`, its axes in the order perm, as `together`. */
static enum qb_err regroup(struct tfl_op *op, struct qb_value *x, const int64_t apart[6],
	const int64_t perm[6], const int64_t together[4], struct qb_value *y)
{
	struct qb_value *a, *b;
	struct qb_node *n = NULL;

	QB_TRY(temporary(op, x, &a));
	QB_TRY(temporary(op, x, &b));
	QB_TRY(reshape(op, x, 6, apart, a));
	QB_TRY(qb__tfl_add_node(op, QB_OP_Transpose, 1, &a, b, &n));
	QB_TRY(qb__tfl_add_ints(op, n, "perm", 6, perm));
	return reshape(op, b, 4, together, y);
}

enum qb_err qb__tfl_space_to_batch(struct tfl_op *op)
{
	static const int64_t perm[6] = {3, 5, 0, 1, 2, 4};
	const struct tfl_tensor *x = qb__tfl_in(op, 0), *y = qb__tfl_out(op);
	struct qb_value *in[2], *padded, *out;
	struct spacing s;
	int64_t h, w;
	bool dilated;

	QB_TRY(read_spacing(op, &s));
	QB_TRY(find_dilation(op, &s, &dilated));
	if (dilated) {
		return QB_OK;
	}
	h = x->dim[1] + s.edge[0] + s.edge[1];
	w = x->dim[2] + s.edge[2] + s.edge[3];
	if (h % s.block[0] || w % s.block[1]) {
		return qb__tfl_fail(op, QB_ESHAPE, "%lld x %lld pixels are no whole number of blocks", (long long)h,
			(long long)w);
	}
	QB_TRY(qb__tfl_operand(op, 0, &in[0]));
	QB_TRY(qb__tfl_result(op, &out));
	in[1] = qb__tfl_longs(op->im, y->name, 8, (const int64_t[]){0, 0, s.edge[0], s.edge[2], 0, 0, s.edge[1],
		s.edge[3]});
	if (!in[1]) {
		return qb__tfl_no_memory(op);
	}
	QB_TRY(temporary(op, in[0], &padded));
	QB_TRY(qb__tfl_add_node(op, QB_OP_Pad, 2, in, padded, NULL));
	h /= s.block[0];
	w /= s.block[1];
	return regroup(op, padded, (const int64_t[]){0, x->dim[3], h, s.block[0], w, s.block[1]}, perm,
		(const int64_t[]){-1, x->dim[3], h, w}, out);
}

enum qb_err qb__tfl_batch_to_space(struct tfl_op *op)
{
	static const int64_t perm[6] = {2, 3, 4, 0, 5, 1};
	const struct tfl_tensor *x = qb__tfl_in(op, 0);
	struct qb_value *in[4], *whole, *out;
	struct spacing s;
	int64_t h, w;

	if (x && x->dilation) {
		return QB_OK; /* the convolution made its output */
	}
	QB_TRY(read_spacing(op, &s));
	h = x->dim[1] * s.block[0];
	w = x->dim[2] * s.block[1];
	if (s.edge[0] + s.edge[1] > h || s.edge[2] + s.edge[3] > w) {
		return qb__tfl_fail(op, QB_ESHAPE, "it crops more than there is");
	}
	QB_TRY(qb__tfl_operand(op, 0, &in[0]));
	QB_TRY(qb__tfl_result(op, &out));
	QB_TRY(temporary(op, in[0], &whole));
	QB_TRY(regroup(op, in[0], (const int64_t[]){s.block[0], s.block[1], -1, x->dim[3], x->dim[1], x->dim[2]},
		perm, (const int64_t[]){-1, x->dim[3], h, w}, whole));
	in[0] = whole;
	in[1] = qb__tfl_longs(op->im, out->name, 2, (const int64_t[]){s.edge[0], s.edge[2]});
	in[2] = qb__tfl_longs(op->im, out->name, 2, (const int64_t[]){h - s.edge[1], w - s.edge[3]});
	in[3] = qb__tfl_longs(op->im, out->name, 2, (const int64_t[]){2, 3});
	return in[1] && in[2] && in[3] ? qb__tfl_add_node(op, QB_OP_Slice, 4, in, out, NULL) : qb__tfl_no_memory(op);
}
