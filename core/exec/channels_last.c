/* SPDX-License-Identifier: Apache-2.0
 *
 * Images of two to four channels from planes, as inputs lie, to pixels, as most steps read them.
 */
#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/exec/plan.h"
#include "core/exec/threads.h"

/* Pixels of a piece, and elements from which on several threads share them. */
enum { PIECE = 2048, WORTH_A_THREAD = 131072 };

struct interleave {
	int64_t channels, images, pixels; /* pixels: of an image */
	int64_t pieces;                   /* of an image */
};

#define BODY static inline __attribute__((always_inline)) void

BODY two_body(const float *restrict x, int64_t plane, float *restrict y, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		y[2 * i] = x[i];
		y[2 * i + 1] = x[plane + i];
	}
}

BODY three_body(const float *restrict x, int64_t plane, float *restrict y, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		y[3 * i] = x[i];
		y[3 * i + 1] = x[plane + i];
		y[3 * i + 2] = x[2 * plane + i];
	}
}

BODY four_body(const float *restrict x, int64_t plane, float *restrict y, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		y[4 * i] = x[i];
		y[4 * i + 1] = x[plane + i];
		y[4 * i + 2] = x[2 * plane + i];
		y[4 * i + 3] = x[3 * plane + i];
	}
}

#define PARAMS (const float *x, int64_t plane, float *y, int64_t n)
#define ARGS (x, plane, y, n)
QB_FOR_EVERY_LEVEL_512(static, two, PARAMS, ARGS)
QB_FOR_EVERY_LEVEL_512(static, three, PARAMS, ARGS)
QB_FOR_EVERY_LEVEL_512(static, four, PARAMS, ARGS)

static void run_piece(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct interleave *p = context;
	const int64_t image = i / p->pieces, first = i % p->pieces * PIECE, n = QB_MIN((int64_t)PIECE, p->pixels - first);
	const float *x = (const float *)at->read[0] + image * p->channels * p->pixels + first;
	float *y = (float *)at->write[0] + (image * p->pixels + first) * p->channels;

	if (p->channels == 2) {
		two(x, p->pixels, y, n);
	} else if (p->channels == 3) {
		three(x, p->pixels, y, n);
	} else {
		four(x, p->pixels, y, n);
	}
}

static void run_interleave(const void *context, const struct qb_operands *at)
{
	const struct interleave *p = context;

	qb_threads_loop_worth(p->images * p->pixels * p->channels > WORTH_A_THREAD, p->images * p->pieces, run_piece, p, at);
}

enum qb_err qb__add_channels_last(struct qb_builder *b, const struct qb_value *v, const struct qb_place *from,
	const struct qb_place *to, struct qb_errbuf *eb)
{
	const struct qb_shape *s = &v->shape;
	struct qb_layout dense, pixels;
	struct interleave p;

	if (v->dtype != QB_F32 || s->ndim != 4 || s->dim[1] < 2 || s->dim[1] > 4) {
		return QB_EUNSUPPORTED;
	}
	dense = qb_layout_dense(s);
	pixels = qb_layout_channels_last(s);
	if (!qb_layout_equal(&from->layout, &dense) || !qb_layout_equal(&to->layout, &pixels)) {
		return QB_EUNSUPPORTED;
	}
	p = (struct interleave){.channels = s->dim[1], .images = s->dim[0], .pixels = s->dim[2] * s->dim[3]};
	p.pieces = (p.pixels + PIECE - 1) / PIECE;
	QB_TRY(qb_builder_call(b, b->node, &(struct qb_call){.name = "pixels", .fn = run_interleave, QB_CONTEXT(p),
		.reads = {from->buffer}, .writes = {to->buffer}}, eb));
	b->plan->step[b->plan->steps - 1].what = "reorder";
	return QB_OK;
}
