/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient of a Resize of images that lie channels last: each pixel of dy goes to the few of dx that made it, all channels
 * at once, in the order of dy's pixels.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/lower/resize_axis.h"
#include "core/graph/op.h"

struct gradient {
	int64_t images, channels;
	struct qb_resize_axis y, x;
};

/* One line of dy into the image of dx. */
static inline __attribute__((always_inline)) void spread_line_body(const struct gradient *g, const float *dy, int64_t oy, float *image)
{
	const int64_t channels = g->channels;

	for (int64_t ox = 0; ox < g->x.out; ox++, dy += channels) {
		for (int i = 0; i < g->y.count; i++) {
			float *line = image + g->y.from[oy * g->y.count + i] * g->x.in * channels;
			const float wy = g->y.weight[oy * g->y.count + i];

			for (int k = 0; k < g->x.count; k++) {
				float *restrict to = line + g->x.from[ox * g->x.count + k] * channels;
				const float *restrict from = dy;
				const float w = wy * g->x.weight[ox * g->x.count + k];

				for (int64_t c = 0; c < channels; c++) {
					to[c] = fmaf(w, from[c], to[c]);
				}
			}
		}
	}
}

QB_FOR_EVERY_LEVEL(static, spread_line, (const struct gradient *g, const float *dy, int64_t oy, float *image), (g, dy, oy, image))

static void run_gradient(const void *context, const struct qb_operands *at)
{
	const struct gradient *g = context;
	int64_t image = g->y.in * g->x.in * g->channels, line = g->x.out * g->channels;

	memset(at->write[0], 0, (size_t)(g->images * image) * sizeof(float));
	for (int64_t i = 0; i < g->images * g->y.out; i++) {
		spread_line(g, (const float *)at->read[0] + i * line, i % g->y.out, (float *)at->write[0] + i / g->y.out * image);
	}
}

enum qb_err qb__plan_resize_gradient(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *dy = n->input[0], *dx = n->output[0];
	struct gradient g = {0};
	struct qb_call call = {.name = "resize gradient", .fn = run_gradient, QB_CONTEXT(g)};
	struct qb_layout layout = qb_layout_channels_last(&dx->shape);
	struct qb_place place;

	if (dy->dtype != QB_F32 || dy->constant || dy->shape.ndim != 4 || dy->shape.dim[0] != dx->shape.dim[0] ||
		dy->shape.dim[1] != dx->shape.dim[1] || !qb_value_size(dy) || !qb_value_size(dx)) {
		return QB_EUNSUPPORTED;
	}
	g.images = dx->shape.dim[0];
	g.channels = dx->shape.dim[1];
	QB_TRY(qb_resize_axis(b, n, 2, &g.y, eb));
	QB_TRY(qb_resize_axis(b, n, 3, &g.x, eb));
	QB_TRY(qb_builder_read(b, dy, true, &call.reads[0], eb));
	QB_TRY(qb_builder_define(b, dx, &layout, &place, eb));
	call.writes[0] = place.buffer;
	return qb_builder_call(b, n, &call, eb);
}
