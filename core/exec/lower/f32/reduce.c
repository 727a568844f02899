/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums, means, norms and extrema over some dimensions, of an operand where it lies. Each output is one chain in double precision
 * in the order of the operand's dimensions, as in plain C: the numbers are the same. Some outputs side by side are made
 * together, in vectors where they are neighbours in memory.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/exec/builder.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"
#include "core/ops/operands.h"

enum { SIDE_BY_SIDE = 16, PARALLEL = 65536 };
enum kind { SUM, MEAN, MAX, MIN, L1, L2, SUM_SQUARE };

struct side {
	int64_t dim, x, y; /* size, strides */
};

struct reduction {
	enum kind kind;
	int kept, cut; /* dimensions of the output but for `lane`, and those that are reduced, outermost first */
	struct side keep[QB_MAX_DIMS], along[QB_MAX_DIMS];
	struct side lane; /* the output's that is densest in x */
	int64_t blocks, share;
};

#define ALWAYS static inline __attribute__((always_inline))

ALWAYS double combine(enum kind kind, double acc, double v)
{
	switch (kind) {
	case MAX:
		return v > acc || v != v ? v : acc;
	case MIN:
		return v < acc || v != v ? v : acc;
	case L1:
		return acc + fabs(v);
	case L2:
	case SUM_SQUARE:
		return acc + v * v;
	default:
		return acc + v;
	}
}

/* `lanes` outputs, `apart` numbers of x from each other. */
ALWAYS void reduce_body(const struct reduction *p, enum kind kind, const float *x, int64_t apart, int lanes, float *y)
{
	const struct side *last = &p->along[p->cut - 1];
	int64_t index[QB_MAX_DIMS] = {0};
	double acc[SIDE_BY_SIDE];
	bool more = true;

	for (int l = 0; l < lanes; l++) {
		acc[l] = kind == MAX ? -INFINITY : kind == MIN ? INFINITY : 0;
	}
	while (more) {
		for (int64_t i = 0; i < last->dim; i++) {
			for (int l = 0; l < lanes; l++) {
				acc[l] = combine(kind, acc[l], (double)x[i * last->x + l * apart]);
			}
		}
		more = false;
		for (int d = p->cut - 2; d >= 0 && !more; d--) {
			more = ++index[d] < p->along[d].dim;
			x += more ? p->along[d].x : -p->along[d].x * (p->along[d].dim - 1);
			index[d] = more ? index[d] : 0;
		}
	}
	for (int l = 0; l < lanes; l++) {
		y[l * p->lane.y] = (float)(kind == MEAN ? acc[l] / (double)p->share : kind == L2 ? sqrt(acc[l]) : acc[l]);
	}
}

ALWAYS void reduce_of_body(const struct reduction *p, const float *x, int lanes, float *y)
{
#define CASE(k) \
	case k: \
		if (lanes == SIDE_BY_SIDE && p->lane.x == 1) { \
			reduce_body(p, k, x, 1, SIDE_BY_SIDE, y); \
		} else { \
			reduce_body(p, k, x, p->lane.x, lanes, y); \
		} \
		break
	switch (p->kind) {
		CASE(SUM);
		CASE(MEAN);
		CASE(MAX);
		CASE(MIN);
		CASE(L1);
		CASE(L2);
		CASE(SUM_SQUARE);
	}
#undef CASE
}

QB_FOR_EVERY_LEVEL_512(static, reduce_of, (const struct reduction *p, const float *x, int lanes, float *y), (p, x, lanes, y))

static void reduce_row(const void *context, const struct qb_operands *at, int64_t r)
{
	const struct reduction *p = context;
	int64_t first = r % p->blocks * SIDE_BY_SIDE, rest = r / p->blocks;
	const float *x = (const float *)at->read[0] + first * p->lane.x;
	float *y = (float *)at->write[0] + first * p->lane.y;
	int lanes = (int)QB_MIN((int64_t)SIDE_BY_SIDE, p->lane.dim - first);

	for (int d = p->kept - 1; d >= 0; d--) {
		x += rest % p->keep[d].dim * p->keep[d].x;
		y += rest % p->keep[d].dim * p->keep[d].y;
		rest /= p->keep[d].dim;
	}
	reduce_of(p, x, lanes, y);
}

static void run_reduction(const void *context, const struct qb_operands *at)
{
	const struct reduction *p = context;
	int64_t rows = p->blocks;

	for (int i = 0; i < p->kept; i++) {
		rows *= p->keep[i].dim;
	}
	qb_threads_loop_worth(rows * SIDE_BY_SIDE * p->share > PARALLEL, rows, reduce_row, p, at);
}

/* Sorts the dimensions of x, lying as layout says, by what happens to them. */
static void sort_dimensions(struct reduction *p, const struct qb_layout *layout, const bool *flag)
{
	int64_t step = 1;
	int lane = -1;

	for (int i = layout->ndim - 1; i >= 0; i--) {
		const int64_t *stride = layout->stride;

		if (!flag[i] && layout->dim[i] > 1 && (lane < 0 || stride[i] < stride[lane])) {
			lane = i;
		}
	}
	p->lane = (struct side){1, 1, 1};
	for (int i = 0; i < layout->ndim; i++) {
		step *= flag[i] ? 1 : layout->dim[i];
	}
	for (int i = 0; i < layout->ndim; i++) {
		struct side s = {layout->dim[i], layout->stride[i], 0};

		if (flag[i]) {
			p->along[p->cut++] = s;
			p->share *= s.dim;
			continue;
		}
		step /= s.dim;
		s.y = step;
		if (i == lane) {
			p->lane = s;
		} else {
			p->keep[p->kept++] = s;
		}
	}
	p->blocks = (p->lane.dim + SIDE_BY_SIDE - 1) / SIDE_BY_SIDE;
}

static enum qb_err plan_reduction(struct qb_builder *b, const struct qb_node *n, enum kind kind, const bool *flag, struct qb_errbuf *eb)
{
	const struct qb_value *x = n->input[0], *y = n->output[0];
	struct reduction p = {.kind = kind, .share = 1};
	struct qb_layout layout = qb_layout_dense(&y->shape);
	struct qb_place from, to;

	if (x->dtype != QB_F32 || x->constant || !x->shape.ndim || !qb_value_size(x)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_plain(b, x, &from, eb));
	sort_dimensions(&p, &from.layout, flag);
	if (!p.cut) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_define(b, y, &layout, &to, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "reduction", .fn = run_reduction, QB_CONTEXT(p),
		.reads = {from.buffer}, .writes = {to.buffer}}, eb);
}

enum qb_err qb__plan_reduce(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	static const enum qb_op_id ops[] = {QB_OP_ReduceSum, QB_OP_ReduceMean, QB_OP_ReduceMax, QB_OP_ReduceMin,
		QB_OP_ReduceL1, QB_OP_ReduceL2, QB_OP_ReduceSumSquare};
	bool flag[QB_MAX_DIMS], known;
	size_t kind = 0;

	while (kind < QB_COUNT(ops) && ops[kind] != n->op->id) {
		kind++;
	}
	if (kind == QB_COUNT(ops)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb__op_reduced_axes(n, NULL, n->input[0]->shape.ndim, flag, &known, eb));
	return known ? plan_reduction(b, n, (enum kind)kind, flag, eb) : QB_EUNSUPPORTED;
}

/* Over the dimensions that the output's shape was broadcast along. */
enum qb_err qb__plan_sum_to(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_shape *x = &n->input[0]->shape, *y = &n->output[0]->shape;
	int lead = x->ndim - y->ndim;
	bool flag[QB_MAX_DIMS];

	for (int i = 0; i < x->ndim; i++) {
		flag[i] = i < lead || y->dim[i - lead] != x->dim[i];
	}
	return plan_reduction(b, n, SUM, flag, eb);
}
