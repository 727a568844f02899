/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of convolutions by their weights, channels last: for each kernel element the product of the pixels of dy,
 * transposed, with those of x that the element reaches. Pixels outside are left out. Where there are few channels, windows are
 * copied into rows first (im2col), so that one product serves all kernel elements.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/backward/conv_gradient.h"
#include "core/exec/lower/lowerings.h"
#include "core/kernels/f32/gemm_backward.h"
#include "core/kernels/f32/inside.h"

enum { X, DY };
enum { FEW_CHANNELS = 8, BLOCK = QB_F32_OUTER_DEPTH };

struct layer {
	struct qb_conv_shape c;
	bool im2col;
};

/* Pixels of the output, and the rows of both sides that are multiplied. */
struct block {
	int64_t first, count, rows;
	const float *dy[BLOCK], *x[BLOCK];
};

/* The rows that kernel element t joins. */
static void find_rows(const struct qb_conv_shape *c, const float *x, const float *dy, int64_t t, struct block *k)
{
	k->rows = 0;
	for (int64_t i = 0, count; i < k->count; i += count) {
		int64_t p = k->first + i, ox = p % c->out[1], oy = p / c->out[1] % c->out[0], image = p / c->out[1] / c->out[0];
		int64_t iy = oy * c->stride[0] - c->pad[0] + t / c->kernel[1] * c->dilation[0];
		int64_t ix = ox * c->stride[1] - c->pad[1] + t % c->kernel[1] * c->dilation[1], from, to;

		count = QB_MIN(k->count - i, c->out[1] - ox);
		if (iy < 0 || iy >= c->in[0]) {
			continue;
		}
		qb_f32_inside(ix, c->stride[1], count, c->in[1] - 1, &from, &to);
		for (int64_t j = from; j < to; j++, k->rows++) {
			k->dy[k->rows] = dy + (p + j) * c->outputs;
			k->x[k->rows] = x + ((image * c->in[0] + iy) * c->in[1] + ix + j * c->stride[1]) * c->channels;
		}
	}
}

/* The windows of a block's pixels, [count][kernel elements][channels], zeros outside. */
static void gather(const struct qb_conv_shape *c, const float *x, const float *dy, float *windows, struct block *k)
{
	int64_t size = c->elements * c->channels;

	for (int64_t i = 0; i < k->count; i++) {
		int64_t p = k->first + i, ox = p % c->out[1], oy = p / c->out[1] % c->out[0], image = p / c->out[1] / c->out[0];
		float *to = windows + i * size;

		for (int64_t t = 0; t < c->elements; t++, to += c->channels) {
			int64_t iy = oy * c->stride[0] - c->pad[0] + t / c->kernel[1] * c->dilation[0];
			int64_t ix = ox * c->stride[1] - c->pad[1] + t % c->kernel[1] * c->dilation[1];
			bool inside = iy >= 0 && iy < c->in[0] && ix >= 0 && ix < c->in[1];
			const float *from = x + ((image * c->in[0] + iy) * c->in[1] + ix) * c->channels;

			for (int64_t j = 0; j < c->channels; j++) {
				to[j] = inside ? from[j] : 0;
			}
		}
		k->dy[i] = dy + p * c->outputs;
		k->x[i] = windows + i * size;
	}
	k->rows = k->count;
}

/* sums [outputs][kernel elements][depth] += the products of a block. */
static void add_block(const struct layer *l, const struct qb_operands *at, float *sums, struct block *k)
{
	const struct qb_conv_shape *c = &l->c;
	int64_t row = c->elements * c->depth;

	if (l->im2col) {
		gather(c, at->read[X], at->read[DY], at->scratch[1], k);
		qb_f32_outer(&(struct qb_f32_outer){.depth = k->rows, .rows = c->outputs, .columns = row, .a = k->dy, .b = k->x,
			.y = sums, .y_stride = row});
		return;
	}
	for (int64_t t = 0; t < c->elements; t++) {
		find_rows(c, at->read[X], at->read[DY], t, k);
		for (int64_t g = 0; g < c->groups; g++) {
			qb_f32_outer(&(struct qb_f32_outer){.depth = k->rows, .rows = c->each, .columns = c->depth, .a = k->dy, .b = k->x,
				.a_offset = g * c->each, .b_offset = g * c->depth, .y = sums + g * c->each * row + t * c->depth, .y_stride = row});
		}
	}
}

/* [outputs][kernel elements][depth] to [outputs][depth][kernel elements]. */
static void lay_out(const struct qb_conv_shape *c, const float *sums, float *dw)
{
	for (int64_t o = 0; o < c->outputs; o++, sums += c->elements * c->depth) {
		for (int64_t k = 0; k < c->depth; k++) {
			for (int64_t t = 0; t < c->elements; t++) {
				*dw++ = sums[t * c->depth + k];
			}
		}
	}
}

static void run_layer(const void *context, const struct qb_operands *at)
{
	const struct layer *l = context;
	const struct qb_conv_shape *c = &l->c;
	int64_t pixels = c->images * c->out[0] * c->out[1];
	float *sums = c->elements > 1 ? at->scratch[0] : at->write[0];
	struct block k;

	memset(sums, 0, (size_t)(c->outputs * c->elements * c->depth) * sizeof(*sums));
	for (k.first = 0; k.first < pixels; k.first += BLOCK) {
		k.count = QB_MIN((int64_t)BLOCK, pixels - k.first);
		add_block(l, at, sums, &k);
	}
	if (c->elements > 1) {
		lay_out(c, sums, at->write[0]);
	}
}

enum qb_err qb__plan_conv_weight_gradient(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct layer l = {0};
	struct qb_conv_shape *c = &l.c;
	struct qb_layout layout = qb_layout_dense(&n->output[0]->shape);
	struct qb_call call = {.name = "weight gradient", .fn = run_layer, QB_CONTEXT(l)};
	struct qb_place dw;
	enum qb_err err;

	QB_TRY(qb_conv_shape_of(c, n, n->input[0], n->output[0], eb));
	err = qb_plan_depthwise_weight_gradient(b, n, c, eb);
	if (err != QB_EUNSUPPORTED) {
		return err;
	}
	l.im2col = c->groups == 1 && c->elements > 1 && c->channels < FEW_CHANNELS;
	QB_TRY(qb_builder_read(b, n->input[0], true, &call.reads[X], eb));
	QB_TRY(qb_builder_read(b, n->input[1], true, &call.reads[DY], eb));
	QB_TRY(qb_builder_define(b, n->output[0], &layout, &dw, eb));
	call.writes[0] = dw.buffer;
	call.scratch[0] = c->elements > 1 ? (size_t)(c->outputs * c->elements * c->depth) * sizeof(float) : 0;
	call.scratch[1] = l.im2col ? (size_t)(BLOCK * c->elements * c->channels) * sizeof(float) : 0;
	return qb_builder_call(b, n, &call, eb);
}
