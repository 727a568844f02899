/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/exec/lower/lowerings.h"
#include "core/graph/op.h"

struct gather {
	int64_t outer, rows, inner, count; /* dx [outer][rows][inner], dy [outer][count][inner] */
	bool wide;                         /* indices are int64, not int32 */
};

static inline __attribute__((always_inline)) void add_row_body(const float *restrict x, float *restrict y, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		y[i] += x[i];
	}
}

QB_FOR_EVERY_LEVEL(static, add_row, (const float *x, float *y, int64_t n), (x, y, n))

/* An index outside has failed forward already. */
static void run_gather(const void *context, const struct qb_operands *at)
{
	const struct gather *g = context;
	const float *dy = at->read[1];
	float *dx = at->write[0];

	memset(dx, 0, (size_t)(g->outer * g->rows * g->inner) * sizeof(*dx));
	for (int64_t i = 0; i < g->outer * g->count; i++) {
		int64_t k = i % g->count, row = g->wide ? ((const int64_t *)at->read[0])[k] : ((const int32_t *)at->read[0])[k];

		row += row < 0 ? g->rows : 0;
		if (row >= 0 && row < g->rows) {
			add_row(dy + i * g->inner, dx + (i / g->count * g->rows + row) * g->inner, g->inner);
		}
	}
}

enum qb_err qb__plan_gather_gradient(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *index = n->input[0], *dx = n->output[0];
	int64_t axis = qb_node_int(n, "axis", 0);
	struct gather g = {.outer = 1, .inner = 1, .count = (int64_t)qb_value_size(index), .wide = index->dtype == QB_I64};
	struct qb_call call = {.name = "rows added by index", .fn = run_gather, QB_CONTEXT(g)};
	struct qb_layout layout = qb_layout_dense(&dx->shape);
	struct qb_place to;

	if (dx->dtype != QB_F32 || index->constant || (!g.wide && index->dtype != QB_I32) || !g.count || !qb_value_size(dx)) {
		return QB_EUNSUPPORTED;
	}
	axis += axis < 0 ? dx->shape.ndim : 0;
	g.rows = dx->shape.dim[axis];
	for (int i = 0; i < dx->shape.ndim; i++) {
		g.outer *= i < axis ? dx->shape.dim[i] : 1;
		g.inner *= i > axis ? dx->shape.dim[i] : 1;
	}
	call.reads[0] = qb_builder_home(b, index)->buffer;
	QB_TRY(qb_builder_read(b, n->input[1], false, &call.reads[1], eb));
	QB_TRY(qb_builder_define(b, dx, &layout, &to, eb));
	call.writes[0] = to.buffer;
	return qb_builder_call(b, n, &call, eb);
}
