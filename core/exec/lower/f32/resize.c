/* SPDX-License-Identifier: Apache-2.0
 *
 * Resizing images that lie channels last: each pixel is a weighted sum of a few, all channels at once.
 */
#include <stdlib.h>
#include <string.h>

#include "core/exec/lower/resize_axis.h"
#include "core/base/size.h"
#include "core/exec/builder.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"
#include "core/graph/op.h"
#include "core/ops/resize.h"

struct resize {
	int64_t images, channels;
	struct qb_resize_axis y, x;
};

/* One line of the output. Sums run line by line, then along the line, in the order of the sampling points. */
static void resize_line(const struct resize *r, const float *image, int64_t oy, float *y)
{
	for (int64_t ox = 0; ox < r->x.out; ox++, y += r->channels) {
		for (int i = 0; i < r->y.count; i++) {
			const float *line = image + r->y.from[oy * r->y.count + i] * r->x.in * r->channels;
			float wy = r->y.weight[oy * r->y.count + i];

			for (int k = 0; k < r->x.count; k++) {
				const float *restrict x = line + r->x.from[ox * r->x.count + k] * r->channels;
				float *restrict to = y, w = wy * r->x.weight[ox * r->x.count + k];

				if (!i && !k) {
					for (int64_t c = 0; c < r->channels; c++) {
						to[c] = w * x[c];
					}
				} else {
					for (int64_t c = 0; c < r->channels; c++) {
						to[c] += w * x[c];
					}
				}
			}
		}
	}
}

static void copy_line(const struct resize *r, const float *image, int64_t oy, float *y)
{
	const float *line = image + r->y.from[oy] * r->x.in * r->channels;

	for (int64_t ox = 0; ox < r->x.out; ox++) {
		memcpy(y + ox * r->channels, line + r->x.from[ox] * r->channels,
			(size_t)r->channels * sizeof(*y));
	}
}

static void run_line(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct resize *r = context;
	const float *image = (const float *)at->read[0] + i / r->y.out * r->y.in * r->x.in * r->channels;
	float *y = (float *)at->write[0] + i * r->x.out * r->channels;

	if (r->y.count == 1 && r->x.count == 1) {
		copy_line(r, image, i % r->y.out, y);
	} else {
		resize_line(r, image, i % r->y.out, y);
	}
}

static void run_resize(const void *context, const struct qb_operands *at)
{
	const struct resize *r = context;
	int64_t lines = r->images * r->y.out;

	qb_threads_loop_worth(lines * r->x.out * r->channels > 65536, lines, run_line, r, at);
}

enum qb_err qb_resize_axis(struct qb_builder *b, const struct qb_node *n, int d, struct qb_resize_axis *a,
	struct qb_errbuf *eb)
{
	struct qb_resize_points t;
	size_t entries;
	int64_t *from;
	float *weight;
	enum qb_err err = QB_OK;

	QB_TRY(qb_resize_points(n, d, &t, eb));
	*a = (struct qb_resize_axis){n->input[0]->shape.dim[d], n->output[0]->shape.dim[d], t.count, NULL, NULL};
	if (qb_node_is(n, QB_OP_ResizeGradient)) {
		*a = (struct qb_resize_axis){a->out, a->in, t.count, NULL, NULL};
	}
	entries = (size_t)(a->out * t.count);
	from = qb_builder_alloc(b, entries, sizeof(*from));
	weight = qb_builder_alloc(b, entries, sizeof(*weight));
	if (from && weight) {
		for (size_t i = 0; i < entries; i++) {
			from[i] = t.from[i];
			weight[i] = t.count == 1 ? 1 : (float)t.weight[i];
		}
		for (int64_t i = 0; i < a->out; i++) {
			err = t.outside[i] ? QB_EUNSUPPORTED : err;
		}
		a->from = from;
		a->weight = weight;
	} else {
		err = qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	free(t.from);
	free(t.weight);
	free(t.outside);
	return err;
}

enum qb_err qb__plan_resize(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *x = n->input[0], *y = n->output[0];
	struct resize r = {0};
	struct qb_layout layout;
	struct qb_place from, to;

	if (x->dtype != QB_F32 || x->constant || x->shape.ndim != 4 ||
		x->shape.dim[0] != y->shape.dim[0] || x->shape.dim[1] != y->shape.dim[1] ||
		qb_node_int(n, "antialias", 0) ||
		!strcmp(qb_node_string(n, "coordinate_transformation_mode", ""), "tf_crop_and_resize")) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 0; i < 4; i++) {
		if (!x->shape.dim[i] || !y->shape.dim[i]) {
			return QB_EUNSUPPORTED;
		}
	}
	r.images = x->shape.dim[0];
	r.channels = x->shape.dim[1];
	QB_TRY(qb_resize_axis(b, n, 2, &r.y, eb));
	QB_TRY(qb_resize_axis(b, n, 3, &r.x, eb));
	layout = qb_layout_channels_last(&x->shape);
	QB_TRY(qb_builder_source(b, x, &layout, &from, eb));
	layout = qb_layout_channels_last(&y->shape);
	QB_TRY(qb_builder_define(b, y, &layout, &to, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "resize", .fn = run_resize, QB_CONTEXT(r),
		.reads = {from.buffer}, .writes = {to.buffer}}, eb);
}
