/* SPDX-License-Identifier: Apache-2.0
 *
 * Inverted bottlenecks (Sandler et al., "MobileNetV2", 2018): a pointwise convolution that widens an image's channels, a
 * depthwise one, and a pointwise one that narrows them, in one step, line by line. The wide images between them, the
 * largest of such a network, are never made: the few lines at work stay in a second-level cache.
 */
#include "core/base/size.h"
#include "core/exec/lower/f32/conv_depthwise.h"
#include "core/exec/threads.h"
#include "core/kernels/f32/gemm.h"

enum {
	LINES = 7,          /* most rows of the depthwise kernel */
	NEAR = 96 * 1024,   /* numbers of lines and weights that stay in the cache */
	LARGE = 256 * 1024, /* numbers of a wide image that do not */
};

struct bottleneck {
	struct qb_dense wide, middle, narrow;
	struct qb_act wide_act, narrow_act;
	struct qb_f32_depthwise line;
	const float *zeros; /* a line outside the wide image */
	int threads;
};

enum { X, WIDE, WIDE_BIAS, MIDDLE, MIDDLE_BIAS, NARROW, NARROW_BIAS, RESIDUAL };

/* One line of a pointwise convolution: pixels that lie together. */
static void run_line(const struct qb_dense *d, const struct qb_act *act, const float *weights, const float *bias,
	const float *x, const float *residual, int64_t pixels, float *y)
{
	struct qb_f32_gemm p = {.outputs = d->outputs, .runs = 1, .depth = d->channels, .weights = weights,
		.epilogue = {.bias = bias, .act = *act}};
	int64_t blocks = (pixels + QB_F32_ROWS - 1) / QB_F32_ROWS, panels = (d->outputs + QB_F32_PANEL - 1) / QB_F32_PANEL;

	for (int64_t k = 0, at = 0, count; k < blocks; k++, at += count) {
		const float *row[QB_F32_ROWS];

		count = (pixels - at + blocks - k - 1) / (blocks - k);
		for (int64_t i = 0; i < count; i++) {
			row[i] = x + (at + i) * d->channels;
		}
		qb_f32_gemm(&p, row, count, 0, panels, residual ? residual + at * d->outputs : NULL, y + at * d->outputs,
			d->outputs);
	}
}

/* Numbers of a thread's scratch: the wide lines that a window covers, and one behind it. */
static int64_t scratch_part(const struct bottleneck *k)
{
	const struct qb_dense *d = &k->middle;

	return (d->kernel[0] * d->width + d->out_width) * d->channels;
}

/* Output lines [first, last) of all images. */
static void run_lines(const struct bottleneck *k, const struct qb_operands *at, float *scratch, int64_t first, int64_t last)
{
	const struct qb_dense *d = &k->middle;
	int64_t length = d->width * d->channels, made[LINES];
	float *filtered = scratch + d->kernel[0] * length;
	struct qb_f32_depthwise line = k->line;

	line.weights = at->read[MIDDLE];
	line.epilogue.bias = d->bias ? at->read[MIDDLE_BIAS] : NULL;
	for (int i = 0; i < LINES; i++) {
		made[i] = -1;
	}
	for (int64_t i = first; i < last; i++) {
		int64_t image = i / d->out_height * d->height, offset = i * d->out_width * k->narrow.outputs;
		const float *from[LINES];

		for (int64_t r = 0; r < d->kernel[0]; r++) {
			int64_t y = qb_depthwise_line(d, i % d->out_height, r), slot = (y + d->height) % d->kernel[0];

			from[r] = y < 0 || y >= d->height ? k->zeros : scratch + slot * length;
			if (from[r] != k->zeros && made[slot] != image + y) {
				made[slot] = image + y;
				run_line(&k->wide, &k->wide_act, at->read[WIDE], k->wide.bias ? at->read[WIDE_BIAS] : NULL,
					(const float *)at->read[X] + (image + y) * d->width * k->wide.channels, NULL, d->width,
					scratch + slot * length);
			}
		}
		qb_f32_depthwise_line(&line, from, filtered);
		run_line(&k->narrow, &k->narrow_act, at->read[NARROW], k->narrow.bias ? at->read[NARROW_BIAS] : NULL, filtered,
			k->narrow.residual ? (const float *)at->read[RESIDUAL] + offset : NULL, d->out_width, (float *)at->write[0] + offset);
	}
}

static void run_part(const void *context, const struct qb_operands *at, int64_t t)
{
	const struct bottleneck *k = context;
	int64_t lines = k->middle.images * k->middle.out_height;

	run_lines(k, at, (float *)at->scratch[0] + t * scratch_part(k), lines * t / k->threads, lines * (t + 1) / k->threads);
}

static void run_bottleneck(const void *context, const struct qb_operands *at)
{
	const struct bottleneck *k = context;

	qb_threads_loop(k->threads, k->threads, run_part, k, at);
}

static bool is_pointwise(const struct qb_lowered *op, const struct qb_dense *d)
{
	return d->groups == 1 && d->kernel[0] == 1 && d->kernel[1] == 1 && d->stride[0] == 1 && d->stride[1] == 1 &&
		d->height == d->out_height && d->width == d->out_width && !op->affine.scale && !op->residual_last;
}

static bool pays(const struct bottleneck *k)
{
	const struct qb_dense *d = &k->middle;

	return d->images * d->height * d->width * d->channels >= LARGE &&
		scratch_part(k) + d->channels * (k->wide.channels + k->narrow.outputs) <= NEAR;
}

/* The three operators that begin with first. */
static enum qb_err find(struct qb_builder *b, const struct qb_lowered *first, const struct qb_lowered *op[3],
	struct bottleneck *k, struct qb_errbuf *eb)
{
	struct qb_dense *d[3] = {&k->wide, &k->middle, &k->narrow};

	for (int i = 0; i < 3; i++) {
		op[i] = i ? qb_builder_only_user(b, op[i - 1]->node.output[0]) : first;
		if (!op[i] || op[i]->node.inputs < 2 || (i && op[i]->node.input[0] != op[i - 1]->node.output[0])) {
			return QB_EUNSUPPORTED;
		}
		QB_TRY(qb_dense_of(d[i], op[i], eb));
	}
	if (!is_pointwise(op[0], d[0]) || d[0]->residual || !is_pointwise(op[2], d[2]) ||
		!qb_depthwise_of(&k->line, op[1], d[1]) || d[1]->kernel[0] > LINES || d[1]->dilation[0] != 1 ||
		d[1]->stride[0] > d[1]->kernel[0] || (d[2]->residual && !qb_builder_has(b, d[2]->residual)) || !pays(k)) {
		return QB_EUNSUPPORTED;
	}
	k->wide_act = op[0]->act;
	k->narrow_act = op[2]->act;
	return QB_OK;
}

static enum qb_err find_buffers(struct qb_builder *b, const struct bottleneck *k, struct qb_call *call,
	struct qb_errbuf *eb)
{
	static const int weight[3] = {WIDE, MIDDLE, NARROW};
	const struct qb_dense *d[3] = {&k->wide, &k->middle, &k->narrow};
	struct qb_place place;
	int id;

	for (int i = 0; i < 3; i++) {
		QB_TRY(i == 1 ? qb_depthwise_weight(b, d[i], &id, eb) : qb_dense_weight(b, d[i], &id, eb));
		call->reads[weight[i]] = QB_CALL_WEIGHT(id);
		if (d[i]->bias) {
			QB_TRY(qb_dense_bias(b, d[i], &call->reads[weight[i] + 1], eb));
		}
	}
	QB_TRY(qb_builder_source(b, k->wide.x, &k->wide.x_layout, &place, eb));
	call->reads[X] = place.buffer;
	if (k->narrow.residual) {
		QB_TRY(qb_builder_source(b, k->narrow.residual, &k->narrow.y_layout, &place, eb));
		call->reads[RESIDUAL] = place.buffer;
	}
	QB_TRY(qb_builder_define(b, k->narrow.y, &k->narrow.y_layout, &place, eb));
	call->writes[0] = place.buffer;
	return QB_OK;
}

enum qb_err qb_plan_bottleneck(struct qb_builder *b, const struct qb_lowered *op, const struct qb_dense *d,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct bottleneck k = {.threads = qb_builder_threads(b)};
	const struct qb_lowered *three[3];
	struct qb_call call = {.name = "bottleneck by lines", .fn = run_bottleneck, QB_CONTEXT(k)};

	if (!qb_builder_is_frozen(b) || d->groups != 1 || d->kernel[0] != 1) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(find(b, op, three, &k, eb));
	k.zeros = qb_builder_alloc(b, (size_t)(k.middle.width * k.middle.channels), sizeof(float));
	if (!k.zeros) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	QB_TRY(find_buffers(b, &k, &call, eb));
	QB_TRY(qb_builder_absorb(b, &three[1]->node, eb));
	QB_TRY(qb_builder_absorb(b, &three[2]->node, eb));
	call.scratch[0] = (size_t)(k.threads * scratch_part(&k)) * sizeof(float);
	return qb_builder_call(b, n, &call, eb);
}
