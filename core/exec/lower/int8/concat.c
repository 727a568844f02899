/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer step of Concat: parts lie one after the other in every outer index, each moved as it is or, where its scale is not
 * the output's, through a table.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/kernels/int8/kernels.h"
#include "core/kernels/int8/lookup.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

/* A step has so many buffers; more parts are more steps on the same output. */
enum { PARTS = QB_CALL_READS, BLOCK = 4096, WORTH_A_THREAD = 65536 };

struct part {
	const uint8_t *constant;  /* NULL: a buffer */
	const uint8_t *table;     /* [256], or NULL */
	int64_t chunk, step, to;  /* bytes of an outer index, to the next one, where they go */
};

struct concat {
	struct part part[PARTS];
	int parts, threads;
	int64_t outer, step;      /* of the output */
};

/* So many outer indices of a part. */
static void copy_block(const struct concat *c, const struct part *p, const uint8_t *x, uint8_t *y, int64_t count)
{
	uint8_t block[BLOCK];

	if (p->table && count * p->step <= BLOCK) {
		qb_int8_lut(p->table, x, block, (count - 1) * p->step + p->chunk);
		x = block;
	} else if (p->table) {
		for (int64_t i = 0; i < count; i++) {
			qb_int8_lut(p->table, x + i * p->step, y + i * c->step, p->chunk);
		}
		return;
	}
	for (int64_t i = 0; i < count; i++) {
		memcpy(y + i * c->step, x + i * p->step, (size_t)p->chunk);
	}
}

/* Outer indices whose parts the caches hold together. */
static int64_t block_of(const struct concat *c)
{
	return QB_MAX(1, BLOCK / c->step);
}

static void concat_block(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct concat *c = context;
	const int64_t o = i * block_of(c), count = QB_MIN(block_of(c), c->outer - o);
	uint8_t *y = at->write[0];

	for (int k = 0; k < c->parts; k++) {
		const struct part *p = &c->part[k];
		const uint8_t *x = p->constant ? p->constant : at->read[k];

		copy_block(c, p, x + o * p->step, y + o * c->step + p->to, count);
	}
}

static void run_concat(const void *context, const struct qb_operands *at)
{
	const struct concat *c = context;

	qb_threads_loop(c->outer * c->step > WORTH_A_THREAD ? c->threads : 1, (c->outer + block_of(c) - 1) / block_of(c),
		concat_block, c, at);
}

/* Along an axis: how many outer indices in the order of bytes, and bytes of one step along it; false where bytes do not
 * lie so. */
struct along {
	int64_t outer, bytes;
	bool channels;
};

static bool lies_along(const struct qb_bytes *q, const struct qb_shape *s, int axis, struct along *a)
{
	bool image = s->ndim > 1 && q->channels == s->dim[1] &&
		(s->ndim == 4 && q->inner == s->dim[2] * s->dim[3]);
	int channel = image ? 1 : s->ndim - 1;

	if (!image && (q->inner != 1 || q->channels != s->dim[s->ndim - 1])) {
		return false;
	}
	*a = (struct along){.outer = 1, .bytes = axis == channel ? 1 : q->stride, .channels = axis == channel};
	for (int i = 0; i < s->ndim; i++) {
		bool before = axis == channel || i < axis;

		if (i != axis && i != channel) {
			a->outer *= before ? s->dim[i] : 1;
			a->bytes *= before ? 1 : s->dim[i];
		}
	}
	return true;
}

/* A constant part as the bytes that quantization makes of it, in the output's order and at its scale. */
static enum qb_err take_constant(struct qb_builder *b, struct part *p, const struct qb_value *v,
	const struct qb_bytes *y, const struct along *a, int axis, struct qb_errbuf *eb)
{
	const struct qb_tensor *t = v->constant;
	const float *from;
	size_t n = qb_tensor_size(t);
	bool image = y->inner > 1;
	int64_t channels = t->dim[image ? 1 : t->ndim - 1], pixels = channels ? (int64_t)n / channels : 0;
	int64_t inner = image ? t->dim[2] * t->dim[3] : 1, stride = a->channels ? channels : y->stride;
	uint8_t *to = qb_builder_alloc(b, (size_t)(pixels * stride + 1), 1);

	if (!to) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	QB_TRY(qb_builder_constant(b, v, &from, eb));
	for (int64_t i = 0; i < pixels; i++) {
		for (int64_t c = 0; c < channels; c++) {
			const float *x = from + (i / inner * channels + c) * inner + i % inner;

			qb_int8_kernels()->quantize(x, to + i * stride + c, 1, y->scale, y->zero, y->top);
		}
	}
	p->constant = to;
	p->chunk = p->step = a->channels ? channels : t->dim[axis] * a->bytes;
	return QB_OK;
}

/* Do the part's bytes lie as the output's? */
static bool fits(const struct qb_bytes *x, const struct qb_value *v, int axis, const struct qb_bytes *y,
	const struct along *a)
{
	struct along from;

	return lies_along(x, &v->shape, axis, &from) && from.outer == a->outer && from.bytes == a->bytes &&
		from.channels == a->channels && (x->inner > 1) == (y->inner > 1);
}

static enum qb_err take_part(struct qb_builder *b, struct part *p, const struct qb_value *v, int axis,
	const struct qb_bytes *y, const struct along *a, int *read, struct qb_errbuf *eb)
{
	struct qb_bytes x;

	if (v->constant) {
		*read = 0;
		return take_constant(b, p, v, y, a, axis, eb);
	}
	QB_TRY(qb_builder_bytes(b, v, &x, eb));
	p->chunk = v->shape.dim[axis] * a->bytes;
	p->step = a->channels ? x.stride : p->chunk;
	*read = x.buffer;
	return qb__requantize(b, &x, y, &p->table, eb);
}

/* Makes bytes of all parts; true where they can be joined. */
static enum qb_err check_parts(struct qb_builder *b, const struct qb_node *n, int axis,
	const struct qb_bytes *y, const struct along *a, bool *joinable, struct qb_errbuf *eb)
{
	*joinable = true;
	for (int i = 0; i < n->inputs; i++) {
		const struct qb_value *v = n->input[i];
		struct qb_bytes x;

		if (v->dtype != QB_F32) {
			return QB_EUNSUPPORTED;
		}
		if (!v->constant) {
			QB_TRY(qb_builder_bytes(b, v, &x, eb));
			*joinable = *joinable && fits(&x, v, axis, y, a);
		}
	}
	return QB_OK;
}

enum qb_err qb__plan_int8_concat(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_shape *s = &n->output[0]->shape;
	int axis = (int)qb_node_int(n, "axis", 1);
	struct concat c = {.threads = qb_builder_threads(b)};
	struct qb_call call = {.name = "int8 concat", .fn = run_concat, QB_CONTEXT(c)};
	struct qb_bytes y;
	struct along a;
	int64_t to = 0;
	bool joinable;

	axis += axis < 0 ? s->ndim : 0;
	if (!qb_builder_has_bytes(b, n->output[0], &y) || !lies_along(&y, s, axis, &a)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(check_parts(b, n, axis, &y, &a, &joinable, eb));
	if (!joinable) {
		return qb__plan_int8_copy(b, op, eb);
	}
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &y, eb));
	c.outer = a.outer;
	c.step = a.channels ? y.stride : s->dim[axis] * a.bytes;
	for (int i = 0; i < n->inputs; i++) {
		struct part *p = &c.part[c.parts];

		*p = (struct part){.to = to};
		QB_TRY(take_part(b, p, n->input[i], axis, &y, &a, &call.reads[c.parts], eb));
		to += p->chunk;
		if (++c.parts == PARTS || i + 1 == n->inputs) {
			call.writes[0] = y.buffer;
			QB_TRY(qb_builder_call(b, n, &call, eb));
			memset(call.reads, 0, sizeof(call.reads));
			c.parts = 0;
		}
	}
	return QB_OK;
}
