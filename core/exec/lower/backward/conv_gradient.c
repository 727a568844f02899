/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/lower/backward/conv_gradient.h"

#include "core/graph/op.h"
#include "core/ops/window.h"

static void exchange(int64_t *a, int64_t *b, int n)
{
	for (int i = 0; i < n; i++) {
		int64_t v = a[i];

		a[i] = b[i];
		b[i] = v;
	}
}

enum qb_err qb_conv_shape_of(struct qb_conv_shape *c, const struct qb_node *n, const struct qb_value *x, const struct qb_value *w,
	struct qb_errbuf *eb)
{
	int spatial = x->shape.ndim - 2, line = spatial == 1;
	struct qb_window window;

	if (spatial < 1 || spatial > 2 || x->dtype != QB_F32) {
		return QB_EUNSUPPORTED;
	}
	if (qb_node_is(n, QB_OP_ConvTranspose)) {
		QB_TRY(qb_window_transposed(&window, n, spatial, n->input[0]->shape.dim + 2, w->shape.dim + 2, eb));
		exchange(window.in, window.out, spatial);
	} else {
		QB_TRY(qb_window_conv(&window, n, spatial, x->shape.dim + 2, w->shape.dim + 2, eb));
	}
	*c = (struct qb_conv_shape){.images = x->shape.dim[0], .channels = x->shape.dim[1], .outputs = w->shape.dim[0],
		.groups = qb_node_int(n, "group", 1), .in = {1, 1}, .out = {1, 1}, .kernel = {1, 1}, .stride = {1, 1},
		.dilation = {1, 1}};
	for (int i = 0; i < spatial; i++) {
		c->in[i + line] = window.in[i];
		c->out[i + line] = window.out[i];
		c->kernel[i + line] = window.kernel[i];
		c->stride[i + line] = window.stride[i];
		c->dilation[i + line] = window.dilation[i];
		c->pad[i + line] = window.lo[i];
	}
	c->elements = c->kernel[0] * c->kernel[1];
	c->depth = c->channels / c->groups;
	c->each = c->outputs / c->groups;
	return c->images && c->depth && c->each && c->in[0] && c->in[1] && c->out[0] && c->out[1] && c->elements <= QB_CONV_ELEMENTS
		? QB_OK : QB_EUNSUPPORTED;
}
