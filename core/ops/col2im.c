/* SPDX-License-Identifier: Apache-2.0
 *
 * Col2Im: x [N, C * block, L], image_shape, block_shape; overlapping elements are summed.
 */
#include <inttypes.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"
#include "core/ops/window.h"

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
