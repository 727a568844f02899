/* SPDX-License-Identifier: Apache-2.0
 *
 * Which attentions are causal: what their masks make of positions, found by evaluating them.
 */
#include <stdlib.h>

#include "core/graph/attention.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

/* What free dimensions are, and what a score is at most whose key is not seen. */
enum { FREE = 4, MASKED = -1000 };

struct masks {
	struct qb_graph *g;       /* a copy whose outputs are the masks */
	int *output;              /* [values of the original], in its arena: which of them a value is, or -1 */
	struct qb_tensor *tensor; /* [outputs] */
};

/* ---- the masks alone ---- */

/* Values that depend on the product of a layer, and not on its shape alone: no masks. */
static bool *find_products(const struct qb_graph *g, struct qb_errbuf *eb)
{
	bool *of = calloc((size_t)g->values + 1, sizeof(*of));

	if (!of) {
		qb_fail(eb, QB_ENOMEM, "no memory to look for masks");
	}
	for (int i = 0; of && i < g->nodes; i++) {
		const struct qb_node *n = g->node[i];
		bool is = !n->op || n->op->class == QB_OP_MATMUL || qb_node_has(n, QB_TRAIT_PRODUCTS);

		for (int k = 0; k < n->inputs && !qb_node_is(n, QB_OP_Shape) && !qb_node_is(n, QB_OP_Size); k++) {
			is |= n->input[k] && of[n->input[k]->index];
		}
		for (int k = 0; k < n->outputs; k++) {
			of[n->output[k]->index] = is;
		}
	}
	return of;
}

/* The outputs of the copy become the masks. */
static enum qb_err keep_masks(struct masks *m, struct qb_graph *g, const struct qb__masked *masked, int count,
	const bool *product, struct qb_errbuf *eb)
{
	m->g->output = qb_arena_alloc(m->g->arena, (size_t)count * QB_ATTENTION_MASKS + 1, sizeof(*m->g->output));
	m->output = qb_arena_alloc(g->arena, (size_t)g->values + 1, sizeof(*m->output));
	if (!m->g->output || !m->output) {
		return qb_fail(eb, QB_ENOMEM, "no memory to look for masks");
	}
	m->g->outputs = 0;
	for (int i = 0; i < g->values; i++) {
		m->output[i] = -1;
	}
	for (int i = 0; i < count; i++) {
		for (int k = 0; k < masked[i].count; k++) {
			int v = masked[i].mask[k].value->index;

			if (m->output[v] < 0 && !product[v]) {
				m->output[v] = m->g->outputs;
				m->g->output[m->g->outputs++] = m->g->value[v];
			}
		}
	}
	return qb_pass_remove_dead(m->g, eb);
}

/* With one sample and folded, so that no layer is evaluated for its shape, where no length is free. */
static void bind(struct masks *m)
{
	struct qb_graph *bound = NULL;

	if (qb_graph_bind(&bound, m->g, 1, NULL) == QB_OK) {
		qb_graph_destroy(&m->g);
		m->g = bound;
	}
}

/* Ones of an input's shape. */
static enum qb_err make_input(struct qb_tensor *t, const struct qb_value *v, struct qb_errbuf *eb)
{
	*t = (struct qb_tensor){.dtype = v->dtype, .ndim = v->shape.known ? v->shape.ndim : 2};
	for (int i = 0; i < t->ndim; i++) {
		int64_t d = v->shape.known ? v->shape.dim[i] : QB_DIM_UNKNOWN;

		t->dim[i] = d >= 0 ? d : d == QB_DIM_UNKNOWN ? FREE : -d;
	}
	t->data = calloc(qb_tensor_size(t) + 1, qb_dtype_bytes(t->dtype));
	if (!t->data) {
		return qb_fail(eb, QB_ENOMEM, "no memory to look for masks");
	}
	for (size_t i = 0; i < qb_tensor_size(t); i++) {
		if (t->dtype == QB_F32) {
			((float *)t->data)[i] = 1;
		} else if (t->dtype == QB_I64) {
			((int64_t *)t->data)[i] = 1;
		} else if (t->dtype == QB_I32) {
			((int32_t *)t->data)[i] = 1;
		} else if (t->dtype == QB_BOOL) {
			((uint8_t *)t->data)[i] = 1;
		}
	}
	return QB_OK;
}

/* A network whose masks cannot be evaluated so has none that says anything: m->tensor stays NULL. */
static enum qb_err evaluate(struct masks *m, struct qb_errbuf *eb)
{
	int inputs = m->g->inputs;
	struct qb_tensor *in = calloc((size_t)inputs + 1, sizeof(*in));
	const struct qb_tensor **list = calloc((size_t)inputs + 1, sizeof(*list));
	struct qb_tensor *out = calloc((size_t)m->g->outputs + 1, sizeof(*out));
	enum qb_err err = in && list && out ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory to look for masks");

	for (int i = 0; err == QB_OK && i < inputs; i++) {
		err = make_input(&in[i], m->g->input[i], eb);
		list[i] = &in[i];
	}
	if (err == QB_OK && qb_graph_eval(m->g, list, out, NULL) == QB_OK) {
		m->tensor = out;
		out = NULL;
	}
	for (int i = 0; in && i < inputs; i++) {
		free(in[i].data);
	}
	free(in);
	free(list);
	free(out);
	return err;
}

static void masks_fini(struct masks *m)
{
	for (int i = 0; m->tensor && i < m->g->outputs; i++) {
		free(m->tensor[i].data);
	}
	free(m->tensor);
	qb_graph_destroy(&m->g);
}

/* ---- reading them ---- */

static int64_t dim_of(const struct qb_tensor *t, int from_end)
{
	return t->ndim >= from_end ? t->dim[t->ndim - from_end] : 1;
}

/* Whether a mask, broadcast, drops key j of query i, in the first sample and head. */
static bool drops(enum qb_mask_kind kind, const struct qb_tensor *t, int64_t i, int64_t j)
{
	int64_t rows = dim_of(t, 2), columns = dim_of(t, 1), at = (rows == 1 ? 0 : i) * columns + (columns == 1 ? 0 : j);

	if (kind == QB_MASK_KEEPS || kind == QB_MASK_DROPS) {
		return t->dtype == QB_BOOL && !!((const uint8_t *)t->data)[at] == (kind == QB_MASK_DROPS);
	}
	if (t->dtype != QB_F32) {
		return false;
	}
	return (kind == QB_MASK_ADDED ? 1 : -1) * ((const float *)t->data)[at] <= MASKED;
}

static bool any_drops(const struct masks *m, const struct qb__masked *a, int64_t i, int64_t j)
{
	for (int k = 0; k < a->count; k++) {
		int at = m->output[a->mask[k].value->index];

		if (at >= 0 && drops(a->mask[k].kind, &m->tensor[at], i, j)) {
			return true;
		}
	}
	return false;
}

/* As many queries as keys, each sees itself and none later. */
static bool is_causal(const struct masks *m, const struct qb__masked *a)
{
	int64_t rows = 1, columns = 1;

	for (int k = 0; k < a->count; k++) {
		int at = m->output[a->mask[k].value->index];
		const struct qb_tensor *t = at >= 0 ? &m->tensor[at] : NULL;
		int64_t r = t ? dim_of(t, 2) : 1, c = t ? dim_of(t, 1) : 1;

		if ((r != rows && r != 1 && rows != 1) || (c != columns && c != 1 && columns != 1) || (t && !qb_tensor_size(t))) {
			return false;
		}
		rows = QB_MAX(rows, r);
		columns = QB_MAX(columns, c);
	}
	for (int64_t i = 0; i < rows; i++) {
		for (int64_t j = i; j < columns; j++) {
			if (any_drops(m, a, i, j) != (j > i)) {
				return false;
			}
		}
	}
	return rows > 1 && rows == columns;
}

enum qb_err qb__find_causal(struct qb_graph *g, struct qb__masked *masked, int count, struct qb_errbuf *eb)
{
	struct masks m = {0};
	bool *product = find_products(g, eb);
	enum qb_err err = QB_ENOMEM;

	if (!product) {
		return err;
	}
	QB_TRY_OUT(qb_graph_clone(&m.g, g, eb));
	QB_TRY_OUT(keep_masks(&m, g, masked, count, product, eb));
	bind(&m);
	QB_TRY_OUT(evaluate(&m, eb));
	for (int i = 0; m.tensor && i < count; i++) {
		masked[i].causal = is_causal(&m, &masked[i]);
	}
out:
	masks_fini(&m);
	free(product);
	return err;
}
