/* SPDX-License-Identifier: Apache-2.0
 *
 * Number by number: sums, activations. They keep their input's layout.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/exec/lower/backward/activation_gradient.h"
#include "core/exec/onednn.h"
#include "core/graph/op.h"
#include "core/kernels/f32/math.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

struct pointwise {
	int64_t n;
	float lo, hi;
};

/* The bodies, compiled again for wider registers; each number's result is the same. */
static inline __attribute__((always_inline)) void add_run_body(const float *restrict a,
	const float *restrict b, float *restrict y, int64_t n, float lo, float hi)
{
	for (int64_t i = 0; i < n; i++) {
		float v = a[i] + b[i];

		v = v < lo ? lo : v;
		y[i] = v > hi ? hi : v;
	}
}

static inline __attribute__((always_inline)) void clip_run_body(const float *restrict x,
	float *restrict y, int64_t n, float lo, float hi)
{
	for (int64_t i = 0; i < n; i++) {
		float v = x[i] < lo ? lo : x[i];

		y[i] = v > hi ? hi : v;
	}
}

QB_FOR_EVERY_LEVEL(static, add_run, (const float *a, const float *b, float *y, int64_t n, float lo, float hi),
	(a, b, y, n, lo, hi))
QB_FOR_EVERY_LEVEL(static, clip_run, (const float *x, float *y, int64_t n, float lo, float hi), (x, y, n, lo, hi))

/* A thread's share at a time. */
enum { PIECE = 16384 };

static void in_pieces(int64_t n, qb_loop_fn *fn, const void *context, const struct qb_operands *at)
{
	qb_threads_loop_worth(n > 2 * PIECE, (n + PIECE - 1) / PIECE, fn, context, at);
}

static void add_piece(const void *context, const struct qb_operands *at, int64_t piece)
{
	const struct pointwise *p = context;
	int64_t i = piece * PIECE;

	add_run((const float *)at->read[0] + i, (const float *)at->read[1] + i, (float *)at->write[0] + i, QB_MIN((int64_t)PIECE, p->n - i),
		p->lo, p->hi);
}

static void add_numbers(const void *context, const struct qb_operands *at)
{
	in_pieces(((const struct pointwise *)context)->n, add_piece, context, at);
}

static void clip_piece(const void *context, const struct qb_operands *at, int64_t piece)
{
	const struct pointwise *p = context;
	int64_t i = piece * PIECE;

	clip_run((const float *)at->read[0] + i, (float *)at->write[0] + i, QB_MIN((int64_t)PIECE, p->n - i), p->lo, p->hi);
}

static void clip_numbers(const void *context, const struct qb_operands *at)
{
	in_pieces(((const struct pointwise *)context)->n, clip_piece, context, at);
}

static void take_act(struct pointwise *p, const struct qb_lowered *op)
{
	p->lo = op->act.kind == QB_ACT_NONE ? -INFINITY : op->act.lo;
	p->hi = op->act.kind == QB_ACT_NONE ? INFINITY : op->act.hi;
}

/* y lies as [outer][blocks][inner][block], channel b * block + i at block b: this is row-major, channels last and blocked
 * by channels. gain, shift [blocks][block], zeros for channels that are padding; NULL: none. */
struct finish {
	int64_t n, outer, blocks, inner, block;
	bool adds, adds_last;
	struct qb_act act;
	const float *gain, *shift;
};

static void finish_piece(const void *context, const struct qb_operands *at, int64_t piece)
{
	const struct finish *f = context;
	const int64_t i = piece * PIECE, n = QB_MIN((int64_t)PIECE, f->n - i);
	const float *add = at->read[0];
	float *y = at->write[0];

	for (int64_t k = i; f->adds && !f->adds_last && k < i + n; k++) {
		y[k] += add[k];
	}
	if (f->act.kind == QB_ACT_RELU || f->act.kind == QB_ACT_CLIP) {
		for (int64_t k = i; k < i + n; k++) {
			float v = y[k] < f->act.lo ? f->act.lo : y[k];

			y[k] = v > f->act.hi ? f->act.hi : v;
		}
	} else {
		qb_f32_activate(&f->act, y + i, n);
	}
}

/* Row r of [outer][blocks][inner]. */
static void apply_gain(const void *context, const struct qb_operands *at, int64_t r)
{
	const struct finish *f = context;
	const int64_t b = r / f->inner % f->blocks * f->block;
	float *y = (float *)at->write[0] + r * f->block;

	for (int64_t i = 0; i < f->block; i++) {
		y[i] = fmaf(y[i], f->gain[b + i], f->shift[b + i]);
	}
}

static void add_last(const void *context, const struct qb_operands *at, int64_t piece)
{
	const struct finish *f = context;
	const int64_t i = piece * PIECE;
	const float *add = at->read[0];
	float *y = at->write[0];

	for (int64_t k = i; k < QB_MIN(f->n, i + PIECE); k++) {
		y[k] += add[k];
	}
}

static void finish_numbers(const void *context, const struct qb_operands *at)
{
	const struct finish *f = context;

	in_pieces(f->n, finish_piece, f, at);
	if (f->gain) {
		qb_threads_loop_worth(f->n > 2 * PIECE, f->outer * f->blocks * f->inner, apply_gain, f, at);
	}
	if (f->adds_last) {
		in_pieces(f->n, add_last, f, at);
	}
}

static enum qb_err find_gain(struct qb_builder *b, const struct qb_lowered *op, const struct qb_layout *layout,
	struct finish *f, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	int64_t channels = layout->padded[1];
	size_t bytes = (size_t)layout->dim[1] * sizeof(float);
	float *gain;

	f->block = layout->blocks ? layout->block[0].size : layout->stride[1] == 1 ? channels : 1;
	f->blocks = channels / f->block;
	f->inner = layout->blocks || f->block == 1 ? layout->stride[1] / f->block : 1;
	f->outer = f->n / (channels * f->inner);
	if (layout->blocks > 1 || (layout->blocks && layout->block[0].dim != 1)) {
		return qb_fail(eb, QB_EINTERNAL, "node %s: a layout with %d blocks", n->name, layout->blocks);
	}
	gain = qb_builder_alloc(b, 2 * (size_t)channels, sizeof(*gain));
	if (!gain) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	memcpy(gain, op->affine.scale, bytes);
	memcpy(gain + channels, op->affine.shift, bytes);
	f->gain = gain;
	f->shift = gain + channels;
	return QB_OK;
}

enum qb_err qb__plan_epilogue(struct qb_builder *b, const struct qb_lowered *op,
	const struct qb_place *y, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct finish f = {.n = (int64_t)qb_layout_elements(&y->layout), .adds = op->residual,
		.adds_last = op->residual_last, .act = op->act};
	struct qb_place add = {0};

	if (!f.adds && op->act.kind <= QB_ACT_CLIP && !op->affine.scale) {
		return QB_OK;
	}
	if (op->affine.scale) {
		QB_TRY(find_gain(b, op, &y->layout, &f, eb));
	}
	if (f.adds) {
		QB_TRY(qb_builder_source(b, op->residual, &y->layout, &add, eb));
	}
	return qb_builder_call(b, n, &(struct qb_call){.name = "finish", .fn = finish_numbers, QB_CONTEXT(f),
		.reads = {add.buffer, y->buffer}, .writes = {y->buffer}}, eb);
}

static bool same_shape(const struct qb_shape *a, const struct qb_shape *b)
{
	return a->ndim == b->ndim && !memcmp(a->dim, b->dim, (size_t)a->ndim * sizeof(*a->dim));
}

enum qb_err qb__plan_add(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *x = n->input[0], *z = n->input[1], *y = n->output[0];
	struct pointwise p;
	struct qb_place other, out;
	struct qb_layout layout;
	struct qb_node *act, *gradient;
	struct qb_clip clip;
	int gradients;

	/* A clip that moves 0 would break the zeros that pad blocked layouts. */
	if (n->inputs != 2 || x->dtype != QB_F32 || x->constant || z->constant ||
		!same_shape(&x->shape, &z->shape) ||
		(op->act.kind != QB_ACT_NONE && (op->act.lo > 0 || op->act.hi < 0))) {
		return qb__plan_binary(b, op, eb);
	}
	layout = qb_builder_home(b, x)->layout;
	QB_TRY(qb_builder_source(b, z, &layout, &other, eb));
	p.n = (int64_t)qb_layout_elements(&layout);
	take_act(&p, op);
	act = qb_clip_behind(b, y, &clip, &gradients, &gradient);
	if (act && qb_node_is(act, QB_OP_Relu)) { /* whose gradient is as well told by its output */
		QB_TRY(qb_builder_absorb(b, act, eb));
		y = act->output[0];
		p.lo = 0;
	}
	QB_TRY(qb_builder_define(b, y, &layout, &out, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "add", .fn = add_numbers, QB_CONTEXT(p),
		.reads = {qb_builder_home(b, x)->buffer, other.buffer}, .writes = {out.buffer}}, eb);
}

static bool scalar(const struct qb_node *n, int i, float *out)
{
	const struct qb_value *v = i < n->inputs ? n->input[i] : NULL;

	if (!v) {
		return true;
	}
	if (!v->constant || v->constant->dtype != QB_F32 || qb_tensor_size(v->constant) != 1) {
		return false;
	}
	*out = *(const float *)v->constant->data;
	return true;
}

enum qb_err qb__plan_clip(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *x = n->input[0];
	bool relu = qb_node_is(n, QB_OP_Relu);
	struct pointwise p = {.lo = relu ? 0 : qb_node_float(n, "min", -INFINITY),
		.hi = relu ? INFINITY : qb_node_float(n, "max", INFINITY)};
	struct qb_place out;
	struct qb_layout layout;

	if (x->dtype != QB_F32 || x->constant ||
		(!relu && (!scalar(n, 1, &p.lo) || !scalar(n, 2, &p.hi))) || p.lo > 0 || p.hi < 0) {
		return QB_EUNSUPPORTED;
	}
	layout = qb_builder_home(b, x)->layout;
	QB_TRY(qb_builder_define(b, n->output[0], &layout, &out, eb));
	p.n = (int64_t)qb_layout_elements(&layout);
	return qb_builder_call(b, n, &(struct qb_call){.name = relu ? "relu" : "clip", .fn = clip_numbers, QB_CONTEXT(p),
		.reads = {qb_builder_home(b, x)->buffer}, .writes = {out.buffer}}, eb);
}

/* Smooth activations of our own. */
static const struct {
	enum qb_op_id op;
	qb_f32_unary_fn *fn;
	bool keeps_zero; /* and so the padding of blocked layouts */
} own[] = {
	{QB_OP_Erf, qb_f32_erf, true},
	{QB_OP_Exp, qb_f32_exp, false},
	{QB_OP_Gelu, qb_f32_gelu, true},
	{QB_OP_HardSwish, qb_f32_hard_swish, true},
	{QB_OP_Sigmoid, qb_f32_sigmoid, false},
	{QB_OP_Swish, qb_f32_silu, true},
	{QB_OP_Tanh, qb_f32_tanh, true},
};

struct unary {
	int64_t n;
	qb_f32_unary_fn *fn;
};

static void unary_piece(const void *context, const struct qb_operands *at, int64_t piece)
{
	const struct unary *u = context;
	int64_t i = piece * PIECE;

	u->fn((const float *)at->read[0] + i, (float *)at->write[0] + i, QB_MIN((int64_t)PIECE, u->n - i));
}

static void run_unary(const void *context, const struct qb_operands *at)
{
	in_pieces(((const struct unary *)context)->n, unary_piece, context, at);
}

static enum qb_err plan_own(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	struct unary u = {0};
	struct qb_place x, y;
	size_t i = 0;

	while (i < QB_COUNT(own) && own[i].op != n->op->id) {
		i++;
	}
	if (i == QB_COUNT(own) || n->input[0]->dtype != QB_F32 ||
		n->input[0]->constant || (own[i].fn == qb_f32_silu && qb_node_float(n, "alpha", 1) != 1)) {
		return QB_EUNSUPPORTED;
	}
	u.fn = own[i].fn;
	if (strcmp(qb_node_string(n, "approximate", "none"), "none")) {
		u.fn = qb_f32_gelu_tanh;
	}
	if (own[i].keeps_zero) {
		x = *qb_builder_home(b, n->input[0]);
	} else {
		QB_TRY(qb_builder_plain(b, n->input[0], &x, eb));
	}
	u.n = (int64_t)qb_layout_elements(&x.layout);
	QB_TRY(qb_builder_define(b, n->output[0], &x.layout, &y, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = n->type, .fn = run_unary, QB_CONTEXT(u),
		.reads = {x.buffer}, .writes = {y.buffer}}, eb);
}

/* The others through oneDNN, which leaves padding alone. */
static const struct {
	enum qb_op_id op;
	enum qb_dnn_eltwise kind;
	const char *alpha;
	float fallback;
} smooth[] = {
	{QB_OP_Elu, QB_DNN_ELU, "alpha", 1},
	{QB_OP_LeakyRelu, QB_DNN_LEAKY_RELU, "alpha", 0.01f},
	{QB_OP_Mish, QB_DNN_MISH, NULL, 0},
	{QB_OP_Abs, QB_DNN_ABS, NULL, 0},
	{QB_OP_Sqrt, QB_DNN_SQRT, NULL, 0},
};

enum qb_err qb__plan_eltwise(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct qb_eltwise_args a;
	size_t i = 0;
	enum qb_err err = plan_own(b, n, eb);

	if (err != QB_EUNSUPPORTED) {
		return err;
	}
	while (i < QB_COUNT(smooth) && smooth[i].op != n->op->id) {
		i++;
	}
	if (i == QB_COUNT(smooth) || n->input[0]->dtype != QB_F32 || n->input[0]->constant) {
		return QB_EUNSUPPORTED;
	}
	a = (struct qb_eltwise_args){.kind = smooth[i].kind, .src = qb_dnn_home(b, n->input[0]),
		.alpha = smooth[i].alpha ? qb_node_float(n, smooth[i].alpha, smooth[i].fallback) : 0};
	a.dst = qb_dnn_any(n->output[0]);
	return qb_dnn_eltwise(b, n, &a, eb);
}
