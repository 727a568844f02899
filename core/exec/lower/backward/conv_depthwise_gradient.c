/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of depthwise convolutions as steps of core/kernels/f32/depthwise_backward.h.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/backward/conv_gradient.h"
#include "core/kernels/f32/depthwise_backward.h"

struct layer {
	struct qb_conv_shape c;
	struct qb_f32_depthwise_line line;
};

static bool describe(const struct qb_conv_shape *c, struct layer *l)
{
	*l = (struct layer){.c = *c, .line = {.channels = c->channels, .width = c->in[1], .out_width = c->out[1],
		.columns = c->kernel[1], .stride = c->stride[1], .dilation = c->dilation[1], .pad = c->pad[1]}};
	return c->groups == c->channels && c->outputs == c->channels && c->channels > 1;
}

/* The line of x, among all images', that row r of the kernel lies on for line i of y; -1: it is outside. */
static int64_t line_of(const struct qb_conv_shape *c, int64_t i, int64_t r)
{
	int64_t y = i % c->out[0] * c->stride[0] - c->pad[0] + r * c->dilation[0];

	return y < 0 || y >= c->in[0] ? -1 : i / c->out[0] * c->in[0] + y;
}

/* ---- by weights ---- */

enum { X, DY };

static void run_weights(const void *context, const struct qb_operands *at)
{
	const struct layer *l = context;
	const struct qb_conv_shape *c = &l->c;
	float *sums = at->scratch[0], *dw = at->write[0]; /* sums: [kernel elements][channels] */

	memset(sums, 0, (size_t)(c->elements * c->channels) * sizeof(*sums));
	for (int64_t i = 0; i < c->images * c->out[0]; i++) {
		for (int64_t r = 0; r < c->kernel[0]; r++) {
			int64_t line = line_of(c, i, r);

			if (line >= 0) {
				qb_f32_depthwise_weight_gradient(&l->line, (const float *)at->read[X] + line * c->in[1] * c->channels,
					(const float *)at->read[DY] + i * c->out[1] * c->channels, sums + r * c->kernel[1] * c->channels);
			}
		}
	}
	for (int64_t k = 0; k < c->channels * c->elements; k++) {
		dw[k] = sums[k % c->elements * c->channels + k / c->elements];
	}
}

enum qb_err qb_plan_depthwise_weight_gradient(struct qb_builder *b, const struct qb_node *n, const struct qb_conv_shape *c,
	struct qb_errbuf *eb)
{
	struct layer l;
	struct qb_call call = {.name = "depthwise weight gradient", .fn = run_weights, QB_CONTEXT(l),
		.scratch = {(size_t)(c->elements * c->channels) * sizeof(float)}};
	struct qb_layout layout = qb_layout_dense(&n->output[0]->shape);
	struct qb_place dw;

	if (!describe(c, &l)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_read(b, n->input[0], true, &call.reads[X], eb));
	QB_TRY(qb_builder_read(b, n->input[1], true, &call.reads[DY], eb));
	QB_TRY(qb_builder_define(b, n->output[0], &layout, &dw, eb));
	call.writes[0] = dw.buffer;
	return qb_builder_call(b, n, &call, eb);
}

/* ---- by the input ---- */

enum { OF_Y, W };

static void run_input(const void *context, const struct qb_operands *at)
{
	const struct layer *l = context;
	const struct qb_conv_shape *c = &l->c;
	const float *from = at->read[W];
	float *w = at->scratch[0], *dx = at->write[0]; /* w: [kernel elements][channels] */

	for (int64_t k = 0; k < c->channels * c->elements; k++) {
		w[k % c->elements * c->channels + k / c->elements] = from[k];
	}
	memset(dx, 0, (size_t)(c->images * c->in[0] * c->in[1] * c->channels) * sizeof(*dx));
	for (int64_t i = 0; i < c->images * c->out[0]; i++) {
		for (int64_t r = 0; r < c->kernel[0]; r++) {
			int64_t line = line_of(c, i, r);

			if (line >= 0) {
				qb_f32_depthwise_input_gradient(&l->line, (const float *)at->read[OF_Y] + i * c->out[1] * c->channels,
					w + r * c->kernel[1] * c->channels, dx + line * c->in[1] * c->channels);
			}
		}
	}
}

enum qb_err qb_plan_depthwise_input_gradient(struct qb_builder *b, const struct qb_node *n, const struct qb_conv_shape *c,
	struct qb_errbuf *eb)
{
	struct layer l;
	struct qb_call call = {.name = "depthwise gradient", .fn = run_input, QB_CONTEXT(l),
		.scratch = {(size_t)(c->elements * c->channels) * sizeof(float)}};
	struct qb_layout layout = qb_layout_channels_last(&n->output[0]->shape);
	struct qb_place dx;

	if (!describe(c, &l)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_read(b, n->input[0], true, &call.reads[OF_Y], eb));
	QB_TRY(qb_builder_read(b, n->input[1], false, &call.reads[W], eb));
	QB_TRY(qb_builder_define(b, n->output[0], &layout, &dx, eb));
	call.writes[0] = dx.buffer;
	return qb_builder_call(b, n, &call, eb);
}
