/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/backward/conv_gradient.h"
#include "core/exec/lower/f32/choice.h"
#include "core/exec/lower/f32/conv_igemm.h"
#include "core/exec/lower/f32/conv_depthwise.h"
#include "core/graph/op.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/onednn.h"
#include "core/ops/window.h"

/* ONNX keeps [M, C / groups, k...], and [C, M / groups, k...] of a transposed one; oneDNN wants [groups, M / groups,
 * C / groups, k...] of both. The numbers lie the same. */
static struct qb_layout weight_layout(const struct qb_value *w, int64_t groups, bool transposed)
{
	static const int swapped[2][6] = {{1, 0, 2, 3, 4}, {0, 2, 1, 3, 4, 5}};
	struct qb_shape s = w->shape;
	int at = groups > 1;

	if (groups > 1) {
		memmove(s.dim + 2, s.dim + 1, (size_t)(s.ndim - 1) * sizeof(*s.dim));
		s.dim[0] = groups;
		s.dim[1] = w->shape.dim[0] / groups;
		s.ndim++;
	}
	if (transposed) {
		int64_t first = s.dim[at];

		s.dim[at] = s.dim[at + 1];
		s.dim[at + 1] = first;
		return qb_layout_ordered(s.ndim, s.dim, swapped[at], 0, 1);
	}
	return qb_layout_dense(&s);
}

struct conv {
	struct qb_window window;
	int64_t groups;
	struct qb_conv_args args;
};

/* What a transposed convolution leaves out at the end: less where padding is added to the output. */
static int64_t cut_off(const struct qb_window *w, int i)
{
	return (w->in[i] - 1) * w->stride[i] + qb_window_extent(w, i) - w->lo[i] - w->out[i];
}

static enum qb_err describe(struct conv *c, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *x = n->input[0], *w = n->input[1], *y = n->output[0];
	int spatial = x->shape.ndim - 2;

	if (spatial < 1 || spatial > 3 || x->dtype != QB_F32 || x->constant) {
		return QB_EUNSUPPORTED;
	}
	c->groups = qb_node_int(n, "group", 1);
	QB_TRY((c->args.transposed ? qb_window_transposed : qb_window_conv)(&c->window, n, spatial, x->shape.dim + 2,
		w->shape.dim + 2, eb));
	for (int i = 0; i < spatial; i++) {
		c->args.window.stride[i] = c->window.stride[i];
		c->args.window.dilation[i] = c->window.dilation[i];
		c->args.window.before[i] = c->window.lo[i];
		c->args.window.after[i] = c->args.transposed ? cut_off(&c->window, i) : c->window.hi[i];
	}
	c->args.src = qb_dnn_any(x);
	c->args.dst = qb_dnn_any(y);
	c->args.weights = (struct qb_dnn_operand){w, weight_layout(w, c->groups, c->args.transposed), {0}};
	if (qb_f32_ours(QB_F32_LAYERS)) { /* as the other steps want it */
		c->args.src.want = qb_layout_channels_last(&x->shape);
		c->args.dst.want = qb_layout_channels_last(&y->shape);
	}
	if (n->inputs > 2 && n->input[2]) {
		c->args.bias = qb_dnn_dense(n->input[2]);
	}
	return QB_OK;
}

/* Are weights or bias made in every run? */
static bool is_computed(const struct conv *c)
{
	return !c->args.weights.value->constant || (c->args.bias.value && !c->args.bias.value->constant);
}

static enum qb_err make_dense(struct qb_dense *d, const struct qb_lowered *op, const struct conv *c)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *x = n->input[0], *y = n->output[0];
	int spatial = x->shape.ndim - 2, line = spatial == 1;

	if (spatial > 2) {
		return QB_EUNSUPPORTED;
	}
	*d = (struct qb_dense){.images = x->shape.dim[0], .height = 1, .out_height = 1, .groups = c->groups,
		.channels = x->shape.dim[1], .outputs = y->shape.dim[1], .kernel = {1, 1}, .stride = {1, 1},
		.dilation = {1, 1}, .x = x, .w = n->input[1], .bias = n->inputs > 2 ? n->input[2] : NULL,
		.residual = op->residual, .y = y, .w_as = c->args.weights.as};
	for (int i = 0; i < spatial; i++) {
		d->kernel[i + line] = c->window.kernel[i];
		d->stride[i + line] = c->window.stride[i];
		d->dilation[i + line] = c->window.dilation[i];
		d->pad[i + line] = c->window.lo[i];
	}
	d->height = line ? 1 : x->shape.dim[2];
	d->width = x->shape.dim[spatial + 1];
	d->out_height = line ? 1 : y->shape.dim[2];
	d->out_width = y->shape.dim[spatial + 1];
	d->x_layout = qb_layout_channels_last(&x->shape);
	d->y_layout = qb_layout_channels_last(&y->shape);
	return QB_OK;
}

enum qb_err qb_dense_of(struct qb_dense *d, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct conv c = {0};

	if (!qb_node_is(n, QB_OP_Conv)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(describe(&c, op, eb));
	return is_computed(&c) ? QB_EUNSUPPORTED : make_dense(d, op, &c);
}

/* The first that takes it. */
static enum qb_err plan_own(struct qb_builder *b, const struct qb_lowered *op, const struct conv *c,
	struct qb_errbuf *eb)
{
	enum qb_err (*const plans[])(struct qb_builder *b, const struct qb_lowered *op, const struct qb_dense *d,
		struct qb_errbuf *eb) = {qb_plan_bottleneck, qb_plan_depthwise, qb_plan_winograd, qb_plan_dense};
	enum qb_err err = QB_EUNSUPPORTED;
	struct qb_dense d;

	/* Packed in every run where that is fast, and where results must not depend on the CPU level. */
	if (is_computed(c) && !qb_f32_ours(QB_F32_LAYERS) && !qb_builder_is_training(b)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(make_dense(&d, op, c));
	if (!d.w->constant) {
		struct qb_place w;

		QB_TRY(qb_builder_dense(b, d.w, &w, eb));
		d.w_at = w.buffer;
	}
	for (size_t i = 0; err == QB_EUNSUPPORTED && i < QB_COUNT(plans); i++) {
		err = plans[i](b, op, &d, eb);
	}
	return err;
}

static enum qb_err plan_primitive(struct qb_builder *b, const struct qb_lowered *op, const struct conv *c,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	if (is_computed(c) && qb_builder_is_training(b)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_dnn_conv(b, op, &c->args, eb));
	return qb__plan_epilogue(b, op, qb_builder_home(b, n->output[0]), eb);
}

enum qb_err qb__plan_conv(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	struct conv c = {0};
	enum qb_err err;

	QB_TRY(describe(&c, op, eb));
	err = plan_own(b, op, &c, eb);
	return err == QB_EUNSUPPORTED ? plan_primitive(b, op, &c, eb) : err;
}

enum qb_err qb__plan_conv_transpose(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	struct conv c = {.args.transposed = true};

	QB_TRY(describe(&c, op, eb));
	return is_computed(&c) && qb_builder_is_training(b) ? qb_plan_transposed_conv(b, op, eb) : plan_primitive(b, op, &c, eb);
}
