/* SPDX-License-Identifier: Apache-2.0
 *
 * Cross-layer equalization: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
 * ICCV 2019, section 4.1. Where a layer's outputs reach the next layer channel by channel through something with
 * f(sx) = s f(x), s > 0, channel i may be divided by s_i on the way out and multiplied by it on the way in.
 * s_i = sqrt(r1_i r2_i) / r2_i (eq. 11) makes the two ranges r1_i, r2_i of weights equal. Pairs share layers, so this
 * goes round until nothing moves. ReLU6 is no such function: its pairs are left alone, or it is replaced by ReLU, as the paper
 * does, which is another network where activations exceed its bound.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/ptq/method.h"
#include "core/graph/activation.h"
#include "core/graph/linear.h"

struct params {
	int64_t iterations;
	int relu6; /* index into relu6_choices */
};

static const char *const relu6_choices[] = {"keep", "replace", NULL};
enum { KEEP, REPLACE };

/* Scales closer to 1 than this are taken for 1. */
static const double SETTLED = 1e-3;
/* A channel whose weights are that much smaller than the layer's largest is dead: what training with weight decay leaves of
 * one that a ReLU never opens, or opens for its bias alone. Equal weights would cost it scales of millions, and blow up
 * that bias. */
static const double DEAD = 1e-5;

struct pair {
	struct qb_linear from, to;
	float *from_weight, *from_bias, *to_weight; /* bias NULL: none */
	int64_t inputs_a_channel; /* of `to`, where a Flatten lies between */
	double *scale;   /* [channels] so far */
};

struct equalizer {
	struct qb_graph *g;
	const struct params *params;
	int pairs, replaced, kept;
	struct pair *pair;
};

static void set_defaults(void *params)
{
	((struct params *)params)->iterations = 100;
}

static const struct qb_field fields[] = {
	{"iterations", QB_FIELD_LONG, offsetof(struct params, iterations), 1, 10000,
		.summary = "passes over all pairs of layers, at most"},
	{"relu6", QB_FIELD_CHOICE, offsetof(struct params, relu6), 0, 0, .choices = relu6_choices,
		.summary = "what becomes of a ReLU6 between two layers"},
	{.name = NULL},
};

/* Pairs */

/* Channel by channel and positively homogeneous. */
static bool is_homogeneous(const struct qb_node *n)
{
	return qb_node_has(n, QB_TRAIT_HOMOGENEOUS);
}

/* [N,C,...] to [N,C*...]: a channel's elements stay contiguous. */
static bool is_flatten(const struct qb_node *n)
{
	const struct qb_shape *x = &n->input[0]->shape, *y = &n->output[0]->shape;

	return (qb_node_is(n, QB_OP_Flatten) || qb_node_is(n, QB_OP_Reshape) ||
		qb_node_is(n, QB_OP_Squeeze)) && x->known && y->known && x->ndim > 2 && y->ndim == 2 &&
		x->dim[0] == y->dim[0];
}

/* ReLU6 and its like: what lies between 0 and a bound. */
static bool is_bounded_relu(const struct qb_act *a)
{
	return a->kind == QB_ACT_CLIP && a->lo == 0;
}

static bool is_convolution(const struct qb_linear *l)
{
	return qb_node_has(l->node, QB_TRAIT_CONVOLUTION);
}

/* The layer that reads what `from` makes, if it may be scaled on the way. */
static bool find_next(const struct qb_linear *from, struct pair *out)
{
	const struct qb_value *v = qb_node_result(from->node);
	bool flat = !is_convolution(from);
	struct qb_node *n = qb_value_only_user(v);

	while (n && n->input[0] == v && (is_homogeneous(n) || (!flat && is_flatten(n)))) {
		flat = flat || is_flatten(n);
		v = n->output[0];
		n = qb_value_only_user(v);
	}
	if (!n || n->input[0] != v || !qb_linear_of(n, &out->to) || !qb_value_only_user(out->to.weight) ||
		is_convolution(&out->to) == flat || out->to.ins % from->outs) {
		return false;
	}
	out->inputs_a_channel = out->to.ins / from->outs;
	return out->inputs_a_channel == 1 || flat;
}

static bool may_scale(struct equalizer *e, const struct qb_linear *l)
{
	const struct qb_act a = qb_node_activation(l->node);

	if (!qb_value_only_user(l->weight) || (l->bias && !qb_value_only_user(l->bias))) {
		return false;
	}
	if (is_bounded_relu(&a)) {
		e->replaced += e->params->relu6 == REPLACE;
		e->kept += e->params->relu6 == KEEP;
		return e->params->relu6 == REPLACE;
	}
	return a.kind == QB_ACT_NONE || a.kind == QB_ACT_RELU;
}

static enum qb_err find_pairs(struct equalizer *e, struct qb_errbuf *eb)
{
	e->pair = calloc((size_t)e->g->nodes + 1, sizeof(*e->pair));
	if (!e->pair) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the pairs of layers");
	}
	for (int i = 0; i < e->g->nodes; i++) {
		struct pair p = {0};

		if (qb_linear_of(e->g->node[i], &p.from) && find_next(&p.from, &p) &&
			may_scale(e, &p.from)) {
			e->pair[e->pairs++] = p;
		}
	}
	return QB_OK;
}

/* Own copies of all that will change; a weight may be the end of one pair and the start of the next. */
static enum qb_err open_pairs(struct equalizer *e, struct qb_errbuf *eb)
{
	for (int i = 0; i < e->pairs; i++) {
		struct pair *p = &e->pair[i];
		struct qb_act act;
		float *unused;

		p->scale = malloc((size_t)p->from.outs * sizeof(*p->scale));
		if (!p->scale) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the scales of %s", p->from.node->name);
		}
		for (int64_t c = 0; c < p->from.outs; c++) {
			p->scale[c] = 1;
		}
		QB_TRY(qb_graph_edit_constant(e->g, p->from.node, 1, &unused, eb));
		if (p->from.bias) {
			QB_TRY(qb_graph_edit_constant(e->g, p->from.node, 2, &p->from_bias, eb));
		}
		QB_TRY(qb_graph_edit_constant(e->g, p->to.node, 1, &unused, eb));
		act = qb_node_activation(p->from.node);
		if (is_bounded_relu(&act)) {
			qb_activation_set_relu(qb_activation_of(p->from.node->output[0]));
		}
	}
	for (int i = 0; i < e->pairs; i++) {
		e->pair[i].from_weight = e->pair[i].from.node->input[1]->constant->data;
		e->pair[i].to_weight = e->pair[i].to.node->input[1]->constant->data;
	}
	return QB_OK;
}

/* Ranges and scales */

static void ranges_out(const struct pair *p, double *r)
{
	const struct qb_linear *l = &p->from;

	for (int64_t o = 0; o < l->outs; o++) {
		r[o] = 0;
		for (int64_t j = 0; j < qb_linear_ins(l); j++) {
			const float *w = p->from_weight + qb_linear_at(l, o, j);

			for (int64_t t = 0; t < l->kernel_elements; t++) {
				r[o] = fmax(r[o], fabs((double)w[t]));
			}
		}
	}
}

static void ranges_in(const struct pair *p, double *r)
{
	const struct qb_linear *l = &p->to;

	memset(r, 0, (size_t)p->from.outs * sizeof(*r));
	for (int64_t o = 0; o < l->outs; o++) {
		for (int64_t j = 0; j < qb_linear_ins(l); j++) {
			const float *w = p->to_weight + qb_linear_at(l, o, j);
			double *to = &r[qb_linear_input(l, o, j) / p->inputs_a_channel];

			for (int64_t t = 0; t < l->kernel_elements; t++) {
				*to = fmax(*to, fabs((double)w[t]));
			}
		}
	}
}

/* Divides what comes out of channel c by s[c], and multiplies what goes in. */
static void rescale(const struct pair *p, const double *s)
{
	const struct qb_linear *a = &p->from, *b = &p->to;

	for (int64_t o = 0; o < a->outs; o++) {
		for (int64_t j = 0; j < qb_linear_ins(a); j++) {
			float *w = p->from_weight + qb_linear_at(a, o, j);

			for (int64_t t = 0; t < a->kernel_elements; t++) {
				w[t] = (float)(w[t] / s[o]);
			}
		}
		if (p->from_bias) {
			p->from_bias[o] = (float)(p->from_bias[o] / s[o]);
		}
	}
	for (int64_t o = 0; o < b->outs; o++) {
		for (int64_t j = 0; j < qb_linear_ins(b); j++) {
			float *w = p->to_weight + qb_linear_at(b, o, j);
			double by = s[qb_linear_input(b, o, j) / p->inputs_a_channel];

			for (int64_t t = 0; t < b->kernel_elements; t++) {
				w[t] = (float)(w[t] * by);
			}
		}
	}
}

static double largest(const double *r, int64_t n)
{
	double most = 0;

	for (int64_t c = 0; c < n; c++) {
		most = fmax(most, r[c]);
	}
	return most;
}

/* One step on one pair; returns the largest |log s|. A channel that one side does not use keeps its scale. */
static double equalize(struct pair *p, double *r1, double *r2)
{
	double moved = 0, least1, least2;

	ranges_out(p, r1);
	ranges_in(p, r2);
	least1 = DEAD * largest(r1, p->from.outs);
	least2 = DEAD * largest(r2, p->from.outs);
	for (int64_t c = 0; c < p->from.outs; c++) {
		double s = r1[c] > least1 && r2[c] > least2 ? sqrt(r1[c] / r2[c]) : 1;

		p->scale[c] *= s;
		moved = fmax(moved, fabs(log(s)));
		r1[c] = s;
	}
	rescale(p, r1);
	return moved;
}

static enum qb_err settle(struct equalizer *e, int64_t *rounds, double *moved,
	struct qb_errbuf *eb)
{
	int64_t most = 1;
	double *r;

	for (int i = 0; i < e->pairs; i++) {
		most = QB_MAX(most, e->pair[i].from.outs);
	}
	r = malloc(2 * (size_t)most * sizeof(*r));
	if (!r) {
		return qb_fail(eb, QB_ENOMEM, "no memory for ranges");
	}
	*moved = e->pairs ? INFINITY : 0;
	for (*rounds = 0; *rounds < e->params->iterations && *moved > SETTLED; ++*rounds) {
		*moved = 0;
		for (int i = 0; i < e->pairs; i++) {
			*moved = fmax(*moved, equalize(&e->pair[i], r, r + most));
		}
	}
	free(r);
	return QB_OK;
}

/* What batch norms said of the outputs holds for what they became. */
static enum qb_err scale_normals(struct equalizer *e, struct qb_errbuf *eb)
{
	for (int i = 0; i < e->pairs; i++) {
		struct pair *p = &e->pair[i];
		enum qb_err err;
		double *by;

		if (!p->from.node->normal) {
			continue;
		}
		by = malloc((size_t)p->from.outs * sizeof(*by));
		for (int64_t c = 0; by && c < p->from.outs; c++) {
			by[c] = 1 / p->scale[c];
		}
		if (!by) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the scales of %s", p->from.node->name);
		}
		err = qb_graph_set_normal(e->g, p->from.node, p->from.outs, NULL, NULL, by, NULL, eb);
		free(by);
		QB_TRY(err);
	}
	return QB_OK;
}

static void report(const struct equalizer *e, int64_t rounds, double moved, json_t *out)
{
	json_t *layers = json_array();

	for (int i = 0; i < e->pairs; i++) {
		const struct pair *p = &e->pair[i];
		double lo = INFINITY, hi = 0;

		for (int64_t c = 0; c < p->from.outs; c++) {
			lo = fmin(lo, p->scale[c]);
			hi = fmax(hi, p->scale[c]);
		}
		json_array_append_new(layers, json_pack("{s:s, s:s, s:f, s:f}", "from",
			p->from.node->name, "to", p->to.node->name, "least_scale", lo, "largest_scale",
			hi));
	}
	json_object_set_new(out, "pairs", layers);
	json_object_set_new(out, "iterations", json_integer(rounds));
	json_object_set_new(out, "converged", json_boolean(moved <= SETTLED));
	json_object_set_new(out, "relu6_replaced", json_integer(e->replaced));
	json_object_set_new(out, "relu6_kept", json_integer(e->kept));
}

static enum qb_err run(struct qb_method_graph *m, const void *params, struct qb_errbuf *eb)
{
	struct equalizer e = {.g = m->graph, .params = params};
	int64_t rounds = 0;
	double moved = 0;
	enum qb_err err;

	QB_TRY_OUT(qb_graph_relink(e.g, eb));
	QB_TRY_OUT(find_pairs(&e, eb));
	QB_TRY_OUT(open_pairs(&e, eb));
	QB_TRY_OUT(settle(&e, &rounds, &moved, eb));
	QB_TRY_OUT(scale_normals(&e, eb));
	report(&e, rounds, moved, m->report);
	QB_TRY_OUT(qb_pass_remove_dead(e.g, eb));
out:
	for (int i = 0; e.pair && i < e.pairs; i++) {
		free(e.pair[i].scale);
	}
	free(e.pair);
	return err;
}

const struct qb_method qb_method_cross_layer_equalization = {
	.named = {.name = "cross_layer_equalization",
		.summary = "Scales channels between layers so that their weights have equal ranges",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults},
	.stage = QB_METHOD_GRAPH, .graph = run,
};
