/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/train/small_qat.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/random.h"
#include "core/graph/op.h"
#include "core/train/networks/architecture.h"

static void need(enum qb_err err, const struct qb_errbuf *eb)
{
	if (err != QB_OK) {
		fprintf(stderr, "%s\n", eb->text);
		abort();
	}
}

/* x [64,3,8,8] around the mean of its class, and y [64]. */
float qat_samples[SAMPLES * IMAGE];

bool qat_write_data(const char *path)
{
	char header[256];
	int64_t y[SAMPLES];
	uint64_t length;
	FILE *f = fopen(path, "wb");

	if (!f) {
		return false;
	}
	for (int i = 0; i < SAMPLES; i++) {
		y[i] = qb_random_u32(1, 1, (uint64_t)i) % CLASSES;
		for (int k = 0; k < IMAGE; k++) {
			qat_samples[i * IMAGE + k] = (float)(qb_random_normal(2, (uint64_t)i, (uint64_t)k) +
				qb_random_normal(3, (uint64_t)y[i], (uint64_t)k));
		}
	}
	length = (uint64_t)snprintf(header, sizeof(header), "{\"x\":{\"dtype\":\"F32\",\"shape\":[%d,3,8,8],\"data_offsets\":[0,%zu]},"
		"\"y\":{\"dtype\":\"I64\",\"shape\":[%d],\"data_offsets\":[%zu,%zu]}}", SAMPLES, sizeof(qat_samples), SAMPLES, sizeof(qat_samples),
		sizeof(qat_samples) + sizeof(y));
	fwrite(&length, 8, 1, f);
	fwrite(header, 1, length, f);
	fwrite(qat_samples, 1, sizeof(qat_samples), f);
	fwrite(y, sizeof(*y), SAMPLES, f);
	return fclose(f) == 0;
}

/* ResNet8 on 8 x 8 images, its batch norms as if they had seen data: some gains are negative. */
static struct qb_graph *network(void)
{
	const struct qb_architecture *a = qb_architecture_find("resnet8");
	const struct qb_architecture_input input = {3, {3, 8, 8}, CLASSES};
	struct qb_graph *g = NULL;
	struct qb_errbuf eb = {0};
	void *params = NULL;
	uint64_t at = 0;

	need(qb_named_defaults(&params, &a->named, &eb), &eb);
	need(qb_architecture_build(&g, a, &input, params, 1, &eb), &eb);
	free(params);
	for (int i = 0; i < g->nodes; i++) {
		for (int k = 1; k < 5 && qb_node_is(g->node[i], QB_OP_BatchNormalization); k++) {
			const struct qb_tensor *t = g->node[i]->input[k]->constant;

			for (size_t c = 0; c < qb_tensor_size(t); c++) {
				double r = qb_random_normal(31, (uint64_t)k, at++), gain = (r < -1 ? -1 : 1) * (0.6 + 0.2 * fabs(r));

				((float *)t->data)[c] = (float)(k == 1 ? gain : k == 4 ? 0.5 + fabs(r) : 0.2 * r);
			}
		}
	}
	return g;
}

struct observing {
	const struct qb_placement *p;
	struct qb_observer **observer;
};

static enum qb_err observe(void *arg, const struct qb_value *v, const struct qb_tensor *t, struct qb_errbuf *eb)
{
	struct observing *o = arg;

	(void)eb;
	if (t->dtype == QB_F32 && o->p->role[v->index] == QB_ROLE_ACTIVATION && o->observer[v->index]) {
		qb_observer_update(o->observer[v->index], t->data, qb_tensor_size(t));
	}
	return QB_OK;
}

/* Quantizers of a scheme by calibration on the first batch. */
static struct qat_start start_of(struct qb_graph *network, const char *scheme, const struct qb_layer_scheme_options *opt)
{
	struct qat_start s = {.network = network};
	struct qb_tensor x = {.dtype = QB_F32, .ndim = 4, .dim = {BATCH, 3, 8, 8}, .data = qat_samples}, y;
	const struct qb_tensor *in[] = {&x};
	struct observing o;
	struct qb_errbuf eb = {0};

	if (qb_graph_clone(&s.prepared, s.network, &eb) != QB_OK || qb_graph_prepare(s.prepared, &eb) != QB_OK ||
		qb_graph_bind(&s.bound, s.prepared, BATCH, &eb) != QB_OK || qb_placement_create(&s.placement, s.bound, &eb) != QB_OK ||
		qb_scheme_parse(&s.base, scheme, &eb) != QB_OK) {
		need(QB_EINTERNAL, &eb);
	}
	if (s.base.activations.quantized) {
		s.base.activations.format = qb_activation_format(&s.base.activations.format);
		s.base.activations.range.method = QB_RANGE_MSE;
	}
	s.scheme = s.base;
	if (opt && qb_layer_scheme(&s.scheme, &s.base, s.bound, s.placement, opt, &eb) != QB_OK) {
		need(QB_EINTERNAL, &eb);
	}
	o = (struct observing){s.placement, calloc((size_t)s.bound->values, sizeof(*o.observer))};
	for (int i = 0; i < s.bound->values; i++) {
		o.observer[i] = s.placement->role[i] == QB_ROLE_ACTIVATION ? qb_observer_create() : NULL;
	}
	for (int i = 0; i < s.bound->inputs; i++) {
		observe(&o, s.bound->input[i], &x, NULL);
	}
	need(qb_graph_eval_visit(s.bound, in, &y, observe, &o, &eb), &eb);
	free(y.data);
	if (qb_quantization_create(&s.quantization, &s.scheme, s.bound, s.placement, o.observer, &eb) != QB_OK) {
		need(QB_EINTERNAL, &eb);
	}
	for (int i = 0; i < s.bound->values; i++) {
		qb_observer_destroy(&o.observer[i]);
	}
	free(o.observer);
	return s;
}

struct qat_start qat_start(const char *scheme, const struct qb_layer_scheme_options *opt)
{
	return start_of(network(), scheme, opt);
}

struct qat_start qat_start_mlp(const char *scheme)
{
	const struct qb_architecture_input input = {3, {3, 8, 8}, CLASSES};
	json_t *named = json_pack("{s:s, s:[i]}", "name", "mlp", "layers", 4);
	struct qb_graph *g = NULL;
	struct qb_errbuf eb = {0};
	void *params = NULL;
	int index = 0;

	need(qb_named_read(&index, &params, &qb_architectures, named, "network", NULL, &eb), &eb);
	need(qb_architecture_build(&g, qb_architecture_at(index), &input, params, 1, &eb), &eb);
	free(params);
	json_decref(named);
	return start_of(g, scheme, NULL);
}

void qat_start_fini(struct qat_start *s)
{
	if (s->scheme.layer != s->base.layer) {
		qb_layer_scheme_fini(&s->scheme);
	}
	qb_quantization_destroy(&s->quantization);
	qb_placement_destroy(&s->placement);
	qb_graph_destroy(&s->bound);
	qb_graph_destroy(&s->prepared);
	qb_graph_destroy(&s->network);
}

void qat_simulate(const struct qb_graph *bound, const struct qb_quantization *q, const float *x, float *y)
{
	struct qb_plan *plan = NULL;
	struct qb_overlay *overlay = NULL;
	struct qb_session *session = NULL;
	const void *in[] = {x};
	void *out[] = {y};
	bool *quantized = calloc((size_t)bound->values, sizeof(*quantized));
	struct qb_errbuf eb = {0};

	for (int i = 0; i < bound->values; i++) {
		quantized[i] = q->q[i] && !bound->value[i]->constant;
	}
	need(qb_plan_create(&plan, bound, QB_PLAN_OBSERVED, 1, quantized, &eb), &eb);
	need(qb_overlay_create(&overlay, plan, q, &eb), &eb);
	need(qb_session_create(&session, plan, false, &eb), &eb);
	need(qb_session_run(session, &(struct qb_run){.input = in, .output = out, .overlay = overlay}, &eb), &eb);
	free(quantized);
	qb_session_destroy(&session);
	qb_overlay_destroy(&overlay);
	qb_plan_destroy(&plan);
}
