/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of convolutions by their inputs, channels last. With strides of 1 they are convolutions of dy by the turned kernel.
 * Otherwise the pixels of dx fall into phases, those whose distance to a multiple of the strides is the same: each
 * phase is a convolution with strides of 1 by some of the kernel's elements.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/backward/conv_gradient.h"
#include "core/exec/lower/f32/conv_depthwise.h"
#include "core/exec/lower/lowerings.h"
#include "core/kernels/f32/gemm.h"

enum { DY, W, BIAS };

/* A transposed convolution is the same, with a bias. */
static const struct qb_value *bias_of(const struct qb_node *n)
{
	return n->inputs > 2 ? n->input[2] : NULL;
}

/* w [M,C/group,k...] as [groups, C/group, M/group, k...]: outputs and channels exchanged. */
static struct qb_layout exchanged(const struct qb_conv_shape *c, const struct qb_value *w)
{
	static const int order[2][5] = {{1, 0, 2, 3}, {0, 2, 1, 3, 4}};
	int at = c->groups > 1, ndim = w->shape.ndim + at;
	int64_t dims[QB_LAYOUT_DIMS] = {c->groups};

	dims[at] = c->depth;
	dims[at + 1] = c->each;
	memcpy(dims + at + 2, w->shape.dim + 2, (size_t)(w->shape.ndim - 2) * sizeof(*dims));
	return qb_layout_ordered(ndim, dims, order[at], 0, 1);
}

static enum qb_err plan_turned(struct qb_builder *b, const struct qb_lowered *op, const struct qb_conv_shape *c, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *dy = n->input[0], *dx = n->output[0];
	struct qb_dense d = {.images = c->images, .height = c->out[0], .width = c->out[1], .channels = c->outputs,
		.out_height = c->in[0], .out_width = c->in[1], .outputs = c->channels, .groups = c->groups, .stride = {1, 1},
		.x = dy, .w = n->input[1], .bias = bias_of(n), .y = dx, .x_layout = qb_layout_channels_last(&dy->shape),
		.y_layout = qb_layout_channels_last(&dx->shape), .turned = true};
	enum qb_err err;

	for (int i = 0; i < 2; i++) {
		d.kernel[i] = c->kernel[i];
		d.dilation[i] = c->dilation[i];
		d.pad[i] = c->dilation[i] * (c->kernel[i] - 1) - c->pad[i];
		if (d.pad[i] < 0) { /* of more padding than the kernel reaches */
			return QB_EUNSUPPORTED;
		}
	}
	d.w_as = exchanged(c, n->input[1]);
	QB_TRY(qb_builder_read(b, n->input[1], false, &d.w_at, eb));
	err = qb_plan_depthwise(b, op, &d, eb);
	return err == QB_EUNSUPPORTED ? qb_plan_dense(b, op, &d, eb) : err;
}

/* ---- phases ---- */

struct phases {
	struct qb_conv_shape c;
	int64_t group_weights;  /* packed elements of one group */
	const float *zeros;     /* [outputs]: a pixel outside */
	const float *none;      /* [channels], zeros: of a pixel that nothing reaches */
};

/* Pixels first[] + k * stride[] of dx, count[] of them, and the kernel elements that reach them from dy at k + offset. */
struct phase {
	int64_t first[2], count[2], elements;
	uint8_t element[QB_CONV_ELEMENTS];
	int64_t offset[QB_CONV_ELEMENTS][2];
};

static bool offset_of(const struct qb_conv_shape *c, int side, int64_t first, int64_t k, int64_t *offset)
{
	int64_t at = first + c->pad[side] - k * c->dilation[side];

	*offset = at / c->stride[side];
	return at % c->stride[side] == 0;
}

static void find_phase(const struct qb_conv_shape *c, int64_t y, int64_t x, struct phase *p)
{
	p->first[0] = y;
	p->first[1] = x;
	p->elements = 0;
	for (int i = 0; i < 2; i++) {
		p->count[i] = (c->in[i] - p->first[i] + c->stride[i] - 1) / c->stride[i];
	}
	for (int64_t t = 0; t < c->elements; t++) {
		int64_t *offset = p->offset[p->elements];

		if (offset_of(c, 0, y, t / c->kernel[1], &offset[0]) && offset_of(c, 1, x, t % c->kernel[1], &offset[1])) {
			p->element[p->elements++] = (uint8_t)t;
		}
	}
}

/* [groups][channels / 16][kernel elements][outputs][16] */
static void pack_weights(const struct qb_conv_shape *c, const float *w, float *to)
{
	for (int64_t g = 0; g < c->groups; g++) {
		for (int64_t k = 0; k < c->depth; k += QB_F32_PANEL) {
			for (int64_t t = 0; t < c->elements; t++, to += c->each * QB_F32_PANEL) {
				qb_f32_pack(w + (g * c->each * c->depth + k) * c->elements + t, c->depth * c->elements, c->elements, c->each,
					QB_MIN((int64_t)QB_F32_PANEL, c->depth - k), to);
			}
		}
	}
}

/* Rows [first, first + n) of a phase: a pointer for each kernel element and row, and the pixel of dx. */
static void find_rows(const struct phases *l, const struct phase *p, const float *dy, int64_t first, int64_t n, const float **row,
	int64_t *pixel)
{
	const struct qb_conv_shape *c = &l->c;

	for (int64_t i = 0, count; i < n; i += count) {
		int64_t x = (first + i) % p->count[1], y = (first + i) / p->count[1] % p->count[0];
		int64_t image = (first + i) / p->count[1] / p->count[0];

		count = QB_MIN(n - i, p->count[1] - x);
		for (int64_t k = 0; k < count; k++) {
			pixel[i + k] = (image * c->in[0] + p->first[0] + y * c->stride[0]) * c->in[1] + p->first[1] + (x + k) * c->stride[1];
		}
		for (int64_t t = 0; t < p->elements; t++) {
			int64_t oy = y + p->offset[t][0], ox = x + p->offset[t][1];
			const float **to = row + t * n + i;

			for (int64_t k = 0; k < count; k++) {
				bool inside = oy >= 0 && oy < c->out[0] && ox + k >= 0 && ox + k < c->out[1];

				to[k] = inside ? dy + ((image * c->out[0] + oy) * c->out[1] + ox + k) * c->outputs : l->zeros;
			}
		}
	}
}

static void run_rows(const struct phases *l, const struct phase *p, const struct qb_operands *at, const float *const *row,
	const int64_t *pixel, int64_t n)
{
	const struct qb_conv_shape *c = &l->c;
	const float *weights = at->scratch[1], *bias = at->read[BIAS];
	float *sums = at->scratch[0], *dx = at->write[0];
	int64_t panels = (c->depth + QB_F32_PANEL - 1) / QB_F32_PANEL;

	for (int64_t g = 0; g < c->groups; g++) {
		struct qb_f32_gemm m = {.outputs = c->depth, .runs = p->elements, .depth = c->each, .x_offset = g * c->each,
			.weights = weights + g * l->group_weights, .run_index = p->element, .packed_runs = c->elements,
			.epilogue.bias = bias ? bias + g * c->depth : NULL};

		qb_f32_gemm(&m, row, n, 0, panels, NULL, sums, c->depth);
		for (int64_t i = 0; i < n; i++) {
			memcpy(dx + pixel[i] * c->channels + g * c->depth, sums + i * c->depth, (size_t)c->depth * sizeof(*dx));
		}
	}
}

static void run_phases(const void *context, const struct qb_operands *at)
{
	const struct phases *l = context;
	const struct qb_conv_shape *c = &l->c;
	const float *row[QB_CONV_ELEMENTS * QB_F32_ROWS];
	int64_t pixel[QB_F32_ROWS];
	struct phase p;

	pack_weights(c, at->read[W], at->scratch[1]);
	for (int64_t f = 0; f < c->stride[0] * c->stride[1]; f++) {
		int64_t rows, n;

		find_phase(c, f / c->stride[1], f % c->stride[1], &p);
		rows = QB_MAX(p.count[0], 0) * QB_MAX(p.count[1], 0) * c->images;
		for (int64_t first = 0; first < rows; first += n) {
			n = QB_MIN((int64_t)QB_F32_ROWS, rows - first);
			find_rows(l, &p, at->read[DY], first, n, row, pixel);
			if (p.elements) {
				run_rows(l, &p, at, row, pixel, n);
			}
			for (int64_t i = 0; !p.elements && i < n; i++) {
				memcpy((float *)at->write[0] + pixel[i] * c->channels, at->read[BIAS] ? at->read[BIAS] : l->none,
					(size_t)c->channels * sizeof(float));
			}
		}
	}
}

static enum qb_err plan_phases(struct qb_builder *b, const struct qb_node *n, const struct qb_conv_shape *c, struct qb_errbuf *eb)
{
	struct phases l = {.c = *c, .group_weights = (int64_t)qb_align_up((size_t)c->depth, QB_F32_PANEL) * c->elements * c->each};
	struct qb_call call = {.name = "gradient by phases", .fn = run_phases, QB_CONTEXT(l),
		.scratch = {(size_t)(QB_F32_ROWS * c->depth) * sizeof(float), (size_t)(c->groups * l.group_weights) * sizeof(float)}};
	struct qb_layout layout = qb_layout_channels_last(&n->output[0]->shape);
	struct qb_place dx;

	l.zeros = qb_builder_alloc(b, (size_t)c->outputs, sizeof(float));
	l.none = qb_builder_alloc(b, (size_t)c->channels, sizeof(float));
	if (!l.zeros || !l.none) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	QB_TRY(qb_builder_read(b, n->input[0], true, &call.reads[DY], eb));
	QB_TRY(qb_builder_read(b, n->input[1], false, &call.reads[W], eb));
	if (bias_of(n)) {
		QB_TRY(qb_builder_read(b, bias_of(n), false, &call.reads[BIAS], eb));
	}
	QB_TRY(qb_builder_define(b, n->output[0], &layout, &dx, eb));
	call.writes[0] = dx.buffer;
	return qb_builder_call(b, n, &call, eb);
}

enum qb_err qb__plan_conv_input_gradient(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	enum qb_err err = QB_EUNSUPPORTED;
	struct qb_conv_shape c;

	QB_TRY(qb_conv_shape_of(&c, n, n->output[0], n->input[1], eb));
	if (n->input[0]->constant) {
		return QB_EUNSUPPORTED;
	}
	if (c.stride[0] == 1 && c.stride[1] == 1) {
		err = plan_turned(b, op, &c, eb);
	}
	err = err == QB_EUNSUPPORTED && !bias_of(n) ? qb_plan_depthwise_input_gradient(b, n, &c, eb) : err;
	return err == QB_EUNSUPPORTED ? plan_phases(b, n, &c, eb) : err;
}

enum qb_err qb_plan_transposed_conv(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	return op->act.kind != QB_ACT_NONE || op->residual || op->affine.scale ? QB_EUNSUPPORTED : qb__plan_conv_input_gradient(b, op, eb);
}
