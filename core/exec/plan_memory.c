/* SPDX-License-Identifier: Apache-2.0
 *
 * Where buffers lie in the arena: largest first, each at the lowest offset that is free during its life (Pisarchyk and
 * Lee, "Efficient memory management for deep neural net inference", 2020: greedy by size).
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/plan.h"

enum { ALIGN = 64 };

struct entry {
	int id, first, last;
	size_t bytes, offset;
};

static int larger_first(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->bytes != y->bytes) {
		return x->bytes < y->bytes ? 1 : -1;
	}
	return x->id - y->id;
}

static int lower_first(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a, *y = *(const struct entry *const *)b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* The lowest gap among the placed entries that live at the same time. */
static size_t find_gap(const struct entry *all, int placed, const struct entry *e,
	const struct entry **room)
{
	size_t at = 0;
	int n = 0;

	for (int i = 0; i < placed; i++) {
		if (all[i].first <= e->last && e->first <= all[i].last) {
			room[n++] = &all[i];
		}
	}
	qsort(room, (size_t)n, sizeof(*room), lower_first);
	for (int i = 0; i < n; i++) {
		if (room[i]->offset >= at + e->bytes) {
			break;
		}
		at = QB_MAX(at, room[i]->offset + room[i]->bytes);
	}
	return at;
}

static enum qb_err lay_out(struct qb_plan *p, int mode, struct qb_errbuf *eb)
{
	struct entry *e = calloc((size_t)p->buffers + 1, sizeof(*e));
	const struct entry **room = calloc((size_t)p->buffers + 1, sizeof(*room));
	size_t total = 0;
	int buffers = 0;

	if (!e || !room) {
		free(e);
		free(room);
		return qb_fail(eb, QB_ENOMEM, "no memory to plan %d buffers", p->buffers);
	}
	for (int i = 1; i < p->buffers; i++) {
		const struct qb_buffer *b = &p->buffer[i];
		bool kept = mode == 1 && b->observed;

		if (b->first < 0 || b->bound) { /* a lowering that gave up left it, or it is the caller's */
			continue;
		}
		e[buffers++] = (struct entry){i, b->first, kept ? p->steps : b->last,
			qb_align_up(QB_MAX(b->bytes, (size_t)1), ALIGN), 0};
	}
	qsort(e, (size_t)buffers, sizeof(*e), larger_first);
	for (int i = 0; i < buffers; i++) {
		e[i].offset = find_gap(e, i, &e[i], room);
		p->buffer[e[i].id].offset[mode] = e[i].offset;
		total = QB_MAX(total, e[i].offset + e[i].bytes);
	}
	p->arena_bytes[mode] = total;
	free(e);
	free(room);
	return QB_OK;
}

enum qb_err qb__plan_layout(struct qb_plan *plan, struct qb_errbuf *eb)
{
	QB_TRY(lay_out(plan, 0, eb));
	return lay_out(plan, 1, eb);
}
