/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/f32/conv_igemm.h"
#include "core/kernels/f32/gemm_backward.h"

enum { A, B };

struct product {
	int64_t depth, rows, columns;
};

static void run_product(const void *context, const struct qb_operands *at)
{
	const struct product *p = context;
	const float *a[QB_F32_OUTER_DEPTH], *b[QB_F32_OUTER_DEPTH];

	memset(at->write[0], 0, (size_t)(p->rows * p->columns) * sizeof(float));
	for (int64_t k = 0; k < p->depth; k += QB_F32_OUTER_DEPTH) {
		int64_t n = QB_MIN((int64_t)QB_F32_OUTER_DEPTH, p->depth - k);

		for (int64_t i = 0; i < n; i++) {
			a[i] = (const float *)at->read[A] + (k + i) * p->rows;
			b[i] = (const float *)at->read[B] + (k + i) * p->columns;
		}
		qb_f32_outer(&(struct qb_f32_outer){.depth = n, .rows = p->rows, .columns = p->columns, .a = a, .b = b,
			.y = at->write[0], .y_stride = p->columns});
	}
}

enum qb_err qb_plan_transposed_product(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *a = &n->input[0]->shape, *y = &n->output[0]->shape;
	struct product p = {a->dim[0], y->dim[0], y->dim[1]};
	struct qb_call call = {.name = "transposed product", .fn = run_product, QB_CONTEXT(p)};
	struct qb_layout layout = qb_layout_dense(y);
	struct qb_place to;

	if (qb_node_int(n, "transB", 0) || (n->inputs > 2 && n->input[2]) || !p.depth || !p.rows || !p.columns) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_read(b, n->input[0], false, &call.reads[A], eb));
	QB_TRY(qb_builder_read(b, n->input[1], false, &call.reads[B], eb));
	QB_TRY(qb_builder_define(b, n->output[0], &layout, &to, eb));
	call.writes[0] = to.buffer;
	return qb_builder_call(b, n, &call, eb);
}
