/* SPDX-License-Identifier: Apache-2.0
 *
 * Pools through oneDNN; those that take the largest, of images that lie channels last, by a step of our own.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/exec/onednn.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"
#include "core/graph/op.h"
#include "core/ops/window.h"

/* ---- oneDNN's ---- */

static enum qb_err plan_window(struct qb_builder *b, const struct qb_node *n, enum qb_dnn_pool kind,
	const struct qb_window *w, struct qb_errbuf *eb)
{
	struct qb_pool_args a = {.kind = kind, .src = qb_dnn_home(b, n->input[0]), .dst = qb_dnn_any(n->output[0])};

	for (int i = 0; i < w->ndim; i++) {
		a.window.kernel[i] = w->kernel[i];
		a.window.stride[i] = w->stride[i];
		a.window.dilation[i] = w->dilation[i];
		a.window.before[i] = w->lo[i];
		/* What the last window covers, more or less than the pads with ceil_mode or odd strides. */
		a.window.after[i] = (w->out[i] - 1) * w->stride[i] + qb_window_extent(w, i) - w->in[i] - w->lo[i];
		if (a.window.after[i] < 0) {
			a.window.after[i] = w->hi[i];
		}
	}
	return qb_dnn_pool(b, n, &a, eb);
}

/* ---- the largest ---- */

struct largest {
	int64_t images, channels, in[2], out[2], kernel[2], stride[2], dilation[2], pad[2];
	int threads;
};

#define ALWAYS static inline __attribute__((always_inline))

/* NaN is larger than all. */
ALWAYS void larger(const float *restrict a, const float *restrict b, float *restrict y, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		y[i] = a[i] > b[i] || a[i] != a[i] ? a[i] : b[i];
	}
}

ALWAYS void larger_too(const float *restrict x, float *restrict y, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		y[i] = x[i] > y[i] || x[i] != x[i] ? x[i] : y[i];
	}
}

/* How many kernel elements of output o along one side lie in the image, and where the first of them does. */
ALWAYS int64_t find_elements(const struct largest *p, int side, int64_t o, int64_t *first)
{
	int64_t begin = o * p->stride[side] - p->pad[side], d = p->dilation[side], last;

	*first = begin >= 0 ? 0 : (-begin + d - 1) / d;
	last = p->in[side] <= begin ? 0 : QB_MIN(p->kernel[side], (p->in[side] - begin + d - 1) / d);
	*first = begin + *first * d;
	return last - (*first - begin) / d;
}

/* y = the largest of `kernel_elements` runs of n numbers, `apart` numbers from each other. */
ALWAYS void largest_of(const float *x, int64_t apart, int64_t kernel_elements, float *y, int64_t n)
{
	if (kernel_elements < 2) {
		memcpy(y, x, (size_t)n * sizeof(*y));
		return;
	}
	larger(x, x + apart, y, n);
	for (int64_t t = 2; t < kernel_elements; t++) {
		larger_too(x + t * apart, y, n);
	}
}

/* Of whole lines first, then of pixels of the line that is left: each number is looked at once a line. */
ALWAYS void run_line_body(const struct largest *p, const float *x, int64_t oy, float *line, float *y)
{
	int64_t length = p->in[1] * p->channels, first, kernel_elements = find_elements(p, 0, oy, &first);

	largest_of(x + first * length, p->dilation[0] * length, kernel_elements, line, length);
	for (int64_t ox = 0; ox < p->out[1]; ox++) {
		kernel_elements = find_elements(p, 1, ox, &first);
		largest_of(line + first * p->channels, p->dilation[1] * p->channels, kernel_elements, y + ox * p->channels,
			p->channels);
	}
}

QB_FOR_EVERY_LEVEL(static, run_line, (const struct largest *p, const float *x, int64_t oy, float *line, float *y),
	(p, x, oy, line, y))

static void run_part(const void *context, const struct qb_operands *at, int64_t t)
{
	const struct largest *p = context;
	int64_t lines = p->images * p->out[0];
	float *line = (float *)at->scratch[0] + t * p->in[1] * p->channels;

	for (int64_t i = lines * t / p->threads; i < lines * (t + 1) / p->threads; i++) {
		run_line(p, (const float *)at->read[0] + i / p->out[0] * p->in[0] * p->in[1] * p->channels, i % p->out[0], line,
			(float *)at->write[0] + i * p->out[1] * p->channels);
	}
}

static void run_largest(const void *context, const struct qb_operands *at)
{
	const struct largest *p = context;

	qb_threads_loop(p->threads, p->threads, run_part, p, at);
}

static enum qb_err plan_largest(struct qb_builder *b, const struct qb_node *n, const struct qb_window *w,
	struct qb_errbuf *eb)
{
	enum { PARALLEL = 65536 };
	const struct qb_shape *s = &n->input[0]->shape;
	struct qb_layout x, y;
	struct largest p = {.images = s->dim[0], .channels = s->dim[1], .threads = qb_builder_threads(b)};
	struct qb_place to;

	if (w->ndim > 2) {
		return QB_EUNSUPPORTED;
	}
	x = qb_layout_channels_last(s);
	y = qb_layout_channels_last(&n->output[0]->shape);
	if (!qb_layout_equal(&x, &qb_builder_home(b, n->input[0])->layout)) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 0; i < 2; i++) {
		int k = i - (2 - w->ndim);

		p.in[i] = k < 0 ? 1 : w->in[k];
		p.out[i] = k < 0 ? 1 : w->out[k];
		p.kernel[i] = k < 0 ? 1 : w->kernel[k];
		p.stride[i] = k < 0 ? 1 : w->stride[k];
		p.dilation[i] = k < 0 ? 1 : w->dilation[k];
		p.pad[i] = k < 0 ? 0 : w->lo[k];
		for (int64_t o = 0, first; o < p.out[i]; o++) {
			if (find_elements(&p, i, o, &first) < 1) {
				return QB_EUNSUPPORTED; /* a window outside */
			}
		}
	}
	p.threads = p.images * p.out[0] * p.in[1] * p.channels < PARALLEL ? 1 : p.threads;
	QB_TRY(qb_builder_define(b, n->output[0], &y, &to, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "largest", .fn = run_largest, QB_CONTEXT(p),
		.reads = {qb_builder_home(b, n->input[0])->buffer}, .writes = {to.buffer},
		.scratch = {(size_t)(p.threads * p.in[1] * p.channels) * sizeof(float)}}, eb);
}

enum qb_err qb__plan_pool(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *x = n->input[0];
	int spatial = x->shape.ndim - 2;
	bool average = qb_node_is(n, QB_OP_AveragePool);
	bool ceil = qb_node_int(n, "ceil_mode", 0), padded = false;
	enum qb_dnn_pool kind = QB_DNN_POOL_MAX;
	struct qb_window w;

	if (spatial < 1 || spatial > 3 || x->dtype != QB_F32 || x->constant ||
		(!average && !qb_node_is(n, QB_OP_MaxPool)) || (n->outputs > 1 && n->output[1])) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_window_pool(&w, n, spatial, x->shape.dim + 2, eb));
	for (int i = 0; i < spatial; i++) {
		padded = padded || w.lo[i] || w.hi[i];
	}
	if (average) {
		bool include = qb_node_int(n, "count_include_pad", 0);

		/* With ceil_mode the last window counts pads that oneDNN does not tell apart. */
		if (ceil && include) {
			return QB_EUNSUPPORTED;
		}
		kind = include && padded ? QB_DNN_POOL_MEAN_PADDED : QB_DNN_POOL_MEAN;
	} else {
		enum qb_err err = plan_largest(b, n, &w, eb);

		if (err != QB_EUNSUPPORTED) {
			return err;
		}
	}
	return plan_window(b, n, kind, &w, eb);
}

enum qb_err qb__plan_global_pool(struct qb_builder *b, const struct qb_lowered *op,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *x = n->input[0];
	bool average = qb_node_is(n, QB_OP_GlobalAveragePool);
	struct qb_window w = {.ndim = x->shape.ndim - 2};

	if (w.ndim < 1 || w.ndim > 3 || x->dtype != QB_F32 || x->constant ||
		(!average && !qb_node_is(n, QB_OP_GlobalMaxPool))) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 0; i < w.ndim; i++) {
		w.in[i] = w.kernel[i] = x->shape.dim[2 + i];
		w.stride[i] = w.dilation[i] = w.out[i] = 1;
	}
	return plan_window(b, n, average ? QB_DNN_POOL_MEAN : QB_DNN_POOL_MAX, &w, eb);
}
