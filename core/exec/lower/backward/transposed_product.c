/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/size.h"
#include "core/exec/lower/f32/conv_igemm.h"
#include "core/kernels/f32/gemm_backward.h"

enum { A, B };
/* Of y at a time, which stay in a second-level cache over the depth. A is copied for each part of the columns. */
enum { ROWS = 256, COLUMNS = 1024 };

struct product {
	int64_t depth, rows, columns;
};

/* y, its rows and columns from `row` and `column` on. */
static void run_part(const struct product *p, const struct qb_operands *at, int64_t row, int64_t rows, int64_t column, int64_t columns)
{
	const float *a[QB_F32_OUTER_DEPTH], *b[QB_F32_OUTER_DEPTH];

	for (int64_t k = 0; k < p->depth; k += QB_F32_OUTER_DEPTH) {
		int64_t n = QB_MIN((int64_t)QB_F32_OUTER_DEPTH, p->depth - k);

		for (int64_t i = 0; i < n; i++) {
			a[i] = (const float *)at->read[A] + (k + i) * p->rows + row;
			b[i] = (const float *)at->read[B] + (k + i) * p->columns + column;
		}
		qb_f32_outer(&(struct qb_f32_outer){.depth = n, .rows = rows, .columns = columns, .a = a, .b = b,
			.y = (float *)at->write[0] + row * p->columns + column, .y_stride = p->columns, .first = !k});
	}
}

static void run_product(const void *context, const struct qb_operands *at)
{
	const struct product *p = context;
	int64_t down = (p->rows + ROWS - 1) / ROWS, across = (p->columns + COLUMNS - 1) / COLUMNS;

	for (int64_t i = 0; i < down; i++) {
		int64_t row = p->rows * i / down, rows = p->rows * (i + 1) / down - row;

		for (int64_t j = 0; j < across; j++) {
			int64_t column = p->columns * j / across;

			run_part(p, at, row, rows, column, p->columns * (j + 1) / across - column);
		}
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
