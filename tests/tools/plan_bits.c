/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes down what plans of a network compute, as one 64-bit FNV-1a hash a line, for tests/bits.py:
 *   plan_bits MODEL.onnx SCHEME...
 *   observed VALUE HASH         each value that a scheme quantizes, in the float plan with observers
 *   plain HASH                  the outputs of the plan that latency is measured with, of the graph as core/ptq/network.c joins it
 *   SCHEME simulated HASH       the outputs of the observed plan with the scheme's overlay
 *   SCHEME weight VALUE HASH    a constant under the scheme
 *   SCHEME integer VALUE HASH   each quantized value in the integer plan (dequantized), and "outputs"; or why there is none
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cpu.h"
#include "core/base/random.h"
#include "core/exec/exec.h"
#include "core/quant/observer.h"
#include "core/quant/placement.h"

enum { CALIBRATING = 3 };

struct net {
	struct qb_graph *model, *graph;
	struct qb_placement *place;
	struct qb_observer **observer; /* [values] */
	bool *observed;                /* [values] */
	struct qb_plan *plan;
	void **input, **output;
	const char *prefix;            /* of the lines of observed values; NULL: observers are fed instead */
};

static uint64_t hash(const void *data, size_t bytes)
{
	const uint8_t *p = data;
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < bytes; i++) {
		h = (h ^ p[i]) * 0x100000001b3u;
	}
	return h;
}

static size_t bytes_of(const struct qb_value *v)
{
	size_t n = qb_dtype_bytes(v->dtype);

	for (int i = 0; i < v->shape.ndim; i++) {
		n *= (size_t)v->shape.dim[i];
	}
	return n;
}

static void observe(void *arg, int value, float *x, size_t n)
{
	struct net *t = arg;

	if (t->prefix) {
		printf("%s %s %016" PRIx64 "\n", t->prefix, t->graph->value[value]->name, hash(x, n * sizeof(*x)));
	} else {
		qb_observer_update(t->observer[value], x, n);
	}
}

static void fill(struct net *t, uint64_t seed)
{
	for (int k = 0; k < t->graph->inputs; k++) {
		const struct qb_value *v = t->graph->input[k];
		size_t n = bytes_of(v) / qb_dtype_bytes(v->dtype);

		memset(t->input[k], 0, bytes_of(v));
		for (size_t i = 0; i < n; i++) {
			if (v->dtype == QB_F32) {
				((float *)t->input[k])[i] = (float)(2 * qb_random_normal(seed, 1 + (uint64_t)k, i));
			} else if (v->dtype == QB_I64) {
				((int64_t *)t->input[k])[i] = qb_random_u32(seed, 1 + (uint64_t)k, i) % 4 > 0;
			}
		}
	}
}

static enum qb_err load(struct net *t, const char *path, struct qb_errbuf *eb)
{
	QB_TRY(qb_graph_import(&t->model, path, eb));
	QB_TRY(qb_graph_prepare(t->model, eb));
	QB_TRY(qb_graph_bind(&t->graph, t->model, 1, eb));
	QB_TRY(qb_placement_create(&t->place, t->graph, eb));
	t->observed = calloc((size_t)t->graph->values + 1, sizeof(*t->observed));
	t->observer = calloc((size_t)t->graph->values + 1, sizeof(*t->observer));
	for (int i = 0; i < t->graph->values; i++) {
		t->observed[i] = t->place->role[i] == QB_ROLE_ACTIVATION;
		t->observer[i] = qb_observer_create();
	}
	t->input = calloc((size_t)t->graph->inputs + 1, sizeof(*t->input));
	t->output = calloc((size_t)t->graph->outputs + 1, sizeof(*t->output));
	for (int i = 0; i < t->graph->inputs; i++) {
		t->input[i] = malloc(bytes_of(t->graph->input[i]) + 1);
	}
	for (int i = 0; i < t->graph->outputs; i++) {
		t->output[i] = malloc(bytes_of(t->graph->output[i]) + 1);
	}
	return qb_plan_create(&t->plan, t->graph, QB_PLAN_OBSERVED, 1, t->observed, eb);
}

/* Runs a plan on the last inputs; its outputs are written down under the label, if there is one. */
static enum qb_err run(struct net *t, const struct qb_plan *plan, const struct qb_overlay *overlay, const char *prefix,
	const char *label, struct qb_errbuf *eb)
{
	struct qb_session *s = NULL;
	struct qb_run r = {.input = (const void *const *)t->input, .output = t->output, .overlay = overlay, .observe = observe,
		.observe_arg = t, .ordered = true};

	t->prefix = prefix;
	QB_TRY(qb_session_create(&s, plan, false, eb));
	QB_TRY(qb_session_run(s, &r, eb));
	qb_session_destroy(&s);
	for (int i = 0; label && i < t->graph->outputs; i++) {
		printf("%s %016" PRIx64 "\n", label, hash(t->output[i], bytes_of(t->graph->output[i])));
	}
	return QB_OK;
}

static enum qb_err weights(const struct net *t, const struct qb_quantization *q, const char *scheme, struct qb_errbuf *eb)
{
	for (int i = 0; i < t->graph->values; i++) {
		const struct qb_value *v = t->graph->value[i];
		float *y = v->constant && q->q[i] ? malloc(bytes_of(v) + 1) : NULL;

		if (y) {
			QB_TRY(qb_quantization_constant(q, v, y, NULL, eb));
			printf("%s weight %s %016" PRIx64 "\n", scheme, v->name, hash(y, bytes_of(v)));
			free(y);
		}
	}
	return QB_OK;
}

static enum qb_err integers(struct net *t, const struct qb_quantization *q, const char *scheme, struct qb_errbuf *eb)
{
	struct qb_plan *plan = NULL;
	char prefix[200], label[220];
	enum qb_err err = qb_int8_check(q, eb);

	if (err == QB_OK) {
		err = qb_plan_create_int8(&plan, t->graph, 1, q, t->observed, eb);
	}
	if (err == QB_EUNSUPPORTED) {
		printf("%s integer: %s\n", scheme, eb->text);
		return QB_OK;
	}
	QB_TRY(err);
	snprintf(prefix, sizeof(prefix), "%s integer", scheme);
	snprintf(label, sizeof(label), "%s outputs", prefix);
	QB_TRY(run(t, plan, NULL, prefix, label, eb));
	qb_plan_destroy(&plan);
	return QB_OK;
}

static enum qb_err under(struct net *t, const char *name, struct qb_errbuf *eb)
{
	struct qb_scheme scheme;
	struct qb_quantization *q = NULL;
	struct qb_overlay *overlay = NULL;
	char label[200];

	snprintf(label, sizeof(label), "%s simulated", name);
	QB_TRY(qb_scheme_parse(&scheme, name, eb));
	QB_TRY(qb_quantization_create(&q, &scheme, t->graph, t->place, t->observer, eb));
	QB_TRY(qb_overlay_create(&overlay, t->plan, q, eb));
	QB_TRY(weights(t, q, name, eb));
	QB_TRY(run(t, t->plan, overlay, label, label, eb));
	qb_overlay_destroy(&overlay);
	QB_TRY(integers(t, q, name, eb));
	qb_quantization_destroy(&q);
	return QB_OK;
}

static enum qb_err write_down(struct net *t, int argc, char **argv, struct qb_errbuf *eb)
{
	struct qb_graph *frozen = NULL;
	struct qb_plan *plain = NULL;

	QB_TRY(qb_cpu_check(eb));
	QB_TRY(load(t, argv[1], eb));
	for (uint64_t seed = 1; seed <= CALIBRATING; seed++) {
		fill(t, seed);
		QB_TRY(run(t, t->plan, NULL, NULL, NULL, eb));
	}
	fill(t, CALIBRATING + 1);
	QB_TRY(run(t, t->plan, NULL, "observed", "observed outputs", eb));
	QB_TRY(qb_graph_bind(&frozen, t->model, 1, eb));
	QB_TRY(qb_pass_join_frozen(frozen, eb));
	QB_TRY(qb_plan_create(&plain, frozen, QB_PLAN_FROZEN, 1, NULL, eb));
	QB_TRY(run(t, plain, NULL, "plain", "plain", eb));
	qb_plan_destroy(&plain);
	for (int i = 2; i < argc; i++) {
		QB_TRY(under(t, argv[i], eb));
	}
	return QB_OK;
}

/* The process ends with the job: what it allocated goes with it. */
int main(int argc, char **argv)
{
	struct qb_errbuf eb = {0};
	struct net t = {0};

	if (argc < 3) {
		fprintf(stderr, "usage: plan_bits MODEL.onnx SCHEME...\n");
		return 2;
	}
	if (write_down(&t, argc, argv, &eb) != QB_OK) {
		fprintf(stderr, "plan_bits: %s\n", eb.text);
		return 1;
	}
	return 0;
}
