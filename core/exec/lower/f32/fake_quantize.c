/* SPDX-License-Identifier: Apache-2.0
 *
 * FakeQuantize and its gradient, in any layout of strides: in memory the channels of one axis are [outer, channels, inner].
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/builder.h"
#include "core/exec/lower/lowerings.h"
#include "core/graph/op.h"
#include "core/ops/fake_quantize.h"

enum { INPUT, SCALE, OFFSET, FACTOR, DY };
enum { DX, DSCALE, DOFFSET, DFACTOR };

struct work {
	struct qb_fake_quantizer q; /* scale and offset are set by each call */
	int64_t outer, inner;
	bool has_offset, has_factor;
};

static enum qb_err describe(struct qb_builder *b, const struct qb_node *n, const struct qb_layout *layout, struct work *w,
	struct qb_errbuf *eb)
{
	struct qb_fake_quantize_node f;
	int64_t count = 1;
	int32_t *zero;

	QB_TRY(qb_fake_quantize_node(n, &f, eb));
	for (int i = 0; i < layout->ndim; i++) {
		count *= layout->dim[i];
	}
	*w = (struct work){.q = {.format = f.format, .estimator = f.estimator, .factor = f.factor, .channels = 1},
		.outer = count, .inner = 1, .has_offset = n->inputs > OFFSET && n->input[OFFSET],
		.has_factor = n->inputs > FACTOR && n->input[FACTOR]};
	if (f.axis >= 0 && layout->dim[f.axis] > 1) {
		w->q.channels = layout->dim[f.axis];
		w->inner = layout->stride[f.axis];
		w->outer = count / (w->q.channels * w->inner);
	}
	zero = qb_builder_alloc(b, (size_t)QB_MAX(w->q.channels, (int64_t)f.zeros) + 1, sizeof(*zero));
	if (!zero) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int i = 0; i < f.zeros; i++) {
		zero[i] = (int32_t)f.zero[i];
	}
	w->q.zero = zero;
	return QB_OK;
}

/* Input i, dense, as a call declares it: 0 where it is absent. */
static enum qb_err vector(struct qb_builder *b, const struct qb_node *n, int i, int *read, struct qb_errbuf *eb)
{
	*read = 0;
	return i < n->inputs && n->input[i] ? qb_builder_read(b, n->input[i], false, read, eb) : QB_OK;
}

static struct qb_fake_quantizer quantizer_at(const struct work *w, const struct qb_operands *at)
{
	struct qb_fake_quantizer q = w->q;

	q.scale = at->read[SCALE];
	q.offset = w->has_offset ? at->read[OFFSET] : NULL;
	if (w->has_factor) {
		q.factor = *(const float *)at->read[FACTOR];
	}
	return q;
}

static void run_forward(const void *context, const struct qb_operands *at)
{
	const struct work *w = context;
	struct qb_fake_quantizer q = quantizer_at(w, at);

	qb_fake_quantize(&q, at->read[INPUT], at->write[0], w->outer, w->inner);
}

/* scratch: double [2][channels] */
static void run_backward(const void *context, const struct qb_operands *at)
{
	const struct work *w = context;
	struct qb_fake_quantizer q = quantizer_at(w, at);
	double *sums = at->scratch[0];
	struct qb_fake_quantizer_gradient gradient = {sums, at->write[DOFFSET] ? sums + q.channels : NULL, 0};

	qb_fake_quantize_gradient(&q, at->read[INPUT], at->read[DY], at->write[DX], w->outer, w->inner, &gradient);
	for (int64_t c = 0; c < q.channels; c++) {
		if (at->write[DSCALE]) {
			((float *)at->write[DSCALE])[c] = (float)gradient.scale[c];
		}
		if (at->write[DOFFSET]) {
			((float *)at->write[DOFFSET])[c] = (float)gradient.offset[c];
		}
	}
	if (at->write[DFACTOR]) {
		*(float *)at->write[DFACTOR] = (float)gradient.factor;
	}
}

static bool is_planned(const struct qb_node *n)
{
	const struct qb_value *x = n->input[INPUT];

	return x->dtype == QB_F32 && !x->constant && x->shape.ndim > 0 && x->shape.ndim <= 6 && qb_value_size(x) > 0;
}

enum qb_err qb__plan_fake_quantize(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct qb_call call = {.name = "fake quantize", .fn = run_forward};
	struct qb_place x, y;
	struct work w;

	if (!is_planned(n)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_plain(b, n->input[INPUT], &x, eb));
	QB_TRY(describe(b, n, &x.layout, &w, eb));
	call.context = &w;
	call.context_bytes = sizeof(w);
	call.reads[INPUT] = x.buffer;
	for (int i = SCALE; i <= FACTOR; i++) {
		QB_TRY(vector(b, n, i, &call.reads[i], eb));
	}
	QB_TRY(qb_builder_define(b, n->output[0], &x.layout, &y, eb));
	call.writes[0] = y.buffer;
	return qb_builder_call(b, n, &call, eb);
}

enum qb_err qb__plan_fake_quantize_gradient(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct qb_call call = {.name = "fake quantize gradient", .fn = run_backward};
	struct qb_place x, dy, out;
	struct work w;

	if (!is_planned(n) || n->input[DY]->constant) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_plain(b, n->input[INPUT], &x, eb));
	QB_TRY(qb_builder_source(b, n->input[DY], &x.layout, &dy, eb));
	QB_TRY(describe(b, n, &x.layout, &w, eb));
	call.context = &w;
	call.context_bytes = sizeof(w);
	call.reads[INPUT] = x.buffer;
	call.reads[DY] = dy.buffer;
	for (int i = SCALE; i <= FACTOR; i++) {
		QB_TRY(vector(b, n, i, &call.reads[i], eb));
	}
	for (int i = DX; i < n->outputs; i++) {
		struct qb_layout layout = i == DX ? x.layout : qb_layout_dense(&n->output[i]->shape);

		QB_TRY(qb_builder_define(b, n->output[i], &layout, &out, eb));
		call.writes[i] = out.buffer;
	}
	call.scratch[0] = 2 * (size_t)w.q.channels * sizeof(double);
	return qb_builder_call(b, n, &call, eb);
}
