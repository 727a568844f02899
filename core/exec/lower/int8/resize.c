/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer step of Resize: nearest neighbours are moved; what lies between is a sum of a few pixels' bytes with weights that
 * are whole numbers, so that every processor gives the same.
 */
#include <math.h>
#include <string.h>

#include "core/exec/lower/resize_axis.h"
#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

/* Weights in 2^-21: with those of a cubic, which add up to 2.6 in magnitude, sums of bytes stay in 32 bits. */
enum { BITS = 21, KERNEL_ELEMENTS_MAX = 16, LINE = 256, WORTH_A_THREAD = 16384 };

struct resize {
	int64_t images;
	struct qb_bytes x, y;
	struct qb_resize_axis v, h;
	float multiplier, offset; /* of a sum */
	int threads;
};

#define BODY static inline __attribute__((always_inline)) void

/* n bytes of the sum over points of weight * row. */
BODY sum_line_body(const struct resize *c, const uint8_t *const *row, const int32_t *weight, int points, uint8_t *y,
	int64_t n)
{
	/* Whole vectors: bytes past the channels may be read. */
	const int64_t all = (n + 15) / 16 * 16;
	int32_t sum[LINE];
	uint8_t to[LINE];

	for (int64_t i = 0; i < all; i++) {
		sum[i] = weight[0] * row[0][i];
	}
	for (int t = 1; t < points; t++) {
		const uint8_t *x = row[t];
		int32_t w = weight[t];

		for (int64_t i = 0; i < all; i++) {
			sum[i] += w * x[i];
		}
	}
	for (int64_t i = 0; i < all; i++) {
		/* 1.5 * 2^23 rounds to nearest even. */
		float v = (float)sum[i] * c->multiplier;

		v = v + c->offset;
		v = v < 0 ? 0 : v;
		v = v > (float)c->y.top ? (float)c->y.top : v;
		to[i] = (uint8_t)(int32_t)(v + 12582912.0f - 12582912.0f);
	}
	memcpy(y, to, (size_t)n);
}

QB_FOR_EVERY_LEVEL(static, sum_line,
	(const struct resize *c, const uint8_t *const *row, const int32_t *weight, int points, uint8_t *y, int64_t n),
	(c, row, weight, points, y, n))

/* w 2^BITS to the nearest whole number, ties to even: adding 1.5 2^52 leaves it in the last bits. */
static int32_t whole_weight(double w)
{
	double v = w * (1 << BITS) + 0x1.8p52;
	int64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return (int32_t)bits;
}

static void resize_pixel(const struct resize *c, const uint8_t *image, int64_t oy, int64_t ox, uint8_t *y)
{
	const uint8_t *row[KERNEL_ELEMENTS_MAX];
	int32_t weight[KERNEL_ELEMENTS_MAX];
	int points = 0;

	for (int i = 0; i < c->v.count; i++) {
		const uint8_t *line = image + c->v.from[oy * c->v.count + i] * c->h.in * c->x.stride;

		for (int k = 0; k < c->h.count; k++) {
			double w = (double)c->v.weight[oy * c->v.count + i] * c->h.weight[ox * c->h.count + k];

			row[points] = line + c->h.from[ox * c->h.count + k] * c->x.stride;
			weight[points] = whole_weight(w);
			points += weight[points] != 0 || points == 0;
		}
	}
	for (int64_t from = 0; from < c->y.channels; from += LINE) {
		sum_line(c, row, weight, points, y + from, QB_MIN(LINE, c->y.channels - from));
		for (int t = 0; t < points; t++) {
			row[t] += LINE;
		}
	}
}

static void resize_line(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct resize *c = context;
	const uint8_t *image = (const uint8_t *)at->read[0] + i / c->v.out * c->v.in * c->h.in * c->x.stride;

	for (int64_t ox = 0; ox < c->h.out; ox++) {
		resize_pixel(c, image, i % c->v.out, ox, (uint8_t *)at->write[0] + (i * c->h.out + ox) * c->y.stride);
	}
}

static void run_resize(const void *context, const struct qb_operands *at)
{
	const struct resize *c = context;

	qb_threads_loop(c->y.pixels * c->y.channels > WORTH_A_THREAD ? c->threads : 1, c->images * c->v.out, resize_line, c, at);
}

static enum qb_err plan_sums(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *in = &n->input[0]->shape, *out = &n->output[0]->shape;
	struct resize c = {.threads = qb_builder_threads(b)};

	if (in->ndim != 4 || in->dim[0] != out->dim[0] || in->dim[1] != out->dim[1] ||
		qb_node_int(n, "antialias", 0)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_bytes(b, n->input[0], &c.x, eb));
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &c.y, eb));
	if (c.x.channels != in->dim[1] || c.y.channels != in->dim[1] || c.x.inner != in->dim[2] * in->dim[3] ||
		c.y.inner != out->dim[2] * out->dim[3]) {
		return QB_EUNSUPPORTED;
	}
	c.images = in->dim[0];
	QB_TRY(qb_resize_axis(b, n, 2, &c.v, eb));
	QB_TRY(qb_resize_axis(b, n, 3, &c.h, eb));
	if (c.v.count * c.h.count > KERNEL_ELEMENTS_MAX) {
		return QB_EUNSUPPORTED;
	}
	c.multiplier = (float)ldexp((double)c.x.scale / c.y.scale, -BITS);
	c.offset = (float)(c.y.zero - (double)c.x.scale / c.y.scale * c.x.zero);
	return qb_builder_call(b, n, &(struct qb_call){.name = "int8 resize", .fn = run_resize, QB_CONTEXT(c),
		.reads = {c.x.buffer}, .writes = {c.y.buffer}}, eb);
}

enum qb_err qb__plan_int8_resize(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	if (!strcmp(qb_node_string(n, "coordinate_transformation_mode", ""), "tf_crop_and_resize")) {
		return QB_EUNSUPPORTED;
	}
	return strcmp(qb_node_string(n, "mode", "nearest"), "nearest") ? plan_sums(b, n, eb)
								       : qb__plan_int8_copy(b, op, eb);
}
