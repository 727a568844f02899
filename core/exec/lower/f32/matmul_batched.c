/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of two activations, as attention has them: many small ones, each operand read where it lies, whatever
 * transposes came before. A constant of several matrices may be one of them.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/f32/choice.h"
#include "core/exec/lower/f32/conv_igemm.h"
#include "core/exec/threads.h"
#include "core/graph/op.h"
#include "core/kernels/f32/gemm.h"
#include "core/kernels/f32/gemm_backward.h"

enum { BATCH_DIMS = QB_MAX_DIMS - 2, PARALLEL_MACS = 100000 };

struct batched {
	int ndim; /* batch dimensions */
	int64_t count[BATCH_DIMS], a[BATCH_DIMS], b[BATCH_DIMS], y[BATCH_DIMS];
	int64_t rows, k, n, batches;
	int64_t a_row, a_column, b_row, b_column, y_row;
	bool outer; /* y = A^T B of operands whose rows lie together: neither is packed nor transposed */
	struct qb_act act;
	int threads;
};

/* The right side in panels of 16 columns. */
static void pack(const struct batched *m, const float *b, float *panels)
{
	for (int64_t j = 0; j < m->n; j += QB_F32_PANEL, panels += m->k * QB_F32_PANEL) {
		qb_f32_pack(b + j * m->b_column, m->b_row, m->b_column, m->k,
			QB_MIN((int64_t)QB_F32_PANEL, m->n - j), panels);
	}
}

static size_t scratch_numbers(const struct batched *m)
{
	size_t left = m->a_column == 1 ? 0 : (size_t)(QB_F32_ROWS * m->k);

	return m->outer ? 0 : qb_align_up((size_t)m->n, QB_F32_PANEL) * (size_t)m->k + left;
}

static void run_outer(const struct batched *m, const float *a, const float *b, float *y)
{
	const float *a_at[QB_F32_OUTER_DEPTH], *b_at[QB_F32_OUTER_DEPTH];

	for (int64_t k = 0; k < m->k; k += QB_F32_OUTER_DEPTH) {
		int64_t n = QB_MIN((int64_t)QB_F32_OUTER_DEPTH, m->k - k);

		for (int64_t i = 0; i < n; i++) {
			a_at[i] = a + (k + i) * m->a_column;
			b_at[i] = b + (k + i) * m->b_row;
		}
		qb_f32_outer(&(struct qb_f32_outer){.depth = n, .rows = m->rows, .columns = m->n, .a = a_at, .b = b_at, .y = y,
			.y_stride = m->y_row, .first = !k});
	}
}

static void run_batch(const struct batched *m, const float *a, const float *b, float *y, float *scratch)
{
	int64_t panels = (m->n + QB_F32_PANEL - 1) / QB_F32_PANEL;
	struct qb_f32_gemm p = {.outputs = m->n, .runs = 1, .depth = m->k, .weights = scratch,
		.epilogue = {.act = m->act}};
	float *left = scratch + panels * QB_F32_PANEL * m->k;

	pack(m, b, scratch);
	for (int64_t first = 0; first < m->rows; first += QB_F32_ROWS) {
		int64_t count = QB_MIN((int64_t)QB_F32_ROWS, m->rows - first);
		const float *row[QB_F32_ROWS];

		for (int64_t i = 0; i < count; i++) {
			row[i] = a + (first + i) * m->a_row;
			if (m->a_column != 1) {
				for (int64_t k = 0; k < m->k; k++) {
					left[i * m->k + k] = row[i][k * m->a_column];
				}
				row[i] = left + i * m->k;
			}
		}
		qb_f32_gemm(&p, row, count, 0, panels, NULL, y + first * m->y_row, m->y_row);
	}
}

static void run_part(const void *context, const struct qb_operands *at, int64_t t)
{
	const struct batched *m = context;

	for (int64_t i = m->batches * t / m->threads; i < m->batches * (t + 1) / m->threads; i++) {
		const float *a = at->read[0], *b = at->read[1];
		float *y = at->write[0];
		int64_t rest = i;

		for (int d = m->ndim - 1; d >= 0; d--) {
			int64_t index = rest % m->count[d];

			a += index * m->a[d];
			b += index * m->b[d];
			y += index * m->y[d];
			rest /= m->count[d];
		}
		if (m->outer) {
			run_outer(m, a, b, y);
		} else {
			run_batch(m, a, b, y, (float *)at->scratch[0] + (size_t)t * scratch_numbers(m));
		}
	}
}

static void run_batched(const void *context, const struct qb_operands *at)
{
	const struct batched *m = context;

	qb_threads_loop(m->threads, m->threads, run_part, m, at);
}

/* Strides of an operand along y's batch dimensions: 0 where it is broadcast. */
static void batch_strides(const struct qb_layout *layout, int ndim, int64_t *stride)
{
	int lead = ndim + 2 - layout->ndim;

	for (int d = 0; d < ndim; d++) {
		stride[d] = d < lead || layout->dim[d - lead] == 1 ? 0 : layout->stride[d - lead];
	}
}

/* Where a Transpose alone reads y and leaves its rows whole, y lies so that the transposed value is row-major. */
static struct qb_layout product_layout(const struct qb_value *y)
{
	const struct qb_node *reader = qb_value_only_user(y);
	struct qb_layout dense = qb_layout_dense(&y->shape), layout;
	const int64_t *perm;
	int64_t strides[QB_LAYOUT_DIMS];
	int64_t step = 1;

	if (!reader || !qb_node_is(reader, QB_OP_Transpose) || y->shape.ndim < 3 ||
		qb_node_ints(reader, "perm", &perm) != y->shape.ndim ||
		perm[y->shape.ndim - 1] != y->shape.ndim - 1) {
		return dense;
	}
	for (int i = y->shape.ndim - 1; i >= 0; i--) {
		strides[perm[i]] = step;
		step *= y->shape.dim[perm[i]];
	}
	return qb_layout_strided(&layout, y->shape.ndim, y->shape.dim, strides) ? layout : dense;
}

/* An activation where it lies, or a constant. */
static enum qb_err operand(struct qb_builder *b, const struct qb_value *v, struct qb_place *out,
	struct qb_errbuf *eb)
{
	int id;

	if (!v->constant) {
		return qb_builder_plain(b, v, out, eb);
	}
	out->layout = qb_layout_dense(&v->shape);
	QB_TRY(qb_builder_weight(b, v, &out->layout, &out->layout, &id, eb));
	out->buffer = QB_CALL_WEIGHT(id);
	return QB_OK;
}

enum qb_err qb_plan_batched(struct qb_builder *b, const struct qb_lowered *op,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *y = n->output[0];
	int ndim = y->shape.ndim - 2;
	struct batched m = {.ndim = ndim, .act = op->act, .batches = 1};
	struct qb_place place[2], to;
	const int64_t *stride[3];
	struct qb_layout layout;

	if ((!qb_f32_ours(QB_F32_BATCHED) && !qb_builder_is_training(b)) || ndim < 0 || ndim > BATCH_DIMS) {
		return QB_EUNSUPPORTED;
	}
	if (n->input[0]->shape.ndim < 2 || n->input[1]->shape.ndim < 2) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 0; i < 2; i++) {
		QB_TRY(operand(b, n->input[i], &place[i], eb));
		batch_strides(&place[i].layout, ndim, i ? m.b : m.a);
		stride[i] = place[i].layout.stride + place[i].layout.ndim - 2;
	}
	layout = product_layout(y);
	batch_strides(&layout, ndim, m.y);
	stride[2] = layout.stride + ndim;
	for (int d = 0; d < ndim; d++) {
		m.count[d] = y->shape.dim[d];
		m.batches *= m.count[d];
	}
	m.rows = y->shape.dim[ndim];
	m.n = y->shape.dim[ndim + 1];
	m.k = place[0].layout.dim[place[0].layout.ndim - 1];
	if (!m.batches || !m.rows || !m.n || !m.k || (m.n > 1 && stride[2][1] != 1)) {
		return QB_EUNSUPPORTED;
	}
	m.a_row = stride[0][0];
	m.a_column = stride[0][1];
	m.b_row = stride[1][0];
	m.b_column = stride[1][1];
	m.y_row = stride[2][0];
	m.outer = m.a_row == 1 && m.a_column > 1 && m.b_column == 1 && m.act.kind == QB_ACT_NONE;
	m.threads = m.batches * m.rows * m.n * m.k < PARALLEL_MACS ? 1 : qb_builder_threads(b);
	QB_TRY(qb_builder_define(b, y, &layout, &to, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "batched tiles", .fn = run_batched, QB_CONTEXT(m),
		.reads = {place[0].buffer, place[1].buffer}, .writes = {to.buffer},
		.scratch = {(size_t)m.threads * scratch_numbers(&m) * sizeof(float)}}, eb);
}
