/* SPDX-License-Identifier: Apache-2.0
 *
 * High-bias absorption: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019,
 * section 4.1.3. Where a channel goes into a ReLU with at least c > 0 almost always, r(x - c) = r(x) - c there: c is
 * taken from the layer's bias and W c added to that of the next (eq. 13 to 16), so that its activations span less.
 * c = max(0, mean - 3 deviations), by the batch norm that was folded into the layer or else by the calibration samples.
 * Where the next layer pads with zeros, c would be missing at the border: such layers are left alone unless "padded" is
 * asked for.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ptq/channel_moments.h"
#include "core/ptq/method.h"
#include "core/graph/activation.h"
#include "core/graph/linear.h"

struct params {
	bool padded;
	double deviations;
};

static void set_defaults(void *params)
{
	((struct params *)params)->deviations = 3;
}

static const struct qb_field fields[] = {
	{"deviations", QB_FIELD_REAL, offsetof(struct params, deviations), 0, 100,
		.summary = "how far below its mean a channel counts as always let through"},
	{"padded", QB_FIELD_BOOL, offsetof(struct params, padded), 0, 0,
		.summary = "also where the next layer pads, whose border then changes a little"},
	{.name = NULL},
};

static bool pads(const struct qb_node *n)
{
	const char *mode = qb_node_string(n, "auto_pad", "NOTSET");
	const int64_t *pad;
	int count = qb_node_ints(n, "pads", &pad);

	if (!strncmp(mode, "SAME", 4)) {
		return true;
	}
	for (int i = 0; i < count; i++) {
		if (pad[i]) {
			return true;
		}
	}
	return false;
}

/* The layer that reads `from` and nothing else does, if a constant may be moved there. */
static bool find_next(const struct qb_linear *from, bool padded, struct qb_linear *to)
{
	const struct qb_value *v = qb_node_result(from->node);
	struct qb_node *n = qb_value_only_user(v);

	return n && n->input[0] == v && qb_linear_of(n, to) && to->bias && to->ins == from->outs &&
		!to->transposed && (padded || !pads(n));
}

/* c [outs], all of them 0 where nothing is known. */
static enum qb_err constants(const struct qb_method_graph *m, const struct params *p,
	struct qb_split *split, const struct qb_linear *l, double *c, struct qb_errbuf *eb)
{
	struct qb_channels seen = {0};
	const double *mean = NULL, *deviation = NULL;

	if (l->node->normal) {
		mean = l->node->normal->mean;
		deviation = l->node->normal->deviation;
	} else {
		const struct qb_value *v;

		if (!split->network) {
			QB_TRY(qb_split_create(split, m->graph, m->calibration->batch, eb));
		}
		v = qb_split_output(split, l->node->name);
		if (!v) {
			return QB_OK;
		}
		QB_TRY(qb_channels_create(&seen, m->calibration, split, NULL, v, eb));
		mean = seen.mean;
		deviation = seen.deviation;
	}
	/* Channels of one-dimensional convolutions are not where the samples were counted. */
	for (int64_t o = 0; o < l->outs && (!seen.mean || seen.channels == l->outs); o++) {
		c[o] = fmax(mean[o] - p->deviations * deviation[o], 0);
	}
	qb_channels_fini(&seen);
	return QB_OK;
}

/* Moves c; returns how many channels had some. */
static enum qb_err absorb(struct qb_graph *g, const struct qb_linear *from, const struct qb_linear *to,
	const double *c, int *moved, struct qb_errbuf *eb)
{
	const float *w = to->weight->constant->data;
	float *bias, *next;

	for (int64_t o = 0; o < from->outs; o++) {
		*moved += c[o] > 0;
	}
	if (!*moved) {
		return QB_OK;
	}
	QB_TRY(qb_graph_edit_constant(g, from->node, 2, &bias, eb));
	QB_TRY(qb_graph_edit_constant(g, to->node, 2, &next, eb));
	for (int64_t o = 0; o < from->outs; o++) {
		bias[o] = (float)((double)bias[o] - c[o]);
	}
	if (from->node->normal) {
		double *shift = malloc((size_t)from->outs * sizeof(*shift));
		enum qb_err err;

		if (!shift) {
			return qb_fail(eb, QB_ENOMEM, "no memory for %s", from->node->name);
		}
		for (int64_t o = 0; o < from->outs; o++) {
			shift[o] = -c[o];
		}
		err = qb_graph_set_normal(g, from->node, from->outs, NULL, NULL, NULL, shift, eb);
		free(shift);
		QB_TRY(err);
	}
	for (int64_t o = 0; o < to->outs; o++) {
		double sum = 0;

		for (int64_t j = 0; j < qb_linear_ins(to); j++) {
			const float *kernel_elements = w + qb_linear_at(to, o, j);

			for (int64_t t = 0; t < to->kernel_elements; t++) {
				sum += (double)kernel_elements[t] * c[qb_linear_input(to, o, j)];
			}
		}
		next[o] = (float)((double)next[o] + sum);
	}
	return QB_OK;
}

static enum qb_err do_layer(struct qb_method_graph *m, const struct params *p, struct qb_split *split,
	const struct qb_linear *from, const struct qb_linear *to, json_t *layers,
	struct qb_errbuf *eb)
{
	double *c = calloc((size_t)from->outs, sizeof(*c)), most = 0;
	int moved = 0;
	enum qb_err err;

	if (!c) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %s", from->node->name);
	}
	QB_TRY_OUT(constants(m, p, split, from, c, eb));
	QB_TRY_OUT(absorb(m->graph, from, to, c, &moved, eb));
	for (int64_t o = 0; o < from->outs; o++) {
		most = fmax(most, c[o]);
	}
	if (moved) {
		json_array_append_new(layers, json_pack("{s:s, s:s, s:i, s:f}", "from",
			from->node->name, "to", to->node->name, "channels", moved, "largest", most));
	}
out:
	free(c);
	return err;
}

static enum qb_err run(struct qb_method_graph *m, const void *params, struct qb_errbuf *eb)
{
	const struct params *p = params;
	struct qb_split split = {0}; /* of the network as it came: what absorption leaves alone before the next layer */
	json_t *layers = json_array();
	enum qb_err err;

	json_object_set_new(m->report, "layers", layers);
	err = qb_graph_relink(m->graph, eb);
	for (int i = 0; err == QB_OK && i < m->graph->nodes; i++) {
		struct qb_linear from, to;

		if (qb_linear_of(m->graph->node[i], &from) && from.bias && qb_value_only_user(from.bias) &&
			qb_node_activation(from.node).kind == QB_ACT_RELU && find_next(&from, p->padded, &to)) {
			err = do_layer(m, p, &split, &from, &to, layers, eb);
		}
	}
	qb_split_fini(&split);
	return err == QB_OK ? qb_pass_remove_dead(m->graph, eb) : err;
}

const struct qb_method qb_method_high_bias_absorption = {
	.named = {.name = "high_bias_absorption",
		.summary = "Moves what a ReLU always lets through from a layer's bias into the next one's",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults},
	.stage = QB_METHOD_GRAPH, .needs_bias = true, .graph = run,
};
