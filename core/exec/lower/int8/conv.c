/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer steps that sum products with constant weights: convolutions and matrix products.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/builder.h"
#include "core/kernels/int8/kernels.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/lower/int8/weight.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

/* Convolution: bands of output rows, whose input rows are expanded into elements with their pads, and pixels of a band
 * point into them. */

/* Elements of a band, so that they stay in the second-level cache; pixels of one call, and of the last: a few pixels by
 * themselves would take all weights once more; tiles that a thread should have before the outputs are shared out instead of the
 * pixels. */
enum { BAND_ELEMENTS = 49152, PIXELS = 48, LAST_PIXELS = QB_INT8_PIXELS, TILE_PIXELS = 12 };
/* Weights that do not fit the second-level cache are taken a part of the outputs at a time, each by many pixels. */
enum { PART_BYTES = 5 << 18, PART_PIXELS = 10 * PIXELS };

struct conv {
	const struct qb_int8_form *form;
	struct qb_int8_matrix *m; /* [groups] */
	struct qb_requant r;
	int64_t groups;
	int64_t images, ih, iw, oh, ow, sh, sw, top, left;
	int64_t reach;         /* input rows of an output row */
	int64_t stride;        /* elements of a pixel, bytes of the input's */
	int64_t width;         /* pixels of an expanded row */
	int64_t kernel_elements, chunk;
	const int64_t *offset; /* [groups][kernel_elements] */
	const void *pad;       /* an expanded row of pixels outside */
	bool direct;           /* the input is what the kernel reads */
	int64_t band, bands;   /* output rows; of an image */
	int64_t scratch_bytes; /* of a thread */
	int64_t y_stride;
	int threads, parts;    /* parts: pieces of the outputs */
	int apart;             /* how many of them are shared out to threads; 1: a band computes all, one after the other */
	struct qb__int8_residual sum; /* add: NULL where there is none */
	int64_t piece_bytes;   /* what it is added to, of a thread */
};

/* What a band reads and writes. */
struct band {
	const uint8_t *image, *other;
	uint8_t *y, *piece;
	char *scratch;
};

/* The part-th piece of the outputs, whole blocks of 16, or those of a group. */
static int64_t part_of(struct qb_int8_matrix *m, struct qb_requant *r, const struct conv *c, int part,
	int64_t group)
{
	int64_t blocks = (c->m->outputs + 15) / 16, first;
	int64_t from = blocks * part / c->parts * 16, to = blocks * (part + 1) / c->parts * 16;

	*m = c->m[group];
	*r = c->r;
	m->outputs = QB_MIN(to, m->outputs) - from;
	m->packed = (int8_t *)m->packed + from * m->k * c->form->bits / 8;
	m->start += from;
	first = group * c->m->outputs + from;
	r->multiplier += first;
	r->offset += first;
	return first;
}

/* Input row iy with its pads. */
static void expand_row(const struct conv *c, const uint8_t *image, int64_t iy, char *to)
{
	int64_t size = c->form->element_bytes, inside = QB_MIN(c->iw, c->width - c->left);
	int64_t after = c->left + inside;

	if (iy < 0 || iy >= c->ih) {
		memcpy(to, c->pad, (size_t)(c->width * c->stride * size));
		return;
	}
	if (c->left) {
		memcpy(to, c->pad, (size_t)(c->left * c->stride * size));
	}
	c->form->expand(image + iy * c->iw * c->stride, to + c->left * c->stride * size,
		inside * c->stride);
	if (c->width > after) {
		memcpy(to + after * c->stride * size, c->pad,
			(size_t)((c->width - after) * c->stride * size));
	}
}

/* n pixels of all groups, or of a part of the outputs. */
static void conv_pixels(const struct conv *c, int part, const void *const *x, int64_t n, const struct band *b,
	int64_t p)
{
	uint8_t *y = b->y + p * c->y_stride;

	for (int64_t g = 0; g < c->groups; g++) {
		struct qb_int8_matrix m;
		struct qb_requant r;
		int64_t first = part_of(&m, &r, c, part, g);

		c->form->conv(&m, &(struct qb_int8_conv_args){.x = x, .pixels = n, .offset = c->offset + g * c->kernel_elements,
			.kernel_elements = c->kernel_elements, .chunk = c->chunk, .r = &r,
			.y = (c->sum.add ? b->piece : y) + first, .y_stride = c->y_stride});
		for (int64_t i = 0; c->parts > 1 && c->sum.add && i < n; i++) {
			int64_t at = i * c->y_stride + first;

			qb__int8_add_residual(&c->sum, b->piece + at, b->other + p * c->y_stride + at, y + at,
				(size_t)m.outputs);
		}
	}
	if (c->parts == 1 && c->sum.add) {
		qb__int8_add_residual(&c->sum, b->piece, b->other + p * c->y_stride, y,
			(size_t)(n * c->y_stride));
	}
}

/* Output rows [from, to) of one image, of a part of the outputs or of all. */
static void conv_band(const struct conv *c, int part, const struct band *b, int64_t from, int64_t to)
{
	const int64_t row_bytes = c->width * c->stride * c->form->element_bytes;
	const int64_t pixel_bytes = c->sw * c->stride * c->form->element_bytes;
	const int64_t first = from * c->sh - c->top, rows = (to - from - 1) * c->sh + c->reach;
	const char *base = (const char *)b->image + first * row_bytes;
	const void *x[LAST_PIXELS];

	if (!c->direct) {
		for (int64_t i = 0; i < rows; i++) {
			expand_row(c, b->image, first + i, b->scratch + i * row_bytes);
		}
		base = b->scratch;
	}
	for (const int end = c->apart > 1 ? part + 1 : c->parts; part < end; part++) {
		for (int64_t p = from * c->ow, oy = 0, ox = 0, n = 0; p < to * c->ow; p += n) {
			n = to * c->ow - p;
			n = n <= LAST_PIXELS ? n : PIXELS;
			for (int64_t i = 0; i < n; i++) {
				x[i] = base + oy * c->sh * row_bytes + ox * pixel_bytes;
				if (++ox == c->ow) {
					ox = 0;
					oy++;
				}
			}
			conv_pixels(c, part, x, n, b, p);
		}
	}
}

/* Bands of an image lie beside each other, then parts of its outputs. */
static void run_band(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct conv *c = context;
	const int64_t b = i % c->bands, image = i / c->bands / c->apart;
	const int64_t out = image * c->oh * c->ow * c->y_stride;
	const int me = qb_thread_index();
	struct band band = {.y = (uint8_t *)at->write[0] + out,
		.image = (const uint8_t *)at->read[0] + image * c->ih * c->iw * c->stride,
		.scratch = (char *)at->scratch[0] + me * c->scratch_bytes};

	if (c->sum.add) {
		band.piece = (uint8_t *)at->scratch[1] + me * c->piece_bytes;
		band.other = (const uint8_t *)at->read[1] + out;
	}
	conv_band(c, (int)(i / c->bands % c->apart), &band, b * c->band, QB_MIN((b + 1) * c->band, c->oh));
}

static void run_conv(const void *context, const struct qb_operands *at)
{
	const struct conv *c = context;

	qb_threads_loop(c->threads, c->images * c->apart * c->bands, run_band, c, at);
}

/* In how many parts, of whole tiles, the weights fit the second-level cache. */
static int64_t parts_of_weights(const struct conv *c)
{
	int64_t tiles = (c->m->outputs + 63) / 64, bytes = 64 * tiles * c->m->k * c->form->bits / 8;
	int64_t parts = QB_MIN((bytes + PART_BYTES - 1) / PART_BYTES, tiles);

	while (tiles % parts) {
		parts++;
	}
	return c->groups == 1 ? parts : 1;
}

/* How many rows to a band, and who does what. */
static void share_out(struct conv *c, struct qb_builder *b)
{
	int64_t row = c->width * c->stride * c->sh, pixels = c->images * c->oh * c->ow;
	int64_t blocks = (c->m->outputs + 15) / 16;

	c->threads = qb_builder_threads(b);
	if (pixels * c->groups * c->m->outputs < QB__INT8_WORTH_A_THREAD / c->m->k) {
		c->threads = 1;
	}
	c->apart = c->groups == 1 && c->threads > 1 && pixels < 2 * TILE_PIXELS * c->threads
		? (int)QB_MIN(blocks, c->threads) : 1;
	c->parts = c->apart > 1 || pixels <= LAST_PIXELS ? c->apart : (int)parts_of_weights(c);
	c->band = QB_MAX(1, (BAND_ELEMENTS - (c->reach - c->sh) * c->width * c->stride) / row);
	/* Lest rows that several bands read be expanded by each. */
	c->band = QB_MAX(c->band, 2 * (c->reach - c->sh) / c->sh);
	if (c->parts > c->apart) {
		c->band = QB_MAX(c->band, (PART_PIXELS + c->ow - 1) / c->ow);
	}
	if (c->band > TILE_PIXELS) {
		c->band -= c->band % TILE_PIXELS;
	}
	c->bands = (c->oh + c->band - 1) / c->band;
	if (c->threads > 1 && c->apart == 1) {
		c->bands = QB_MIN((int64_t)qb_align_up((size_t)c->bands, (size_t)c->threads), c->oh);
	}
	c->band = (c->oh + c->bands - 1) / c->bands;
	c->bands = (c->oh + c->band - 1) / c->band;
}

/* Pads and the size of scratch, once the geometry is known. */
static enum qb_err prepare_rows(struct conv *c, struct qb_builder *b, int zero, struct qb_errbuf *eb)
{
	int64_t size = c->form->element_bytes, row = c->width * c->stride, slack = 128;
	int64_t rows = (c->band - 1) * c->sh + c->reach;

	QB_TRY(qb__int8_pad(b, c->form, zero, row, &c->pad, eb));
	c->direct = size == 1 && !c->left && !c->top && c->width == c->iw &&
		(c->oh - 1) * c->sh + c->reach <= c->ih;
	c->scratch_bytes =
		c->direct ? 0 : (int64_t)qb_align_up((size_t)((rows * row + slack) * size), 64);
	return QB_OK;
}

/* A group's weights as [kernel_elements][chunk], and what its sums begin with: -zero * sum of weights. */
static enum qb_err pack_group(struct conv *c, struct qb_builder *b, const struct qb__int8_weight *w,
	int64_t group, int64_t window, int64_t together, int zero, struct qb_errbuf *eb)
{
	const int64_t outputs = w->outputs / c->groups, channels = w->k / window;
	struct qb_int8_matrix *m = &c->m[group];
	int8_t *rows;

	m->outputs = outputs;
	m->k = c->kernel_elements * c->chunk;
	m->packed = qb_builder_alloc(b, qb_int8_packed_bytes(outputs, m->k, c->form->bits), 1);
	m->start = qb_builder_alloc(b, qb_align_up((size_t)outputs, 16), sizeof(*m->start));
	rows = calloc((size_t)(outputs * m->k), 1);
	if (!m->packed || !m->start || !rows) {
		free(rows);
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t o = 0; o < outputs; o++) {
		for (int64_t i = 0; i < channels; i++) {
			const int8_t *codes = w->codes + ((group * outputs + o) * channels + i) * window;

			for (int64_t t = 0; t < window; t++) {
				rows[o * m->k + t / together * c->chunk + t % together * c->stride + i] =
					codes[t];
				m->start[o] -= zero * codes[t];
			}
		}
	}
	c->form->pack(m, rows);
	free(rows);
	return QB_OK;
}

/* Where the inputs of kernel elements are. Columns of the window that lie side by side are one element, unless groups lie
 * between. */
static enum qb_err pack_conv(struct conv *c, struct qb_builder *b, const struct qb__int8_weight *w,
	const struct qb_window *win, int zero, struct qb_errbuf *eb)
{
	const int64_t kh = win->kernel[0], kw = win->kernel[1], channels = w->k / (kh * kw);
	const int64_t together = win->dilation[1] == 1 && c->groups == 1 ? kw : 1;
	const int64_t run = c->groups == 1 ? together * c->stride : channels;
	int64_t *offset;

	c->kernel_elements = kh * kw / together;
	c->chunk = (int64_t)qb_align_up((size_t)run, (size_t)c->form->group);
	c->m = qb_builder_alloc(b, (size_t)c->groups, sizeof(*c->m));
	c->offset = offset = qb_builder_alloc(b, (size_t)(c->groups * c->kernel_elements), sizeof(*offset));
	if (!c->m || !offset) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t g = 0; g < c->groups; g++) {
		for (int64_t t = 0; t < c->kernel_elements; t++) {
			int64_t ky = t * together / kw, kx = t * together % kw;

			offset[g * c->kernel_elements + t] =
				(ky * win->dilation[0] * c->width + kx * win->dilation[1]) * c->stride +
				g * channels;
		}
		QB_TRY(pack_group(c, b, w, g, kh * kw, together, zero, eb));
	}
	return QB_OK;
}

/* c has its geometry; x and y are the input's and the output's bytes, y without a buffer. */
static enum qb_err add_conv(struct qb_builder *b, const struct qb_lowered *op, struct conv *c,
	const struct qb__int8_weight *w, const struct qb_window *win, const struct qb_bytes *x,
	const struct qb_bytes *y, const char *name, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct qb_call call = {.fn = run_conv, QB_CONTEXT(*c), .reads = {x->buffer}};

	c->form = qb_int8_form(qb_int8_kernels(), w->codes, (size_t)(w->outputs * w->k));
	c->stride = x->stride;
	c->y_stride = y->stride;
	c->reach = (win->kernel[0] - 1) * win->dilation[0] + 1;
	c->width = (c->ow - 1) * c->sw + (win->kernel[1] - 1) * win->dilation[1] + 1;
	/* Without pads whole rows are what lies there. */
	c->width = c->left ? c->width : QB_MAX(c->width, c->iw);
	QB_TRY(qb__int8_requant(b, &c->r, w, op, x, y, eb));
	QB_TRY(pack_conv(c, b, w, win, x->zero, eb));
	share_out(c, b);
	QB_TRY(prepare_rows(c, b, x->zero, eb));
	c->sum = qb__int8_find_residual(b, op);
	c->piece_bytes = c->sum.add ? (int64_t)qb_align_up((size_t)(LAST_PIXELS * c->y_stride), 64) + 64 : 0;
	call.name = c->sum.add ? "int8 convolution, sum" : name;
	call.scratch[0] = (size_t)(c->scratch_bytes * c->threads);
	call.scratch[1] = (size_t)(c->piece_bytes * c->threads);
	QB_TRY(qb__int8_declare_output(b, op, &c->sum, &call, eb));
	return qb_builder_call(b, n, &call, eb);
}

/* n pixels side by side are n rows of one. */
static const struct qb_window one_element = {.ndim = 2, .kernel = {1, 1}, .stride = {1, 1},
	.dilation = {1, 1}};

static struct conv pointwise(int64_t pixels)
{
	return (struct conv){.groups = 1, .images = 1, .ih = pixels, .iw = 1, .oh = pixels, .ow = 1, .sh = 1, .sw = 1};
}

static enum qb_err plan_conv(struct qb_builder *b, const struct qb_lowered *op, const struct qb__int8_weight *w,
	const struct qb_window *win, const struct qb_bytes *x, const struct qb_bytes *y,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const int64_t *in = n->input[0]->shape.dim, *out = n->output[0]->shape.dim;
	bool dilated = win->dilation[0] > 1 || win->dilation[1] > 1;
	enum qb_err err = dilated ? qb__plan_int8_tiles(b, op, w, win, x, y, eb) : QB_EUNSUPPORTED;
	struct conv c = {.groups = qb_node_int(n, "group", 1), .images = in[0], .ih = in[2], .iw = in[3], .oh = out[2], .ow = out[3],
		.sh = win->stride[0], .sw = win->stride[1], .top = win->lo[0], .left = win->lo[1]};

	err = err == QB_EUNSUPPORTED ? qb__plan_int8_filtered(b, op, w, win, x, y, eb) : err;
	err = err == QB_EUNSUPPORTED ? qb__plan_int8_tiles(b, op, w, win, x, y, eb) : err;
	if (err != QB_EUNSUPPORTED) {
		return err;
	}
	if (c.groups == 1 && win->kernel[0] * win->kernel[1] == 1 && c.sh == 1 && c.sw == 1 && !c.top && !c.left &&
		c.oh == c.ih && c.ow == c.iw) {
		c = pointwise(c.images * c.oh * c.ow);
	}
	return add_conv(b, op, &c, w, win, x, y, "int8 convolution", eb);
}

enum qb_err qb__plan_int8_conv(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_shape *ws = &n->input[1]->shape;
	int64_t groups = qb_node_int(n, "group", 1);
	bool depthwise = groups > 1 && groups == ws->dim[0] && ws->dim[1] == 1;
	struct qb__int8_weight w = {.outputs = ws->dim[0]};
	struct qb_window win;
	struct qb_bytes x, y;

	if (n->input[0]->shape.ndim != 4) {
		return QB_EUNSUPPORTED;
	}
	w.k = ws->dim[1] * ws->dim[2] * ws->dim[3];
	QB_TRY(qb__int8_load_weight(b, n, 0, &w, eb));
	QB_TRY(qb_window_conv(&win, n, 2, n->input[0]->shape.dim + 2, ws->dim + 2, eb));
	QB_TRY(qb_builder_bytes(b, n->input[0], &x, eb));
	if (!qb_builder_has_bytes(b, n->output[0], &y)) {
		return QB_EUNSUPPORTED;
	}
	return depthwise ? qb__plan_int8_depthwise(b, op, &w, &win, &x, &y, eb)
			 : plan_conv(b, op, &w, &win, &x, &y, eb);
}

/* Matrix products with constant weights: a convolution with a kernel of one element. */

static enum qb_err plan_product(struct qb_builder *b, const struct qb_lowered *op, bool transposed,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_shape *ws = &n->input[1]->shape;
	int64_t k = ws->dim[transposed ? 1 : 0];
	struct qb__int8_weight w = {.outputs = ws->dim[transposed ? 0 : 1], .k = k};
	struct qb_bytes x, y;
	struct conv c;
	int8_t *turned;

	QB_TRY(qb__int8_load_weight(b, n, transposed ? 0 : 1, &w, eb));
	if (w.bias) {
		const struct qb_tensor *bias = n->input[2]->constant;

		/* One column of as many rows is something else. */
		if (qb_tensor_size(bias) != (size_t)w.outputs || (w.outputs > 1 && bias->dim[bias->ndim - 1] != w.outputs)) {
			return QB_EUNSUPPORTED;
		}
	}
	QB_TRY(qb_builder_bytes(b, n->input[0], &x, eb));
	if (x.channels != k || n->input[0]->shape.ndim == 4 || !qb_builder_has_bytes(b, n->output[0], &y)) {
		return QB_EUNSUPPORTED;
	}
	if (!transposed) {
		turned = qb_builder_alloc(b, (size_t)(k * w.outputs), 1);
		if (!turned) {
			return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
		}
		for (int64_t o = 0; o < w.outputs; o++) {
			for (int64_t i = 0; i < k; i++) {
				turned[o * k + i] = w.codes[i * w.outputs + o];
			}
		}
		w.codes = turned;
	}
	c = pointwise(x.pixels);
	return add_conv(b, op, &c, &w, &one_element, &x, &y, "int8 matrix product", eb);
}

enum qb_err qb__plan_int8_gemm(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	if (qb_node_int(n, "transA", 0) || qb_node_float(n, "alpha", 1) != 1 ||
		qb_node_float(n, "beta", 1) != 1 || !n->input[1]->constant) {
		return QB_EUNSUPPORTED;
	}
	return plan_product(b, op, qb_node_int(n, "transB", 0), eb);
}

enum qb_err qb__plan_int8_matmul(struct qb_builder *b, const struct qb_lowered *op,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	if (!n->input[0]->constant && !n->input[1]->constant) {
		return qb__plan_int8_product(b, op, eb);
	}
	if (!n->input[1]->constant || n->input[1]->shape.ndim != 2) {
		return QB_EUNSUPPORTED;
	}
	return plan_product(b, op, false, eb);
}

