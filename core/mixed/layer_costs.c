/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mixed/layer_costs.h"

#include <stdlib.h>
#include <string.h>

#include "core/analysis/profile.h"
#include "core/ptq/query_samples.h"
#include "core/hw/mac.h"

/* Bytes */

static enum qb_err size_costs(double *cost, int schemes, const struct qb_mixture_layers *layers,
	const struct qb_mixture_eval *eval, struct qb_errbuf *eb)
{
	int *choice = malloc(((size_t)layers->count + 1) * sizeof(*choice));
	size_t all, bytes;
	enum qb_err err = choice ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for %d layers",
		layers->count);

	for (int l = 0; choice && l < layers->count; l++) {
		choice[l] = QB_MIXTURE_FLOAT;
	}
	if (err == QB_OK) {
		err = qb_mixture_eval_bytes(eval, choice, &all, eb);
	}
	for (int l = 0; err == QB_OK && l < layers->count; l++) {
		double *c = cost + (size_t)l * (size_t)(1 + schemes);

		c[0] = (double)layers->layer[l].float_bytes;
		for (int s = 0; err == QB_OK && s < schemes; s++) {
			choice[l] = s;
			err = qb_mixture_eval_bytes(eval, choice, &bytes, eb);
			c[1 + s] = err == QB_OK ? c[0] + (double)bytes - (double)all : 0;
		}
		choice[l] = QB_MIXTURE_FLOAT;
	}
	free(choice);
	return err;
}

/* Gates */

static enum qb_err gate_costs(double *cost, const struct qb_sweep *sweep,
	const struct qb_mixture_layers *layers, struct qb_errbuf *eb)
{
	for (int s = 0; s < 1 + sweep->rows; s++) {
		const struct qb_scheme *scheme = s ? &qb_sweep_quantization(sweep, s - 1)->scheme : NULL;
		int gates;

		if (qb_hw_scheme_gates(scheme && scheme->weights.quantized ? &scheme->weights.format : NULL,
			scheme && scheme->activations.quantized ? &scheme->activations.format : NULL, &gates,
			eb) != QB_OK) {
			return qb_fail_in(eb, QB_EJOB, "mixed.budget: gates of %s", scheme ? scheme->name : "float");
		}
		for (int l = 0; l < layers->count; l++) {
			cost[l * (1 + sweep->rows) + s] = gates * layers->layer[l].macs;
		}
	}
	return QB_OK;
}

/* Nanoseconds */

static int layer_named(const struct qb_mixture_layers *layers, const char *name)
{
	for (int l = 0; l < layers->count; l++) {
		if (!strcmp(layers->layer[l].name, name)) {
			return l;
		}
	}
	return -1;
}

static void add_steps(double *cost, int stride, const struct qb_mixture_layers *layers,
	const json_t *profile)
{
	const json_t *steps = json_object_get(profile, "steps"), *step;
	size_t i;

	json_array_foreach(steps, i, step) {
		int l = layer_named(layers, json_string_value(json_object_get(step, "node")));

		if (l >= 0) {
			cost[l * stride] += (double)json_integer_value(json_object_get(step, "ns"));
		}
	}
}

static enum qb_err time_plan(double *cost, int stride, const struct qb_mixture_layers *layers,
	const struct qb_plan *plan, const struct qb_query_samples *sample, struct qb_errbuf *eb)
{
	const struct qb_run run = {.input = qb_query_samples_inputs(sample),
		.output = qb_query_samples_outputs(sample)};
	struct qb_session *session = NULL;
	json_t *profile = NULL;
	enum qb_err err;

	QB_TRY_OUT(qb_session_create(&session, plan, false, eb));
	QB_TRY_OUT(qb_profile(&profile, plan, session, &run, eb));
	add_steps(cost, stride, layers, profile);
out:
	qb_session_destroy(&session);
	json_decref(profile);
	return err;
}

/* Where a scheme has no integer execution here, it saves no time. */
static enum qb_err latency_costs(double *cost, const struct qb_sweep *sweep, int threads,
	const struct qb_mixture_layers *layers, const struct qb_graph *model, const struct qb_dataset *data,
	struct qb_errbuf *eb)
{
	int64_t batch = qb_model_batch(model) ? qb_model_batch(model) : 1;
	int stride = 1 + sweep->rows;
	struct qb_network *frozen = NULL, *n = NULL;
	struct qb_query_samples *sample = NULL;
	enum qb_err err;

	QB_TRY_OUT(qb_network_create_frozen(&frozen, model, batch, threads, eb));
	QB_TRY_OUT(qb_network_create(&n, model, batch, threads, eb));
	QB_TRY_OUT(qb_network_quantize_like(n, sweep->variant[0].network, eb));
	QB_TRY_OUT(qb_query_samples_create(&sample, frozen->graph, data, eb));
	QB_TRY_OUT(time_plan(cost, stride, layers, frozen->plan, sample, eb));
	for (int s = 0; s < sweep->rows; s++) {
		struct qb_plan *plan = NULL;

		if (qb_plan_create_int8(&plan, n->graph, threads, n->quantization[s], NULL, NULL) != QB_OK) {
			for (int l = 0; l < layers->count; l++) {
				cost[l * stride + 1 + s] = cost[l * stride];
			}
			continue;
		}
		err = time_plan(cost + 1 + s, stride, layers, plan, sample, eb);
		qb_plan_destroy(&plan);
		if (err != QB_OK) {
			goto out;
		}
	}
out:
	qb_query_samples_destroy(&sample);
	qb_network_destroy(&n);
	qb_network_destroy(&frozen);
	return err;
}

enum qb_err qb_layer_costs(double *cost, const struct qb_budget *budget, const struct qb_sweep *sweep,
	const struct qb_mixture_layers *layers, const struct qb_mixture_eval *eval, const struct qb_graph *model,
	const struct qb_dataset *data, struct qb_errbuf *eb)
{
	memset(cost, 0, (size_t)layers->count * (size_t)(1 + sweep->rows) * sizeof(*cost));
	switch (budget->kind) {
	case QB_BUDGET_SIZE:
		return size_costs(cost, sweep->rows, layers, eval, eb);
	case QB_BUDGET_GATES:
		return gate_costs(cost, sweep, layers, eb);
	case QB_BUDGET_LATENCY:
		return latency_costs(cost, sweep, budget->threads, layers, model, data, eb);
	}
	return QB_OK;
}
