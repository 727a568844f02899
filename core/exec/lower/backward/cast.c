/* SPDX-License-Identifier: Apache-2.0
 *
 * Elements of a batch norm's float64 sums as float32.
 */
#include "core/exec/lower/lowerings.h"

static void round_elements(const void *context, const struct qb_operands *at)
{
	const int64_t *n = context;

	for (int64_t i = 0; i < *n; i++) {
		((float *)at->write[0])[i] = (float)((const double *)at->read[0])[i];
	}
}

enum qb_err qb__plan_cast(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *x = n->input[0], *y = n->output[0];
	struct qb_layout layout = qb_layout_dense(&y->shape);
	int64_t size = (int64_t)qb_value_size(y);
	struct qb_place to;

	if (x->constant || x->dtype != QB_F64 || y->dtype != QB_F32) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_define(b, y, &layout, &to, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "rounding", .fn = round_elements, QB_CONTEXT(size),
		.reads = {qb_builder_home(b, x)->buffer}, .writes = {to.buffer}}, eb);
}
