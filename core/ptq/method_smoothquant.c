/* SPDX-License-Identifier: Apache-2.0
 *
 * SmoothQuant (Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models",
 * ICML 2023): the few large channels of what feeds a matrix product are made smaller and its weights larger,
 *
 *	X W = (X diag(s)^-1) (diag(s) W),   s_j = max|X_j|^alpha / max|W_j|^(1 - alpha)        (eqs. 3, 4)
 *
 * with the maxima of the calibration samples. 1 / s goes into the LayerNormalization, product or constant that makes X. All
 * products that are fed the same X share s.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/ptq/method.h"
#include "core/graph/linear.h"
#include "core/graph/rescale.h"

struct params {
	double alpha;
	bool insert;
};

static void set_defaults(void *params)
{
	*(struct params *)params = (struct params){0.5, false};
}

static const struct qb_field fields[] = {
	{"alpha", QB_FIELD_REAL, offsetof(struct params, alpha), 0, 1,
		.summary = "0: all of the difficulty stays with the activations; 1: all goes to the weights"},
	{"insert", QB_FIELD_BOOL, offsetof(struct params, insert), 0, 0,
		.summary = "a Mul in front of the products where nothing else can take the scales"},
	{.name = NULL},
};

/* A matrix product by a constant; channels are the last dimension of what feeds it. */
static bool is_product(struct qb_node *n, struct qb_linear *l)
{
	int ndim = n->inputs && n->input[0] ? n->input[0]->shape.ndim : 0;

	return n->op && (qb_node_is(n, QB_OP_MatMul) || qb_node_is(n, QB_OP_Gemm)) && (ndim == 2 || ndim == 3) &&
		!n->input[0]->constant && qb_linear_of(n, l);
}

/* Maxima of activations */

struct maxima {
	struct qb_network *network;
	float **max; /* [values of network->graph], NULL or [channels] */
};

static enum qb_err note(void *arg, const struct qb_visit *v, struct qb_errbuf *eb)
{
	struct maxima *m = arg;
	float *max = m->max[v->value];

	(void)eb;
	for (int64_t r = 0; r < v->rows; r++) {
		for (int64_t c = 0; c < v->channels; c++) {
			max[c] = fmaxf(max[c], fabsf(v->x[r * v->channels + c]));
		}
	}
	return QB_OK;
}

static void maxima_fini(struct maxima *m)
{
	for (int i = 0; m->max && i < m->network->graph->values; i++) {
		free(m->max[i]);
	}
	free(m->max);
	qb_network_destroy(&m->network);
}

static enum qb_err maxima_init(struct maxima *m, const struct qb_method_graph *g, struct qb_errbuf *eb)
{
	const struct qb_network *n;
	bool *wanted = NULL;
	enum qb_err err;

	QB_TRY(qb_network_create(&m->network, g->graph, g->calibration->batch, 1, eb));
	n = m->network;
	m->max = calloc((size_t)n->graph->values + 1, sizeof(*m->max));
	wanted = calloc((size_t)n->graph->values + 1, sizeof(*wanted));
	for (int i = 0; m->max && wanted && i < n->graph->nodes; i++) {
		struct qb_linear l;
		int x;

		if (!is_product(n->graph->node[i], &l)) {
			continue;
		}
		x = n->graph->node[i]->input[0]->index;
		if (n->observed[x] && !wanted[x]) {
			wanted[x] = true;
			m->max[x] = calloc((size_t)l.ins, sizeof(**m->max));
			if (!m->max[x]) {
				err = qb_fail(eb, QB_ENOMEM, "no memory for %lld channels", (long long)l.ins);
				goto out;
			}
		}
	}
	if (!m->max || !wanted) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for %d values", n->graph->values);
		goto out;
	}
	err = qb_calibration_visit(g->calibration, n, NULL, wanted, 0, note, m, eb);
out:
	free(wanted);
	return err;
}

static const float *maxima_of(const struct maxima *m, const char *name)
{
	for (int i = 0; i < m->network->graph->values; i++) {
		if (m->max[i] && !strcmp(m->network->graph->value[i]->name, name)) {
			return m->max[i];
		}
	}
	return NULL;
}

/* Smoothing */

/* The products that v feeds as input 0. */
static int products_of(const struct qb_graph *g, const struct qb_value *v, struct qb_linear *out)
{
	int count = 0;

	for (int i = 0; i < g->nodes; i++) {
		struct qb_linear l;

		if (g->node[i]->inputs && g->node[i]->input[0] == v && is_product(g->node[i], &l)) {
			out[count++] = l;
		}
	}
	return count;
}

/* s [ins]; a channel that one side does not use keeps its scale. */
static void choose(const struct qb_linear *l, int count, const float *max, double alpha, float *s)
{
	for (int64_t j = 0; j < l->ins; j++) {
		double w = 0, x = (double)max[j];

		for (int i = 0; i < count; i++) {
			const float *data = l[i].weight->constant->data;

			for (int64_t o = 0; o < l[i].outs; o++) {
				w = fmax(w, fabs((double)data[qb_linear_at(&l[i], o, j)]));
			}
		}
		s[j] = x > 0 && w > 0 && isfinite(x) ? (float)(pow(x, alpha) / pow(w, 1 - alpha)) : 1;
		s[j] = s[j] > 1e-5f && s[j] < 1e5f ? s[j] : s[j] < 1 ? 1e-5f : 1e5f;
	}
}

static enum qb_err multiply_inputs(struct qb_graph *g, const struct qb_linear *l, const float *s, struct qb_errbuf *eb)
{
	float *w;

	QB_TRY(qb_graph_edit_constant(g, l->node, 1, &w, eb));
	for (int64_t o = 0; o < l->outs; o++) {
		for (int64_t j = 0; j < l->ins; j++) {
			w[qb_linear_at(l, o, j)] *= s[j];
		}
	}
	return QB_OK;
}

static json_t *describe(const struct qb_value *v, int products, const float *s, int64_t n, const char *how)
{
	double lo = INFINITY, hi = 0;

	for (int64_t j = 0; j < n; j++) {
		lo = fmin(lo, (double)s[j]);
		hi = fmax(hi, (double)s[j]);
	}
	return json_pack("{s:s, s:i, s:s, s:f, s:f}", "tensor", v->name, "products", products, "scale", how,
		"least_scale", lo, "largest_scale", hi);
}

static enum qb_err smooth(struct qb_method_graph *m, const struct params *p, struct qb_value *v,
	const struct qb_linear *l, int count, const float *max, json_t *tensors, struct qb_errbuf *eb)
{
	float *s = malloc((size_t)l->ins * sizeof(*s));
	const struct qb_channel_divisors by = {.s = s, .n = l->ins, .uses = count, .insert = p->insert};
	struct qb_value *divided;
	bool inserted;
	enum qb_err err;

	if (!s) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %lld channels", (long long)l->ins);
	}
	choose(l, count, max, p->alpha, s);
	QB_TRY_OUT(qb_graph_divide_channels(m->graph, v, &by, &divided, &inserted, eb));
	for (int i = 0; divided && i < count; i++) {
		QB_TRY_OUT(multiply_inputs(m->graph, &l[i], s, eb));
		l[i].node->input[0] = divided;
	}
	json_array_append_new(tensors, describe(v, count, s, l->ins, !divided ? "none" : inserted ? "inserted" : "folded"));
out:
	free(s);
	return err;
}

static enum qb_err run(struct qb_method_graph *m, const void *params, struct qb_errbuf *eb)
{
	struct qb_graph *g = m->graph;
	int values = g->values;
	struct qb_linear *l = calloc((size_t)g->nodes + 1, sizeof(*l));
	struct maxima max = {0};
	json_t *tensors = json_array();
	enum qb_err err;

	json_object_set_new(m->report, "tensors", tensors);
	if (!l) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d layers", g->nodes);
	}
	QB_TRY_OUT(qb_graph_relink(g, eb));
	QB_TRY_OUT(maxima_init(&max, m, eb));
	values = g->values;
	for (int i = 0; i < values; i++) {
		struct qb_value *v = g->value[i];
		int count = products_of(g, v, l);
		const float *x = count ? maxima_of(&max, v->name) : NULL;

		if (x) {
			QB_TRY_OUT(smooth(m, params, v, l, count, x, tensors, eb));
		}
	}
	QB_TRY_OUT(qb_graph_relink(g, eb));
	QB_TRY_OUT(qb_pass_remove_dead(g, eb));
out:
	maxima_fini(&max);
	free(l);
	return err;
}

const struct qb_method qb_method_smoothquant = {
	.named = {.name = "smoothquant", .summary = "Moves large channels of activations into the weights that they meet",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults},
	.stage = QB_METHOD_GRAPH, .graph = run,
};
