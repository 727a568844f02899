/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer step of matrix products of two activations, as attention has them: the right operand is packed when it is
 * there, in 16 bits, with its zero point taken off; the left one's is in what the sums begin with.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/kernels/int8/kernels.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

enum { ROWS = 24 };

struct product {
	const struct qb_int8_kernels *kernels;
	struct qb_bytes a, b, y;
	struct qb_requant r;
	int64_t batch, m, k, n, even; /* even: k rounded up */
	int64_t packed_bytes, start_bytes, wide_bytes, copy_bytes, scratch_bytes;
	int threads;
};

/* The right operand in kernels' order; an odd last row gets a partner that is zero. */
static void pack_right(const struct product *c, const uint8_t *b, struct qb_int8_matrix *m,
	uint8_t *copy)
{
	for (int64_t i = 0; i < c->n; i++) {
		m->start[i] = (int32_t)(c->k * c->a.zero * c->b.zero);
	}
	for (int64_t k = 0; k < c->k; k++) {
		const uint8_t *row = b + k * c->b.stride;

		for (int64_t i = 0; i < c->n; i++) {
			m->start[i] -= c->a.zero * row[i];
		}
	}
	if (c->even > c->k) {
		memcpy(copy, b, (size_t)(c->k * c->b.stride));
		memset(copy + c->k * c->b.stride, c->b.zero, (size_t)c->b.stride);
		b = copy;
	}
	c->kernels->pack_columns_i16(m, b, c->b.stride, c->b.zero);
}

static void one_product(const struct product *c, const uint8_t *a, const uint8_t *b, uint8_t *y,
	char *scratch)
{
	struct qb_int8_matrix m = {.outputs = c->n, .k = c->even, .packed = scratch};
	int16_t *wide = (int16_t *)(void *)(scratch + c->packed_bytes + c->start_bytes);
	const int64_t offset = 0;
	const void *x[ROWS];

	m.start = (int32_t *)(void *)(scratch + c->packed_bytes);
	pack_right(c, b, &m, (uint8_t *)wide + c->wide_bytes);
	for (int64_t p = 0; p < c->m; p += ROWS) {
		int64_t rows = QB_MIN(ROWS, c->m - p);

		c->kernels->expand_i16(a + p * c->a.stride, wide, rows * c->a.stride);
		for (int64_t i = 0; i < rows; i++) {
			x[i] = wide + i * c->a.stride;
		}
		c->kernels->conv_i16(&m, &(struct qb_int8_conv_args){.x = x, .pixels = rows, .offset = &offset,
			.kernel_elements = 1, .chunk = c->even, .r = &c->r, .y = y + p * c->y.stride,
			.y_stride = c->y.stride});
	}
}

static void run_product(const void *context, const struct qb_operands *at)
{
	const struct product *c = context;

#pragma omp parallel for schedule(static) if (c->threads > 1)
	for (int64_t i = 0; i < c->batch; i++) {
		one_product(c, (const uint8_t *)at->read[0] + i * c->m * c->a.stride,
			(const uint8_t *)at->read[1] + i * c->k * c->b.stride,
			(uint8_t *)at->write[0] + i * c->m * c->y.stride,
			(char *)at->scratch[0] + qb_thread_index() * c->scratch_bytes);
	}
}

static enum qb_err make_requant(struct qb_builder *b, struct product *c, const struct qb_lowered *op,
	struct qb_errbuf *eb)
{
	size_t room = qb_align_up((size_t)c->n, 64);
	float *multiplier = qb_builder_alloc(b, room, sizeof(*multiplier));
	float *offset = qb_builder_alloc(b, room, sizeof(*offset));

	if (!multiplier || !offset) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t i = 0; i < c->n; i++) {
		multiplier[i] = (float)((double)c->a.scale * c->b.scale / c->y.scale);
		offset[i] = (float)c->y.zero;
	}
	c->r.multiplier = multiplier;
	c->r.offset = offset;
	qb__byte_bounds(op, &c->y, &c->r.lo, &c->r.hi);
	return QB_OK;
}

/* Both operands and the output have the same leading dimensions. */
static bool is_batch_of_matrices(const struct qb_node *n)
{
	const struct qb_shape *a = &n->input[0]->shape, *b = &n->input[1]->shape;

	return a->ndim >= 2 && a->ndim == b->ndim &&
		!memcmp(a->dim, b->dim, (size_t)(a->ndim - 2) * sizeof(*a->dim)) &&
		!(n->inputs > 2 && n->input[2]);
}

enum qb_err qb__plan_int8_product(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct product c = {.kernels = qb_int8_kernels(), .threads = qb_builder_threads(b)};
	const struct qb_shape *s = &n->input[0]->shape;

	if (!is_batch_of_matrices(n)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_bytes(b, n->input[0], &c.a, eb));
	QB_TRY(qb_builder_bytes(b, n->input[1], &c.b, eb));
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &c.y, eb));
	c.m = s->dim[s->ndim - 2];
	c.k = s->dim[s->ndim - 1];
	c.n = c.b.channels;
	c.even = c.k + c.k % 2;
	c.batch = c.m ? c.a.pixels / c.m : 0;
	if (c.a.inner != 1 || c.b.inner != 1 || c.y.inner != 1 || c.even > QB_INT8_K_MAX / 2) {
		return QB_EUNSUPPORTED;
	}
	c.packed_bytes = (int64_t)qb_int8_packed_bytes(c.n, c.even, 16);
	c.start_bytes = (int64_t)qb_align_up((size_t)c.n, 16) * 4;
	c.wide_bytes = (int64_t)qb_align_up((size_t)(ROWS * c.a.stride + 64) * 2, 64);
	c.copy_bytes = c.even > c.k ? (int64_t)qb_align_up((size_t)(c.even * c.b.stride + 64), 64) : 0;
	c.scratch_bytes = c.packed_bytes + c.start_bytes + c.wide_bytes + c.copy_bytes;
	QB_TRY(make_requant(b, &c, op, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "int8 product", .fn = run_product, QB_CONTEXT(c),
		.reads = {c.a.buffer, c.b.buffer}, .writes = {c.y.buffer},
		.scratch = {(size_t)(c.scratch_bytes * c.threads)}}, eb);
}
