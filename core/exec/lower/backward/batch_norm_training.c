/* SPDX-License-Identifier: Apache-2.0
 *
 * Batch normalization in training, channels last. An activation behind it that clips is part of its step, and so is the
 * activation's gradient of the steps of its gradient: what lies between the two is computed again rather than kept.
 */
#include <math.h>

#include "core/base/size.h"
#include "core/exec/lower/backward/activation_gradient.h"
#include "core/exec/lower/lowerings.h"
#include "core/graph/op.h"
#include "core/kernels/f32/batch_norm_training.h"

struct norm {
	int64_t rows, channels;
	double count, epsilon;
	bool clipped;
	struct qb_clip clip;
};

static bool describe(const struct qb_node *n, struct norm *p)
{
	const struct qb_value *x = n->input[0];

	*p = (struct norm){.channels = x->shape.dim[1], .count = (double)qb_node_int(n, "count", 1),
		.epsilon = (double)qb_node_float(n, "epsilon", 1e-5f), .clip = {-INFINITY, INFINITY, -INFINITY}};
	if (x->dtype != QB_F32 || x->constant || x->shape.ndim > 5 || !qb_value_size(x)) {
		return false;
	}
	p->rows = (int64_t)qb_value_size(x) / p->channels;
	return true;
}

static struct qb_layout channels_last(const struct qb_value *v)
{
	return v->shape.ndim > 2 ? qb_layout_channels_last(&v->shape) : qb_layout_dense(&v->shape);
}

/* A value in rows of channels, or a vector as it is. */
static enum qb_err read_rows(struct qb_builder *b, const struct qb_value *v, int *read, struct qb_errbuf *eb)
{
	return qb_builder_read(b, v, v->shape.ndim > 2, read, eb);
}

/* Sums are float64 and have one place; a constant would have none. */
static enum qb_err read_sums(struct qb_builder *b, const struct qb_value *v, int *read)
{
	if (v->constant) {
		return QB_EUNSUPPORTED;
	}
	*read = qb_builder_home(b, v)->buffer;
	return QB_OK;
}

/* ---- statistics ---- */

static void run_statistics(const void *context, const struct qb_operands *at)
{
	const struct norm *p = context;

	qb_f32_batch_statistics(p->rows, p->channels, at->read[0], at->write[0]);
}

static enum qb_err define_sums(struct qb_builder *b, const struct qb_node *n, int *write, struct qb_errbuf *eb)
{
	struct qb_layout dense = qb_layout_dense(&n->output[0]->shape);
	struct qb_place place;

	QB_TRY(qb_builder_define(b, n->output[0], &dense, &place, eb));
	*write = place.buffer;
	return QB_OK;
}

enum qb_err qb__plan_batch_statistics(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct norm p;
	struct qb_call call = {.name = "batch statistics", .fn = run_statistics, QB_CONTEXT(p)};

	if (!describe(n, &p)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(read_rows(b, n->input[0], &call.reads[0], eb));
	QB_TRY(define_sums(b, n, &call.writes[0], eb));
	return qb_builder_call(b, n, &call, eb);
}

/* ---- forward, and what backward knows of it ---- */

/* Scratch: vectors of channels. */
enum { MEAN, SCALE, OFFSET, BY_DZ, BY_X, CONSTANT, VECTORS };

/* The square root of the batch's biased variance and epsilon. */
static double deviation(const struct norm *p, const double *sums, int64_t c)
{
	double mean = sums[c] / p->count;

	return sqrt(fmax(sums[p->channels + c] / p->count - mean * mean, 0) + p->epsilon);
}

/* gain, offset: NULL where nothing clips, and z is of no interest. */
static struct qb_f32_batch_norm kernel_of(const struct norm *p, const double *sums, const float *gain, const float *offset, float *vectors)
{
	struct qb_f32_batch_norm k = {.rows = p->rows, .channels = p->channels, .mean = vectors + MEAN * p->channels,
		.scale = vectors + SCALE * p->channels, .offset = vectors + OFFSET * p->channels, .lo = p->clip.lo, .hi = p->clip.hi,
		.above = p->clip.above};

	for (int64_t c = 0; c < p->channels; c++) {
		vectors[MEAN * p->channels + c] = (float)(sums[c] / p->count);
		vectors[SCALE * p->channels + c] = gain ? (float)((double)gain[c] / deviation(p, sums, c)) : 0;
		vectors[OFFSET * p->channels + c] = offset ? offset[c] : 0;
	}
	return k;
}

static void run_norm(const void *context, const struct qb_operands *at)
{
	const struct norm *p = context;
	struct qb_f32_batch_norm k = kernel_of(p, at->read[3], at->read[1], at->read[2], at->scratch[0]);

	qb_f32_batch_norm(&k, at->read[0], at->write[0]);
}

/* Do the gradients of this batch norm alone read what n gives? */
static bool serves_gradient(const struct qb_node *n, const struct qb_value *x)
{
	const struct qb_value *dy = n->output[0];

	for (int i = 0; i < dy->users; i++) {
		const struct qb_node *u = dy->user[i].node;

		if (dy->user[i].input != 1 || u->input[0] != x ||
			(!qb_node_is(u, QB_OP_BatchNormalizationTrainingSums) && !qb_node_is(u, QB_OP_BatchNormalizationTrainingGradient))) {
			return false;
		}
	}
	return !dy->outputs;
}

/* Takes the activation behind n, and the activation's gradient, into the steps of n and of its gradient; *y is what n's step
 * then defines. */
static enum qb_err take_clip(struct qb_builder *b, const struct qb_node *n, struct norm *p, const struct qb_value **y, struct qb_errbuf *eb)
{
	struct qb_node *gradient;
	struct qb_clip clip;
	int gradients;
	struct qb_node *act = qb_clip_behind(b, n->output[0], &clip, &gradients, &gradient);

	*y = n->output[0];
	if (!act || gradients > 1 || (gradient && !serves_gradient(gradient, n->input[0]))) {
		return QB_OK;
	}
	p->clipped = true;
	p->clip = clip;
	*y = act->output[0];
	if (gradient) {
		QB_TRY(qb_builder_absorb(b, gradient, eb));
	}
	return qb_builder_absorb(b, act, eb);
}

enum qb_err qb__plan_batch_norm_training(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct norm p;
	struct qb_call call = {.fn = run_norm, QB_CONTEXT(p)};
	struct qb_layout layout = channels_last(n->output[0]);
	const struct qb_value *y;
	struct qb_place place;

	if (!describe(n, &p)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(read_sums(b, n->input[3], &call.reads[3]));
	QB_TRY(take_clip(b, n, &p, &y, eb));
	call.name = p.clipped ? "batch norm, clipped" : "batch norm";
	call.scratch[0] = VECTORS * (size_t)p.channels * sizeof(float);
	for (int i = 0; i < 3; i++) {
		QB_TRY(read_rows(b, n->input[i], &call.reads[i], eb));
	}
	QB_TRY(qb_builder_define(b, y, &layout, &place, eb));
	call.writes[0] = place.buffer;
	return qb_builder_call(b, n, &call, eb);
}

/* ---- backward ---- */

enum { X, DY, SUMS, GAIN, GRADIENT_SUMS, CLIP_OFFSET };

static void run_sums(const void *context, const struct qb_operands *at)
{
	const struct norm *p = context;
	struct qb_f32_batch_norm k = kernel_of(p, at->read[SUMS], at->read[GAIN], at->read[CLIP_OFFSET], at->scratch[0]);
	double *sums = at->write[0];

	qb_f32_batch_norm_sums(&k, at->read[X], at->read[DY], sums);
	for (int64_t c = 0; c < p->channels; c++) {
		sums[p->channels + c] *= 1 / deviation(p, at->read[SUMS], c);
	}
}

static void run_gradient(const void *context, const struct qb_operands *at)
{
	const struct norm *p = context;
	const double *of_dy = at->read[GRADIENT_SUMS];
	const float *gain = at->read[GAIN];
	float *vectors = at->scratch[0];
	struct qb_f32_batch_norm k = kernel_of(p, at->read[SUMS], gain, at->read[CLIP_OFFSET], vectors);

	for (int64_t c = 0; c < p->channels; c++) {
		double inverse = 1 / deviation(p, at->read[SUMS], c), scale = (double)gain[c] * inverse;

		vectors[BY_DZ * p->channels + c] = (float)scale;
		vectors[BY_X * p->channels + c] = (float)(-scale * inverse * of_dy[p->channels + c] / p->count);
		vectors[CONSTANT * p->channels + c] = (float)(-scale * of_dy[c] / p->count);
	}
	qb_f32_batch_norm_gradient(&k, vectors + BY_DZ * p->channels, vectors + BY_X * p->channels, vectors + CONSTANT * p->channels,
		at->read[X], at->read[DY], at->write[0]);
}

/* x, and dy or what it is made of by the activation's gradient that these steps do as well. */
static enum qb_err read_gradient(struct qb_builder *b, const struct qb_node *n, struct norm *p, struct qb_call *call, struct qb_errbuf *eb)
{
	const struct qb_node *act = qb_absorbed_gradient(b, n->input[1]), *forward = act ? act->input[0]->producer : NULL;

	QB_TRY(read_rows(b, n->input[0], &call->reads[X], eb));
	QB_TRY(read_rows(b, act ? act->input[1] : n->input[1], &call->reads[DY], eb));
	if (act) {
		p->clipped = qb_clip_of(act, &p->clip);
		QB_TRY(read_rows(b, forward->input[1], &call->reads[GAIN], eb));
		QB_TRY(read_rows(b, forward->input[2], &call->reads[CLIP_OFFSET], eb));
	}
	call->scratch[0] = VECTORS * (size_t)p->channels * sizeof(float);
	return QB_OK;
}

enum qb_err qb__plan_batch_norm_training_sums(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct norm p;
	struct qb_call call = {.name = "batch norm gradient's sums", .fn = run_sums, QB_CONTEXT(p)};

	if (!describe(n, &p)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(read_sums(b, n->input[2], &call.reads[SUMS]));
	QB_TRY(read_gradient(b, n, &p, &call, eb));
	QB_TRY(define_sums(b, n, &call.writes[0], eb));
	return qb_builder_call(b, n, &call, eb);
}

enum qb_err qb__plan_batch_norm_training_gradient(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct norm p;
	struct qb_call call = {.name = "batch norm gradient", .fn = run_gradient, QB_CONTEXT(p)};
	struct qb_layout layout = channels_last(n->output[0]);
	struct qb_place place;

	if (!describe(n, &p)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(read_sums(b, n->input[3], &call.reads[SUMS]));
	QB_TRY(read_sums(b, n->input[4], &call.reads[GRADIENT_SUMS]));
	QB_TRY(read_gradient(b, n, &p, &call, eb));
	QB_TRY(read_rows(b, n->input[2], &call.reads[GAIN], eb));
	QB_TRY(qb_builder_define(b, n->output[0], &layout, &place, eb));
	call.writes[0] = place.buffer;
	return qb_builder_call(b, n, &call, eb);
}
