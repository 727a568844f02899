/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/equation.h"

#include <inttypes.h>
#include <string.h>

#include "core/graph/shape.h"

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
static enum qb_err parse_term(const struct qb_node *n, struct qb_equation *e, int t, const char **p, int rank,
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
				e->label[t][e->rank[t]++] = QB_LABELS - span + i;
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
static void implicit_output(struct qb_equation *e, int dots)
{
	int t = e->operands;

	e->rank[t] = 0;
	for (int i = 0; i < dots; i++) {
		e->label[t][e->rank[t]++] = QB_LABELS - dots + i;
	}
	for (int l = 26; l < QB_LETTERS + 26; l++) { /* upper case sorts first */
		int k = l % QB_LETTERS;

		if (e->seen[k] && !e->repeated[k] && e->rank[t] < QB_MAX_DIMS) {
			e->label[t][e->rank[t]++] = k;
		}
	}
}

static enum qb_err note_dims(const struct qb_node *n, struct qb_equation *e, int t, const int64_t *dim,
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

enum qb_err qb_equation_read(struct qb_equation *out, const struct qb_node *n, const struct qb_shape *x,
	struct qb_errbuf *eb)
{
	const char *p = qb_node_string(n, "equation", "");
	struct qb_equation e = { .operands = n->inputs };
	int dots = 0;

	for (int i = 0; i < n->inputs; i++) {
		while (*p == ' ') {
			p++;
		}
		QB_TRY(parse_term(n, &e, i, &p, x[i].ndim, &dots, eb));
		QB_TRY(note_dims(n, &e, i, x[i].dim, eb));
		if (i + 1 < n->inputs && *p++ != ',') {
			return fail_term(n, eb);
		}
	}
	if (strncmp(p, "->", 2) == 0) {
		p += 2;
		QB_TRY(parse_term(n, &e, e.operands, &p, -1, &dots, eb));
	} else {
		implicit_output(&e, dots);
	}
	if (*p) {
		return fail_term(n, eb);
	}
	for (int i = 0; i < e.rank[e.operands]; i++) {
		if (!e.seen[e.label[e.operands][i]]) {
			return fail_term(n, eb);
		}
	}
	*out = e;
	return QB_OK;
}
