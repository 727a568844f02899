/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer step of Resize: nearest neighbours are moved; what lies between is a weighted sum, along rows first and then of
 * rows, in float32 and in one order, so that every processor gives the same. A row that is resized is kept for all output
 * rows that it is part of. What nothing but the caller reads is written as float, one channel after the other.
 */
#include <string.h>

#include "core/exec/lower/resize_axis.h"
#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

enum { POINTS_MAX = 16, CHUNK = 256, WORTH_A_THREAD = 16384 };

struct resize {
	int64_t images;
	struct qb_bytes x, y;
	struct qb_resize_axis v, h;
	const float *row_weight; /* v.weight of y's scale */
	float offset;            /* of a sum of rows */
	bool to_float;           /* y: [images, channels, v.out, h.out] float32 */
	int64_t line, column;    /* elements of a resized row, and of a channel of a row */
	int64_t bands;           /* of the rows of an image, or of a channel of it */
	int threads;
};

/* One output row's place. */
struct row {
	const float *part[POINTS_MAX], *weight;
	int64_t elements;
	union {
		uint8_t *bytes;
		float *number;
	} y;
};

#define BODY static inline __attribute__((always_inline)) void

/* A row of pixels, channels last, along the row; channels that fill a stride as well. */
BODY resize_pixels_body(const struct resize *c, const uint8_t *x, float *to)
{
	const int64_t stride = c->x.stride;

	for (int64_t ox = 0; ox < c->h.out; ox++) {
		float *restrict y = to + ox * stride;

		for (int k = 0; k < c->h.count; k++) {
			const uint8_t *p = x + c->h.from[ox * c->h.count + k] * stride;
			const float w = c->h.weight[ox * c->h.count + k];

			if (k == 0) {
				for (int64_t i = 0; i < stride; i++) {
					y[i] = w * (float)p[i];
				}
			} else {
				for (int64_t i = 0; i < stride; i++) {
					y[i] += w * (float)p[i];
				}
			}
		}
	}
}

QB_FOR_EVERY_LEVEL_512(static, resize_pixels, (const struct resize *c, const uint8_t *x, float *to), (c, x, to))

/* One channel of a row. */
static void resize_channel(const struct resize *c, const uint8_t *x, float *column, float *to)
{
	for (int64_t ix = 0; ix < c->h.in; ix++) {
		column[ix] = x[ix * c->x.stride];
	}
	for (int64_t ox = 0; ox < c->h.out; ox++) {
		const int64_t *from = c->h.from + ox * c->h.count;
		const float *weight = c->h.weight + ox * c->h.count;
		float sum = weight[0] * column[from[0]];

		for (int k = 1; k < c->h.count; k++) {
			sum += weight[k] * column[from[k]];
		}
		to[ox] = sum;
	}
}

/* Rows' sum, rounded to a byte, and what that byte says. */
BODY sum_rows_body(const struct resize *c, const struct row *r)
{
	const float offset = c->offset, top = (float)c->y.top, zero = (float)c->y.zero, scale = c->y.scale;

	for (int64_t from = 0; from < r->elements; from += CHUNK) {
		const int64_t n = QB_MIN(CHUNK, r->elements - from);
		float sum[CHUNK];

		for (int t = 0; t < c->v.count; t++) {
			const float *x = r->part[t] + from, w = r->weight[t];

			if (t == 0) {
				for (int64_t i = 0; i < n; i++) {
					sum[i] = w * x[i];
				}
			} else {
				for (int64_t i = 0; i < n; i++) {
					sum[i] += w * x[i];
				}
			}
		}
		for (int64_t i = 0; i < n; i++) {
			float v = sum[i] + offset;

			v = v < 0 ? 0 : v;
			v = v > top ? top : v;
			/* 1.5 * 2^23 rounds to nearest even. */
			sum[i] = v + 12582912.0f - 12582912.0f;
		}
		if (c->to_float) {
			float *restrict y = r->y.number + from;

			for (int64_t i = 0; i < n; i++) {
				y[i] = scale * (sum[i] - zero);
			}
		} else {
			uint8_t *restrict y = r->y.bytes + from;

			for (int64_t i = 0; i < n; i++) {
				y[i] = (uint8_t)(int32_t)sum[i];
			}
		}
	}
}

QB_FOR_EVERY_LEVEL_512(static, sum_rows, (const struct resize *c, const struct row *r), (c, r))

/* Rows of an image, or of a channel of it, x: its first element. */
static void resize_rows(const struct resize *c, const uint8_t *x, int64_t first, int64_t end, float *scratch,
	struct row *r)
{
	int64_t held[POINTS_MAX];

	memset(held, -1, sizeof(held));
	for (int64_t oy = first; oy < end; oy++) {
		for (int t = 0; t < c->v.count; t++) {
			const int64_t iy = c->v.from[oy * c->v.count + t], slot = iy % c->v.count;
			const uint8_t *from = x + iy * c->h.in * c->x.stride;
			float *part = scratch + slot * c->line;

			if (held[slot] != iy && c->to_float) {
				resize_channel(c, from, scratch + c->v.count * c->line, part);
			} else if (held[slot] != iy) {
				resize_pixels(c, from, part);
			}
			held[slot] = iy;
			r->part[t] = part;
		}
		r->weight = c->row_weight + oy * c->v.count;
		sum_rows(c, r);
		if (c->to_float) {
			r->y.number += r->elements;
		} else {
			r->y.bytes += r->elements;
		}
	}
}

static void resize_band(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct resize *c = context;
	const int64_t band = i % c->bands, of = i / c->bands;
	const int64_t first = c->v.out * band / c->bands, end = c->v.out * (band + 1) / c->bands;
	const int64_t image = c->to_float ? of / c->x.channels : of, channel = c->to_float ? of % c->x.channels : 0;
	const uint8_t *x = (const uint8_t *)at->read[0] + image * c->x.inner * c->x.stride + channel;
	float *scratch = (float *)at->scratch[0] + qb_thread_index() * (c->v.count * c->line + c->column);
	struct row r = {.elements = c->line};

	if (c->to_float) {
		r.y.number = (float *)at->write[0] + of * c->y.inner + first * c->line;
	} else {
		r.y.bytes = (uint8_t *)at->write[0] + of * c->y.inner * c->y.stride + first * c->line;
	}
	resize_rows(c, x, first, end, scratch, &r);
}

static void run_resize(const void *context, const struct qb_operands *at)
{
	const struct resize *c = context;

	qb_threads_loop(c->threads, c->images * (c->to_float ? c->x.channels : 1) * c->bands, resize_band, c, at);
}

/* Rows of one output row have places of their own: they follow one another. */
static bool rows_follow(const struct qb_resize_axis *v)
{
	for (int64_t o = 0; o < v->out; o++) {
		const int64_t *from = v->from + o * v->count;

		for (int t = 1; t < v->count; t++) {
			if (from[t] != from[t - 1] && from[t] != from[t - 1] + 1) {
				return false;
			}
		}
	}
	return true;
}

static enum qb_err weigh_rows(struct qb_builder *b, struct resize *c, struct qb_errbuf *eb)
{
	const double ratio = (double)c->x.scale / c->y.scale;
	float *weight = qb_builder_alloc(b, (size_t)(c->v.out * c->v.count), sizeof(*weight));

	if (!weight) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t i = 0; i < c->v.out * c->v.count; i++) {
		weight[i] = (float)(ratio * c->v.weight[i]);
	}
	c->row_weight = weight;
	c->offset = (float)(c->y.zero - ratio * c->x.zero);
	return QB_OK;
}

static enum qb_err define_output(struct qb_builder *b, const struct qb_value *v, struct resize *c, int *buffer,
	struct qb_errbuf *eb)
{
	struct qb_place place;
	enum qb_err err = qb_builder_define_dequantized(b, v, &c->y, &place, eb);

	c->to_float = err == QB_OK;
	if (err == QB_EUNSUPPORTED) {
		QB_TRY(qb_builder_define_bytes(b, v, &c->y, eb));
		*buffer = c->y.buffer;
		return QB_OK;
	}
	*buffer = place.buffer;
	return err;
}

static enum qb_err plan_sums(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *in = &n->input[0]->shape, *out = &n->output[0]->shape;
	struct resize c = {.threads = qb_builder_threads(b)};
	int buffer;

	if (in->ndim != 4 || in->dim[0] != out->dim[0] || in->dim[1] != out->dim[1] ||
		!qb_builder_has_bytes(b, n->output[0], &c.y) || qb_node_int(n, "antialias", 0)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_bytes(b, n->input[0], &c.x, eb));
	QB_TRY(qb_resize_axis(b, n, 2, &c.v, eb));
	QB_TRY(qb_resize_axis(b, n, 3, &c.h, eb));
	if (c.x.channels != in->dim[1] || c.y.channels != in->dim[1] || c.x.inner != in->dim[2] * in->dim[3] ||
		c.y.inner != out->dim[2] * out->dim[3] || c.x.stride != c.y.stride || c.v.count > POINTS_MAX ||
		!rows_follow(&c.v)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(define_output(b, n->output[0], &c, &buffer, eb));
	QB_TRY(weigh_rows(b, &c, eb));
	c.images = in->dim[0];
	c.line = c.to_float ? c.h.out : c.h.out * c.x.stride;
	c.column = c.to_float ? c.h.in : 0;
	c.threads = c.y.pixels * c.y.channels > WORTH_A_THREAD ? c.threads : 1;
	c.bands = QB_MIN(c.threads, c.v.out);
	return qb_builder_call(b, n, &(struct qb_call){.name = c.to_float ? "int8 resize, to float" : "int8 resize",
		.fn = run_resize, QB_CONTEXT(c), .reads = {c.x.buffer}, .writes = {buffer},
		.scratch = {(size_t)(c.threads * (c.v.count * c.line + c.column)) * sizeof(float)}}, eb);
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
