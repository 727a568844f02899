/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/layer_scheme.h"

#include <stdlib.h>
#include <string.h>

#include "core/graph/linear.h"
#include "core/graph/op.h"
#include "core/quant/scheme_layers.h"

struct maker {
	const struct qb_scheme *base;
	const struct qb_graph *g;
	const struct qb_placement *p;
	const struct qb_scheme_part **part; /* [values]: what base says of each */
	struct qb_scheme_layer *layer;
	int layers;
};

static int root(const struct qb_placement *p, int v)
{
	return p->shares[v] >= 0 ? p->shares[v] : v;
}

/* Has the value a quantizer of its own that no row of base speaks of? */
static bool is_general(const struct maker *m, int v)
{
	return m->part[v] == &m->base->weights || m->part[v] == &m->base->activations;
}

static struct qb_scheme_layer *row_of(struct maker *m, int v)
{
	const char *name = m->g->value[v]->name;

	for (int i = m->base->layers; i < m->layers; i++) {
		if (m->layer[i].name == name) {
			return &m->layer[i];
		}
	}
	m->layer[m->layers] = (struct qb_scheme_layer){name, m->base->weights, m->base->activations};
	return &m->layer[m->layers++];
}

/* ---- only what layers multiply ---- */

static bool is_layer(const struct qb_node *n)
{
	return n->op && n->op->class == QB_OP_MATMUL;
}

static void leave_others(struct maker *m, bool *multiplied)
{
	for (int i = 0; i < m->g->nodes; i++) {
		for (int k = 0; is_layer(m->g->node[i]) && k < m->g->node[i]->inputs; k++) {
			const struct qb_value *v = m->g->node[i]->input[k];

			if (v && !v->constant) {
				multiplied[root(m->p, v->index)] = true;
			}
		}
	}
	for (int v = 0; v < m->g->values; v++) {
		if (m->p->role[v] == QB_ROLE_ACTIVATION && is_general(m, v) && !multiplied[v]) {
			row_of(m, v)->activations.quantized = false;
		}
	}
}

/* ---- ends at 8 bits ---- */

static void widen(struct qb_scheme_part *part)
{
	if (part->quantized && part->format.kind == QB_FORMAT_INT && part->format.bits < 8) {
		struct qb_format f = qb_format_integer(8, part->format.is_signed, part->format.asymmetric);

		qb_format_grouped(&f, part->format.block, NULL);
		part->format = f;
	}
}

static void widen_value(struct maker *m, const struct qb_value *v)
{
	int at = v ? root(m->p, v->index) : -1;

	if (at >= 0 && m->p->role[at] != QB_ROLE_FLOAT && is_general(m, at)) {
		struct qb_scheme_layer *l = row_of(m, at);

		widen(&l->weights);
		widen(&l->activations);
	}
}

static void widen_ends(struct maker *m)
{
	const struct qb_node *first = NULL, *last = NULL;

	for (int i = 0; i < m->g->nodes; i++) {
		const struct qb_node *n = m->g->node[i];

		if (is_layer(n) && n->inputs > 1 && qb_node_holds_weight(n, 1) && n->input[1]->constant) {
			first = first ? first : n;
			last = n;
		}
	}
	for (int k = 0; k < 2 && first; k++) {
		widen_value(m, first->input[k]);
		widen_value(m, last->input[k]);
	}
	if (last) {
		widen_value(m, last->output[0]);
	}
}

enum qb_err qb_layer_scheme(struct qb_scheme *out, const struct qb_scheme *base, const struct qb_graph *g,
	const struct qb_placement *p, const struct qb_layer_scheme_options *opt, struct qb_errbuf *eb)
{
	size_t room = (size_t)base->layers + (size_t)g->values + 1;
	struct maker m = {.base = base, .g = g, .p = p, .part = calloc((size_t)g->values + 1, sizeof(*m.part)),
		.layer = calloc(room, sizeof(*m.layer)), .layers = base->layers};
	bool *multiplied = calloc((size_t)g->values + 1, sizeof(*multiplied));
	enum qb_err err;

	if (!m.part || !m.layer || !multiplied) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for a scheme of %d values", g->values);
		goto out;
	}
	QB_TRY_OUT(qb_scheme_parts(base, g, p, m.part, eb));
	if (base->layers) {
		memcpy(m.layer, base->layer, (size_t)base->layers * sizeof(*m.layer));
	}
	if (opt->layers_only) {
		leave_others(&m, multiplied);
	}
	if (opt->ends_at_8_bits) {
		widen_ends(&m);
	}
	*out = *base;
	out->layer = m.layer;
	out->layers = m.layers;
	m.layer = NULL;
out:
	free(m.part);
	free(m.layer);
	free(multiplied);
	return err;
}

void qb_layer_scheme_fini(struct qb_scheme *s)
{
	free((void *)s->layer);
	s->layer = NULL;
	s->layers = 0;
}
