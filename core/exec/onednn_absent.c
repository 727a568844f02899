/* SPDX-License-Identifier: Apache-2.0
 *
 * core/exec/onednn.h in a build without oneDNN. There are no primitives: each lowering that asks for one is refused, and the
 * operator is evaluated in plain C. Reorders and the matrix product are our own.
 */
#include <stdlib.h>

#include "core/base/size.h"
#include "core/exec/onednn.h"
#include "core/exec/plan.h"
#include "core/exec/reorder.h"
#include "core/exec/threads.h"
#include "core/kernels/f32/gemm.h"

bool qb_dnn_is_present(void)
{
	return false;
}

/* ---- steps ---- */

#define REFUSED(name, subject, args) \
	enum qb_err name(struct qb_builder *b, const subject *n, const struct args *a, struct qb_errbuf *eb) \
	{ \
		(void)b; \
		(void)n; \
		(void)a; \
		(void)eb; \
		return QB_EUNSUPPORTED; \
	}

REFUSED(qb_dnn_conv, struct qb_lowered, qb_conv_args)
REFUSED(qb_dnn_inner_product, struct qb_lowered, qb_product_args)
REFUSED(qb_dnn_matmul, struct qb_lowered, qb_product_args)
REFUSED(qb_dnn_eltwise, struct qb_node, qb_eltwise_args)
REFUSED(qb_dnn_pool, struct qb_node, qb_pool_args)
REFUSED(qb_dnn_softmax, struct qb_node, qb_softmax_args)
REFUSED(qb_dnn_concat, struct qb_node, qb_concat_args)

/* ---- matrix product ---- */

enum { COLUMNS = 8 * QB_F32_PANEL }; /* of b, which a thread packs and takes at once */

struct product {
	const struct qb_sgemm *p;
	const float *a;  /* [m][a_row] */
	int64_t a_row;
	float *scratch;  /* [threads][part] */
	size_t part;
};

/* c = alpha y + beta c, y [rows][COLUMNS] */
static void add_product(const struct qb_sgemm *p, const float *y, int64_t rows, int64_t width, float *c)
{
	for (int64_t i = 0; i < rows; i++) {
		for (int64_t j = 0; j < width; j++) {
			float *to = c + i * p->c_row + j;

			*to = p->beta == 0 ? p->alpha * y[i * COLUMNS + j] : p->alpha * y[i * COLUMNS + j] + p->beta * *to;
		}
	}
}

/* The columns of c from COLUMNS * i on. */
static void run_columns(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct product *s = context;
	const struct qb_sgemm *p = s->p;
	const int64_t first = COLUMNS * i, width = QB_MIN(p->n - first, (int64_t)COLUMNS), panels = (width + QB_F32_PANEL - 1) / QB_F32_PANEL;
	const int64_t down = p->b_transposed ? 1 : p->b_row, across = p->b_transposed ? p->b_row : 1;
	float *packed = s->scratch + s->part * (size_t)qb_thread_index(), *y = packed + p->k * COLUMNS;
	const struct qb_f32_gemm gemm = {.outputs = width, .runs = 1, .depth = p->k, .weights = packed};
	const float *row[QB_F32_ROWS];

	(void)at;
	for (int64_t j = 0; j < panels; j++) {
		qb_f32_pack(p->b + (first + j * QB_F32_PANEL) * across, down, across, p->k, QB_MIN(width - j * QB_F32_PANEL, (int64_t)QB_F32_PANEL),
			packed + j * p->k * QB_F32_PANEL);
	}
	for (int64_t from = 0, rows; from < p->m; from += rows) {
		rows = QB_MIN((int64_t)QB_F32_ROWS, p->m - from);
		for (int64_t k = 0; k < rows; k++) {
			row[k] = s->a + (from + k) * s->a_row;
		}
		qb_f32_gemm(&gemm, row, rows, 0, panels, NULL, y, COLUMNS);
		add_product(p, y, rows, width, p->c + from * p->c_row + first);
	}
}

static float *transposed(const float *a, int64_t a_row, int64_t m, int64_t k)
{
	float *t = qb_aligned_alloc((size_t)m, (size_t)k * sizeof(*t));

	for (int64_t i = 0; t && i < k; i++) {
		for (int64_t j = 0; j < m; j++) {
			t[j * k + i] = a[i * a_row + j];
		}
	}
	return t;
}

enum qb_err qb_sgemm(const struct qb_sgemm *p, struct qb_errbuf *eb)
{
	float *a = p->a_transposed ? transposed(p->a, p->a_row, p->m, p->k) : NULL;
	const int64_t parts = (p->n + COLUMNS - 1) / COLUMNS;
	const int threads = (int)QB_MIN((int64_t)qb_threads(), parts);
	struct product s = {.p = p, .a = a ? a : p->a, .a_row = a ? p->k : p->a_row, .part = (size_t)(p->k + QB_F32_ROWS) * COLUMNS};
	enum qb_err err = QB_OK;

	s.scratch = qb_aligned_alloc((size_t)QB_MAX(threads, 1), s.part * sizeof(*s.scratch));
	if (!s.scratch || (p->a_transposed && !a)) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for a matrix product of %lld x %lld x %lld", (long long)p->m, (long long)p->n,
			(long long)p->k);
	} else {
		qb_threads_loop(threads, parts, run_columns, &s, NULL);
	}
	free(s.scratch);
	free(a);
	return err;
}

/* ---- of plans and sessions: a primitive is a reorder ---- */

struct qb_primitive {
	const struct qb_reorder *reorder;
};

struct qb_memory {
	void *data;
};

struct qb_dnn_session {
	char unused;
};

/* It is the arena's. */
void qb__primitive_destroy(struct qb_primitive **p)
{
	*p = NULL;
}

size_t qb__primitive_scratch(const struct qb_primitive *p)
{
	(void)p;
	return 0;
}

enum qb_err qb__memory_create(struct qb_memory **out, const struct qb_layout *l, void *data, struct qb_errbuf *eb)
{
	struct qb_memory *m = malloc(sizeof(*m));

	(void)l;
	if (!m) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a weight");
	}
	m->data = data;
	*out = m;
	return QB_OK;
}

void qb__memory_destroy(struct qb_memory **m)
{
	free(*m);
	*m = NULL;
}

void *qb__memory_data(const struct qb_memory *m)
{
	return m->data;
}

enum qb_err qb__reorder_create(struct qb_primitive **out, struct qb_arena *arena, const struct qb_layout *from,
	const struct qb_layout *to, struct qb_errbuf *eb)
{
	struct qb_primitive *p = qb_arena_alloc(arena, 1, sizeof(*p));

	if (p) {
		p->reorder = qb_reorder_create(arena, from, to);
	}
	if (!p || !p->reorder) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	*out = p;
	return QB_OK;
}

enum qb_err qb__reorder_now(const struct qb_layout *from, const void *src, const struct qb_layout *to, void *dst,
	struct qb_errbuf *eb)
{
	struct qb_arena *arena = qb_arena_create();
	const struct qb_reorder *r = arena ? qb_reorder_create(arena, from, to) : NULL;
	enum qb_err err = QB_OK;

	if (r) {
		qb_reorder_run(r, src, dst);
	} else {
		err = qb_fail(eb, QB_ENOMEM, "no memory for a reorder");
	}
	qb_arena_destroy(&arena);
	return err;
}

enum qb_err qb__add_reorder(struct qb_builder *b, const struct qb_place *from, const struct qb_place *to,
	struct qb_errbuf *eb)
{
	struct qb_step s = {.kind = QB_STEP_PRIMITIVE, .node = b->node, .what = "reorder", .implementation = "reorder"};

	QB_TRY(qb__reorder_create(&s.primitive, b->plan->arena, &from->layout, &to->layout, eb));
	QB_TRY(qb__ids(b, &s.read, &from->buffer, 1, eb));
	QB_TRY(qb__ids(b, &s.write, &to->buffer, 1, eb));
	return qb__add_step(b, &s, eb);
}

enum qb_err qb__dnn_session_create(struct qb_dnn_session **out, const struct qb_session *s, struct qb_errbuf *eb)
{
	(void)s;
	(void)eb;
	*out = NULL;
	return QB_OK;
}

void qb__dnn_session_destroy(struct qb_dnn_session **session)
{
	*session = NULL;
}

/* A reorder reads a buffer: weights lie as they are wanted. */
enum qb_err qb__dnn_run(const struct qb_session *s, int i, const struct qb_overlay *overlay, struct qb_errbuf *eb)
{
	const struct qb_step *step = &s->plan->step[i];

	(void)overlay;
	(void)eb;
	qb_reorder_run(step->primitive->reorder, qb_session_buffer(s, step->read.id[0]), qb_session_buffer(s, step->write.id[0]));
	return QB_OK;
}

enum qb_err qb__dnn_bind(const struct qb_session *s, struct qb_errbuf *eb)
{
	(void)s;
	(void)eb;
	return QB_OK;
}

enum qb_err qb__dnn_reorder(const struct qb_session *s, const struct qb_primitive *reorder, const void *src, void *dst,
	struct qb_errbuf *eb)
{
	(void)s;
	(void)eb;
	qb_reorder_run(reorder->reorder, src, dst);
	return QB_OK;
}
