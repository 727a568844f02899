/* SPDX-License-Identifier: Apache-2.0
 *
 * Which part of a scheme each quantizer follows: what the scheme says of its tensor or layer, or else of all.
 */
#include "core/quant/scheme_layers.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph/activation.h"
#include "core/base/near.h"

enum match { MATCH_NONE, MATCH_PATTERN, MATCH_NODE, MATCH_TENSOR };

struct chooser {
	const struct qb_scheme *s;
	const struct qb_graph *g;
	const struct qb_placement *p;
	enum match *match; /* [values]: how the best so far was found */
	int *layer;        /* [values]: and which it is */
	bool *used;        /* [layers] */
};

static bool has_own_quantizer(const struct qb_placement *p, int value)
{
	return p->role[value] != QB_ROLE_FLOAT && p->shares[value] < 0;
}

static void consider(struct chooser *c, int value, const char *name, enum match exact)
{
	for (int i = 0; i < c->s->layers; i++) {
		const char *wanted = c->s->layer[i].name;
		enum match m = !strcmp(wanted, name) ? exact
			: strpbrk(wanted, "*?") && !fnmatch(wanted, name, 0) ? MATCH_PATTERN
			: MATCH_NONE;

		c->used[i] = c->used[i] || m != MATCH_NONE;
		if (m > c->match[value]) {
			c->match[value] = m;
			c->layer[value] = i;
		}
	}
}

static void choose(struct chooser *c)
{
	for (int i = 0; i < c->g->values; i++) {
		const struct qb_value *v = c->g->value[i];

		if (has_own_quantizer(c->p, i)) {
			consider(c, i, v->name, MATCH_TENSOR);
			if (v->producer) {
				consider(c, i, qb_value_layer(v)->name, MATCH_NODE);
			}
		}
	}
	for (int i = 0; i < c->g->nodes; i++) {
		const struct qb_node *n = c->g->node[i];

		for (int k = 0; k < n->inputs; k++) {
			const struct qb_value *v = n->input[k];

			if (v && c->p->role[v->index] == QB_ROLE_WEIGHT) {
				consider(c, v->index, n->name, MATCH_NODE);
			}
		}
	}
}

/* A name that is none, or one of a thing without a quantizer. */
static enum qb_err unknown_layer(const struct chooser *c, const char *name, struct qb_errbuf *eb)
{
	int v = qb_graph_find(c->g, name, 0);
	const char **names;
	char near[400];
	int count = 0;

	if (v >= 0 && c->p->shares[v] >= 0) {
		return qb_fail(eb, QB_EJOB, "scheme %s: layers: tensor \"%.100s\" has no quantizer of its "
			"own; it shares that of \"%.100s\"", c->s->name, name,
			c->g->value[c->p->shares[v]]->name);
	}
	names = malloc(2 * (size_t)(c->g->values + c->g->nodes + 1) * sizeof(*names));
	if (!names) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the names of %d layers", c->g->nodes);
	}
	for (int i = 0; i < c->g->values; i++) {
		if (has_own_quantizer(c->p, i)) {
			names[count++] = c->g->value[i]->name;
			names[count++] = c->g->value[i]->producer ? qb_value_layer(c->g->value[i])->name : NULL;
		}
	}
	qb_near(name, names, count, near, sizeof(near));
	free(names);
	return qb_fail(eb, QB_EJOB, "scheme %s: layers: \"%.100s\" names no %s; near it are %s",
		c->s->name, name, v ? "tensor that is quantized" : "quantized layer or tensor", near);
}

enum qb_err qb_scheme_parts(const struct qb_scheme *s, const struct qb_graph *g,
	const struct qb_placement *p, const struct qb_scheme_part **part, struct qb_errbuf *eb)
{
	struct chooser c = {.s = s, .g = g, .p = p,
		.match = calloc((size_t)g->values + 1, sizeof(*c.match)),
		.layer = calloc((size_t)g->values + 1, sizeof(*c.layer)),
		.used = calloc((size_t)s->layers + 1, sizeof(*c.used))};
	enum qb_err err = QB_OK;

	if (!c.match || !c.layer || !c.used) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for a scheme of %d values", g->values);
		goto out;
	}
	choose(&c);
	for (int i = 0; i < s->layers; i++) {
		if (!c.used[i]) {
			err = unknown_layer(&c, s->layer[i].name, eb);
			goto out;
		}
	}
	for (int i = 0; i < g->values; i++) {
		const struct qb_scheme_part *weights = &s->weights, *activations = &s->activations;

		if (c.match[i] != MATCH_NONE) {
			weights = &s->layer[c.layer[i]].weights;
			activations = &s->layer[c.layer[i]].activations;
		}
		part[i] = !has_own_quantizer(p, i) ? NULL
			: p->role[i] == QB_ROLE_WEIGHT ? weights : activations;
		part[i] = part[i] && part[i]->quantized ? part[i] : NULL;
	}
out:
	free(c.match);
	free(c.layer);
	free(c.used);
	return err;
}
