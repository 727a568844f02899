/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/lowerings.h"
#include "core/graph/op.h"
#include "core/kernels/f32/pool_backward.h"
#include "core/ops/window.h"

struct pool {
	struct qb_f32_pool_gradient p;
	int64_t images;
};

static enum qb_err describe(struct pool *q, const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_value *x = n->output[0];
	int spatial = x->shape.ndim - 2, line = spatial == 1;
	struct qb_window w;

	if (spatial < 1 || spatial > 2 || x->dtype != QB_F32 || !qb_value_size(x)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_window_pool(&w, n, spatial, x->shape.dim + 2, eb));
	*q = (struct pool){.images = x->shape.dim[0], .p = {.channels = x->shape.dim[1], .in = {1, 1}, .out = {1, 1}, .kernel = {1, 1},
		.stride = {1, 1}, .dilation = {1, 1}, .padded = qb_node_int(n, "count_include_pad", 0)}};
	for (int i = 0; i < spatial; i++) {
		q->p.in[i + line] = w.in[i];
		q->p.out[i + line] = w.out[i];
		q->p.kernel[i + line] = w.kernel[i];
		q->p.stride[i + line] = w.stride[i];
		q->p.dilation[i + line] = w.dilation[i];
		q->p.before[i + line] = w.lo[i];
		q->p.after[i + line] = w.hi[i];
	}
	return QB_OK;
}

/* Reads dy, and x for the largest. */
static void run_pool(const void *context, const struct qb_operands *at)
{
	const struct pool *q = context;
	int64_t in = q->p.in[0] * q->p.in[1] * q->p.channels, out = q->p.out[0] * q->p.out[1] * q->p.channels;
	float *dx = at->write[0];

	memset(dx, 0, (size_t)(q->images * in) * sizeof(*dx));
	for (int64_t i = 0; i < q->images; i++) {
		const float *dy = (const float *)at->read[0] + i * out;

		if (at->read[1]) {
			qb_f32_max_pool_gradient(&q->p, (const float *)at->read[1] + i * in, dy, at->scratch[0], at->scratch[1], dx + i * in);
		} else {
			qb_f32_mean_pool_gradient(&q->p, dy, dx + i * in);
		}
	}
}

static enum qb_err plan_pool(struct qb_builder *b, const struct qb_node *n, const struct qb_value *dy, const struct qb_value *x,
	struct qb_errbuf *eb)
{
	struct pool q;
	struct qb_call call = {.name = x ? "max pool gradient" : "mean pool gradient", .fn = run_pool, QB_CONTEXT(q)};
	struct qb_layout layout;
	struct qb_place dx;

	QB_TRY(describe(&q, n, eb));
	layout = qb_layout_channels_last(&n->output[0]->shape);
	QB_TRY(qb_builder_read(b, dy, true, &call.reads[0], eb));
	if (x) {
		QB_TRY(qb_builder_read(b, x, true, &call.reads[1], eb));
		call.scratch[0] = (size_t)q.p.channels * sizeof(float);
		call.scratch[1] = (size_t)q.p.channels * sizeof(int32_t);
	}
	QB_TRY(qb_builder_define(b, n->output[0], &layout, &dx, eb));
	call.writes[0] = dx.buffer;
	return qb_builder_call(b, n, &call, eb);
}

enum qb_err qb__plan_max_pool_gradient(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	return plan_pool(b, n, n->input[1], n->input[0], eb);
}

enum qb_err qb__plan_average_pool_gradient(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	return plan_pool(b, n, n->input[0], NULL, eb);
}
