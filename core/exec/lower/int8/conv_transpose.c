/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer step of ConvTranspose. Outputs whose place divided by the stride leaves the same rest see the same kernel
 * elements, and see them as an ordinary convolution of stride 1: as many convolutions as rests, each with its part of the
 * kernel, over one expanded image with pads.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/kernels/int8/kernels.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/lower/int8/weight.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"
#include "core/ops/window.h"

enum { PIXELS = 24 };

/* Along one axis: output o stands (o + lo) / stride into the padded input, with rest (o + lo) % stride. */
struct axis {
	int64_t in, out, stride, dilation, kernel, lo;
	int64_t before, padded; /* pads in front of the input; all of it */
};

/* Outputs of one rest on either axis. */
struct phase {
	struct qb_int8_matrix *m; /* [groups] */
	const int64_t *offset;    /* [groups][kernel_elements] */
	int64_t kernel_elements, y, x;       /* rests */
};

struct transposed {
	const struct qb_int8_form *form;
	struct qb_requant r;
	struct axis v, h;
	struct phase *phase;      /* [v.stride * h.stride] */
	const void *pad;          /* a row of pixels outside */
	int64_t images, groups, outputs, chunk; /* outputs, chunk: of a group */
	int64_t x_stride, y_stride;
	int threads;
};

/* Row `row` of the padded image. */
static void expand_row(const struct transposed *c, const uint8_t *image, int64_t row, char *to)
{
	const int64_t size = c->form->element_bytes, pixel = c->x_stride * size, iy = row - c->v.before;

	memcpy(to, c->pad, (size_t)(c->h.padded * pixel));
	if (iy >= 0 && iy < c->v.in) {
		c->form->expand(image + iy * c->h.in * c->x_stride, to + c->h.before * pixel,
			c->h.in * c->x_stride);
		/* It may have written further than it should. */
		memcpy(to + (c->h.before + c->h.in) * pixel, c->pad,
			(size_t)((c->h.padded - c->h.before - c->h.in) * pixel));
	}
}

/* Where the outputs of a rest begin. */
static int64_t first_of(const struct axis *a, int64_t rest)
{
	return ((rest - a->lo) % a->stride + a->stride) % a->stride;
}

/* The outputs of one rest in output row oy. */
static void phase_row(const struct transposed *c, const struct phase *p, const char *padded, int64_t oy, uint8_t *y)
{
	const int64_t pixel = c->x_stride * c->form->element_bytes, y_step = c->h.stride * c->y_stride;
	const char *line = padded + (oy + c->v.lo) / c->v.stride * c->h.padded * pixel;
	int64_t first = first_of(&c->h, p->x);
	const void *x[PIXELS];

	for (int64_t ox = first, n = 0; ox < c->h.out; ox += n * c->h.stride) {
		n = QB_MIN(PIXELS, (c->h.out - ox + c->h.stride - 1) / c->h.stride);
		for (int64_t i = 0; i < n; i++) {
			x[i] = line + ((ox + c->h.lo) / c->h.stride + i) * pixel;
		}
		for (int64_t g = 0; g < c->groups; g++) {
			struct qb_requant r = c->r;

			r.multiplier += g * c->outputs;
			r.offset += g * c->outputs;
			c->form->conv(&p->m[g], &(struct qb_int8_conv_args){.x = x, .pixels = n,
				.offset = p->offset + g * p->kernel_elements, .kernel_elements = p->kernel_elements, .chunk = c->chunk, .r = &r,
				.y = y + (oy * c->h.out + ox) * c->y_stride + g * c->outputs, .y_stride = y_step});
		}
	}
}

/* One image's. */
static void transposed_row(const void *context, const struct qb_operands *at, int64_t oy)
{
	const struct transposed *c = context;
	const struct phase *p = c->phase + (oy + c->v.lo) % c->v.stride * c->h.stride;

	for (int64_t k = 0; k < c->h.stride; k++) {
		phase_row(c, &p[k], at->scratch[0], oy, at->write[0]);
	}
}

static void run_transposed(const void *context, const struct qb_operands *at)
{
	const struct transposed *c = context;
	const int64_t row_bytes = c->h.padded * c->x_stride * c->form->element_bytes;
	char *padded = at->scratch[0];

	for (int64_t i = 0; i < c->images; i++) {
		const uint8_t *image = (const uint8_t *)at->read[0] + i * c->v.in * c->h.in * c->x_stride;
		const struct qb_operands one = {.scratch = {padded},
			.write = {(uint8_t *)at->write[0] + i * c->v.out * c->h.out * c->y_stride}};

		/* One after the other: an expanded row may run into the next. */
		for (int64_t row = 0; row < c->v.padded; row++) {
			expand_row(c, image, row, padded + row * row_bytes);
		}
		qb_threads_loop(c->threads, c->v.out, transposed_row, c, &one);
	}
}

static struct axis make_axis(const struct qb_window *w, int i)
{
	struct axis a = {w->in[i], w->out[i], w->stride[i], w->dilation[i], w->kernel[i], w->lo[i], 0, 0};

	a.before = (a.kernel - 1) * a.dilation / a.stride;
	a.padded = a.before + QB_MAX(a.in, (a.out - 1 + a.lo) / a.stride + 1);
	return a;
}

/* The kernel elements that outputs of this rest see, and how far before them. */
static int64_t find_elements(const struct axis *a, int64_t rest, int64_t *element, int64_t *back)
{
	int64_t n = 0;

	for (int64_t k = 0; k < a->kernel; k++) {
		if (k * a->dilation % a->stride == rest) {
			element[n] = k;
			back[n++] = (k * a->dilation - rest) / a->stride;
		}
	}
	return n;
}

/* What one group's outputs sum: codes [channels][outputs][kernel]. */
static enum qb_err pack_group(struct transposed *c, struct qb_builder *b, struct qb_int8_matrix *m,
	const int8_t *codes, int64_t channels, const int64_t *element, int64_t kernel_elements, int zero, struct qb_errbuf *eb)
{
	const int64_t window = c->v.kernel * c->h.kernel;
	int8_t *rows;

	m->outputs = c->outputs;
	m->k = QB_MAX(kernel_elements, 1) * c->chunk;
	m->packed = qb_builder_alloc(b, qb_int8_packed_bytes(m->outputs, m->k, c->form->bits), 1);
	m->start = qb_builder_alloc(b, qb_align_up((size_t)m->outputs, 16), sizeof(*m->start));
	rows = calloc((size_t)(m->outputs * m->k), 1);
	if (!m->packed || !m->start || !rows) {
		free(rows);
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t o = 0; o < m->outputs; o++) {
		for (int64_t t = 0; t < kernel_elements; t++) {
			for (int64_t i = 0; i < channels; i++) {
				int8_t code = codes[(i * m->outputs + o) * window + element[t]];

				rows[o * m->k + t * c->chunk + i] = code;
				m->start[o] -= zero * code;
			}
		}
	}
	c->form->pack(m, rows);
	free(rows);
	return QB_OK;
}

/* element, back: room for the kernel on either axis. */
static enum qb_err pack_phase(struct transposed *c, struct qb_builder *b, struct phase *p, const int8_t *codes,
	int64_t channels, int zero, int64_t *room, struct qb_errbuf *eb)
{
	int64_t *ky = room, *back_y = ky + c->v.kernel, *kx = back_y + c->v.kernel, *back_x = kx + c->h.kernel;
	int64_t *element = back_x + c->h.kernel;
	int64_t rows = find_elements(&c->v, p->y, ky, back_y), columns = find_elements(&c->h, p->x, kx, back_x);
	int64_t kernel_elements = rows * columns, *offset;

	p->kernel_elements = QB_MAX(kernel_elements, 1);
	p->m = qb_builder_alloc(b, (size_t)c->groups, sizeof(*p->m));
	p->offset = offset = qb_builder_alloc(b, (size_t)(c->groups * p->kernel_elements), sizeof(*offset));
	if (!p->m || !offset) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t g = 0; g < c->groups; g++) {
		for (int64_t t = 0; t < kernel_elements; t++) {
			int64_t up = c->v.before - back_y[t / columns], left = c->h.before - back_x[t % columns];

			element[t] = ky[t / columns] * c->h.kernel + kx[t % columns];
			offset[g * p->kernel_elements + t] = (up * c->h.padded + left) * c->x_stride + g * channels;
		}
		QB_TRY(pack_group(c, b, &p->m[g],
			codes + g * channels * c->outputs * c->v.kernel * c->h.kernel, channels, element, kernel_elements, zero,
			eb));
	}
	return QB_OK;
}

static enum qb_err pack(struct transposed *c, struct qb_builder *b, const int8_t *codes, int64_t channels, int zero,
	struct qb_errbuf *eb)
{
	const int64_t window = c->v.kernel * c->h.kernel;
	int64_t *room = malloc((size_t)(2 * c->v.kernel + 2 * c->h.kernel + window) * sizeof(*room));
	enum qb_err err = QB_OK;

	c->phase = qb_builder_alloc(b, (size_t)(c->v.stride * c->h.stride), sizeof(*c->phase));
	if (!room || !c->phase) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t i = 0; err == QB_OK && i < c->v.stride * c->h.stride; i++) {
		c->phase[i].y = i / c->h.stride;
		c->phase[i].x = i % c->h.stride;
		err = pack_phase(c, b, &c->phase[i], codes, channels, zero, room, eb);
	}
	free(room);
	return err;
}

enum qb_err qb__plan_int8_conv_transpose(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_shape *s = &n->input[0]->shape, *ws = &n->input[1]->shape;
	struct transposed c = {.groups = qb_node_int(n, "group", 1), .threads = qb_builder_threads(b)};
	struct qb__int8_weight w = {0};
	struct qb_window win;
	struct qb_bytes x, y;
	int64_t channels;

	if (s->ndim != 4) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_window_transposed(&win, n, 2, s->dim + 2, ws->dim + 2, eb));
	c.outputs = ws->dim[1];
	channels = ws->dim[0] / c.groups;
	w.outputs = c.outputs * c.groups;
	w.k = channels * ws->dim[2] * ws->dim[3];
	QB_TRY(qb__int8_load_weight(b, n, 1, &w, eb));
	QB_TRY(qb_builder_bytes(b, n->input[0], &x, eb));
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &y, eb));
	c.form = qb_int8_form(qb_int8_kernels(), w.codes, (size_t)(ws->dim[0] * c.outputs * ws->dim[2] * ws->dim[3]));
	c.images = s->dim[0];
	c.v = make_axis(&win, 0);
	c.h = make_axis(&win, 1);
	c.x_stride = x.stride;
	c.y_stride = y.stride;
	c.chunk = (int64_t)qb_align_up((size_t)channels, (size_t)c.form->group);
	if (c.images * c.v.out * c.h.out * w.outputs * w.k / (c.v.stride * c.h.stride) < QB__INT8_WORTH_A_THREAD) {
		c.threads = 1;
	}
	QB_TRY(qb__int8_requant(b, &c.r, &w, op, &x, &y, eb));
	QB_TRY(pack(&c, b, w.codes, channels, x.zero, eb));
	QB_TRY(qb__int8_pad(b, c.form, x.zero, c.h.padded * c.x_stride, &c.pad, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "int8 transposed", .fn = run_transposed, QB_CONTEXT(c),
		.reads = {x.buffer}, .writes = {y.buffer},
		.scratch = {(size_t)((c.v.padded * c.h.padded * c.x_stride + 128) * c.form->element_bytes)}}, eb);
}
