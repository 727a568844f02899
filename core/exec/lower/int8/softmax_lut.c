/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer step of Softmax along the last dimension, and of the sum with a mask before it. Masks stay float, for no grid
 * holds both scores and -1e38; what they say is nearly always which numbers count, and that is a byte each.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/kernels/f32/math.h"
#include "core/kernels/int8/kernels.h"
#include "core/kernels/int8/lookup.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

enum { WORTH_A_THREAD = 16384 };

struct softmax {
	const struct qb_int8_kernels *kernels;
	struct qb_int8_softmax table;
	struct qb_bytes x, y;
	int threads;
	/* under a mask [masks][n] */
	bool masked;
	const float *mask;   /* NULL: in a buffer */
	const int32_t *row;  /* [lines]: whose mask a line has */
	int64_t masks, keep_bytes, scratch_bytes;
	float nothing;       /* what is added to a number that counts for nothing, at most */
};

/* 255 or 0 for each number; false where the mask says more than that, or leaves nothing. */
static bool read_mask(const float *mask, uint8_t *keep, int64_t n, float nothing)
{
	bool plain = true, any = false;

	for (int64_t i = 0; i < n; i++) {
		bool counts = mask[i] == 0;

		keep[i] = counts ? 255 : 0;
		any = any || counts;
		plain = plain && (counts || mask[i] <= nothing);
	}
	return plain && any;
}

static void under_mask(const struct softmax *c, const float *mask, const uint8_t *keep, bool simple,
	const uint8_t *x, int32_t *room, uint8_t *y)
{
	const size_t n = (size_t)c->x.channels;
	float *line = (float *)(void *)room;

	if (simple) {
		qb_int8_softmax(&c->table, x, keep, room, y, c->x.channels);
		return;
	}
	c->kernels->dequantize(x, line, n, c->x.scale, c->x.zero);
	qb_f32_softmax(line, 1, mask, line, c->x.channels);
	c->kernels->quantize(line, y, n, c->y.scale, c->y.zero, c->y.top);
}

/* Scratch: the masks' bytes, whether these say all, and a line of numbers a thread. */
static const float *mask_of(const struct softmax *c, const struct qb_operands *at)
{
	return c->mask ? c->mask : at->read[1];
}

static void read_one_mask(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct softmax *c = context;
	const int64_t n = c->x.channels;
	uint8_t *keep = at->scratch[0], *simple = keep + c->masks * n;

	simple[i] = read_mask(mask_of(c, at) + i * n, keep + i * n, n, c->nothing);
}

static void softmax_line(const void *context, const struct qb_operands *at, int64_t p)
{
	const struct softmax *c = context;
	const int64_t n = c->x.channels;
	const uint8_t *x = (const uint8_t *)at->read[0] + p * c->x.stride;
	uint8_t *y = (uint8_t *)at->write[0] + p * c->y.stride, *keep = at->scratch[0];
	int32_t *room = (int32_t *)(void *)(keep + c->keep_bytes + qb_thread_index() * c->scratch_bytes);

	if (c->masked) {
		const int64_t row = c->row[p];

		under_mask(c, mask_of(c, at) + row * n, keep + row * n, keep[c->masks * n + row], x, room, y);
	} else {
		qb_int8_softmax(&c->table, x, NULL, room, y, n);
	}
}

static void run_softmax(const void *context, const struct qb_operands *at)
{
	const struct softmax *c = context;
	const int threads = c->x.pixels * c->x.channels > WORTH_A_THREAD ? c->threads : 1;

	qb_threads_loop(threads, c->masks, read_one_mask, c, at);
	qb_threads_loop(threads, c->x.pixels, softmax_line, c, at);
}

/* Before opset 13 the axis is 1 by default and takes all that follows in one. */
static bool along_lines(const struct qb_node *n)
{
	int64_t axis = qb_node_int(n, "axis", 0), ndim = n->input[0]->shape.ndim;

	return qb_node_is(n, QB_OP_Softmax) && qb_node_attr(n, "axis") &&
		ndim > 0 && (axis == -1 || axis == ndim - 1);
}

/* Bytes lie along the last dimension; in an image of one pixel they do not. */
static bool lies_along_lines(const struct qb_bytes *q, const struct qb_shape *s)
{
	return q->inner == 1 && q->channels == s->dim[s->ndim - 1];
}

/* Does the mask have whole lines for the scores'? */
static bool spreads_over(const struct qb_shape *mask, const struct qb_shape *x)
{
	if (!mask->ndim || mask->ndim > x->ndim || mask->dim[mask->ndim - 1] != x->dim[x->ndim - 1]) {
		return false;
	}
	for (int i = 1; i <= mask->ndim; i++) {
		if (mask->dim[mask->ndim - i] != 1 && mask->dim[mask->ndim - i] != x->dim[x->ndim - i]) {
			return false;
		}
	}
	return true;
}

int qb__int8_masked_scores(const struct qb_builder *b, const struct qb_lowered *op)
{
	const struct qb_node *n = &op->node;
	const struct qb_lowered *user = qb_builder_only_user(b, n->output[0]);
	const struct qb_node *softmax = user ? &user->node : NULL;
	struct qb_bytes x, y;

	if (!qb_node_is(n, QB_OP_Add) || op->act.kind != QB_ACT_NONE || n->inputs != 2 || !softmax ||
		!along_lines(softmax) || qb_builder_has_bytes(b, n->output[0], NULL) ||
		!qb_builder_has_bytes(b, softmax->output[0], &y) ||
		!lies_along_lines(&y, &softmax->output[0]->shape)) {
		return -1;
	}
	for (int i = 0; i < 2; i++) {
		const struct qb_value *v = n->input[i], *mask = n->input[1 - i];

		if (qb_builder_has_bytes(b, v, &x) && lies_along_lines(&x, &v->shape) && mask->dtype == QB_F32 &&
			qb__same_shape(&v->shape, &n->output[0]->shape) &&
			!qb_builder_has_bytes(b, mask, NULL) && spreads_over(&mask->shape, &v->shape)) {
			return i;
		}
	}
	return -1;
}

/* Which line of the mask each line of the scores has. */
static enum qb_err take_mask(struct qb_builder *b, struct softmax *c, const struct qb_value *mask,
	const struct qb_shape *x, struct qb_errbuf *eb)
{
	int32_t *row = qb_builder_alloc(b, (size_t)c->x.pixels + 1, sizeof(*row));

	if (!row) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	c->masked = true;
	c->masks = 1;
	for (int i = 0; i + 1 < mask->shape.ndim; i++) {
		c->masks *= mask->shape.dim[i];
	}
	for (int64_t p = 0; p < c->x.pixels; p++) {
		row[p] = (int32_t)(qb__broadcast_index(x, &mask->shape, p * c->x.channels) / c->x.channels);
	}
	c->row = row;
	c->mask = NULL;
	if (mask->constant) {
		QB_TRY(qb_builder_constant(b, mask, &c->mask, eb));
	}
	c->nothing = -(c->x.scale * 256 + 40);
	return QB_OK;
}

static enum qb_err plan_softmax(struct qb_builder *b, const struct qb_node *n, const struct qb_value *x,
	const struct qb_value *mask, struct qb_errbuf *eb)
{
	struct softmax c = {.kernels = qb_int8_kernels(), .threads = qb_builder_threads(b)};
	struct qb_place place = {0};

	QB_TRY(qb_builder_bytes(b, x, &c.x, eb));
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &c.y, eb));
	if (!lies_along_lines(&c.x, &x->shape) || !lies_along_lines(&c.y, &x->shape)) {
		return QB_EUNSUPPORTED;
	}
	if (mask) {
		QB_TRY(take_mask(b, &c, mask, &x->shape, eb));
	}
	if (mask && !mask->constant) {
		QB_TRY(qb_builder_dense(b, mask, &place, eb));
	}
	qb_int8_softmax_init(&c.table, c.x.channels, c.x.scale, c.y.scale, c.y.zero, c.y.top);
	c.keep_bytes = (int64_t)qb_align_up((size_t)(c.masks * (c.x.channels + 1)), 64);
	c.scratch_bytes = (int64_t)qb_align_up((size_t)c.x.channels * 4, 64);
	return qb_builder_call(b, n, &(struct qb_call){.name = mask ? "int8 masked softmax" : "int8 softmax", .fn = run_softmax, QB_CONTEXT(c),
		.reads = {c.x.buffer, place.buffer}, .writes = {c.y.buffer},
		.scratch = {(size_t)(c.keep_bytes + c.threads * c.scratch_bytes)}}, eb);
}

enum qb_err qb__plan_int8_softmax(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_lowered *sum = qb_builder_producer(b, n->input[0]);
	int scores = sum ? qb__int8_masked_scores(b, sum) : -1;

	if (scores >= 0) {
		return plan_softmax(b, n, sum->node.input[scores], sum->node.input[1 - scores], eb);
	}
	return along_lines(n) ? plan_softmax(b, n, n->input[0], NULL, eb) : QB_EUNSUPPORTED;
}
