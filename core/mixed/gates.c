/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mixed/gates.h"

#include <math.h>
#include <string.h>

#include "core/json/number.h"
#include "core/graph/op.h"
#include "core/hw/mac.h"

/* Units built so far: a network has few pairs of formats, and many layers of each. */
enum { KEPT = 16 };

struct units {
	int count;
	struct {
		char weights[QB_FORMAT_NAME_MAX], activations[QB_FORMAT_NAME_MAX];
		double gates; /* NaN: no unit multiplies them */
	} unit[KEPT];
};

static double unit_gates(struct units *u, const struct qb_format *weights,
	const struct qb_format *activations)
{
	const char *w = weights ? weights->name : "", *a = activations ? activations->name : "";
	int gates, i = 0;

	while (i < u->count && (strcmp(u->unit[i].weights, w) != 0 || strcmp(u->unit[i].activations, a) != 0)) {
		i++;
	}
	if (i < u->count) {
		return u->unit[i].gates;
	}
	i = u->count < KEPT ? u->count++ : KEPT - 1;
	strcpy(u->unit[i].weights, w);
	strcpy(u->unit[i].activations, a);
	u->unit[i].gates = qb_hw_scheme_gates(weights, activations, &gates, NULL) == QB_OK ? gates : NAN;
	return u->unit[i].gates;
}

static const struct qb_format *format_of(const struct qb_quantization *q, const struct qb_value *v)
{
	return q && v && q->q[v->index] ? &q->q[v->index]->format : NULL;
}

static const struct qb_format *part_format(const struct qb_scheme_part *part)
{
	return part && part->quantized ? &part->format : NULL;
}

json_t *qb_gates_json(const struct qb_network *network, const struct qb_quantization *q)
{
	const struct qb_graph *g = network->graph;
	struct units units = {0};
	double all = 0;

	for (int i = 0; i < g->nodes; i++) {
		const struct qb_node *n = g->node[i];
		int64_t macs = qb_node_macs(n);
		int weight = n->op->weight_input >= 0 ? n->op->weight_input : 1;

		if (macs > 0 && n->inputs > weight) {
			all += (double)macs / (double)network->batch *
				unit_gates(&units, format_of(q, n->input[weight]),
					format_of(q, n->input[weight ? 0 : 1]));
		}
	}
	return json_pack("{s:o, s:o}", "unit",
		qb_json_real(unit_gates(&units, part_format(q ? &q->scheme.weights : NULL),
			part_format(q ? &q->scheme.activations : NULL))),
		"network", qb_json_real(all));
}
