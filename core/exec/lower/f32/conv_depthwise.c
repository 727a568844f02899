/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/lower/f32/choice.h"
#include "core/exec/lower/f32/conv_depthwise.h"

#include "core/base/size.h"
#include "core/exec/threads.h"

struct layer {
	struct qb_dense d;
	struct qb_f32_depthwise line;
	const float *zeros; /* a line outside */
	int threads;
};

enum { X, W, BIAS };

bool qb_depthwise_of(struct qb_f32_depthwise *out, const struct qb_lowered *op, const struct qb_dense *d)
{
	*out = (struct qb_f32_depthwise){.channels = d->channels, .width = d->width, .out_width = d->out_width,
		.rows = d->kernel[0], .columns = d->kernel[1], .stride = d->stride[1], .dilation = d->dilation[1],
		.pad = d->pad[1], .epilogue = {.act = op->act}};
	return (qb_f32_ours(QB_F32_DEPTHWISE) || d->w_at) && d->groups == d->channels && d->outputs == d->channels && d->channels > 1 &&
		d->kernel[0] <= QB_DEPTHWISE_ROWS && !d->residual && !op->affine.scale;
}

enum qb_err qb_depthwise_weight(struct qb_builder *b, const struct qb_dense *d, int *id, struct qb_errbuf *eb)
{
	int64_t kernel_elements = d->kernel[0] * d->kernel[1];
	const int64_t dims[] = {d->channels, kernel_elements};
	struct qb_layout as = qb_layout_ordered(2, dims, (const int[]){0, 1}, 0, 1);
	struct qb_layout want = qb_layout_ordered(2, dims, (const int[]){1, 0}, 0, 1);

	return qb_builder_weight(b, d->w, &as, &want, id, eb);
}

/* Computed weights [channels][taps] to [taps][channels]. */
static void lay_weights(const struct qb_dense *d, const float *from, float *to)
{
	int64_t taps = d->kernel[0] * d->kernel[1];

	for (int64_t t = 0; t < taps; t++) {
		for (int64_t c = 0; c < d->channels; c++) {
			to[t * d->channels + c] = from[c * taps + (d->turned ? taps - 1 - t : t)];
		}
	}
}

static void run_line(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct layer *l = context;
	const struct qb_dense *d = &l->d;
	const float *x = (const float *)at->read[X] + i / d->out_height * d->height * d->width * d->channels;
	const float *from[QB_DEPTHWISE_ROWS];

	for (int64_t k = 0; k < d->kernel[0]; k++) {
		int64_t y = qb_depthwise_line(d, i % d->out_height, k);

		from[k] = y < 0 || y >= d->height ? l->zeros : x + y * d->width * d->channels;
	}
	qb_f32_depthwise_line(&l->line, from, (float *)at->write[0] + i * d->out_width * d->channels);
}

static void run_layer(const void *context, const struct qb_operands *at)
{
	struct layer l = *(const struct layer *)context;
	const struct qb_dense *d = &l.d;

	l.line.weights = at->read[W];
	if (d->w_at) {
		lay_weights(d, at->read[W], at->scratch[0]);
		l.line.weights = at->scratch[0];
	}
	l.line.epilogue.bias = d->bias ? at->read[BIAS] : NULL;
	qb_threads_loop(l.threads, d->images * d->out_height, run_line, &l, at);
}

enum qb_err qb_plan_depthwise(struct qb_builder *b, const struct qb_lowered *op, const struct qb_dense *d,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	enum { PARALLEL_MACS = 40000 }; /* fewer than of dense layers, between whose lines this one's lie, with the thread that made them */
	struct layer l = {.d = *d};
	struct qb_call call = {.name = "depthwise", .fn = run_layer, QB_CONTEXT(l)};
	struct qb_place place;
	int id;

	if (!qb_depthwise_of(&l.line, op, d)) {
		return QB_EUNSUPPORTED;
	}
	l.threads = d->images * d->out_height * d->out_width * d->channels * d->kernel[0] * d->kernel[1] < PARALLEL_MACS
		? 1 : qb_builder_threads(b);
	l.zeros = qb_builder_alloc(b, (size_t)(d->width * d->channels), sizeof(float));
	if (!l.zeros) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	call.reads[W] = d->w_at;
	if (d->w_at) {
		call.scratch[0] = (size_t)(d->channels * d->kernel[0] * d->kernel[1]) * sizeof(float);
	} else {
		QB_TRY(qb_depthwise_weight(b, d, &id, eb));
		call.reads[W] = QB_CALL_WEIGHT(id);
	}
	if (d->bias) {
		QB_TRY(qb_dense_bias(b, d, &call.reads[BIAS], eb));
	}
	QB_TRY(qb_builder_source(b, d->x, &d->x_layout, &place, eb));
	call.reads[X] = place.buffer;
	QB_TRY(qb_builder_define(b, d->y, &d->y_layout, &place, eb));
	call.writes[0] = place.buffer;
	return qb_builder_call(b, n, &call, eb);
}
