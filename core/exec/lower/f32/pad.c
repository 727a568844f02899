/* SPDX-License-Identifier: Apache-2.0
 *
 * Pad by a constant: y is filled, and the box of x that is in it is copied, row by row.
 */
#include "core/ops/pad.h"

#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"
#include "core/graph/op.h"

enum { PARALLEL = 65536 };

struct box {
	int ndim; /* innermost dimension of y first; at least two */
	int64_t count[QB_MAX_DIMS + 1], x_step[QB_MAX_DIMS + 1], y_step[QB_MAX_DIMS + 1];
	int64_t from, to; /* its first element in x and in y */
	int64_t numbers;  /* of y */
	float fill;
};

static void copy_box(const struct box *p, int dim, const float *x, float *y)
{
	if (dim > 0) {
		for (int64_t i = 0; i < p->count[dim]; i++) {
			copy_box(p, dim - 1, x + i * p->x_step[dim], y + i * p->y_step[dim]);
		}
	} else if (p->x_step[0] == 1) {
		memcpy(y, x, (size_t)p->count[0] * sizeof(*y));
	} else {
		for (int64_t i = 0; i < p->count[0]; i++) {
			y[i] = x[i * p->x_step[0]];
		}
	}
}

static void copy_slab(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct box *p = context;
	int top = p->ndim - 1;

	copy_box(p, top - 1, (const float *)at->read[0] + p->from + i * p->x_step[top], (float *)at->write[0] + p->to + i * p->y_step[top]);
}

static void run_pad(const void *context, const struct qb_operands *at)
{
	const struct box *p = context;
	float *y = at->write[0];

	if (p->fill == 0 && !signbit(p->fill)) {
		memset(y, 0, (size_t)p->numbers * sizeof(*y));
	} else {
		for (int64_t i = 0; i < p->numbers; i++) {
			y[i] = p->fill;
		}
	}
	qb_threads_loop_worth(p->numbers > PARALLEL, p->count[p->ndim - 1], copy_slab, p, at);
}

/* Dimension d as the next outer one. */
static void add_dimension(struct box *p, const struct qb_pad *pad, const struct qb_layout *x, const struct qb_layout *y, int d)
{
	int64_t first = QB_MAX(pad->lo[d], INT64_C(0)), last = QB_MIN(pad->lo[d] + x->dim[d], y->dim[d]);

	p->from += (first - pad->lo[d]) * x->stride[d];
	p->to += first * y->stride[d];
	p->count[p->ndim] = QB_MAX(last - first, INT64_C(0));
	p->x_step[p->ndim] = x->stride[d];
	p->y_step[p->ndim++] = y->stride[d];
}

static void find_box(struct box *p, const struct qb_pad *pad, const struct qb_layout *x, const struct qb_layout *y, bool channels_last)
{
	if (channels_last) {
		add_dimension(p, pad, x, y, 1);
	}
	for (int d = y->ndim - 1; d >= 0; d--) {
		if (d != 1 || !channels_last) {
			add_dimension(p, pad, x, y, d);
		}
	}
	if (p->ndim == 1) {
		p->count[p->ndim++] = 1;
	}
}

enum qb_err qb__plan_pad(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *x = n->input[0], *y = n->output[0], *value = n->inputs > 2 ? n->input[2] : NULL;
	struct box p = {.fill = qb_node_float(n, "value", 0)};
	struct qb_place from, to;
	struct qb_layout layout;
	struct qb_pad pad;
	bool channels_last;

	if (x->dtype != QB_F32 || x->constant || (value && (!value->constant || value->constant->dtype != QB_F32)) || x->shape.ndim < 1 || !qb_value_size(x) || !qb_value_size(y)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_pad_read(&pad, n, NULL, x->shape.ndim, eb));
	if (!pad.known || pad.mode != QB_PAD_CONSTANT) {
		return QB_EUNSUPPORTED;
	}
	p.fill = value ? *(const float *)value->constant->data : p.fill;
	QB_TRY(qb_builder_plain(b, x, &from, eb));
	channels_last = x->shape.ndim == 4 && from.layout.stride[1] == 1 && x->shape.dim[1] > 1;
	layout = channels_last ? qb_layout_channels_last(&y->shape) : qb_layout_dense(&y->shape);
	p.numbers = (int64_t)qb_layout_elements(&layout);
	find_box(&p, &pad, &from.layout, &layout, channels_last);
	QB_TRY(qb_builder_define(b, y, &layout, &to, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "pad", .fn = run_pad, QB_CONTEXT(p),
		.reads = {from.buffer}, .writes = {to.buffer}}, eb);
}
