/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/reorder.h"

#include <string.h>

#include "core/base/size.h"
#include "core/exec/builder.h"
#include "core/exec/threads.h"

/* An element lies at the sum of what each of its indices adds, in blocks as well: of each dimension a table holds that. */
struct axis {
	int64_t count;
	int64_t *from, *to; /* [count] */
};

struct qb_reorder {
	int axes; /* 1 at least */
	struct axis axis[QB_LAYOUT_DIMS]; /* the widest steps in y first, so that it is written in order */
	int64_t rows;      /* of the last axis */
	size_t zero_bytes; /* of y, where it has padding; else 0 */
};

/* What index i of dimension d adds. */
static int64_t place(const struct qb_layout *l, int d, int64_t i)
{
	int64_t at = 0, step = 1;

	for (int k = l->blocks - 1; k >= 0; k--) {
		if (l->block[k].dim == d) {
			at += i % l->block[k].size * step;
			i /= l->block[k].size;
		}
		step *= l->block[k].size;
	}
	return at + i * l->stride[d];
}

static bool fill_axis(struct axis *a, struct qb_arena *arena, const struct qb_layout *from, const struct qb_layout *to, int d)
{
	*a = (struct axis){from->dim[d], qb_arena_alloc(arena, (size_t)from->dim[d] + 1, sizeof(*a->from)),
		qb_arena_alloc(arena, (size_t)from->dim[d] + 1, sizeof(*a->to))};
	for (int64_t i = 0; a->from && a->to && i < a->count; i++) {
		a->from[i] = place(from, d, i);
		a->to[i] = place(to, d, i);
	}
	return a->from && a->to;
}

static int64_t step_of(const struct axis *a)
{
	return a->count > 1 ? a->to[1] : 0;
}

struct qb_reorder *qb_reorder_create(struct qb_arena *arena, const struct qb_layout *from, const struct qb_layout *to)
{
	struct qb_reorder *r = qb_arena_alloc(arena, 1, sizeof(*r));

	if (!r) {
		return NULL;
	}
	r->rows = 1;
	r->zero_bytes = qb_layout_is_padded(to) ? qb_layout_bytes(to) : 0;
	for (int d = 0; d < from->ndim; d++) {
		struct axis a;
		int at = r->axes;

		if (from->dim[d] == 1 && r->axes + from->ndim - d > 1) {
			continue; /* it adds nothing */
		}
		if (!fill_axis(&a, arena, from, to, d)) {
			return NULL;
		}
		for (; at > 0 && step_of(&r->axis[at - 1]) < step_of(&a); at--) {
			r->axis[at] = r->axis[at - 1];
		}
		r->axis[at] = a;
		r->axes++;
	}
	for (int i = 0; i + 1 < r->axes; i++) {
		r->rows *= r->axis[i].count;
	}
	return r;
}

static void copy_row(const struct axis *a, const float *restrict x, float *restrict y)
{
	for (int64_t i = 0; i < a->count; i++) {
		y[a->to[i]] = x[a->from[i]];
	}
}

static void copy_rows(const struct qb_reorder *r, const float *x, float *y, int64_t first, int64_t last)
{
	for (int64_t row = first; row < last; row++) {
		int64_t from = 0, to = 0, rest = row;

		for (int k = r->axes - 2; k >= 0; k--) {
			const struct axis *a = &r->axis[k];

			from += a->from[rest % a->count];
			to += a->to[rest % a->count];
			rest /= a->count;
		}
		copy_row(&r->axis[r->axes - 1], x + from, y + to);
	}
}

struct shared {
	const struct qb_reorder *r;
	int parts;
};

static void copy_part(const void *context, const struct qb_operands *at, int64_t t)
{
	const struct shared *s = context;

	copy_rows(s->r, at->read[0], at->write[0], s->r->rows * t / s->parts, s->r->rows * (t + 1) / s->parts);
}

void qb_reorder_run(const struct qb_reorder *r, const float *x, float *y)
{
	enum { WORTH = 65536 }; /* elements */
	const int64_t elements = r->rows * r->axis[r->axes - 1].count;
	const struct shared s = {r, qb_threads()};
	const struct qb_operands at = {.read = {x}, .write = {y}};

	memset(y, 0, r->zero_bytes);
	if (s.parts > 1 && elements > WORTH) {
		qb_threads_loop(s.parts, s.parts, copy_part, &s, &at);
	} else {
		copy_rows(r, x, y, 0, r->rows);
	}
}
