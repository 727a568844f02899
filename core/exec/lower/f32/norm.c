/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/onednn.h"
#include "core/graph/op.h"
#include "core/kernels/f32/math.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

enum { PARALLEL = 32768 };

static int64_t numbers(const struct qb_shape *s)
{
	int64_t n = 1;

	for (int i = 0; i < s->ndim; i++) {
		n *= s->dim[i];
	}
	return n;
}

/* ---- Softmax: rows that lie together ---- */

struct rows {
	int64_t count, length;
	float epsilon;
};

static void softmax_row(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct rows *r = context;

	qb_f32_softmax((const float *)at->read[0] + i * r->length, 1, NULL, (float *)at->write[0] + i * r->length, r->length);
}

static void run_softmax(const void *context, const struct qb_operands *at)
{
	const struct rows *r = context;

	qb_threads_loop_worth(r->count * r->length > PARALLEL, r->count, softmax_row, r, at);
}

/* Through oneDNN where the axis is not innermost, and for logarithms. */
static enum qb_err softmax_primitive(struct qb_builder *b, const struct qb_node *n, int axis,
	struct qb_errbuf *eb)
{
	return qb_dnn_softmax(b, n, &(struct qb_softmax_args){qb_dnn_dense(n->input[0]), qb_dnn_dense(n->output[0]), axis,
		qb_node_is(n, QB_OP_LogSoftmax)}, eb);
}

enum qb_err qb__plan_softmax(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_shape *shape = &n->input[0]->shape;
	int64_t axis = qb_node_int(n, "axis", n->opset < 13 ? 1 : -1);
	bool log = qb_node_is(n, QB_OP_LogSoftmax);
	struct qb_place x, y;
	struct rows r = {0};

	axis += axis < 0 ? shape->ndim : 0;
	/* Before opset 13 everything from the axis on was one dimension. */
	if (n->input[0]->dtype != QB_F32 || n->input[0]->constant || shape->ndim < 1 ||
		(!qb_node_is(n, QB_OP_Softmax) && !log) || (n->opset < 13 && axis != shape->ndim - 1) ||
		!numbers(shape)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_plain(b, n->input[0], &x, eb));
	if (log || x.layout.stride[axis] != 1) {
		return softmax_primitive(b, n, (int)axis, eb);
	}
	r.length = shape->dim[axis];
	r.count = numbers(shape) / r.length;
	QB_TRY(qb_builder_define(b, n->output[0], &x.layout, &y, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "softmax", .fn = run_softmax, QB_CONTEXT(r),
		.reads = {x.buffer}, .writes = {y.buffer}}, eb);
}

/* ---- LayerNormalization ---- */

static void layer_norm_row(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct rows *r = context;

	qb_f32_layer_norm((const float *)at->read[0] + i * r->length, at->read[1], at->read[2], r->epsilon,
		(float *)at->write[0] + i * r->length, r->length);
}

static void run_layer_norm(const void *context, const struct qb_operands *at)
{
	const struct rows *r = context;

	qb_threads_loop_worth(r->count * r->length > PARALLEL, r->count, layer_norm_row, r, at);
}

enum qb_err qb__plan_layer_norm(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *x = n->input[0], *shift = n->inputs > 2 ? n->input[2] : NULL;
	const struct qb_value *gain = n->input[1];
	int64_t axis = qb_node_int(n, "axis", -1);
	struct rows r = {.epsilon = qb_node_float(n, "epsilon", 1e-5f), };
	struct qb_layout layout = qb_layout_dense(&n->output[0]->shape);
	struct qb_call call = {.name = "layer norm", .fn = run_layer_norm, QB_CONTEXT(r)};
	struct qb_place place;

	axis += axis < 0 ? x->shape.ndim : 0;
	if (x->dtype != QB_F32 || x->constant || n->outputs > 1 || !numbers(&x->shape)) {
		return QB_EUNSUPPORTED;
	}
	r.length = 1;
	for (int i = (int)axis; i < x->shape.ndim; i++) {
		r.length *= x->shape.dim[i];
	}
	if (numbers(&gain->shape) != r.length || (shift && numbers(&shift->shape) != r.length)) {
		return QB_EUNSUPPORTED;
	}
	r.count = numbers(&x->shape) / r.length;
	QB_TRY(qb_builder_read(b, gain, false, &call.reads[1], eb));
	if (shift) {
		QB_TRY(qb_builder_read(b, shift, false, &call.reads[2], eb));
	}
	QB_TRY(qb_builder_dense(b, x, &place, eb));
	call.reads[0] = place.buffer;
	QB_TRY(qb_builder_define(b, n->output[0], &layout, &place, eb));
	call.writes[0] = place.buffer;
	return qb_builder_call(b, n, &call, eb);
}

/* ---- InstanceNormalization, GroupNormalization ---- */

struct group_norm {
	int64_t images, groups, channels, each; /* channels: of a group; each: numbers of one */
	float epsilon;
	const float *gain, *shift;              /* [groups * channels] */
};

static void group_norm_group(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct group_norm *g = context;
	int64_t offset = i * g->channels * g->each, first = i % g->groups * g->channels;

	qb_f32_group_norm((const float *)at->read[0] + offset, g->gain + first, g->shift + first, g->epsilon,
		(float *)at->write[0] + offset, g->channels, g->each);
}

static void run_group_norm(const void *context, const struct qb_operands *at)
{
	const struct group_norm *g = context;
	int64_t groups = g->images * g->groups;

	qb_threads_loop_worth(groups * g->channels * g->each > PARALLEL, groups, group_norm_group, g, at);
}

/* One number a channel of a constant that may have one a group. */
static const float *of_channels(struct qb_builder *b, const struct qb_value *v, int64_t channels)
{
	const float *from = v->constant->data;
	int64_t together = channels / v->shape.dim[0];
	float *all = qb_builder_alloc(b, (size_t)channels, sizeof(*all));

	for (int64_t c = 0; all && c < channels; c++) {
		all[c] = from[c / together];
	}
	return all;
}

enum qb_err qb__plan_group_norm(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *x = n->input[0];
	int64_t channels = x->shape.dim[1];
	struct group_norm g = {.groups = qb_node_int(n, "num_groups", channels),
		.epsilon = qb_node_float(n, "epsilon", 1e-5f)};
	struct qb_layout layout = qb_layout_dense(&x->shape);
	struct qb_place from, to;

	if (x->dtype != QB_F32 || x->constant || !numbers(&x->shape) ||
		!n->input[1]->constant || !n->input[2]->constant) {
		return QB_EUNSUPPORTED;
	}
	g.images = x->shape.dim[0];
	g.channels = channels / g.groups;
	g.each = numbers(&x->shape) / g.images / channels;
	g.gain = of_channels(b, n->input[1], channels);
	g.shift = of_channels(b, n->input[2], channels);
	if (!g.gain || !g.shift) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	QB_TRY(qb_builder_dense(b, x, &from, eb));
	QB_TRY(qb_builder_define(b, n->output[0], &layout, &to, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "group norm", .fn = run_group_norm, QB_CONTEXT(g),
		.reads = {from.buffer}, .writes = {to.buffer}}, eb);
}

/* ---- BatchNormalization that no pass could fold ---- */

struct affine {
	int64_t outer, channels, inner;
	const float *scale, *shift; /* [channels] */
};

static void affine_pixel(const struct affine *a, const float *restrict x, float *restrict y)
{
	const float *restrict scale = a->scale, *restrict shift = a->shift;

	for (int64_t c = 0; c < a->channels; c++) {
		y[c] = x[c] * scale[c] + shift[c];
	}
}

static void affine_plane(const struct affine *a, int64_t c, const float *restrict x, float *restrict y)
{
	float scale = a->scale[c], shift = a->shift[c];

	for (int64_t i = 0; i < a->inner; i++) {
		y[i] = x[i] * scale + shift;
	}
}

static void affine_row(const void *context, const struct qb_operands *at, int64_t r)
{
	const struct affine *a = context;
	int64_t length = a->inner == 1 ? a->channels : a->inner;
	const float *x = (const float *)at->read[0] + r * length;
	float *y = (float *)at->write[0] + r * length;

	if (a->inner == 1) {
		affine_pixel(a, x, y);
	} else {
		affine_plane(a, r % a->channels, x, y);
	}
}

static void run_affine(const void *context, const struct qb_operands *at)
{
	const struct affine *a = context;

	qb_threads_loop_worth(a->outer * a->channels * a->inner > PARALLEL, a->inner == 1 ? a->outer : a->outer * a->channels, affine_row, a, at);
}

static enum qb_err read_affine(struct qb_builder *b, const struct qb_node *n, struct affine *a,
	struct qb_errbuf *eb)
{
	double epsilon = (double)qb_node_float(n, "epsilon", 1e-5f);
	const float *p[4];
	float *scale = qb_builder_alloc(b, (size_t)a->channels, sizeof(float));
	float *shift = qb_builder_alloc(b, (size_t)a->channels, sizeof(float));

	if (!scale || !shift) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int i = 0; i < 4; i++) {
		p[i] = n->input[1 + i]->constant->data;
	}
	for (int64_t c = 0; c < a->channels; c++) {
		double s = (double)p[0][c] / sqrt((double)p[3][c] + epsilon);

		scale[c] = (float)s;
		shift[c] = (float)((double)p[1][c] - (double)p[2][c] * s);
	}
	a->scale = scale;
	a->shift = shift;
	return QB_OK;
}

enum qb_err qb__plan_batch_norm(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *x = n->input[0];
	struct affine a = {.inner = 1};
	struct qb_place from, to;

	if (x->dtype != QB_F32 || x->constant || x->shape.ndim < 2 || n->outputs > 1 ||
		!numbers(&x->shape) ||
		(n->opset >= 14 && qb_node_int(n, "training_mode", 0))) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 1; i < 5; i++) {
		if (!n->input[i]->constant || n->input[i]->dtype != QB_F32) {
			return QB_EUNSUPPORTED;
		}
	}
	QB_TRY(qb_builder_plain(b, x, &from, eb));
	a.outer = x->shape.dim[0];
	a.channels = x->shape.dim[1];
	if (from.layout.stride[1] == 1) { /* channels innermost */
		a.outer = numbers(&x->shape) / a.channels;
	} else {
		QB_TRY(qb_builder_dense(b, x, &from, eb));
		a.inner = numbers(&x->shape) / a.outer / a.channels;
	}
	QB_TRY(read_affine(b, n, &a, eb));
	QB_TRY(qb_builder_define(b, n->output[0], &from.layout, &to, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "affine", .fn = run_affine, QB_CONTEXT(a),
		.reads = {from.buffer}, .writes = {to.buffer}}, eb);
}
