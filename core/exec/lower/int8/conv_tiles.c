/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer convolutions whose windows reach far beyond the image, as those of widely dilated kernels do: outputs that see
 * the same kernel elements are a tile with weights of its own, and kernel elements outside cost nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/threads.h"
#include "core/kernels/int8/kernels.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/lower/int8/weight.h"

enum {
	RUNS_MAX = 16,            /* along an axis */
	KERNEL_ELEMENTS_MAX = 64,
	BLOCK = 96,               /* outputs that share what is read of the weights */
	PIXELS_MANY = 16 * BLOCK, /* so many read a tile's weights often enough */
	MOST_OF_MANY = 80,        /* per cent of all products that may be inside */
	MOST = 75,
};

/* Along one axis: outputs from `from` to `to` see the kernel elements of the mask. */
struct run {
	int64_t from, to;
	uint64_t kernel_elements;
};

struct tile {
	struct qb_int8_matrix m;
	const int64_t *offset;    /* [kernel_elements] */
	int64_t kernel_elements, y, x, width;
};

struct block {
	int32_t tile, image, first, count; /* outputs of the tile, line by line */
};

struct tiles {
	const struct qb_int8_form *form;
	struct qb_requant r;
	struct tile *tile;
	struct block *block;
	int64_t blocks, ih, iw, oh, ow, sh, sw, top, left, images, chunk, outputs;
	int64_t x_stride, y_stride, room; /* room: bytes of a thread's outputs */
	int64_t expanded;                 /* bytes of the images as elements, 0 where they are that already */
	int threads;
};

static void run_block(const void *context, const struct qb_operands *at, int64_t block)
{
	const struct tiles *c = context;
	const struct block *l = &c->block[block];
	const char *images = c->expanded ? (char *)at->scratch[0] + c->threads * c->room : at->read[0];
	uint8_t *room = (uint8_t *)at->scratch[0] + qb_thread_index() * c->room, *y = at->write[0];
	const struct tile *a = &c->tile[l->tile];
	const int64_t pixel = c->x_stride * c->form->element_bytes;
	const char *image = images + l->image * c->ih * c->iw * pixel;
	const void *x[BLOCK];

	for (int64_t i = 0; i < l->count; i++) {
		int64_t oy = a->y + (l->first + i) / a->width, ox = a->x + (l->first + i) % a->width;

		/* Where the first kernel element would be: those that count are inside. */
		x[i] = (const char *)((intptr_t)image +
			((oy * c->sh - c->top) * c->iw + ox * c->sw - c->left) * pixel);
	}
	c->form->conv(&a->m, &(struct qb_int8_conv_args){.x = x, .pixels = l->count, .offset = a->offset,
		.kernel_elements = a->kernel_elements, .chunk = c->chunk, .r = &c->r, .y = room, .y_stride = c->y_stride});
	for (int64_t i = 0, n; i < l->count; i += n) {
		int64_t oy = a->y + (l->first + i) / a->width, in = (l->first + i) % a->width;

		n = QB_MIN(a->width - in, l->count - i);
		memcpy(y + ((l->image * c->oh + oy) * c->ow + a->x + in) * c->y_stride, room + i * c->y_stride,
			(size_t)(n * c->y_stride));
	}
}

static void run_tiles(const void *context, const struct qb_operands *at)
{
	const struct tiles *c = context;

	if (c->expanded) {
		c->form->expand(at->read[0], (char *)at->scratch[0] + c->threads * c->room,
			c->images * c->ih * c->iw * c->x_stride);
	}
	qb_threads_loop_unequal(c->threads, c->blocks, run_block, c, at);
}

static int find_runs(const struct qb_window *w, int axis, struct run *run)
{
	int runs = 0;

	for (int64_t o = 0; o < w->out[axis]; o++) {
		uint64_t kernel_elements = 0;

		for (int64_t k = 0; k < w->kernel[axis]; k++) {
			int64_t i = o * w->stride[axis] - w->lo[axis] + k * w->dilation[axis];

			kernel_elements |= i >= 0 && i < w->in[axis] ? UINT64_C(1) << k : 0;
		}
		if (runs && run[runs - 1].kernel_elements == kernel_elements) {
			run[runs - 1].to++;
		} else if (runs == RUNS_MAX) {
			return 0;
		} else {
			run[runs++] = (struct run){o, o + 1, kernel_elements};
		}
	}
	return runs;
}

static int64_t bits_of(uint64_t mask)
{
	return __builtin_popcountll(mask);
}

/* Rows of weights that a tile needs, [outputs][kernel_elements][chunk]. */
static enum qb_err pack_tile(struct tiles *c, struct qb_builder *b, struct tile *a, const struct qb__int8_weight *w,
	const struct qb_window *win, uint64_t down, uint64_t across, int zero, struct qb_errbuf *eb)
{
	const int64_t window = win->kernel[0] * win->kernel[1], channels = w->k / window;
	int64_t *offset = qb_builder_alloc(b, KERNEL_ELEMENTS_MAX, sizeof(*offset));
	int64_t element[KERNEL_ELEMENTS_MAX], kernel_elements = 0;
	struct qb_int8_matrix *m = &a->m;
	int8_t *rows;

	for (int64_t t = 0; offset && t < window; t++) {
		int64_t ky = t / win->kernel[1], kx = t % win->kernel[1];

		if (down >> ky & across >> kx & 1) {
			offset[kernel_elements] = (ky * win->dilation[0] * c->iw + kx * win->dilation[1]) * c->x_stride;
			element[kernel_elements++] = t;
		}
	}
	a->kernel_elements = kernel_elements;
	a->offset = offset;
	m->outputs = w->outputs;
	m->k = kernel_elements * c->chunk;
	m->packed = qb_builder_alloc(b, qb_int8_packed_bytes(m->outputs, m->k, c->form->bits), 1);
	m->start = qb_builder_alloc(b, qb_align_up((size_t)m->outputs, 16), sizeof(*m->start));
	rows = calloc((size_t)(m->outputs * m->k) + 1, 1);
	if (!offset || !m->packed || !m->start || !rows) {
		free(rows);
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t o = 0; o < m->outputs; o++) {
		for (int64_t t = 0; t < kernel_elements; t++) {
			for (int64_t i = 0; i < channels; i++) {
				int8_t code = w->codes[(o * channels + i) * window + element[t]];

				rows[o * m->k + t * c->chunk + i] = code;
				m->start[o] -= zero * code;
			}
		}
	}
	c->form->pack(m, rows);
	free(rows);
	return QB_OK;
}

/* Are enough kernel elements outside, and are weights few enough to be there several times? */
static bool pays(const struct qb_window *win, const struct run *v, int down, const struct run *h, int across)
{
	int64_t all = win->kernel[0] * win->kernel[1], pixels = win->out[0] * win->out[1], sums = 0, copies = 0;

	for (int i = 0; i < down * across; i++) {
		const struct run *y = &v[i / across], *x = &h[i % across];
		int64_t kernel_elements = bits_of(y->kernel_elements) * bits_of(x->kernel_elements);

		if (!kernel_elements) {
			return false;
		}
		sums += (y->to - y->from) * (x->to - x->from) * kernel_elements;
		copies += kernel_elements;
	}
	return down && across && copies <= 6 * all &&
		100 * sums <= (pixels >= PIXELS_MANY ? MOST_OF_MANY : MOST) * pixels * all;
}

static enum qb_err add_blocks(struct tiles *c, struct qb_builder *b, int64_t tiles, const int64_t *size,
	struct qb_errbuf *eb)
{
	for (int64_t i = 0; i < tiles; i++) {
		c->blocks += c->images * ((size[i] + BLOCK - 1) / BLOCK);
	}
	c->block = qb_builder_alloc(b, (size_t)c->blocks, sizeof(*c->block));
	if (!c->block) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	c->blocks = 0;
	for (int64_t i = 0; i < tiles * c->images; i++) {
		int64_t n = size[i % tiles], blocks = (n + BLOCK - 1) / BLOCK;

		for (int64_t k = 0; k < blocks; k++) {
			int64_t first = n * k / blocks;

			c->block[c->blocks++] = (struct block){(int32_t)(i % tiles), (int32_t)(i / tiles), (int32_t)first,
				(int32_t)(n * (k + 1) / blocks - first)};
		}
	}
	return QB_OK;
}

static enum qb_err make_tiles(struct tiles *c, struct qb_builder *b, const struct qb__int8_weight *w,
	const struct qb_window *win, int zero, const struct run *v, int down, const struct run *h, int across,
	struct qb_errbuf *eb)
{
	int64_t size[RUNS_MAX * RUNS_MAX];

	c->tile = qb_builder_alloc(b, (size_t)(down * across), sizeof(*c->tile));
	if (!c->tile) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int i = 0; i < down * across; i++) {
		const struct run *y = &v[i / across], *x = &h[i % across];
		struct tile *a = &c->tile[i];

		a->y = y->from;
		a->x = x->from;
		a->width = x->to - x->from;
		size[i] = (y->to - y->from) * a->width;
		QB_TRY(pack_tile(c, b, a, w, win, y->kernel_elements, x->kernel_elements, zero, eb));
	}
	return add_blocks(c, b, down * across, size, eb);
}

enum qb_err qb__plan_int8_tiles(struct qb_builder *b, const struct qb_lowered *op, const struct qb__int8_weight *w,
	const struct qb_window *win, const struct qb_bytes *x, const struct qb_bytes *y, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const int64_t *in = n->input[0]->shape.dim, *out = n->output[0]->shape.dim;
	struct tiles c = {.images = in[0], .ih = in[2], .iw = in[3], .oh = out[2], .ow = out[3], .sh = win->stride[0],
		.sw = win->stride[1], .top = win->lo[0], .left = win->lo[1], .outputs = out[1], .x_stride = x->stride,
		.y_stride = y->stride, .threads = qb_builder_threads(b)};
	struct run v[RUNS_MAX], h[RUNS_MAX];
	struct qb_bytes to;
	int down, across;

	if (qb_node_int(n, "group", 1) != 1 || win->kernel[0] * win->kernel[1] > KERNEL_ELEMENTS_MAX) {
		return QB_EUNSUPPORTED;
	}
	down = find_runs(win, 0, v);
	across = find_runs(win, 1, h);
	if (!pays(win, v, down, h, across)) {
		return QB_EUNSUPPORTED;
	}
	c.form = qb_int8_form(qb_int8_kernels(), w->codes, (size_t)(w->outputs * w->k));
	c.chunk = (int64_t)qb_align_up((size_t)in[1], (size_t)c.form->group);
	QB_TRY(qb__int8_requant(b, &c.r, w, op, x, y, eb));
	QB_TRY(make_tiles(&c, b, w, win, x->zero, v, down, h, across, eb));
	if (c.images * c.oh * c.ow * w->outputs * w->k < QB__INT8_WORTH_A_THREAD) {
		c.threads = 1;
	}
	c.room = (int64_t)qb_align_up((size_t)(BLOCK * c.y_stride + 64), 64);
	c.expanded = c.form->element_bytes == 1
		? 0 : (c.images * c.ih * c.iw * c.x_stride + 128) * c.form->element_bytes;
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &to, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "int8 convolution by tile", .fn = run_tiles, QB_CONTEXT(c),
		.reads = {x->buffer}, .writes = {to.buffer},
		.scratch = {(size_t)(c.threads * c.room + c.expanded)}}, eb);
}
