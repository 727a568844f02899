/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer steps of means: of a line, or of all pixels of an image, or of all rows of a sequence, channel by channel. Sums of
 * bytes are exact.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"
#include "core/kernels/int8/kernels.h"
#include "core/ops/operands.h"

enum { WORTH_A_THREAD = 16384 };

/* Of the last dimension */

struct mean {
	struct qb_bytes x, y;
	float multiplier, offset;
	int threads;
};

static void mean_line(const void *context, const struct qb_operands *at, int64_t p)
{
	const struct mean *c = context;
	const uint8_t *x = (const uint8_t *)at->read[0] + p * c->x.stride;
	uint32_t sum = 0;
	float v;

	for (int64_t i = 0; i < c->x.channels; i++) {
		sum += x[i];
	}
	v = rintf((float)sum * c->multiplier + c->offset);
	v = v < 0 ? 0 : v > (float)c->y.top ? (float)c->y.top : v;
	((uint8_t *)at->write[0])[p / c->y.channels * c->y.stride + p % c->y.channels] = (uint8_t)v;
}

static void run_mean(const void *context, const struct qb_operands *at)
{
	const struct mean *c = context;

	qb_threads_loop(c->x.pixels * c->x.channels > WORTH_A_THREAD ? c->threads : 1, c->x.pixels, mean_line, c, at);
}

static enum qb_err plan_lines(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	struct mean c = {.threads = qb_builder_threads(b)};

	QB_TRY(qb_builder_bytes(b, n->input[0], &c.x, eb));
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &c.y, eb));
	if (c.x.inner != 1 || c.y.inner != 1 || c.x.channels > QB_INT8_K_MAX ||
		c.x.channels != n->input[0]->shape.dim[n->input[0]->shape.ndim - 1]) {
		return QB_EUNSUPPORTED;
	}
	c.multiplier = (float)((double)c.x.scale / c.y.scale / (double)c.x.channels);
	c.offset = (float)(c.y.zero - (double)c.x.scale / c.y.scale * c.x.zero);
	return qb_builder_call(b, n, &(struct qb_call){.name = "int8 mean", .fn = run_mean, QB_CONTEXT(c),
		.reads = {c.x.buffer}, .writes = {c.y.buffer}}, eb);
}

/* Of rows */

struct row_mean {
	const struct qb_int8_kernels *kernels;
	int64_t outer, rows, channels, stride, y_stride;
	float multiplier, offset;
	int lo, hi;
	int threads, parts; /* parts: of the channels */
};

/* Scratch: a pointer a row, of each thread. */
static void mean_part(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct row_mean *c = context;
	const int64_t o = i / c->parts, part = i % c->parts, blocks = (c->channels + 63) / 64;
	const int64_t from = blocks * part / c->parts * 64, to = QB_MIN(blocks * (part + 1) / c->parts * 64, c->channels);
	const uint8_t *x = (const uint8_t *)at->read[0] + o * c->rows * c->stride + from;
	const uint8_t **row = (const uint8_t **)at->scratch[0] + qb_thread_index() * c->rows;

	for (int64_t r = 0; r < c->rows; r++) {
		row[r] = x + r * c->stride;
	}
	c->kernels->average(row, c->rows, to - from, c->multiplier, c->offset, c->lo, c->hi,
		(uint8_t *)at->write[0] + o * c->y_stride + from);
}

static void run_row_mean(const void *context, const struct qb_operands *at)
{
	const struct row_mean *c = context;

	qb_threads_loop(c->threads, c->outer * c->parts, mean_part, c, at);
}

/* outer times so many rows are one pixel each. */
static enum qb_err plan_rows(struct qb_builder *b, const struct qb_node *n, const struct qb_bytes *x,
	int64_t outer, struct qb_errbuf *eb)
{
	struct row_mean c = {.kernels = qb_int8_kernels(), .outer = outer, .rows = x->pixels / outer,
		.channels = x->channels, .stride = x->stride};
	const bool worth = x->pixels * x->channels > WORTH_A_THREAD;
	double multiplier;
	struct qb_bytes y;

	QB_TRY(qb_builder_define_bytes(b, n->output[0], &y, eb));
	if (y.pixels != outer || y.channels != x->channels || c.rows < 1 || c.rows > QB_INT8_K_MAX) {
		return QB_EUNSUPPORTED;
	}
	c.y_stride = y.stride;
	multiplier = (double)x->scale / y.scale;
	c.multiplier = (float)(multiplier / (double)c.rows);
	c.offset = (float)(y.zero - multiplier * x->zero);
	c.hi = y.top;
	c.threads = worth ? qb_builder_threads(b) : 1;
	c.parts = (int)QB_MIN(c.threads, (c.channels + 63) / 64);
	return qb_builder_call(b, n, &(struct qb_call){.name = "int8 mean", .fn = run_row_mean, QB_CONTEXT(c),
		.reads = {x->buffer}, .writes = {y.buffer},
		.scratch = {(size_t)(c.threads * c.rows) * sizeof(void *)}}, eb);
}

/* All pixels of each image. */
enum qb_err qb__plan_int8_pixel_mean(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *s = &n->input[0]->shape;
	struct qb_bytes x;

	QB_TRY(qb_builder_bytes(b, n->input[0], &x, eb));
	if (s->ndim != 4 || !s->dim[0] || x.channels != s->dim[1] || x.inner != s->dim[2] * s->dim[3]) {
		return QB_EUNSUPPORTED;
	}
	return plan_rows(b, n, &x, s->dim[0], eb);
}

/* Row-major, over all dimensions from the given one to the last but one. */
static enum qb_err plan_sequence(struct qb_builder *b, const struct qb_node *n, int first, struct qb_errbuf *eb)
{
	const struct qb_shape *s = &n->input[0]->shape;
	struct qb_bytes x;
	int64_t outer = 1;

	QB_TRY(qb_builder_bytes(b, n->input[0], &x, eb));
	for (int i = 0; i < first; i++) {
		outer *= s->dim[i];
	}
	return x.inner == 1 && outer && x.channels == s->dim[s->ndim - 1] ? plan_rows(b, n, &x, outer, eb)
									  : QB_EUNSUPPORTED;
}

enum qb_err qb__plan_int8_mean(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	int64_t ndim = n->input[0]->shape.ndim, axes[QB_MAX_DIMS], first = ndim, last = -1;
	int count = qb__op_list(n, NULL, "axes", 1, axes, QB_MAX_DIMS);
	enum qb_err err = QB_EUNSUPPORTED;

	for (int i = 0; i < count; i++) {
		axes[i] += axes[i] < 0 ? ndim : 0;
		first = QB_MIN(first, axes[i]);
		last = QB_MAX(last, axes[i]);
	}
	if (!qb_node_is(n, QB_OP_ReduceMean) || count < 1 || last - first + 1 != count) {
		return QB_EUNSUPPORTED;
	}
	if (ndim == 4 && first == 2 && last == 3) {
		err = qb__plan_int8_pixel_mean(b, n, eb);
	}
	if (err == QB_EUNSUPPORTED && count == 1 && last == ndim - 1) {
		err = plan_lines(b, n, eb);
	}
	return err == QB_EUNSUPPORTED && last == ndim - 2 ? plan_sequence(b, n, (int)first, eb) : err;
}
