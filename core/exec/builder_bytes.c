/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of integer plans as bytes, their conversions from float and to it, and weights as codes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/exec/plan.h"
#include "core/kernels/int8/kernels.h"
#include "core/quant/weight.h"

static int64_t pixels_of(const struct qb_shape *s, int channel_axis)
{
	int64_t n = 1;

	for (int i = 0; i < s->ndim; i++) {
		n *= i == channel_axis ? 1 : s->dim[i];
	}
	return n;
}

static struct qb_bytes describe(const struct qb_builder *b, const struct qb_value *v,
	const struct qb_quantizer *q)
{
	int axis = b->plan->image[v->index] ? 1 : v->shape.ndim - 1;
	int lo = (int)qb_format_min(&q->format);
	struct qb_bytes y = {.channels = axis < 0 ? 1 : v->shape.dim[axis],
		.pixels = pixels_of(&v->shape, axis), .scale = q->scale[0], .inner = 1};

	if (axis == 1 && v->shape.ndim == 4) {
		y.inner = v->shape.dim[2] * v->shape.dim[3];
	}
	/* Few channels lie close together: a convolution widens whole rows anyway. */
	y.stride = y.channels < 4 ? y.channels : (int64_t)qb_align_up((size_t)y.channels, 4);
	y.zero = (q->zero ? q->zero[0] : 0) - lo;
	y.top = (int)qb_format_max(&q->format) - lo;
	return y;
}

static const struct qb_quantizer *activation_quantizer(const struct qb_builder *b,
	const struct qb_value *v)
{
	const struct qb_quantizer *q =
		b->plan->quantization && v->dtype == QB_F32 ? b->plan->quantization->q[v->index] : NULL;

	return q && qb_quantizer_is_bytes(q) && q->channels == 1 && !v->constant ? q : NULL;
}

bool qb_builder_has_bytes(const struct qb_builder *b, const struct qb_value *v, struct qb_bytes *out)
{
	const struct qb_quantizer *q = activation_quantizer(b, v);

	if (q && out) {
		*out = describe(b, v, q);
	}
	return q != NULL;
}

const struct qb_bytes *qb_builder_home_bytes(const struct qb_builder *b, const struct qb_value *v)
{
	return b->plan->bytes[v->index];
}

enum qb_err qb_builder_define_bytes(struct qb_builder *b, const struct qb_value *v,
	struct qb_bytes *out, struct qb_errbuf *eb)
{
	const struct qb_quantizer *q = activation_quantizer(b, v);
	struct qb_bytes *kept = qb_arena_alloc(b->plan->arena, 1, sizeof(*kept));
	size_t bytes;

	if (!q) {
		return QB_EUNSUPPORTED;
	}
	if (!kept) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	*kept = describe(b, v, q);
	/* Kernels may read a few bytes past the last channel. */
	bytes = (size_t)(kept->pixels * kept->stride) + 64;
	QB_TRY(qb__add_buffer(b, bytes, &kept->buffer, eb));
	b->plan->bytes[v->index] = kept;
	*out = *kept;
	return QB_OK;
}

struct convert {
	const struct qb_int8_kernels *kernels;
	struct qb_bytes q;
	int64_t outer, inner; /* row-major floats: [outer, channels, inner] */
};

static struct convert conversion(const struct qb_bytes *q)
{
	return (struct convert){.kernels = qb_int8_kernels(), .q = *q,
		.outer = q->inner ? q->pixels / q->inner : 0, .inner = q->inner};
}

/* Of an image with three channels or four, as most inputs have. The fourth byte of three is the next pixel's first, which
 * follows, or the room behind the last. */
enum { IMAGE_CHUNK = 256 };

/* Four lines of bytes to pixels of four. */
static inline __attribute__((always_inline)) void interleave_body(const uint8_t (*line)[IMAGE_CHUNK], uint32_t *to)
{
	for (int p = 0; p < IMAGE_CHUNK; p++) {
		to[p] = line[0][p] | (uint32_t)line[1][p] << 8 | (uint32_t)line[2][p] << 16 | (uint32_t)line[3][p] << 24;
	}
}

QB_FOR_EVERY_LEVEL_512(static, interleave, (const uint8_t (*line)[IMAGE_CHUNK], uint32_t *to), (line, to))

static void quantize_image(const struct convert *c, const float *x, uint8_t *y)
{
	enum { CHUNK = IMAGE_CHUNK };
	uint8_t line[4][CHUNK] = {{0}};
	uint32_t four[CHUNK];

	for (int64_t i = 0; i < c->inner; i += CHUNK) {
		int64_t n = QB_MIN(CHUNK, c->inner - i);

		for (int64_t k = 0; k < c->q.channels; k++) {
			c->kernels->quantize(x + k * c->inner + i, line[k], (size_t)n, c->q.scale, c->q.zero, c->q.top);
		}
		interleave(line, four);
		if (c->q.stride == sizeof(*four)) {
			memcpy(y + i * c->q.stride, four, (size_t)n * sizeof(*four));
			continue;
		}
		for (int64_t p = 0; p < n; p++) {
			memcpy(y + (i + p) * c->q.stride, &four[p], sizeof(*four));
		}
	}
}

/* Channels last already: without gaps they are one run. */
static void quantize_pixels(const struct convert *c, const float *x, uint8_t *y)
{
	const bool gaps = c->q.stride > c->q.channels;
	const int64_t run = gaps ? c->q.channels : c->outer * c->q.channels;

	for (int64_t o = 0; o < (gaps ? c->outer : 1); o++) {
		c->kernels->quantize(x + o * c->q.channels, y + o * c->q.stride, (size_t)run, c->q.scale, c->q.zero, c->q.top);
	}
}

/* Row-major floats to bytes, channels last. */
static void quantize(const void *context, const struct qb_operands *at)
{
	enum { CHUNK = 256 };
	const struct convert *c = context;
	const float *x = at->read[0];
	uint8_t *y = at->write[0], line[CHUNK];

	if (c->inner == 1) {
		quantize_pixels(c, x, y);
		return;
	}
	if (c->q.stride == 3 || c->q.stride == 4) {
		for (int64_t o = 0; o < c->outer; o++) {
			quantize_image(c, x + o * c->q.channels * c->inner, y + o * c->inner * c->q.stride);
		}
		return;
	}
	for (int64_t o = 0; o < c->outer; o++) {
		for (int64_t i = 0; i < c->inner; i += CHUNK) {
			int64_t n = QB_MIN(CHUNK, c->inner - i);

			for (int64_t k = 0; k < c->q.channels; k++) {
				uint8_t *to = y + (o * c->inner + i) * c->q.stride + k;

				c->kernels->quantize(x + (o * c->q.channels + k) * c->inner + i, line, (size_t)n,
					c->q.scale, c->q.zero, c->q.top);
				for (int64_t p = 0; p < n; p++) {
					to[p * c->q.stride] = line[p];
				}
			}
		}
	}
}

/* Channels last to row-major, in squares that the caches hold. */
static void dequantize(const void *context, const struct qb_operands *at)
{
	enum { CHUNK = 256 };
	const struct convert *c = context;
	const uint8_t *x = at->read[0];
	float *y = at->write[0];

	if (c->inner == 1) {
		for (int64_t o = 0; o < c->outer; o++) {
			c->kernels->dequantize(x + o * c->q.stride, y + o * c->q.channels,
				(size_t)c->q.channels, c->q.scale, c->q.zero);
		}
		return;
	}
	for (int64_t o = 0; o < c->outer; o++) {
		for (int64_t i = 0; i < c->inner; i += CHUNK) {
			int64_t n = QB_MIN(CHUNK, c->inner - i);

			for (int64_t k = 0; k < c->q.channels; k++) {
				const uint8_t *from = x + (o * c->inner + i) * c->q.stride + k;
				uint8_t line[CHUNK];

				for (int64_t p = 0; p < n; p++) {
					line[p] = from[p * c->q.stride];
				}
				c->kernels->dequantize(line, y + (o * c->q.channels + k) * c->inner + i,
					(size_t)n, c->q.scale, c->q.zero);
			}
		}
	}
}

static void name_last_step(struct qb_builder *b, const char *what)
{
	b->plan->step[b->plan->steps - 1].what = what;
}

enum qb_err qb_builder_bytes(struct qb_builder *b, const struct qb_value *v, struct qb_bytes *out,
	struct qb_errbuf *eb)
{
	struct qb_place place;
	struct convert c;

	if (b->plan->bytes[v->index]) {
		*out = *b->plan->bytes[v->index];
		return QB_OK;
	}
	if (!activation_quantizer(b, v) || !b->plan->home[v->index]) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_dense(b, v, &place, eb));
	QB_TRY(qb_builder_define_bytes(b, v, out, eb));
	c = conversion(out);
	QB_TRY(qb_builder_call(b, b->node, &(struct qb_call){.name = "quantize", .fn = quantize, QB_CONTEXT(c),
		.reads = {place.buffer}, .writes = {out->buffer}}, eb));
	name_last_step(b, "quantize");
	return QB_OK;
}

enum qb_err qb__need_float(struct qb_builder *b, const struct qb_value *v, struct qb_errbuf *eb)
{
	const struct qb_bytes *q = b->plan->bytes[v->index];
	struct qb_layout layout;
	struct qb_place place;
	struct convert c;

	if (b->plan->home[v->index] || !q) {
		return QB_OK;
	}
	layout = qb_layout_dense(&v->shape);
	QB_TRY(qb_builder_define(b, v, &layout, &place, eb));
	c = conversion(q);
	QB_TRY(qb_builder_call(b, b->node, &(struct qb_call){.name = "dequantize", .fn = dequantize, QB_CONTEXT(c),
		.reads = {q->buffer}, .writes = {place.buffer}}, eb));
	name_last_step(b, "dequantize");
	return QB_OK;
}

enum qb_err qb_builder_define_dequantized(struct qb_builder *b, const struct qb_value *v, struct qb_bytes *q,
	struct qb_place *out, struct qb_errbuf *eb)
{
	const struct qb_layout layout = qb_layout_dense(&v->shape);
	const struct qb_quantizer *quantizer = activation_quantizer(b, v);
	struct qb_bytes *kept;

	if (!quantizer || !v->outputs || v->users || qb_builder_is_observed(b, v)) {
		return QB_EUNSUPPORTED;
	}
	kept = qb_arena_alloc(b->plan->arena, 1, sizeof(*kept));
	if (!kept) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	*kept = describe(b, v, quantizer);
	QB_TRY(qb_builder_define(b, v, &layout, out, eb));
	b->plan->bytes[v->index] = kept;
	*q = *kept;
	return QB_OK;
}

enum qb_err qb_builder_alias_bytes(struct qb_builder *b, const struct qb_value *v,
	const struct qb_value *of, struct qb_errbuf *eb)
{
	const struct qb_quantizer *q = activation_quantizer(b, v);
	struct qb_bytes from, *kept;

	QB_TRY(qb_builder_bytes(b, of, &from, eb));
	kept = qb_arena_alloc(b->plan->arena, 1, sizeof(*kept));
	if (!q || !kept) {
		return QB_EUNSUPPORTED;
	}
	*kept = describe(b, v, q);
	kept->buffer = from.buffer;
	/* The same bytes in the same order: row-major without gaps, or with the same gaps. */
	if (kept->scale != from.scale || kept->zero != from.zero || kept->top != from.top ||
		kept->inner != 1 || from.inner != 1 ||
		(kept->channels != from.channels &&
			(kept->stride != kept->channels || from.stride != from.channels))) {
		return QB_EUNSUPPORTED;
	}
	b->plan->bytes[v->index] = kept;
	return QB_OK;
}

/* ---- weights ---- */

const struct qb_quantizer *qb_builder_weight_quantizer(const struct qb_builder *b,
	const struct qb_value *w)
{
	const struct qb_quantizer *q =
		b->plan->quantization && w->constant ? b->plan->quantization->q[w->index] : NULL;

	return q && qb_quantizer_is_bytes(q) && !q->zero ? q : NULL;
}

const int8_t *qb_builder_weight_codes(struct qb_builder *b, const struct qb_value *w)
{
	const struct qb_quantizer *q = qb_builder_weight_quantizer(b, w);
	size_t n = qb_tensor_size(w->constant);
	int8_t *codes = qb_arena_alloc(b->plan->arena, n, 1);
	float *y = qb_aligned_alloc(n, sizeof(*y));
	int64_t outer, channels, inner;

	if (!q || !codes || !y) {
		free(y);
		return NULL;
	}
	qb_weight_extents(w, b->plan->quantization->axis[w->index], &outer, &channels, &inner);
	if (qb_quantization_constant(b->plan->quantization, w, y, NULL, NULL) != QB_OK) {
		free(y);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		int64_t c = q->channels > 1 ? (int64_t)i / inner % channels : 0;

		codes[i] = (int8_t)lrintf(y[i] / q->scale[c]);
	}
	free(y);
	return codes;
}

enum qb_err qb_builder_constant(struct qb_builder *b, const struct qb_value *v, const float **out, struct qb_errbuf *eb)
{
	const struct qb_quantization *q = b->plan->quantization;
	float *y;

	*out = v->constant->data;
	if (!q || !qb_quantization_changes(q, v)) {
		return QB_OK;
	}
	y = qb_arena_alloc(b->plan->arena, qb_tensor_size(v->constant) + 1, sizeof(*y));
	*out = y;
	return y ? qb_quantization_constant(q, v, y, NULL, eb) : qb_fail(eb, QB_ENOMEM, "no memory for a plan");
}
