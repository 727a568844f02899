/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer convolutions of 3 x 3 with stride 1 by Winograd F(4 x 4, 3 x 3) (Lavin and Gray, "Fast algorithms for
 * convolutional neural networks", 2016): a quarter of the multiplications, and exact (core/kernels/int8/kernels.h). A
 * dilated one is several that are not, each on the pixels that lie a dilation apart.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/kernels/int8/kernels.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/threads.h"
#include "core/exec/lower/int8/weight.h"

enum {
	IN = QB_INT8_WINOGRAD_IN, OUT = QB_INT8_WINOGRAD_OUT, POINTS = IN * IN,
	LANES = 16,
	TILES_MAX = 48,           /* at a time */
	ROWS = 6,                 /* tiles that a kernel takes together */
	CACHED = 192 * 1024,      /* bytes, transformed inputs and outputs, that stay near */
	CACHED_WEIGHTS = 1 << 20, /* transformed */
};

/* The first output of a tile. */
struct place {
	int32_t image, y, x;
};

struct filtered {
	const struct qb_int8_winograd *filter;
	struct qb_int8_matrix m[POINTS];
	struct qb_requant r;
	int64_t images, ih, iw, oh, ow, top, left, channels, outputs;
	int64_t x_stride, y_stride;   /* bytes of a pixel */
	int64_t depth, width;         /* channels and outputs in whole registers */
	int64_t dh, dw;               /* pixels from one of a tile to the next */
	const struct place *place;    /* [tiles] */
	int64_t tiles;
	int64_t at_once, part_bytes;
	const int32_t *start;
	const uint8_t *pad;           /* a pixel outside */
	int threads;
	struct qb__int8_residual sum; /* add: NULL where there is none */
	int64_t piece_bytes;          /* what it is added to, of a thread */
};

static void transform_input(const struct filtered *f, const uint8_t *x, int64_t tile, int16_t *v, int64_t v_step)
{
	const struct place *p = &f->place[tile];
	int64_t top = p->y - f->top, left = p->x - f->left;
	const uint8_t *row[POINTS];
	bool inner = top >= 0 && left >= 0 && top + (IN - 1) * f->dh < f->ih && left + (IN - 1) * f->dw < f->iw;

	for (int i = 0; i < IN; i++) {
		int64_t iy = top + i * f->dh, at = ((p->image * f->ih + iy) * f->iw + left) * f->x_stride;

		for (int j = 0; j < IN; j++, at += f->dw * f->x_stride) {
			int64_t ix = left + j * f->dw;
			bool inside = inner || (iy >= 0 && iy < f->ih && ix >= 0 && ix < f->iw);

			row[i * IN + j] = inside ? x + at : f->pad;
		}
	}
	f->filter->input(row, f->channels, v, v_step);
}

static void transform_output(const struct filtered *f, const int32_t *m, int64_t m_step, int64_t tile,
	const uint8_t *other, uint8_t *piece, uint8_t *y)
{
	const struct place *p = &f->place[tile];
	int64_t rows = QB_MIN(OUT, (f->oh - p->y + f->dh - 1) / f->dh);
	int64_t columns = QB_MIN(OUT, (f->ow - p->x + f->dw - 1) / f->dw);
	int64_t at = ((p->image * f->oh + p->y) * f->ow + p->x) * f->y_stride;
	int64_t line = f->dh * f->ow * f->y_stride, step = f->dw * f->y_stride;
	int64_t together = f->dw == 1 ? columns : 1;
	uint8_t *to[OUT * OUT];

	for (int i = 0; i < OUT * OUT; i++) {
		bool inside = i / OUT < rows && i % OUT < columns;

		to[i] = !inside ? NULL : piece ? piece + i * f->y_stride : y + at + i / OUT * line + i % OUT * step;
	}
	f->filter->output(m, m_step, f->outputs, f->start, &f->r, to);
	for (int64_t i = 0; piece && i < rows; i++, at += line) {
		for (int64_t j = 0; j < columns; j += together) {
			qb__int8_add_residual(&f->sum, to[i * OUT + j], other + at + j * step, y + at + j * step,
				(size_t)(together * f->y_stride));
		}
	}
}

/* Numbers from one point of n tiles to the next: an odd number of cache lines, lest all points of a tile fall into a few
 * sets of the cache. */
static int64_t step_of(int64_t n, int64_t channels)
{
	return (n * channels + 31) / 64 * 64 + 32;
}

static void run_tiles(const void *context, const struct qb_operands *at, int64_t thread)
{
	const struct filtered *f = context;
	int64_t first = f->tiles * thread / f->threads, last = f->tiles * (thread + 1) / f->threads;
	char *scratch = (char *)at->scratch[0] + thread * f->part_bytes;
	const uint8_t *other = at->read[1];
	uint8_t *piece = f->sum.add ? (uint8_t *)at->scratch[1] + thread * f->piece_bytes : NULL;
	int16_t *v = (int16_t *)(void *)scratch;
	int32_t *m = (int32_t *)(void *)(scratch + POINTS * step_of(f->at_once, f->depth) * (int64_t)sizeof(*v));

	for (int64_t n; first < last; first += n) {
		int64_t v_step, m_step;

		n = QB_MIN(f->at_once, last - first);
		v_step = step_of(n, f->depth);
		m_step = step_of(n, f->width);
		for (int64_t t = 0; t < n; t++) {
			transform_input(f, at->read[0], first + t, v + t * f->depth, v_step);
		}
		for (int i = 0; i < POINTS; i++) {
			const void *row[TILES_MAX];

			for (int64_t t = 0; t < n; t++) {
				row[t] = v + i * v_step + t * f->depth;
			}
			f->filter->gemm(&f->m[i], row, n, m + i * m_step, f->width);
		}
		for (int64_t t = 0; t < n; t++) {
			transform_output(f, m + t * f->width, m_step, first + t, other, piece, at->write[0]);
		}
	}
}

static void run_filtered(const void *context, const struct qb_operands *at)
{
	const struct filtered *f = context;

	qb_threads_loop(f->threads, f->threads, run_tiles, f, at);
}

/* Do the sums of every output stay where the last shift is exact? */
static bool is_exact(const struct qb__int8_weight *w)
{
	for (int64_t o = 0; o < w->outputs; o++) {
		int64_t above = 0, below = 0;

		for (int64_t i = 0; i < w->k; i++) {
			int code = w->codes[o * w->k + i];

			above += QB_MAX(code, 0);
			below -= QB_MIN(code, 0);
		}
		if (QB_MAX(above, below) * 255 > QB_INT8_WINOGRAD_SUM_MAX) {
			return false;
		}
	}
	return true;
}

/* Transformed weights are eight times as many bytes: where they come from memory, enough tiles must share what one thread
 * reads. Tiles must be full. Small weights multiply twice as fast as they are, packed. */
static bool pays(const struct filtered *f, bool small, int threads)
{
	int64_t pixels = f->images * f->oh * f->ow, bytes = 2 * POINTS * f->channels * f->outputs;
	int64_t fewest = bytes <= CACHED_WEIGHTS ? 4 : (small ? 12 : 4) * threads;

	return f->channels >= (small ? 2 : 1) * LANES && f->outputs >= LANES && 6 * f->tiles <= pixels &&
		f->tiles >= fewest;
}

/* Tiles over every dh-th line and dw-th column, from each of the first; place NULL: only counts them. */
static int64_t lay_tiles(const struct filtered *f, struct place *place)
{
	int64_t n = 0;

	for (int64_t i = 0; i < f->images * f->dh; i++) {
		for (int64_t y = i % f->dh; y < f->oh; y += OUT * f->dh) {
			for (int64_t first = 0; first < f->dw; first++) {
				for (int64_t x = first; x < f->ow; x += OUT * f->dw) {
					if (place) {
						place[n] = (struct place){(int32_t)(i / f->dh), (int32_t)y,
							(int32_t)x};
					}
					n++;
				}
			}
		}
	}
	return n;
}

static void share_out(struct filtered *f, struct qb_builder *b)
{
	int64_t bytes = POINTS * (f->depth * 2 + f->width * 4), parts, each;

	f->threads = qb_builder_threads(b);
	if (f->tiles * POINTS * f->channels * f->outputs < QB__INT8_WORTH_A_THREAD) {
		f->threads = 1;
	}
	each = (f->tiles + f->threads - 1) / f->threads;
	f->at_once = QB_MIN(QB_MAX(CACHED / bytes / ROWS * ROWS, 2 * ROWS), TILES_MAX);
	parts = (each + f->at_once - 1) / f->at_once;
	f->at_once = QB_MIN(f->at_once, (int64_t)qb_align_up((size_t)((each + parts - 1) / parts), ROWS));
	f->part_bytes = POINTS * (step_of(f->at_once, f->depth) * 2 + step_of(f->at_once, f->width) * 4);
}

static enum qb_err pack(struct filtered *f, struct qb_builder *b, const struct qb__int8_weight *w, int zero,
	struct qb_errbuf *eb)
{
	int32_t *start = qb_builder_alloc(b, (size_t)f->width, sizeof(*start));
	uint8_t *pad = qb_builder_alloc(b, (size_t)f->depth, 1);

	if (!start || !pad) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int i = 0; i < POINTS; i++) {
		struct qb_int8_matrix *m = &f->m[i];

		m->outputs = f->outputs;
		m->k = (int64_t)qb_align_up((size_t)f->channels, 2);
		m->packed = qb_builder_alloc(b, qb_int8_packed_bytes(m->outputs, m->k, 16), 1);
		if (!m->packed) {
			return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
		}
	}
	f->filter->pack(f->m, f->channels, w->codes);
	memset(pad, zero, (size_t)f->depth);
	for (int64_t o = 0; o < w->outputs; o++) {
		for (int64_t i = 0; i < w->k; i++) {
			start[o] -= zero * w->codes[o * w->k + i];
		}
	}
	f->start = start;
	f->pad = pad;
	return QB_OK;
}

enum qb_err qb__plan_int8_filtered(struct qb_builder *b, const struct qb_lowered *op, const struct qb__int8_weight *w,
	const struct qb_window *win, const struct qb_bytes *x, const struct qb_bytes *y, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const int64_t *in = n->input[0]->shape.dim, *out = n->output[0]->shape.dim;
	struct filtered f = {.filter = qb_int8_kernels()->winograd, .images = in[0], .ih = in[2], .iw = in[3],
		.oh = out[2], .ow = out[3], .top = win->lo[0], .left = win->lo[1], .channels = in[1], .outputs = out[1],
		.x_stride = x->stride, .y_stride = y->stride, .dh = win->dilation[0], .dw = win->dilation[1]};
	const struct qb_int8_form *form = qb_int8_form(qb_int8_kernels(), w->codes, (size_t)(w->outputs * w->k));
	bool small = form != &qb_int8_kernels()->form[QB_INT8_WHOLE];
	struct qb_call call = {.fn = run_filtered, QB_CONTEXT(f), .reads = {x->buffer}};
	struct place *place;

	f.depth = (int64_t)qb_align_up((size_t)f.channels, LANES);
	f.width = (int64_t)qb_align_up((size_t)f.outputs, LANES);
	f.tiles = lay_tiles(&f, NULL);
	for (int i = 0; i < 2; i++) {
		if (win->kernel[i] != 3 || win->stride[i] != 1) {
			return QB_EUNSUPPORTED;
		}
	}
	if (!f.filter || qb_node_int(n, "group", 1) != 1 || !pays(&f, small, qb_builder_threads(b)) || !is_exact(w)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb__int8_requant(b, &f.r, w, op, x, y, eb));
	place = qb_builder_alloc(b, (size_t)f.tiles, sizeof(*place));
	if (!place) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	lay_tiles(&f, place);
	f.place = place;
	QB_TRY(pack(&f, b, w, x->zero, eb));
	share_out(&f, b);
	f.sum = qb__int8_find_residual(b, op);
	f.piece_bytes = f.sum.add ? (int64_t)qb_align_up((size_t)(OUT * OUT * f.y_stride), 64) + 64 : 0;
	call.name = f.sum.add ? "int8 filtering, sum" : "int8 filtering";
	call.scratch[0] = (size_t)(f.part_bytes * f.threads);
	call.scratch[1] = (size_t)(f.piece_bytes * f.threads);
	QB_TRY(qb__int8_declare_output(b, op, &f.sum, &call, eb));
	return qb_builder_call(b, n, &call, eb);
}
