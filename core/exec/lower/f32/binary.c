/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums, products and the like of two operands that may be broadcast, in the layout of the larger.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/exec/builder.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"
#include "core/graph/op.h"

enum kind { ADD, SUB, MUL, DIV, POW, MAX, MIN, SQUARE };

struct binary {
	enum kind kind;
	int ndim; /* outermost first, in y's order; neighbours that move alike are one */
	int64_t dim[QB_MAX_DIMS], a[QB_MAX_DIMS], b[QB_MAX_DIMS]; /* sizes and strides; y is contiguous */
	float lo, hi;
};

#define ALWAYS static inline __attribute__((always_inline))

ALWAYS float compute(enum kind kind, float a, float b)
{
	switch (kind) {
	case ADD:
		return a + b;
	case SUB:
		return a - b;
	case MUL:
		return a * b;
	case DIV:
		return a / b;
	case MAX:
		return a > b || a != a ? a : b;
	case MIN:
		return a < b || a != a ? a : b;
	case SQUARE:
		return a * a;
	default:
		return powf(a, b);
	}
}

ALWAYS void row_body(enum kind kind, const float *restrict a, int64_t sa, const float *restrict b,
	int64_t sb, float *restrict y, int64_t n)
{
	if (sa == 1 && sb == 1) {
		for (int64_t i = 0; i < n; i++) {
			y[i] = compute(kind, a[i], b[i]);
		}
	} else if (sa == 1 && sb == 0) {
		for (int64_t i = 0; i < n; i++) {
			y[i] = compute(kind, a[i], b[0]);
		}
	} else if (sa == 0 && sb == 1) {
		for (int64_t i = 0; i < n; i++) {
			y[i] = compute(kind, a[0], b[i]);
		}
	} else {
		for (int64_t i = 0; i < n; i++) {
			y[i] = compute(kind, a[i * sa], b[i * sb]);
		}
	}
}

ALWAYS void row_of_body(enum kind kind, const float *a, int64_t sa, const float *b, int64_t sb, float *y,
	int64_t n)
{
	switch (kind) {
	case ADD:
		row_body(ADD, a, sa, b, sb, y, n);
		break;
	case SUB:
		row_body(SUB, a, sa, b, sb, y, n);
		break;
	case MUL:
		row_body(MUL, a, sa, b, sb, y, n);
		break;
	case DIV:
		row_body(DIV, a, sa, b, sb, y, n);
		break;
	case MAX:
		row_body(MAX, a, sa, b, sb, y, n);
		break;
	case MIN:
		row_body(MIN, a, sa, b, sb, y, n);
		break;
	case SQUARE:
		row_body(SQUARE, a, sa, a, sa, y, n);
		break;
	default:
		row_body(POW, a, sa, b, sb, y, n);
	}
}

QB_FOR_EVERY_LEVEL(static, row_of,
	(enum kind kind, const float *a, int64_t sa, const float *b, int64_t sb, float *y, int64_t n), (kind, a, sa, b, sb, y, n))

static void run_row(const struct binary *p, const float *a, const float *b, float *y, int64_t n)
{
	int last = p->ndim - 1;

	row_of(p->kind, a, p->a[last], b, p->b[last], y, n);
	for (int64_t i = 0; i < n && (p->lo > -INFINITY || p->hi < INFINITY); i++) {
		float v = y[i] < p->lo ? p->lo : y[i];

		y[i] = v > p->hi ? p->hi : v;
	}
}

static int64_t rows_of(const struct binary *p)
{
	int64_t rows = 1;

	for (int i = 0; i < p->ndim - 1; i++) {
		rows *= p->dim[i];
	}
	return rows;
}

static void run_one_row(const void *context, const struct qb_operands *at, int64_t r)
{
	const struct binary *p = context;
	const float *a = at->read[0], *b = at->read[1];
	int64_t inner = p->dim[p->ndim - 1], rest = r;

	for (int d = p->ndim - 2; d >= 0; d--) {
		int64_t i = rest % p->dim[d];

		a += i * p->a[d];
		b += i * p->b[d];
		rest /= p->dim[d];
	}
	run_row(p, a, b, (float *)at->write[0] + r * inner, inner);
}

enum { PIECE = 16384 };

/* Of one long row. */
static void run_piece(const void *context, const struct qb_operands *at, int64_t r)
{
	const struct binary *p = context;
	int64_t i = r * PIECE, last = p->ndim - 1;

	run_row(p, (const float *)at->read[0] + i * p->a[last], (const float *)at->read[1] + i * p->b[last], (float *)at->write[0] + i,
		QB_MIN((int64_t)PIECE, p->dim[last] - i));
}

static void run_binary(const void *context, const struct qb_operands *at)
{
	const struct binary *p = context;
	int64_t inner = p->dim[p->ndim - 1], rows = rows_of(p);

	if (rows == 1 && inner > 4 * PIECE) {
		qb_threads_loop_worth(true, (inner + PIECE - 1) / PIECE, run_piece, p, at);
	} else {
		qb_threads_loop_worth(rows * inner > 2 * PIECE, rows, run_one_row, p, at);
	}
}

/* The operand's strides along y's dimensions: 0 where it is broadcast. */
static void spread(const struct qb_layout *layout, const struct qb_layout *y, int64_t *stride)
{
	int lead = y->ndim - layout->ndim;

	for (int d = 0; d < y->ndim; d++) {
		stride[d] = d < lead || layout->dim[d - lead] == 1 ? 0 : layout->stride[d - lead];
	}
}

/* Dimensions in the order of y's memory, runs of them that all operands walk alike taken together. */
static void collapse(struct binary *p, const struct qb_layout *y, const int64_t *a, const int64_t *b)
{
	int order[QB_LAYOUT_DIMS], n = 0;

	for (int d = 0; d < y->ndim; d++) {
		int at = n;

		if (y->dim[d] == 1) {
			continue;
		}
		while (at > 0 && y->stride[order[at - 1]] < y->stride[d]) {
			order[at] = order[at - 1];
			at--;
		}
		order[at] = d;
		n++;
	}
	p->ndim = 0;
	for (int i = 0; i < n; i++) {
		int d = order[i], k = p->ndim - 1;

		if (k >= 0 && p->a[k] == a[d] * y->dim[d] && p->b[k] == b[d] * y->dim[d]) {
			p->dim[k] *= y->dim[d];
			p->a[k] = a[d];
			p->b[k] = b[d];
			continue;
		}
		p->dim[p->ndim] = y->dim[d];
		p->a[p->ndim] = a[d];
		p->b[p->ndim++] = b[d];
	}
	if (!p->ndim) {
		p->ndim = 1;
		p->dim[0] = p->a[0] = p->b[0] = 1;
	}
}

static bool same_shape(const struct qb_shape *a, const struct qb_shape *b)
{
	return a->ndim == b->ndim && !memcmp(a->dim, b->dim, (size_t)a->ndim * sizeof(*a->dim));
}

/* Sets the buffer of operand i and its layout. */
static enum qb_err operand(struct qb_builder *b, const struct qb_node *n, int i, int *buffer,
	struct qb_layout *layout, struct qb_errbuf *eb)
{
	const struct qb_value *v = n->input[i];
	struct qb_place place;
	int id;

	if (v->constant) {
		*layout = qb_layout_dense(&v->shape);
		QB_TRY(qb_builder_weight(b, v, layout, layout, &id, eb));
		*buffer = QB_CALL_WEIGHT(id);
		return QB_OK;
	}
	QB_TRY(qb_builder_plain(b, v, &place, eb));
	*buffer = place.buffer;
	*layout = place.layout;
	return QB_OK;
}

static bool find_kind(const struct qb_node *n, enum kind *kind)
{
	static const enum qb_op_id ops[] = {QB_OP_Add, QB_OP_Sub, QB_OP_Mul, QB_OP_Div, QB_OP_Pow, QB_OP_Max, QB_OP_Min};
	const struct qb_tensor *t = n->input[1]->constant;

	for (size_t i = 0; i < QB_COUNT(ops); i++) {
		if (qb_node_is(n, ops[i])) {
			*kind = (enum kind)i;
			if (*kind == POW && t && qb_tensor_size(t) == 1 && t->dtype == QB_F32 &&
				*(const float *)t->data == 2 && n->input[1]->shape.ndim <= n->input[0]->shape.ndim) {
				*kind = SQUARE;
			}
			return true;
		}
	}
	return false;
}

enum qb_err qb__plan_binary(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *y = n->output[0];
	bool clips = op->act.kind != QB_ACT_NONE;
	struct binary p = {.lo = clips ? op->act.lo : -INFINITY, .hi = clips ? op->act.hi : INFINITY};
	struct qb_layout layout[2], to;
	int64_t stride[2][QB_LAYOUT_DIMS];
	struct qb_place place;
	int from[2];

	if (n->inputs != 2 || !find_kind(n, &p.kind) || op->act.kind > QB_ACT_CLIP || y->dtype != QB_F32) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 0; i < y->shape.ndim; i++) {
		if (!y->shape.dim[i]) {
			return QB_EUNSUPPORTED;
		}
	}
	to = qb_layout_dense(&y->shape);
	for (int i = 0; i < 2; i++) {
		if (n->input[i]->dtype != QB_F32) {
			return QB_EUNSUPPORTED;
		}
	}
	for (int i = 1; i >= 0; i--) {
		QB_TRY(operand(b, n, i, &from[i], &layout[i], eb));
		if (!n->input[i]->constant && same_shape(&n->input[i]->shape, &y->shape)) {
			to = layout[i];
		}
	}
	spread(&layout[0], &to, stride[0]);
	spread(&layout[1], &to, stride[1]);
	collapse(&p, &to, stride[0], stride[1]);
	QB_TRY(qb_builder_define(b, y, &to, &place, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "binary", .fn = run_binary, QB_CONTEXT(p),
		.reads = {from[0], from[1]}, .writes = {place.buffer}}, eb);
}
