/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer steps of two operands: sums of equals by a kernel of their own; products, quotients, operands that are spread
 * over the output and constants in float32 a line at a time, as the simulation computes them, never leaving the cache.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/kernels/int8/kernels.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

/* Sums of equals */

struct sum {
	const struct qb_int8_kernels *kernels;
	struct qb_int8_add p;
	int64_t n;
	int threads;
};

enum { PIECE = 16384 };

static void sum_piece(const void *context, const struct qb_operands *at, int64_t piece)
{
	const struct sum *a = context;
	const int64_t i = piece * PIECE;

	a->kernels->add(&a->p, (const uint8_t *)at->read[0] + i, (const uint8_t *)at->read[1] + i, (uint8_t *)at->write[0] + i,
		(size_t)QB_MIN(PIECE, a->n - i));
}

static void run_sum(const void *context, const struct qb_operands *at)
{
	const struct sum *a = context;

	qb_threads_loop(a->n > 4 * PIECE ? a->threads : 1, (a->n + PIECE - 1) / PIECE, sum_piece, a, at);
}

/* How bytes of x and sign * z are added to bytes of n's output; false where they do not lie alike. */
static bool sum_of(const struct qb_builder *b, const struct qb_lowered *op, float sign, struct qb_int8_add *p)
{
	const struct qb_node *n = &op->node;
	struct qb_bytes x, z, y;

	if (!qb_builder_has_bytes(b, n->input[0], &x) || !qb_builder_has_bytes(b, n->input[1], &z) ||
		!qb_builder_has_bytes(b, n->output[0], &y) || x.inner != y.inner || z.inner != y.inner) {
		return false;
	}
	p->ma = x.scale / y.scale;
	p->mb = sign * z.scale / y.scale;
	p->offset = (float)(y.zero - (double)p->ma * x.zero - (double)p->mb * z.zero);
	qb__byte_bounds(op, &y, &p->lo, &p->hi);
	return true;
}

/* Sum or difference of two computed values of one shape: 1, -1, or 0 where n is none. */
static float sign_of_sum(const struct qb_lowered *op)
{
	const struct qb_node *n = &op->node;
	if (n->inputs != 2 || n->input[0]->constant || n->input[1]->constant ||
		!qb__same_shape(&n->input[0]->shape, &n->input[1]->shape)) {
		return 0;
	}
	return n->op->id == QB_OP_Add ? 1 : n->op->id == QB_OP_Sub ? -1 : 0;
}

static enum qb_err plan_sum(struct qb_builder *b, const struct qb_lowered *op, float sign,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct sum a = {.kernels = qb_int8_kernels(), .threads = qb_builder_threads(b)};
	struct qb_bytes x, z, y;

	QB_TRY(qb_builder_bytes(b, n->input[0], &x, eb));
	QB_TRY(qb_builder_bytes(b, n->input[1], &z, eb));
	if (!sum_of(b, op, sign, &a.p)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &y, eb));
	a.n = y.pixels * y.stride;
	return qb_builder_call(b, n, &(struct qb_call){.name = sign < 0 ? "int8 difference" : "int8 add", .fn = run_sum, QB_CONTEXT(a),
		.reads = {x.buffer, z.buffer}, .writes = {y.buffer}}, eb);
}

struct qb__int8_residual qb__int8_find_residual(const struct qb_builder *b, const struct qb_lowered *op)
{
	const struct qb_node *n = &op->node;
	const struct qb_lowered *sum = qb_builder_only_user(b, n->output[0]);
	struct qb__int8_residual r = {.add = qb_int8_kernels()->add, .node = sum ? &sum->node : NULL};
	float sign = sum ? sign_of_sum(sum) : 0;
	const struct qb_bytes *other;

	if (sign == 0 || qb_builder_is_observed(b, n->output[0]) || !sum_of(b, sum, sign, &r.p)) {
		return (struct qb__int8_residual){0};
	}
	r.second = sum->node.input[1] == n->output[0];
	other = qb_builder_home_bytes(b, sum->node.input[r.second ? 0 : 1]);
	r.other = other ? other->buffer : 0;
	return other ? r : (struct qb__int8_residual){0};
}

enum qb_err qb__int8_declare_output(struct qb_builder *b, const struct qb_lowered *op, const struct qb__int8_residual *r,
	struct qb_call *call, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct qb_bytes y;

	QB_TRY(qb_builder_define_bytes(b, r->add ? r->node->output[0] : n->output[0], &y, eb));
	call->writes[0] = y.buffer;
	call->reads[1] = r->other;
	return r->add ? qb_builder_absorb(b, r->node, eb) : QB_OK;
}

/* Everything else, line by line */

enum { LINE = 256 };

typedef void line_fn(const float *a, const float *b, float *y, int64_t n);

#define LINE_OF(name, expression) \
	static void line_##name(const float *a, const float *b, float *y, int64_t n) \
	{ \
		for (int64_t i = 0; i < n; i++) { \
			y[i] = expression; \
		} \
	}
LINE_OF(add, a[i] + b[i])
LINE_OF(sub, a[i] - b[i])
LINE_OF(mul, a[i] * b[i])
LINE_OF(div, a[i] / b[i])
LINE_OF(prelu, a[i] < 0 ? a[i] * b[i] : a[i])
LINE_OF(pow, powf(a[i], b[i]))

static const struct {
	enum qb_op_id op;
	line_fn *fn;
} lines[] = {{QB_OP_Add, line_add}, {QB_OP_Sub, line_sub}, {QB_OP_Mul, line_mul}, {QB_OP_Div, line_div},
	{QB_OP_PRelu, line_prelu}, {QB_OP_Pow, line_pow}};

/* An operand of one number, of one line, or of as many lines as the output has. */
struct operand {
	const float *constant;  /* [rows][channels], in the output's order; NULL: bytes */
	struct qb_bytes bytes;
	const int32_t *row;     /* [output pixels]: whose line it takes; NULL: its own */
	bool one_channel;       /* its line is one number */
};

struct binary {
	const struct qb_int8_kernels *kernels;
	struct operand in[2];
	struct qb_bytes y;
	line_fn *fn;
	int lo, hi, threads;
};

static void load_line(const struct binary *c, int which, const struct qb_operands *at, int64_t p, int64_t from,
	int64_t n, float *to)
{
	const struct operand *o = &c->in[which];
	int64_t row = o->row ? o->row[p] : p, first = o->one_channel ? 0 : from;
	int64_t many = o->one_channel ? 1 : n;

	if (o->constant) {
		memcpy(to, o->constant + row * (o->one_channel ? 1 : c->y.channels) + first,
			(size_t)many * sizeof(*to));
	} else {
		c->kernels->dequantize((const uint8_t *)at->read[which] + row * o->bytes.stride + first, to,
			(size_t)many, o->bytes.scale, o->bytes.zero);
	}
	for (int64_t i = 1; o->one_channel && i < n; i++) {
		to[i] = to[0];
	}
}

static void binary_pixel(const void *context, const struct qb_operands *at, int64_t p)
{
	const struct binary *c = context;
	uint8_t *y = (uint8_t *)at->write[0] + p * c->y.stride;

	for (int64_t from = 0; from < c->y.channels; from += LINE) {
		int64_t n = QB_MIN(LINE, c->y.channels - from);
		float a[LINE], b[LINE];

		load_line(c, 0, at, p, from, n, a);
		load_line(c, 1, at, p, from, n, b);
		c->fn(a, b, a, n);
		c->kernels->quantize(a, y + from, (size_t)n, c->y.scale, c->y.zero, c->y.top);
		for (int64_t i = 0; (c->lo > 0 || c->hi < c->y.top) && i < n; i++) {
			int v = y[from + i];

			y[from + i] = (uint8_t)(v < c->lo ? c->lo : v > c->hi ? c->hi : v);
		}
	}
}

static void run_binary(const void *context, const struct qb_operands *at)
{
	const struct binary *c = context;

	qb_threads_loop(c->y.pixels * c->y.stride > PIECE ? c->threads : 1, c->y.pixels, binary_pixel, c, at);
}

/* The row-major index of channel c of pixel p. */
static int64_t index_of(const struct qb_bytes *q, int64_t p, int64_t c)
{
	return (p / q->inner * q->channels + c) * q->inner + p % q->inner;
}

static enum qb_err prepare_constant(struct qb_builder *b, struct operand *o,
	const struct qb_value *v, const struct qb_shape *shape, const struct qb_bytes *y,
	struct qb_errbuf *eb)
{
	const float *from;
	size_t n = qb_tensor_size(v->constant);
	int64_t channels = n == 1 ? 1 : y->channels;
	bool every_line = true;
	float *to;
	int32_t *row;

	QB_TRY(qb_builder_constant(b, v, &from, eb));
	/* One line will do where the numbers differ along the channels alone. */
	for (int64_t p = 0; p < y->pixels && every_line; p++) {
		every_line = qb__broadcast_index(shape, &v->shape, index_of(y, p, 0)) ==
			qb__broadcast_index(shape, &v->shape, index_of(y, 0, 0));
	}
	to = qb_builder_alloc(b, (size_t)((every_line ? 1 : y->pixels) * channels), sizeof(*to));
	row = every_line ? qb_builder_alloc(b, (size_t)y->pixels, sizeof(*row)) : NULL;
	if (!to || (every_line && !row)) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t p = 0; p < (every_line ? 1 : y->pixels); p++) {
		for (int64_t c = 0; c < channels; c++) {
			to[p * channels + c] = from[qb__broadcast_index(shape, &v->shape, index_of(y, p, c))];
		}
	}
	o->constant = to;
	o->row = row;
	o->one_channel = channels == 1 && y->channels > 1;
	return QB_OK;
}

static enum qb_err prepare_bytes(struct qb_builder *b, struct operand *o, const struct qb_value *v,
	const struct qb_shape *shape, const struct qb_bytes *y, struct qb_errbuf *eb)
{
	int32_t *row;

	if (qb__same_shape(&v->shape, shape)) {
		return o->bytes.inner == y->inner ? QB_OK : QB_EUNSUPPORTED;
	}
	if (o->bytes.channels != y->channels && o->bytes.channels != 1) {
		return QB_EUNSUPPORTED;
	}
	row = qb_builder_alloc(b, (size_t)y->pixels, sizeof(*row));
	if (!row) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t p = 0; p < y->pixels; p++) {
		int64_t i = qb__broadcast_index(shape, &v->shape, index_of(y, p, 0));
		int64_t last = qb__broadcast_index(shape, &v->shape, index_of(y, p, y->channels - 1));

		row[p] = (int32_t)(i / o->bytes.inner / o->bytes.channels * o->bytes.inner +
			i % o->bytes.inner);
		/* Its line must be the line that the output's channels run along. */
		if (i / o->bytes.inner % o->bytes.channels ||
			last != i + (o->bytes.channels - 1) * o->bytes.inner) {
			return QB_EUNSUPPORTED;
		}
	}
	o->row = row;
	o->one_channel = o->bytes.channels == 1 && y->channels > 1;
	return QB_OK;
}

static enum qb_err plan_lines(struct qb_builder *b, const struct qb_lowered *op, line_fn *fn,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct binary c = {.kernels = qb_int8_kernels(), .fn = fn, .threads = qb_builder_threads(b)};
	const struct qb_shape *shape = &n->output[0]->shape;

	for (int i = 0; i < 2; i++) {
		const struct qb_value *v = n->input[i];

		if (v->dtype != QB_F32) {
			return QB_EUNSUPPORTED;
		}
		if (!v->constant) {
			QB_TRY(qb_builder_bytes(b, v, &c.in[i].bytes, eb));
		}
	}
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &c.y, eb));
	for (int i = 0; i < 2; i++) {
		const struct qb_value *v = n->input[i];

		if (v->constant) {
			QB_TRY(prepare_constant(b, &c.in[i], v, shape, &c.y, eb));
		} else {
			QB_TRY(prepare_bytes(b, &c.in[i], v, shape, &c.y, eb));
		}
	}
	qb__byte_bounds(op, &c.y, &c.lo, &c.hi);
	return qb_builder_call(b, n, &(struct qb_call){.name = "int8 lines", .fn = run_binary, QB_CONTEXT(c),
		.reads = {c.in[0].bytes.buffer, c.in[1].bytes.buffer}, .writes = {c.y.buffer}}, eb);
}

enum qb_err qb__plan_int8_binary(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	enum qb_err err;

	if (qb__int8_masked_scores(b, op) >= 0) {
		return QB_OK;
	}
	err = qb__plan_int8_lookup_table(b, op, eb);
	if (err != QB_EUNSUPPORTED) {
		return err;
	}
	if (sign_of_sum(op) != 0) {
		return plan_sum(b, op, sign_of_sum(op), eb);
	}
	for (size_t i = 0; i < QB_COUNT(lines); i++) {
		if (qb_node_is(n, lines[i].op)) {
			return plan_lines(b, op, lines[i].fn, eb);
		}
	}
	return QB_EUNSUPPORTED;
}
