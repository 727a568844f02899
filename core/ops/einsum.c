/* SPDX-License-Identifier: Apache-2.0
 *
 * Einsum, by its definition: a sum over every label that the output does not name.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "core/ops/common.h"

/* 52 letters, then the dimensions that an ellipsis stands for, aligned at the last. */
enum { LETTERS = 52, LABELS = LETTERS + QB_MAX_DIMS, MAX_OPERANDS = 8 };

struct einsum {
	int operands;
	int rank[MAX_OPERANDS + 1];                  /* the output is the last */
	int label[MAX_OPERANDS + 1][QB_MAX_DIMS];
	int64_t dim[LABELS];
	bool seen[LABELS], repeated[LABELS];
};

static int letter(char c)
{
	return c >= 'a' && c <= 'z' ? c - 'a' : c >= 'A' && c <= 'Z' ? 26 + c - 'A' : -1;
}

static enum qb_err fail_term(const struct qb_node *n, struct qb_errbuf *eb)
{
	return qb_node_fail(eb, QB_EONNX, n, "the equation \"%.100s\" does not fit its inputs",
		qb_node_string(n, "equation", ""));
}

/* One term, up to a comma or an arrow. rank -1: the output, whose ellipsis has `dots` dimensions. */
static enum qb_err parse_term(const struct qb_node *n, struct einsum *e, int t, const char **p, int rank,
	int *dots, struct qb_errbuf *eb)
{
	int letters = 0, span;
	const char *s;

	for (s = *p; *s && *s != ',' && *s != '-'; s++) {
		letters += letter(*s) >= 0;
	}
	span = rank < 0 ? *dots : rank - letters;
	e->rank[t] = 0;
	for (s = *p; *s && *s != ',' && *s != '-'; s++) {
		if (*s == ' ') {
			continue;
		}
		if (strncmp(s, "...", 3) == 0) {
			if (span < 0 || e->rank[t] + span > QB_MAX_DIMS) {
				return fail_term(n, eb);
			}
			for (int i = 0; i < span; i++) {
				e->label[t][e->rank[t]++] = LABELS - span + i;
			}
			*dots = QB_MAX(*dots, span);
			s += 2;
		} else if (letter(*s) >= 0 && e->rank[t] < QB_MAX_DIMS) {
			e->label[t][e->rank[t]++] = letter(*s);
		} else {
			return fail_term(n, eb);
		}
	}
	if (rank >= 0 && e->rank[t] != rank) {
		return fail_term(n, eb);
	}
	*p = s;
	return QB_OK;
}

/* Without an arrow the output has the ellipsis, then the letters that occur once, in order. */
static void implicit_output(struct einsum *e, int dots)
{
	int t = e->operands;

	e->rank[t] = 0;
	for (int i = 0; i < dots; i++) {
		e->label[t][e->rank[t]++] = LABELS - dots + i;
	}
	for (int l = 26; l < LETTERS + 26; l++) { /* upper case sorts first */
		int k = l % LETTERS;

		if (e->seen[k] && !e->repeated[k] && e->rank[t] < QB_MAX_DIMS) {
			e->label[t][e->rank[t]++] = k;
		}
	}
}

static enum qb_err note_dims(const struct qb_node *n, struct einsum *e, int t, const int64_t *dim,
	struct qb_errbuf *eb)
{
	for (int i = 0; i < e->rank[t]; i++) {
		int l = e->label[t][i];
		int64_t *d = &e->dim[l];

		if (!e->seen[l]) {
			*d = dim[i];
		} else if (*d == 1) {
			*d = dim[i];
		} else if (dim[i] != 1) {
			if (!qb_dim_compatible(*d, dim[i])) {
				return qb_node_fail(eb, QB_ESHAPE, n, "one label of \"%.100s\" is %" PRId64 " and %" PRId64,
					qb_node_string(n, "equation", ""), *d, dim[i]);
			}
			*d = qb_dim_merge(*d, dim[i]);
		}
		e->repeated[l] = e->seen[l];
		e->seen[l] = true;
	}
	return QB_OK;
}

/* dims [n->inputs]: of each input. */
static enum qb_err parse(const struct qb_node *n, const struct qb_shape *x, struct einsum *e,
	struct qb_errbuf *eb)
{
	const char *p = qb_node_string(n, "equation", "");
	int dots = 0;

	*e = (struct einsum){ .operands = n->inputs };
	for (int i = 0; i < n->inputs; i++) {
		while (*p == ' ') {
			p++;
		}
		QB_TRY(parse_term(n, e, i, &p, x[i].ndim, &dots, eb));
		QB_TRY(note_dims(n, e, i, x[i].dim, eb));
		if (i + 1 < n->inputs && *p++ != ',') {
			return fail_term(n, eb);
		}
	}
	if (strncmp(p, "->", 2) == 0) {
		p += 2;
		QB_TRY(parse_term(n, e, e->operands, &p, -1, &dots, eb));
	} else {
		implicit_output(e, dots);
	}
	if (*p) {
		return fail_term(n, eb);
	}
	for (int i = 0; i < e->rank[e->operands]; i++) {
		if (!e->seen[e->label[e->operands][i]]) {
			return fail_term(n, eb);
		}
	}
	return QB_OK;
}

enum qb_err qb__infer_einsum(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_shape x[MAX_OPERANDS], y;
	struct einsum e;

	(void)g;
	if (n->inputs > MAX_OPERANDS) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "%d inputs; at most %d are supported", n->inputs,
			MAX_OPERANDS);
	}
	for (int i = 0; i < n->inputs; i++) {
		if (!n->input[i]) {
			return qb_node_fail(eb, QB_EONNX, n, "input %d is left out", i);
		}
		QB_TRY(qb__op_need_same(n, i, eb));
		x[i] = n->input[i]->shape;
		if (!x[i].known) {
			qb__op_set(n, 0, n->input[0]->dtype, qb_shape_unknown());
			return QB_OK;
		}
	}
	QB_TRY(parse(n, x, &e, eb));
	y = qb_shape_ranked(e.rank[e.operands]);
	for (int i = 0; i < y.ndim; i++) {
		y.dim[i] = e.dim[e.label[e.operands][i]];
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

struct walk {
	int order[LABELS], labels; /* labels in use, the output's first */
	int64_t stride[MAX_OPERANDS + 1][LABELS];
};

static void plan_walk(const struct einsum *e, const struct qb_shape *x, struct walk *w)
{
	*w = (struct walk){ 0 };
	for (int t = 0; t <= e->operands; t++) {
		int64_t s = 1;

		for (int i = e->rank[t] - 1; i >= 0; i--) {
			int l = e->label[t][i];
			int64_t d = t < e->operands ? x[t].dim[i] : e->dim[l];

			w->stride[t][l] += d == 1 && e->dim[l] != 1 ? 0 : s;
			s *= d;
		}
	}
	for (int pass = 0; pass < 2; pass++) {
		for (int l = 0; l < LABELS; l++) {
			bool in_output = false;

			for (int i = 0; i < e->rank[e->operands]; i++) {
				in_output |= e->label[e->operands][i] == l;
			}
			if (e->seen[l] && in_output == (pass == 0)) {
				w->order[w->labels++] = l;
			}
		}
	}
}

enum qb_err qb__eval_einsum(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct qb_shape x[MAX_OPERANDS];
	int64_t index[LABELS] = { 0 }, at[MAX_OPERANDS + 1] = { 0 };
	size_t count = qb_tensor_size(&out[0]);
	bool empty = false, more = true;
	struct einsum e;
	struct walk w;
	double *acc;

	for (int i = 0; i < n->inputs; i++) {
		x[i] = qb_shape_of(in[i]);
		empty |= qb_tensor_size(in[i]) == 0;
	}
	QB_TRY(parse(n, x, &e, eb));
	plan_walk(&e, x, &w);
	acc = qb_aligned_alloc(count, sizeof(*acc));
	if (!acc) {
		return qb__op_no_memory(n, eb);
	}
	memset(acc, 0, count * sizeof(*acc));
	while (more && !empty) {
		double product = 1;

		for (int t = 0; t < e.operands; t++) {
			product *= qb__op_load(in[t]->dtype, in[t]->data, (size_t)at[t]);
		}
		acc[at[e.operands]] += product;
		more = false;
		for (int k = w.labels - 1; k >= 0 && !more; k--) {
			int l = w.order[k];

			more = ++index[l] < e.dim[l];
			for (int t = 0; t <= e.operands; t++) {
				at[t] += more ? w.stride[t][l] : -w.stride[t][l] * (e.dim[l] - 1);
			}
			index[l] = more ? index[l] : 0;
		}
	}
	for (size_t i = 0; i < count; i++) {
		qb__op_store(out[0].dtype, out[0].data, i, acc[i]);
	}
	free(acc);
	return QB_OK;
}
