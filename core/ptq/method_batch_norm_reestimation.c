/* SPDX-License-Identifier: Apache-2.0
 *
 * Batch-norm re-estimation: quantization moves the means and deviations that the batch norms were trained on, so they are
 * estimated again on the calibration samples with the network quantized (Nagel et al., "Overcoming Oscillations in
 * Quantization-Aware Training", ICML 2022, section 4; Peters et al., "QBitOpt", 2023, fold the same into scales). Norms
 * are folded here, so what a new estimate would do is done to the layer: y -> a (y - mean_q) + mean, a = deviation /
 * deviation_q, goes into its bias, and a into the scales of its weights, whose codes stay as they are. With one scale for a
 * whole weight only the means can be put right. Layers are done in the order of the network, each with those before it
 * done. A network that has no trace of batch norms had them folded before it was saved: then every convolution is done.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph/op.h"
#include "core/ptq/channel_moments.h"
#include "core/ptq/method.h"
#include "core/graph/linear.h"
#include "core/quant/weight.h"

/* A channel that quantization has all but silenced is not blown up again. */
static const double RATIO_MAX = 2;

struct work {
	struct qb_method_weights *m;
	struct qb_split split;
	json_t *layers;
};

static bool has_norms(const struct qb_graph *g)
{
	for (int i = 0; i < g->nodes; i++) {
		if (g->node[i]->normal) {
			return true;
		}
	}
	return false;
}

/* The split network runs with this constant as the network now does. */
static enum qb_err follow(struct work *w, const struct qb_value *constant, struct qb_errbuf *eb)
{
	const struct qb_network *n = w->split.network;

	for (int i = 0; i < n->graph->values; i++) {
		if (!strcmp(n->graph->value[i]->name, constant->name)) {
			n->quantization[0]->constant[i] = w->m->quantization->constant[constant->index];
			return qb_overlay_refresh(n->overlay[0], n->graph->value[i], eb);
		}
	}
	return QB_OK;
}

/* Scales the quantized weight of channel c by a[c]: the same codes under other scales. false where they are shared. */
static enum qb_err scale_weight(struct work *w, const struct qb_linear *l, const double *a, bool *done,
	struct qb_errbuf *eb)
{
	struct qb_quantizer *q = w->m->quantization->q[l->weight->index];
	int64_t outer, channels, inner;
	struct qb_quantizer unit;
	float *y, one = 1;
	enum qb_err err;

	*done = q && q->channels == l->outs && !q->zero && !q->format.block && q->format.real_scale;
	if (!*done) {
		return QB_OK;
	}
	y = malloc(qb_tensor_size(l->weight->constant) * sizeof(*y) + 1);
	if (!y) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %s", l->weight->name);
	}
	unit = (struct qb_quantizer){.format = q->format, .axis = -1, .channels = 1, .scale = &one};
	QB_TRY_OUT(qb_quantization_constant(w->m->quantization, l->weight, y, NULL, eb));
	qb_weight_extents(l->weight, q->axis, &outer, &channels, &inner);
	for (int64_t i = 0; i < outer * channels; i++) {
		float *run = y + i * inner, before = q->scale[i % channels];
		float after = (float)((double)before * a[i % channels]);

		for (int64_t k = 0; k < inner; k++) {
			run[k] /= before;
		}
		qb_qdq(&unit, run, run, 1, 1, inner); /* exactly the grid's values again */
		for (int64_t k = 0; k < inner; k++) {
			run[k] *= after;
		}
	}
	for (int64_t c = 0; c < channels; c++) {
		q->scale[c] = (float)((double)q->scale[c] * a[c]);
	}
	QB_TRY_OUT(qb_method_set(w->m, l->weight, y, eb));
	QB_TRY_OUT(follow(w, l->weight, eb));
out:
	free(y);
	return err;
}

static enum qb_err correct(struct work *w, const struct qb_linear *l, const struct qb_channels *c,
	struct qb_errbuf *eb)
{
	double *a = malloc((size_t)l->outs * sizeof(*a)), shift = 0, least = INFINITY, most = 0;
	float *bias = malloc((size_t)l->outs * sizeof(*bias));
	bool scaled = false;
	enum qb_err err;

	if (!a || !bias) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for %s", l->node->name);
		goto out;
	}
	for (int64_t o = 0; o < l->outs; o++) {
		a[o] = c->deviation[o] > 0 && c->deviation_q[o] > 0
			? fmin(fmax(c->deviation[o] / c->deviation_q[o], 1 / RATIO_MAX), RATIO_MAX) : 1;
	}
	QB_TRY_OUT(scale_weight(w, l, a, &scaled, eb));
	QB_TRY_OUT(qb_quantization_constant(w->m->quantization, l->bias, bias, NULL, eb));
	for (int64_t o = 0; o < l->outs; o++) {
		double ratio = scaled ? a[o] : 1;

		shift = fmax(shift, fabs(c->mean[o] - c->mean_q[o]));
		least = fmin(least, ratio);
		most = fmax(most, ratio);
		bias[o] = (float)(c->mean[o] - ratio * (c->mean_q[o] - (double)bias[o]));
	}
	QB_TRY_OUT(qb_method_set(w->m, l->bias, bias, eb));
	QB_TRY_OUT(follow(w, l->bias, eb));
	json_array_append_new(w->layers, json_pack("{s:s, s:f, s:f, s:f, s:b}", "layer", l->node->name,
		"largest_shift", shift, "least_ratio", least, "largest_ratio", most, "scales", scaled));
out:
	free(a);
	free(bias);
	return err;
}

static enum qb_err run(struct qb_method_weights *m, const void *params, struct qb_errbuf *eb)
{
	struct work w = {.m = m, .layers = json_array()};
	const struct qb_graph *g = m->network->graph;
	bool norms = has_norms(g);
	enum qb_err err;

	(void)params;
	json_object_set_new(m->report, "layers", w.layers);
	json_object_set_new(m->report, "batch_norms", json_boolean(norms));
	QB_TRY_OUT(qb_split_create(&w.split, g, m->network->batch, eb));
	QB_TRY_OUT(qb_network_quantize_as(w.split.network, m->quantization, g, eb));
	for (int i = 0; i < g->nodes; i++) {
		const struct qb_value *y = qb_split_output(&w.split, g->node[i]->name);
		struct qb_channels c;
		struct qb_linear l;

		if (!y || !qb_linear_of(g->node[i], &l) || !l.bias || !qb_value_only_user(l.bias) ||
			!qb_value_only_user(l.weight) || (norms ? !g->node[i]->normal : !qb_node_has(g->node[i], QB_TRAIT_CONVOLUTION))) {
			continue;
		}
		QB_TRY_OUT(qb_channels_create(&c, m->calibration, &w.split, w.split.network->overlay[0], y, eb));
		/* Channels of one-dimensional convolutions are not where the samples were counted. */
		err = c.channels == l.outs ? correct(&w, &l, &c, eb) : QB_OK;
		qb_channels_fini(&c);
		if (err != QB_OK) {
			goto out;
		}
	}
out:
	qb_split_fini(&w.split);
	return err;
}

const struct qb_method qb_method_batch_norm_reestimation = {
	.named = {.name = "batch_norm_reestimation",
		.summary = "Estimates the statistics of batch norms again with the network quantized"},
	.stage = QB_METHOD_WEIGHTS, .needs_bias = true, .weights = run,
};
