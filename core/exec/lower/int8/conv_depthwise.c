/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer step of convolutions of each channel by itself.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/lower/int8/weight.h"
#include "core/exec/lower/indirection.h"
#include "core/exec/threads.h"

/* Images of at most this width are copied with their pads, where there are any: a run of pixels is then a whole row, and
 * of a few pixels each those at borders cost more than a copy. */
enum { PADDED_WIDTH = 32 };
/* Channels that pixels side by side add up to, so that their weights stay in the first-level cache. */
enum { FOLDED_MAX = 512 };

struct depthwise {
	const struct qb_int8_kernels *kernels;
	struct qb_pixels p;
	struct qb_pixels padded; /* of the copies; no images where there are none */
	struct qb_int8_channels c;
	struct qb_int8_channels folded; /* `fold` pixels side by side, as channels of one: few channels fill a block then */
	int64_t y_stride, fold;
	int threads;
};

static void depthwise_run(const void *arg, const uint8_t *const *row, int64_t ox, int64_t pixels,
	void *out)
{
	const struct depthwise *d = arg;
	const int64_t step = d->p.sw * d->p.stride, whole = pixels / d->fold, done = d->fold > 1 ? whole * d->fold : 0;
	const uint8_t *rest[QB_KERNEL_ELEMENTS_MAX];
	uint8_t *y = (uint8_t *)out + ox * d->y_stride;

	if (done) {
		d->kernels->depthwise(&d->folded, row, d->fold * step, whole, y, d->fold * d->y_stride);
	}
	if (done < pixels) {
		for (int64_t t = 0; t < d->c.kernel_elements; t++) {
			rest[t] = row[t] + done * step;
		}
		d->kernels->depthwise(&d->c, rest, step, pixels - done, y + done * d->y_stride, d->y_stride);
	}
}

/* Row y of the images' copies, counted on from image to image. */
static void pad_row(const void *context, const struct qb_operands *at, int64_t y)
{
	const struct depthwise *d = context;
	const struct qb_pixels *p = &d->p;
	const int64_t left = p->left * p->stride, all = d->padded.iw * p->stride, iy = y % d->padded.ih - p->top;
	const int64_t inside = QB_MIN(p->iw * p->stride, all - left);
	uint8_t *to = (uint8_t *)at->scratch[0] + y * all;

	/* Rows are short: one call to fill them all takes less than two for what is left and right of the image. */
	memset(to, p->pad[0], (size_t)all);
	if (iy >= 0 && iy < p->ih && inside > 0) {
		memcpy(to + left, (const uint8_t *)at->read[0] + y / d->padded.ih * qb_pixels_image_bytes(p) + iy * p->iw * p->stride,
			(size_t)inside);
	}
}

static void depthwise_row(const void *context, const struct qb_operands *at, int64_t row)
{
	const struct depthwise *d = context;
	const struct qb_pixels *p = d->padded.images ? &d->padded : &d->p;
	const uint8_t *x = d->padded.images ? at->scratch[0] : at->read[0];

	qb_pixel_runs(p, x + row / p->oh * qb_pixels_image_bytes(p), row % p->oh, depthwise_run, d,
		(uint8_t *)at->write[0] + row * p->ow * d->y_stride);
}

static void run_depthwise(const void *context, const struct qb_operands *at)
{
	const struct depthwise *d = context;

	qb_threads_loop(d->threads, d->padded.images * d->padded.ih, pad_row, d, at);
	qb_threads_loop(d->threads, d->p.images * d->p.oh, depthwise_row, d, at);
}

/* Blocks of the kernels that a row takes, `fold` pixels at a time. */
static int64_t blocks_of_row(const struct depthwise *d, int64_t channels, int64_t fold)
{
	const int64_t block = d->kernels->order_block;

	return d->p.ow / fold * ((fold * channels + block - 1) / block) + d->p.ow % fold * ((channels + block - 1) / block);
}

/* How many pixels to compute side by side: as many as leave the fewest blocks, if these are fewer than three quarters (a
 * pixel at a time, columns of a kernel are shared). Of a stride of 1 and without gaps, as their outputs are. */
static int64_t best_fold(const struct depthwise *d, int64_t channels)
{
	int64_t best = 1, least = 3 * blocks_of_row(d, channels, 1);

	if (d->p.sw != 1 || d->p.stride != channels || d->y_stride != channels) {
		return 1;
	}
	for (int64_t fold = 2; fold <= d->p.ow && fold * channels <= FOLDED_MAX; fold++) {
		int64_t blocks = 4 * blocks_of_row(d, channels, fold);

		if (blocks < least) {
			least = blocks;
			best = fold;
		}
	}
	return best;
}

/* `fold` times the layer's channels. */
static enum qb_err pack_depthwise(struct qb_builder *b, const struct depthwise *d, const struct qb__int8_weight *w,
	const struct qb_requant *r, int zero, int64_t fold, struct qb_int8_channels *out, struct qb_errbuf *eb)
{
	int64_t channels = fold * w->outputs, kernel_elements = d->p.kernel_elements;
	size_t room = qb_align_up((size_t)channels, 64);
	int8_t *packed = qb_builder_alloc(b, d->kernels->depthwise_bytes(channels, kernel_elements), 1);
	int32_t *start = qb_builder_alloc(b, room, sizeof(*start));
	int32_t *from = qb_builder_alloc(b, room, sizeof(*from));
	float *multiplier = qb_builder_alloc(b, room, sizeof(*multiplier));
	float *offset = qb_builder_alloc(b, room, sizeof(*offset));
	float *requant = qb_builder_alloc(b, 2 * room, sizeof(*requant));
	int8_t *by_element = malloc((size_t)(channels * kernel_elements));

	if (!packed || !start || !from || !multiplier || !offset || !requant || !by_element) {
		free(by_element);
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t i = 0; i < channels; i++) {
		const int64_t c = i % w->outputs;

		for (int64_t t = 0; t < kernel_elements; t++) {
			by_element[t * channels + i] = w->codes[c * kernel_elements + t];
			from[i] -= zero * w->codes[c * kernel_elements + t];
		}
		requant[i] = r->multiplier[c];
		requant[room + (size_t)i] = r->offset[c];
	}
	d->kernels->pack_depthwise(packed, by_element, channels, kernel_elements);
	free(by_element);
	qb_int8_unpacked_order(d->kernels, from, start, channels);
	qb_int8_unpacked_order(d->kernels, requant, multiplier, channels);
	qb_int8_unpacked_order(d->kernels, requant + room, offset, channels);
	*out = (struct qb_int8_channels){packed, start, multiplier, offset, r->lo, r->hi, channels, kernel_elements};
	return QB_OK;
}

/* Copies that hold just what the kernel reads. */
static enum qb_err plan_padded(struct depthwise *d, struct qb_builder *b, struct qb_errbuf *eb)
{
	struct qb_pixels *q = &d->padded;
	int64_t ih, iw, *offset;

	ih = (d->p.oh - 1) * d->p.sh + (d->p.kh - 1) * d->p.dh + 1;
	iw = (d->p.ow - 1) * d->p.sw + (d->p.kw - 1) * d->p.dw + 1;
	if (d->p.iw > PADDED_WIDTH || (!d->p.top && !d->p.left && ih <= d->p.ih && iw <= d->p.iw)) {
		return QB_OK;
	}
	offset = qb_builder_alloc(b, (size_t)d->p.kernel_elements, sizeof(*offset));
	if (!offset) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t t = 0; t < d->p.kernel_elements; t++) {
		offset[t] = (t / d->p.kw * d->p.dh * iw + t % d->p.kw * d->p.dw) * d->p.stride;
	}
	*q = d->p;
	q->ih = ih;
	q->iw = iw;
	q->top = q->left = 0;
	q->element_offset = offset;
	return QB_OK;
}

enum qb_err qb__plan_int8_depthwise(struct qb_builder *b, const struct qb_lowered *op,
	const struct qb__int8_weight *w, const struct qb_window *win, const struct qb_bytes *x,
	const struct qb_bytes *y, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct depthwise d = {.kernels = qb_int8_kernels(), .y_stride = y->stride,
		.threads = qb_builder_threads(b)};
	struct qb_bytes to;
	struct qb_requant r;

	QB_TRY(qb_pixels_init(&d.p, b, n, win, x->stride, x->zero, eb));
	QB_TRY(plan_padded(&d, b, eb));
	QB_TRY(qb__int8_requant(b, &r, w, op, x, y, eb));
	QB_TRY(pack_depthwise(b, &d, w, &r, x->zero, 1, &d.c, eb));
	d.fold = best_fold(&d, w->outputs);
	if (d.fold > 1) {
		QB_TRY(pack_depthwise(b, &d, w, &r, x->zero, d.fold, &d.folded, eb));
	}
	if (d.p.images * d.p.oh * d.p.ow * w->outputs * w->k < QB__INT8_WORTH_A_THREAD / 4) {
		d.threads = 1;
	}
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &to, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "int8 depthwise", .fn = run_depthwise, QB_CONTEXT(d),
		.reads = {x->buffer}, .writes = {to.buffer},
		.scratch = {d.padded.images ? (size_t)(d.padded.images * qb_pixels_image_bytes(&d.padded)) + 64 : 0}}, eb);
}
