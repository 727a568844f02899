/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer steps of LayerNormalization along the last dimension, where sums and squares of bytes are exact, and of
 * BatchNormalization, where nothing before it
 * could take it: a depthwise convolution with a kernel of one element, its weights 1.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"
#include "core/kernels/int8/kernels.h"

enum { LINE = 256 };

/* Is the axis the last dimension, and bytes lie along it? */
static bool along_lines(const struct qb_node *n, const struct qb_bytes *x, const struct qb_bytes *y,
	int64_t fallback)
{
	const struct qb_shape *s = &n->input[0]->shape;
	int64_t axis = qb_node_int(n, "axis", fallback);

	/* In an image of one pixel they do not. */
	return (axis == -1 || axis == s->ndim - 1) && x->inner == 1 && y->inner == 1 &&
		x->channels == s->dim[s->ndim - 1];
}

struct layer_norm {
	const struct qb_int8_kernels *kernels;
	struct qb_bytes x, y;
	const float *gain, *bias; /* [channels] */
	float epsilon;
	int threads;
};

static void layer_norm_line(const void *context, const struct qb_operands *at, int64_t p)
{
	const struct layer_norm *c = context;
	const uint8_t *x = (const uint8_t *)at->read[0] + p * c->x.stride;
	uint8_t *y = (uint8_t *)at->write[0] + p * c->y.stride;
	int64_t n = c->x.channels;
	uint32_t sum = 0, squares = 0;
	double mean, variance;
	float shift, factor;

	for (int64_t i = 0; i < n; i++) {
		sum += x[i];
		squares += (uint32_t)x[i] * x[i];
	}
	mean = (double)sum / (double)n;
	variance = fmax((double)squares / (double)n - mean * mean, 0) * c->x.scale * c->x.scale;
	factor = (float)(c->x.scale / sqrt(variance + (double)c->epsilon));
	shift = (float)mean;
	for (int64_t from = 0; from < n; from += LINE) {
		int64_t many = QB_MIN(LINE, n - from);
		float line[LINE];

		for (int64_t i = 0; i < many; i++) {
			line[i] = ((float)x[from + i] - shift) * factor * c->gain[from + i] +
				c->bias[from + i];
		}
		c->kernels->quantize(line, y + from, (size_t)many, c->y.scale, c->y.zero, c->y.top);
	}
}

static void run_layer_norm(const void *context, const struct qb_operands *at)
{
	const struct layer_norm *c = context;

	qb_threads_loop(c->x.pixels * c->x.channels > 16384 ? c->threads : 1, c->x.pixels, layer_norm_line, c, at);
}

static bool is_constant_line(const struct qb_value *v, int64_t n)
{
	return v && v->constant && v->dtype == QB_F32 && (int64_t)qb_tensor_size(v->constant) == n;
}

enum qb_err qb__plan_int8_layer_norm(struct qb_builder *b, const struct qb_lowered *op,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct layer_norm c = {.kernels = qb_int8_kernels(), .threads = qb_builder_threads(b),
		.epsilon = qb_node_float(n, "epsilon", 1e-5f)};
	bool biased = n->inputs > 2 && n->input[2];

	for (int i = 1; i < n->outputs; i++) {
		if (n->output[i]) {
			return QB_EUNSUPPORTED;
		}
	}
	QB_TRY(qb_builder_bytes(b, n->input[0], &c.x, eb));
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &c.y, eb));
	/* 65536 squares of bytes fit 32 bits. */
	if (!along_lines(n, &c.x, &c.y, -1) || c.x.channels > 65536 ||
		!is_constant_line(n->input[1], c.x.channels) ||
		(biased && !is_constant_line(n->input[2], c.x.channels))) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_constant(b, n->input[1], &c.gain, eb));
	if (biased) {
		QB_TRY(qb_builder_constant(b, n->input[2], &c.bias, eb));
	} else if (!(c.bias = qb_builder_alloc(b, (size_t)c.x.channels, sizeof(*c.bias)))) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	return qb_builder_call(b, n, &(struct qb_call){.name = "int8 layer norm", .fn = run_layer_norm, QB_CONTEXT(c),
		.reads = {c.x.buffer}, .writes = {c.y.buffer}}, eb);
}

struct batch_norm {
	const struct qb_int8_kernels *kernels;
	struct qb_int8_channels c;
	struct qb_bytes x;
	int threads;
};

enum { PIXELS = 256 };

static void batch_norm_pixels(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct batch_norm *c = context;
	const int64_t p = i * PIXELS;
	const uint8_t *row = (const uint8_t *)at->read[0] + p * c->x.stride;

	c->kernels->depthwise(&c->c, &row, c->x.stride, QB_MIN(PIXELS, c->x.pixels - p),
		(uint8_t *)at->write[0] + p * c->x.stride, c->x.stride);
}

static void run_batch_norm(const void *context, const struct qb_operands *at)
{
	const struct batch_norm *c = context;

	qb_threads_loop(c->x.pixels * c->x.stride > 65536 ? c->threads : 1, (c->x.pixels + PIXELS - 1) / PIXELS, batch_norm_pixels,
		c, at);
}

/* gain * (x - mean) / sqrt(variance + epsilon) + bias on bytes, in the kernels' order. */
static enum qb_err prepare_batch_norm(struct qb_builder *b, const struct qb_node *n,
	struct batch_norm *c, const struct qb_bytes *y, struct qb_errbuf *eb)
{
	const size_t room = qb_align_up((size_t)c->x.channels, 64);
	const float *p[4], epsilon = qb_node_float(n, "epsilon", 1e-5f);
	int8_t *packed = qb_builder_alloc(b, c->kernels->depthwise_bytes(c->x.channels, 1), 1);
	int8_t *ones = qb_builder_alloc(b, room, 1);
	int32_t *start = qb_builder_alloc(b, room, sizeof(*start));
	float *line[4];

	for (int i = 0; i < 4; i++) {
		QB_TRY(qb_builder_constant(b, n->input[1 + i], &p[i], eb));
		line[i] = qb_builder_alloc(b, room, sizeof(*line[i]));
		if (!line[i] || !packed || !ones || !start) {
			return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
		}
	}
	for (int64_t i = 0; i < (int64_t)room; i++) {
		start[i] = -c->x.zero;
	}
	for (int64_t i = 0; i < c->x.channels; i++) {
		double gain = p[0][i] / sqrt((double)p[3][i] + (double)epsilon);

		ones[i] = 1;
		line[0][i] = (float)(gain * c->x.scale / y->scale);
		line[1][i] = (float)((p[1][i] - gain * p[2][i]) / y->scale + y->zero);
	}
	c->kernels->pack_depthwise(packed, ones, c->x.channels, 1);
	qb_int8_unpacked_order(c->kernels, line[0], line[2], c->x.channels);
	qb_int8_unpacked_order(c->kernels, line[1], line[3], c->x.channels);
	c->c = (struct qb_int8_channels){.packed = packed, .start = start, .multiplier = line[2],
		.offset = line[3], .channels = c->x.channels, .kernel_elements = 1};
	c->c.hi = y->top;
	return QB_OK;
}

enum qb_err qb__plan_int8_batch_norm(struct qb_builder *b, const struct qb_lowered *op,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct batch_norm c = {.kernels = qb_int8_kernels(), .threads = qb_builder_threads(b)};
	struct qb_bytes y;

	QB_TRY(qb_builder_bytes(b, n->input[0], &c.x, eb));
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &y, eb));
	for (int i = 1; i < 5; i++) {
		if (!is_constant_line(n->input[i], c.x.channels)) {
			return QB_EUNSUPPORTED;
		}
	}
	if (n->input[0]->shape.ndim != 4 || c.x.stride != y.stride || c.x.inner != y.inner ||
		(n->outputs > 1 && n->output[1])) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(prepare_batch_norm(b, n, &c, &y, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "int8 batch norm", .fn = run_batch_norm, QB_CONTEXT(c),
		.reads = {c.x.buffer}, .writes = {y.buffer}}, eb);
}
