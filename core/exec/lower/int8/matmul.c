/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer step of matrix products of two activations, as attention has them: the right operand is packed when it is
 * there, its zero point taken off; the left one's is in what the sums begin with.
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
	int64_t batch, m, k, n, depth; /* depth: k rounded up to the kernels' group */
	int64_t packed_bytes, start_bytes, expanded_bytes, scratch_bytes;
	int threads;
};

static void one_product(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct product *c = context;
	const uint8_t *a = (const uint8_t *)at->read[0] + i * c->m * c->a.stride;
	const uint8_t *b = (const uint8_t *)at->read[1] + i * c->k * c->b.stride;
	uint8_t *y = (uint8_t *)at->write[0] + i * c->m * c->y.stride;
	char *scratch = (char *)at->scratch[0] + qb_thread_index() * c->scratch_bytes;
	const struct qb_int8_product *p = &c->kernels->product;
	struct qb_int8_matrix m = {.outputs = c->n, .k = c->depth, .packed = scratch};
	char *expanded = scratch + c->packed_bytes + c->start_bytes;
	const int64_t offset = 0;
	const void *x[ROWS];

	m.start = (int32_t *)(void *)(scratch + c->packed_bytes);
	p->pack(&m, b, c->k, c->b.stride, c->b.zero, c->a.zero);
	for (int64_t row = 0; row < c->m; row += ROWS) {
		const char *left = (const char *)a + row * c->a.stride;
		int64_t rows = QB_MIN(ROWS, c->m - row);

		if (p->element_bytes > 1) {
			p->expand(a + row * c->a.stride, expanded, rows * c->a.stride);
			left = expanded;
		}
		for (int64_t r = 0; r < rows; r++) {
			x[r] = left + r * c->a.stride * p->element_bytes;
		}
		p->conv(&m, &(struct qb_int8_conv_args){.x = x, .pixels = rows, .offset = &offset,
			.kernel_elements = 1, .chunk = c->depth, .r = &c->r, .y = y + row * c->y.stride,
			.y_stride = c->y.stride});
	}
}

static void run_product(const void *context, const struct qb_operands *at)
{
	const struct product *c = context;

	qb_threads_loop(c->threads, c->batch, one_product, c, at);
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
	c.depth = (int64_t)qb_align_up((size_t)c.k, (size_t)c.kernels->product.group);
	c.batch = c.m ? c.a.pixels / c.m : 0;
	if (c.a.inner != 1 || c.b.inner != 1 || c.y.inner != 1 || c.depth > QB_INT8_K_MAX / 2) {
		return QB_EUNSUPPORTED;
	}
	c.packed_bytes = (int64_t)qb_int8_packed_bytes(c.n, c.depth, c.kernels->product.bits);
	c.start_bytes = (int64_t)qb_align_up((size_t)c.n, 16) * 4;
	c.expanded_bytes = c.kernels->product.element_bytes > 1
		? (int64_t)qb_align_up((size_t)((ROWS * c.a.stride + 64) * c.kernels->product.element_bytes), 64) : 0;
	c.scratch_bytes = (int64_t)qb_align_up((size_t)(c.packed_bytes + c.start_bytes), 64) + c.expanded_bytes;
	QB_TRY(make_requant(b, &c, op, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "int8 product", .fn = run_product, QB_CONTEXT(c),
		.reads = {c.a.buffer, c.b.buffer}, .writes = {c.y.buffer},
		.scratch = {(size_t)(c.scratch_bytes * c.threads)}}, eb);
}
