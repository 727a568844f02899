/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer steps of pools, and what all share. One that returns QB_EUNSUPPORTED stays float.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/builder.h"
#include "core/graph/op.h"
#include "core/kernels/int8/kernels.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/lower/indirection.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

/* The bytes an activation may leave: the quantizer's own, and the fused activation's bounds. */
void qb__byte_bounds(const struct qb_lowered *op, const struct qb_bytes *y, int *lo, int *hi)
{
	*lo = 0;
	*hi = y->top;
	if (op->act.kind != QB_ACT_NONE) {
		double a = rint(op->act.lo / (double)y->scale) + y->zero;
		double b = rint(op->act.hi / (double)y->scale) + y->zero;

		*lo = (int)fmin(fmax(a, 0), y->top);
		*hi = (int)fmin(fmax(b, 0), y->top);
	}
}

bool qb__same_shape(const struct qb_shape *a, const struct qb_shape *b)
{
	return a->ndim == b->ndim && !memcmp(a->dim, b->dim, (size_t)a->ndim * sizeof(*a->dim));
}

int64_t qb__broadcast_index(const struct qb_shape *y, const struct qb_shape *operand, int64_t index)
{
	int64_t at = 0, step = 1;

	for (int d = y->ndim - 1, k = operand->ndim - 1; d >= 0; d--, k--) {
		int64_t i = index % y->dim[d];

		index /= y->dim[d];
		if (k >= 0) {
			at += operand->dim[k] > 1 ? i * step : 0;
			step *= operand->dim[k];
		}
	}
	return at;
}

enum qb_err qb__requantize(struct qb_builder *b, const struct qb_bytes *x, const struct qb_bytes *y,
	const uint8_t **out, struct qb_errbuf *eb)
{
	const struct qb_int8_kernels *k = qb_int8_kernels();
	uint8_t *table, byte[256];
	float number[256];

	*out = NULL;
	if (x->scale == y->scale && x->zero == y->zero && x->top <= y->top) {
		return QB_OK;
	}
	table = qb_builder_alloc(b, 256, 1);
	if (!table) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int i = 0; i < 256; i++) {
		byte[i] = (uint8_t)i;
	}
	k->dequantize(byte, number, 256, x->scale, x->zero);
	k->quantize(number, table, 256, y->scale, y->zero, y->top);
	*out = table;
	return QB_OK;
}

/* Pools */

struct pool {
	const struct qb_int8_kernels *kernels;
	struct qb_pixels p;
	int64_t channels, y_stride;
	bool average, include_pads;
	float multiplier;
	int zero_x, zero_y, lo, hi, threads;
};

static void pool_pixel(const struct pool *c, const uint8_t *image, int64_t oy, int64_t ox,
	uint8_t *y)
{
	const uint8_t *row[QB_KERNEL_ELEMENTS_MAX];
	int64_t n = 0;

	qb_pixel_pointers(&c->p, image, oy, ox, row);
	for (int64_t t = 0; t < c->p.kernel_elements; t++) {
		row[n] = row[t];
		n += row[t] != c->p.pad;
	}
	if (c->average) {
		double count = c->include_pads ? (double)c->p.kernel_elements : (double)n;

		/* Pads are the real 0, that is the zero point. */
		c->kernels->average(row, n, c->channels, (float)(c->multiplier / count),
			(float)(c->zero_y - (double)c->multiplier * c->zero_x * (double)n / count), c->lo,
			c->hi, y);
	} else {
		c->kernels->max(row, n, c->channels, y);
	}
}

static void pool_row(const void *context, const struct qb_operands *at, int64_t row)
{
	const struct pool *c = context;
	const struct qb_pixels *p = &c->p;
	const uint8_t *image = (const uint8_t *)at->read[0] + row / p->oh * qb_pixels_image_bytes(p);

	for (int64_t ox = 0; ox < p->ow; ox++) {
		pool_pixel(c, image, row % p->oh, ox, (uint8_t *)at->write[0] + (row * p->ow + ox) * c->y_stride);
	}
}

static void run_pool(const void *context, const struct qb_operands *at)
{
	const struct pool *c = context;
	const struct qb_pixels *p = &c->p;

	qb_threads_loop(p->oh * p->ow > 16 ? c->threads : 1, p->images * p->oh, pool_row, c, at);
}

static enum qb_err plan_pool(struct qb_builder *b, const struct qb_node *n,
	const struct qb_window *w, bool average, struct qb_errbuf *eb)
{
	struct qb_bytes x, y;
	struct pool p = {.kernels = qb_int8_kernels(), .average = average, .include_pads = qb_node_int(n, "count_include_pad", 0),
		.threads = qb_builder_threads(b)};

	QB_TRY(qb_builder_bytes(b, n->input[0], &x, eb));
	QB_TRY(qb_pixels_init(&p.p, b, n, w, x.stride, x.zero, eb));
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &y, eb));
	if (!average && (x.scale != y.scale || x.zero != y.zero)) {
		return QB_EUNSUPPORTED;
	}
	p.multiplier = x.scale / y.scale;
	p.zero_x = x.zero;
	p.zero_y = y.zero;
	p.channels = x.channels;
	p.y_stride = y.stride;
	p.hi = y.top;
	return qb_builder_call(b, n, &(struct qb_call){.name = "int8 pool", .fn = run_pool, QB_CONTEXT(p),
		.reads = {x.buffer}, .writes = {y.buffer}}, eb);
}

enum qb_err qb__plan_int8_pool(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	bool average = qb_node_is(n, QB_OP_AveragePool);
	struct qb_window w;

	if (n->input[0]->shape.ndim != 4 || (!average && !qb_node_is(n, QB_OP_MaxPool)) ||
		(n->outputs > 1 && n->output[1]) ||
		(qb_node_int(n, "ceil_mode", 0) && qb_node_int(n, "count_include_pad", 0))) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_window_pool(&w, n, 2, n->input[0]->shape.dim + 2, eb));
	return plan_pool(b, n, &w, average, eb);
}

enum qb_err qb__plan_int8_global_pool(struct qb_builder *b, const struct qb_lowered *op,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_shape *s = &n->input[0]->shape;
	struct qb_window w = {.ndim = 2};

	if (s->ndim != 4 || (!qb_node_is(n, QB_OP_GlobalAveragePool) && !qb_node_is(n, QB_OP_GlobalMaxPool))) {
		return QB_EUNSUPPORTED;
	}
	if (qb_node_is(n, QB_OP_GlobalAveragePool)) {
		return qb__plan_int8_pixel_mean(b, n, eb);
	}
	for (int i = 0; i < 2; i++) {
		w.in[i] = w.kernel[i] = s->dim[2 + i];
		w.stride[i] = w.dilation[i] = w.out[i] = 1;
	}
	return plan_pool(b, n, &w, false, eb);
}
