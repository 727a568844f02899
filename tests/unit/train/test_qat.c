/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantization-aware training as a whole on a small residual network: what is trained is what is deployed, parameters learn, states go
 * through checkpoints, and what cannot be trained is refused.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/base/size.h"
#include "core/exec/exec.h"
#include "core/graph/op.h"
#include "core/train/bn_reestimation.h"
#include "core/train/deploy.h"
#include "core/train/fold_factors.h"
#include "core/train/layer_scheme.h"
#include "core/train/networks/architecture.h"
#include "core/train/trainer_state.h"

enum { SAMPLES = 64, IMAGE = 3 * 8 * 8, CLASSES = 4, BATCH = 16 };

static char folder[64];

static const char *in_folder(const char *name)
{
	static char path[4][128];
	static int next;

	next = (next + 1) % 4;
	snprintf(path[next], sizeof(path[next]), "%s/%s", folder, name);
	return path[next];
}

/* x [64,3,8,8] around the mean of its class, and y [64]. */
static float samples[SAMPLES * IMAGE];

static void write_data(const char *path)
{
	char header[256];
	int64_t y[SAMPLES];
	uint64_t length;
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	for (int i = 0; i < SAMPLES; i++) {
		y[i] = qb_random_u32(1, 1, (uint64_t)i) % CLASSES;
		for (int k = 0; k < IMAGE; k++) {
			samples[i * IMAGE + k] = (float)(qb_random_normal(2, (uint64_t)i, (uint64_t)k) +
				qb_random_normal(3, (uint64_t)y[i], (uint64_t)k));
		}
	}
	length = (uint64_t)snprintf(header, sizeof(header), "{\"x\":{\"dtype\":\"F32\",\"shape\":[%d,3,8,8],\"data_offsets\":[0,%zu]},"
		"\"y\":{\"dtype\":\"I64\",\"shape\":[%d],\"data_offsets\":[%zu,%zu]}}", SAMPLES, sizeof(samples), SAMPLES, sizeof(samples),
		sizeof(samples) + sizeof(y));
	fwrite(&length, 8, 1, f);
	fwrite(header, 1, length, f);
	fwrite(samples, 1, sizeof(samples), f);
	fwrite(y, sizeof(*y), SAMPLES, f);
	assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "qat-XXXXXX");
	if (!mkdtemp(folder)) {
		return -1;
	}
	write_data(in_folder("data"));
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"data", "a", "a.new"};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(names); i++) {
		unlink(in_folder(names[i]));
	}
	return rmdir(folder);
}

/* ---- a network, and where its training starts ---- */

/* ResNet8 on 8 x 8 images, its batch norms as if they had seen data: some gains are negative. */
static struct qb_graph *network(void)
{
	const struct qb_architecture *a = qb_architecture_find("resnet8");
	const struct qb_architecture_input input = {3, {3, 8, 8}, CLASSES};
	void *params = calloc(1, a->params_bytes + 1);
	struct qb_graph *g = NULL;
	uint64_t at = 0;

	if (a->defaults) {
		a->defaults(params);
	}
	assert_int_equal(qb_architecture_build(&g, a, &input, params, 1, NULL), QB_OK);
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

struct started {
	struct qb_graph *network, *prepared, *bound;
	struct qb_placement *placement;
	struct qb_scheme base, scheme;
	struct qb_quantization *quantization;
};

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
static struct started start(const char *scheme, const struct qb_layer_scheme_options *opt)
{
	struct started s = {.network = network()};
	struct qb_tensor x = {.dtype = QB_F32, .ndim = 4, .dim = {BATCH, 3, 8, 8}, .data = samples}, y;
	const struct qb_tensor *in[] = {&x};
	struct observing o;
	struct qb_errbuf eb = {0};

	if (qb_graph_clone(&s.prepared, s.network, &eb) != QB_OK || qb_graph_prepare(s.prepared, &eb) != QB_OK ||
		qb_graph_bind(&s.bound, s.prepared, BATCH, &eb) != QB_OK || qb_placement_create(&s.placement, s.bound, &eb) != QB_OK ||
		qb_scheme_parse(&s.base, scheme, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
	if (s.base.activations.quantized) {
		s.base.activations.format = qb_activation_format(&s.base.activations.format);
		s.base.activations.range.method = QB_RANGE_MSE;
	}
	s.scheme = s.base;
	if (opt && qb_layer_scheme(&s.scheme, &s.base, s.bound, s.placement, opt, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
	o = (struct observing){s.placement, calloc((size_t)s.bound->values, sizeof(*o.observer))};
	for (int i = 0; i < s.bound->values; i++) {
		o.observer[i] = s.placement->role[i] == QB_ROLE_ACTIVATION ? qb_observer_create() : NULL;
	}
	for (int i = 0; i < s.bound->inputs; i++) {
		observe(&o, s.bound->input[i], &x, NULL);
	}
	assert_int_equal(qb_graph_eval_visit(s.bound, in, &y, observe, &o, &eb), QB_OK);
	free(y.data);
	if (qb_quantization_create(&s.quantization, &s.scheme, s.bound, s.placement, o.observer, &eb) != QB_OK) {
		fail_msg("%s: %s", scheme, eb.text);
	}
	for (int i = 0; i < s.bound->values; i++) {
		qb_observer_destroy(&o.observer[i]);
	}
	free(o.observer);
	return s;
}

static void fini(struct started *s)
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

/* ---- schemes by layer ---- */

static const struct qb_quantizer *quantizer_of(const struct started *s, const struct qb_value *v)
{
	return s->quantization->q[v->index];
}

static void layer_scheme__ends_and_layers_only__leave_the_rest_as_it_should_be(void **state)
{
	const struct qb_layer_scheme_options opt = {true, true};
	struct started s = start("w4a4", &opt);
	const struct qb_node *first = NULL, *last = NULL;
	int quantized = 0, sums = 0;

	(void)state;
	for (int i = 0; i < s.bound->nodes; i++) {
		const struct qb_node *n = s.bound->node[i];

		if (n->op->class == QB_OP_MATMUL) {
			first = first ? first : n;
			last = n;
		}
	}
	for (int i = 0; i < s.bound->nodes; i++) {
		const struct qb_node *n = s.bound->node[i];
		bool end = n == first || n == last;

		if (n->op->class == QB_OP_MATMUL) {
			assert_int_equal(quantizer_of(&s, n->input[1])->format.bits, end ? 8 : 4);
			assert_non_null(quantizer_of(&s, n->input[0]));
			assert_int_equal(quantizer_of(&s, n->input[0])->format.bits, end ? 8 : 4);
			quantized++;
		}
		/* A sum that only sums and pools read. */
		if (n->op->class == QB_OP_ELTWISE && !quantizer_of(&s, n->output[0])) {
			sums++;
		}
	}
	assert_true(quantized >= 10 && sums >= 1);
	assert_null(quantizer_of(&s, s.bound->output[0]));
	fini(&s);
}

static void layer_scheme__named_by_the_scheme__stays(void **state)
{
	const struct qb_layer_scheme_options opt = {true, true};
	struct started s = start("w4a4", NULL);
	struct qb_scheme_layer own = {.name = s.bound->input[0]->name, .weights = s.base.weights, .activations = s.base.activations};
	struct qb_scheme out;

	(void)state;
	assert_int_equal(qb_format_parse(&own.activations.format, "uint6_asym", NULL), QB_OK);
	s.base.layer = &own;
	s.base.layers = 1;
	assert_int_equal(qb_layer_scheme(&out, &s.base, s.bound, s.placement, &opt, NULL), QB_OK);
	for (int i = 1; i < out.layers; i++) {
		assert_string_not_equal(out.layer[i].name, own.name);
	}
	assert_int_equal(out.layer[0].activations.format.bits, 6);
	qb_layer_scheme_fini(&out);
	s.base.layer = NULL;
	s.base.layers = 0;
	s.scheme.layer = NULL;
	fini(&s);
}

/* ---- numbers ---- */

static void divergence__gaussians__is_the_integral(void **state)
{
	const double m1 = 0.3, v1 = 0.5, m2 = -0.2, v2 = 1.7, pi = acos(-1);
	double sum = 0;

	(void)state;
	for (double x = -12; x < 12; x += 1e-3) {
		double p = exp(-(x - m1) * (x - m1) / (2 * v1)) / sqrt(2 * pi * v1);
		double q = exp(-(x - m2) * (x - m2) / (2 * v2)) / sqrt(2 * pi * v2);

		sum += p > 0 ? p * log(p / q) * 1e-3 : 0;
	}
	assert_true(fabs(qb_gaussian_divergence(m1, v1, m2, v2, 1e-5) - sum) < 1e-6);
	assert_true(qb_gaussian_divergence(1, 2, 1, 2, 1e-5) == 0);
}

static void fold_factors__channels__are_found_or_refused(void **state)
{
	float raw[12], folded[12];
	double factor[3];
	struct qb_errbuf eb;

	(void)state;
	for (int i = 0; i < 12; i++) {
		raw[i] = i / 4 == 1 ? 0 : (float)(i - 5);
		folded[i] = raw[i] * (i / 4 == 0 ? 0.3f : -2.5f);
	}
	assert_int_equal(qb_fold_factors("w", raw, folded, 1, 3, 4, factor, &eb), QB_OK);
	assert_true(fabs(factor[0] - 0.3) < 1e-6 && factor[1] == 1 && fabs(factor[2] + 2.5) < 1e-6);
	folded[2] *= 1.01f;
	assert_int_equal(qb_fold_factors("w", raw, folded, 1, 3, 4, factor, &eb), QB_EUNSUPPORTED);
	assert_non_null(strstr(eb.text, "weight w"));
}

/* ---- training ---- */

struct trained {
	struct started *s;
	struct qb_qat *qat;
	struct qb_trainer *t;
	struct qb_dataset *data;
	struct qb_train_method_list methods;
	struct qb_train_hooks inner, outer; /* of qat, and those that watch them */
	int logits;                         /* watched: the network's output in the training graph */
	int compared, near, agree;          /* rows */
	double worst;
	bool float_biases;
	double loss[64];
};

static enum qb_err prepare(void *arg, struct qb_training *t, struct qb_errbuf *eb)
{
	struct trained *r = arg;

	QB_TRY(r->inner.prepare(r->inner.arg, t, eb));
	return qb_training_watch(t, t->graph->output[0], &r->logits, eb);
}

static enum qb_err before_step(void *arg, struct qb_trainer *t, const struct qb_train_position *at, struct qb_errbuf *eb)
{
	struct trained *r = arg;

	return r->inner.before_step(r->inner.arg, t, at, eb);
}

static int best(const float *y)
{
	int at = 0;

	for (int c = 1; c < CLASSES; c++) {
		at = y[c] > y[at] ? c : at;
	}
	return at;
}

/* The logits of the batch that ran, in the training graph and in the simulation of what is deployed. */
static enum qb_err compare(struct trained *r, struct qb_trainer *t, struct qb_errbuf *eb)
{
	const struct qb_deploy_options opt = {.scheme = &r->s->scheme, .batch = BATCH, .float_biases = r->float_biases};
	struct qb_deployment d;
	struct qb_plan *plan = NULL;
	struct qb_overlay *overlay = NULL;
	struct qb_session *session = NULL;
	float y[BATCH * CLASSES];
	const void *in[] = {t->input[0]};
	void *out[] = {y};
	bool *quantized;

	QB_TRY(qb_qat_deploy(&d, r->qat, t, &opt, eb));
	quantized = calloc((size_t)d.bound->values, sizeof(*quantized));
	for (int i = 0; i < d.bound->values; i++) {
		quantized[i] = d.quantization->q[i] && !d.bound->value[i]->constant;
	}
	assert_int_equal(qb_plan_create(&plan, d.bound, QB_PLAN_OBSERVED, 1, quantized, eb), QB_OK);
	assert_int_equal(qb_overlay_create(&overlay, plan, d.quantization, eb), QB_OK);
	assert_int_equal(qb_session_create(&session, plan, false, eb), QB_OK);
	assert_int_equal(qb_session_run(session, &(struct qb_run){.input = in, .output = out, .overlay = overlay}, eb), QB_OK);
	for (int i = 0; i < BATCH; i++) {
		int64_t rows = BATCH / t->shard_count;
		const float *want = (const float *)qb_trainer_watched(t, r->logits, i / rows) + i % rows * CLASSES;
		double most = 0, size = 0;

		for (int c = 0; c < CLASSES; c++) {
			most = fmax(most, fabs((double)(y[i * CLASSES + c] - want[c])));
			size = fmax(size, fabs((double)want[c]));
		}
		r->near += most <= 1e-4 * fmax(size, 1);
		r->agree += best(y + i * CLASSES) == best(want);
		r->worst = fmax(r->worst, most / fmax(size, 1));
		r->compared++;
	}
	free(quantized);
	qb_session_destroy(&session);
	qb_overlay_destroy(&overlay);
	qb_plan_destroy(&plan);
	qb_deployment_fini(&d);
	return QB_OK;
}

static enum qb_err after_gradients(void *arg, struct qb_trainer *t, const struct qb_train_position *at, double *penalty,
	struct qb_errbuf *eb)
{
	struct trained *r = arg;

	if (t->config.batch_norm == QB_BATCH_NORM_FROZEN && at->step % 3 == 0) {
		QB_TRY(compare(r, t, eb));
	}
	return r->inner.after_gradients(r->inner.arg, t, at, penalty, eb);
}

static enum qb_err after_step(void *arg, struct qb_trainer *t, const struct qb_train_position *at, struct qb_errbuf *eb)
{
	struct trained *r = arg;

	return r->inner.after_step(r->inner.arg, t, at, eb);
}

static int metrics(void *arg, struct qb_train_metric *out, int room)
{
	struct trained *r = arg;

	return r->inner.metrics(r->inner.arg, out, room);
}

static size_t state_bytes(void *arg)
{
	struct trained *r = arg;

	return r->inner.state_bytes(r->inner.arg);
}

static void save(void *arg, void *bytes)
{
	struct trained *r = arg;

	r->inner.save(r->inner.arg, bytes);
}

static enum qb_err load(void *arg, const void *bytes, size_t size, struct qb_errbuf *eb)
{
	struct trained *r = arg;

	return r->inner.load(r->inner.arg, bytes, size, eb);
}

static struct qb_train_config small_config(enum qb_batch_norm_mode mode, int epochs)
{
	struct qb_train_config c;

	qb_train_config_init(&c);
	c.batch = BATCH;
	c.epochs = epochs;
	c.seed = 5;
	c.batch_norm = mode;
	c.optimizer[QB_PARAMETERS_WEIGHTS].rate = c.optimizer[QB_PARAMETERS_NO_DECAY].rate = 0.02;
	c.optimizer[QB_PARAMETERS_QUANTIZERS] = (struct qb_optimizer_config){.kind = QB_OPTIMIZER_ADAM, .rate = 1e-3, .beta1 = 0.9,
		.beta2 = 0.999, .epsilon = 1e-8};
	return c;
}

static void begin(struct trained *r, struct started *s, const char *methods, struct qb_qat_config *q, const struct qb_train_config *c)
{
	const struct qb_input_spec input = {.name = "x", .dtype = QB_F32, .ndim = 4, .dim = {-1, 3, 8, 8}};
	json_t *list = json_loads(methods, 0, NULL);
	struct qb_errbuf eb = {0};

	r->s = s;
	if (qb_train_method_list_parse(&r->methods, list, "methods", &eb) != QB_OK) {
		fail_msg("%s: %s", methods, eb.text);
	}
	json_decref(list);
	q->methods = &r->methods;
	if (qb_dataset_open(&r->data, in_folder("data"), &input, 1, NULL, &eb) != QB_OK ||
		qb_qat_create(&r->qat, s->quantization, s->bound, q, &eb) != QB_OK) {
		fail_msg("%s: %s", methods, eb.text);
	}
	r->inner = *qb_qat_hooks(r->qat);
	r->outer = (struct qb_train_hooks){.arg = r, .prepare = prepare, .before_step = before_step, .after_gradients = after_gradients,
		.after_step = after_step, .metrics = metrics, .state_bytes = state_bytes, .save = save, .load = load};
	if (qb_trainer_create(&r->t, s->network, r->data, c, &r->outer, &eb) != QB_OK) {
		fail_msg("%s: %s", methods, eb.text);
	}
}

static void end(struct trained *r)
{
	qb_trainer_destroy(&r->t);
	qb_qat_destroy(&r->qat);
	qb_dataset_close(&r->data);
	qb_train_method_list_fini(&r->methods);
}

static enum qb_err on_step(void *arg, const struct qb_train_step *s, struct qb_errbuf *eb)
{
	struct trained *r = arg;

	(void)eb;
	r->loss[s->at.step] = s->loss;
	return QB_OK;
}

static void run(struct trained *r)
{
	const struct qb_train_callbacks cb = {.arg = r, .step = on_step};
	struct qb_train_result result;
	struct qb_errbuf eb = {0};

	if (qb_trainer_run(r->t, &cb, &result, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
}

/* With frozen batch norms: the deployed network's logits are those of the training graph but for rounding in float32, which moves an
 * element over a threshold now and then. */
static void check_deployed(const char *scheme, const char *methods, const struct qb_layer_scheme_options *opt, bool float_biases,
	enum qb_qat_ranges ranges)
{
	struct started s = start(scheme, opt);
	struct qb_train_config c = small_config(QB_BATCH_NORM_FROZEN, 3);
	struct qb_qat_config q;
	struct trained r = {.float_biases = float_biases};

	qb_qat_config_init(&q);
	q.ranges = ranges;
	begin(&r, &s, methods, &q, &c);
	run(&r);
	assert_int_equal(r.compared, 4 * BATCH);
	if (float_biases ? r.near < r.compared * 9 / 10 || r.agree < r.compared * 95 / 100 : r.agree < r.compared * 8 / 10) {
		fail_msg("%s, %s: of %d rows %d are near and %d agree; the worst is off by %g", scheme, methods, r.compared, r.near, r.agree,
			r.worst);
	}
	end(&r);
	fini(&s);
}

static void deploy__frozen_batch_norms__equals_the_training_graph(void **state)
{
	const struct qb_layer_scheme_options both = {true, true}, ends = {true, false};

	(void)state;
	check_deployed("w4a4", "[\"lsq\"]", &both, true, QB_QAT_LEARNED);
	check_deployed("w8a8", "[\"lsq\"]", NULL, true, QB_QAT_LEARNED);
	check_deployed("w4a4", "[\"lsq_plus\", \"freeze\"]", &ends, true, QB_QAT_LEARNED);
	check_deployed("w3a3", "[{\"name\": \"dsq\", \"learned\": true}, \"dampen\"]", &both, true, QB_QAT_LEARNED);
	check_deployed("w4a4", "[\"ewgs\"]", &both, true, QB_QAT_FIXED);
	check_deployed("w4a4", "[\"lsq\"]", &both, true, QB_QAT_RUNNING);
	check_deployed("w4a4", "[\"pact\"]", &both, true, QB_QAT_LEARNED);
	check_deployed("E4", "[\"lsq\"]", NULL, true, QB_QAT_LEARNED);
	check_deployed("E2", "[\"lsq\"]", NULL, true, QB_QAT_LEARNED);
}

static void deploy__int32_biases__predict_the_same(void **state)
{
	const struct qb_layer_scheme_options both = {true, true};

	(void)state;
	check_deployed("w8a8", "[\"lsq\"]", NULL, false, QB_QAT_LEARNED);
	check_deployed("w4a4", "[\"lsq\"]", &both, false, QB_QAT_LEARNED);
}

/* Weights and scales move, the loss falls, gains stay positive, integers are those of the scales. */
static void train__lsq__learns_weights_and_scales(void **state)
{
	const struct qb_layer_scheme_options both = {true, true};
	struct started s = start("w4a4", &both);
	struct qb_train_config c = small_config(QB_BATCH_NORM_TRAIN, 12);
	struct trained r = {0};
	struct qb_qat_config q;
	int moved = 0;

	(void)state;
	qb_qat_config_init(&q);
	begin(&r, &s, "[\"lsq\"]", &q, &c);
	run(&r);
	assert_true(r.loss[47] < 0.6 * r.loss[0]);
	assert_int_equal(qb_qat_layers(r.qat), 10);
	for (int i = 0; i < qb_qat_layers(r.qat); i++) {
		const struct qb_train_layer *l = qb_qat_layer(r.qat, i);
		struct qb_oscillation_summary o = qb_qat_layer_oscillations(r.qat, i);

		assert_true(l->scale->value[0] > 0);
		assert_int_equal(l->tracked, l->q.format.bits == 4);
		assert_int_equal(o.weights, l->tracked ? (int64_t)l->weight->size : 0);
	}
	for (int i = 0; i < qb_qat_activations(r.qat); i++) {
		struct qb_qat_activation a = qb_qat_activation(r.qat, i);

		for (int v = 0; v < s.bound->values; v++) {
			if (!strcmp(s.bound->value[v]->name, a.name)) {
				moved += s.quantization->q[v]->scale[0] != a.scale;
			}
		}
	}
	assert_int_equal(moved, qb_qat_activations(r.qat));
	for (int i = 0; i < qb_trainer_parameters(r.t); i++) {
		const struct qb_parameter *p = qb_trainer_parameter(r.t, i);

		for (size_t k = 0; p->role == QB_PARAMETER_ROLE_GAIN && k < p->size; k++) {
			assert_true(p->value[k] > 0);
		}
	}
	end(&r);
	fini(&s);
}

/* A flipped channel is the same network: the float logits before any step. */
static void train__negative_gains__are_flipped_without_a_change(void **state)
{
	struct started s = start("w8a8", NULL);
	struct qb_train_config c = small_config(QB_BATCH_NORM_FROZEN, 1);
	struct qb_tensor x = {.dtype = QB_F32, .ndim = 4, .dim = {BATCH, 3, 8, 8}, .data = samples}, a, b;
	const struct qb_tensor *in[] = {&x};
	struct qb_graph *flipped = NULL;
	struct trained r = {0};
	struct qb_qat_config q;
	int negative = 0;

	(void)state;
	for (int i = 0; i < s.network->nodes; i++) {
		const struct qb_node *n = s.network->node[i];

		for (int64_t k = 0; qb_node_is(n, QB_OP_BatchNormalization) && k < n->input[1]->constant->dim[0]; k++) {
			negative += ((const float *)n->input[1]->constant->data)[k] < 0;
		}
	}
	assert_true(negative > 5);
	qb_qat_config_init(&q);
	begin(&r, &s, "[\"lsq\"]", &q, &c);
	assert_int_equal(qb_trainer_network(r.t, &flipped, NULL), QB_OK);
	assert_int_equal(qb_graph_eval(s.network, in, &a, NULL), QB_OK);
	assert_int_equal(qb_graph_eval(flipped, in, &b, NULL), QB_OK);
	for (size_t i = 0; i < qb_tensor_size(&a); i++) {
		assert_true(fabsf(((float *)a.data)[i] - ((float *)b.data)[i]) <= 1e-4f * fmaxf(1, fabsf(((float *)a.data)[i])));
	}
	free(a.data);
	free(b.data);
	qb_graph_destroy(&flipped);
	end(&r);
	fini(&s);
}

static enum qb_err stop(void *arg, const struct qb_train_step *s, struct qb_errbuf *eb)
{
	struct trained *r = arg;

	r->loss[s->at.step] = s->loss;
	return s->at.step == 6 ? qb_fail(eb, QB_ECANCELLED, "killed") : QB_OK;
}

/* Killed and resumed: trackers, pinned integers and running ranges with it. */
static void checkpoint__killed_and_resumed__ends_with_the_same_bytes(void **state)
{
	const struct qb_layer_scheme_options both = {true, true};
	const char *const methods = "[\"lsq\", {\"name\": \"freeze\", \"first\": 0.02, \"threshold\": 0.005}]";
	struct qb_train_config c = small_config(QB_BATCH_NORM_TRAIN, 4);
	struct started s = start("w3a3", &both);
	struct qb_qat_config q;
	struct trained whole = {0}, killed = {0}, resumed = {0};
	struct qb_train_callbacks cb = {.arg = &killed, .step = stop};
	struct qb_train_result result;
	struct qb_errbuf eb;
	int64_t frozen = 0;

	(void)state;
	qb_qat_config_init(&q);
	q.ranges = QB_QAT_RUNNING;
	begin(&whole, &s, methods, &q, &c);
	run(&whole);
	c.checkpoint = in_folder("a");
	c.checkpoint_every = 3;
	begin(&killed, &s, methods, &q, &c);
	assert_int_equal(qb_trainer_run(killed.t, &cb, &result, &eb), QB_ECANCELLED);
	end(&killed);
	begin(&resumed, &s, methods, &q, &c);
	run(&resumed);
	for (int i = 0; i < qb_trainer_parameters(whole.t); i++) {
		const struct qb_parameter *a = qb_trainer_parameter(whole.t, i), *b = qb_trainer_parameter(resumed.t, i);

		assert_memory_equal(a->value, b->value, a->size * sizeof(float));
	}
	for (int i = 0; i < qb_qat_layers(whole.qat); i++) {
		const struct qb_train_layer *a = qb_qat_layer(whole.qat, i), *b = qb_qat_layer(resumed.qat, i);

		assert_int_equal(a->oscillation.frozen, b->oscillation.frozen);
		frozen += a->oscillation.frozen;
		assert_memory_equal(a->fed, b->fed, a->weight->size * sizeof(float));
	}
	assert_true(frozen > 0);
	end(&whole);
	end(&resumed);
	fini(&s);
}

static void reestimate__after_training__replaces_statistics_and_tells_the_divergence(void **state)
{
	const struct qb_layer_scheme_options both = {true, true};
	struct started s = start("w4a4", &both);
	struct qb_train_config c = small_config(QB_BATCH_NORM_TRAIN, 2);
	struct qb_norm_divergences d = {0};
	struct trained r = {0};
	struct qb_qat_config q;

	(void)state;
	qb_qat_config_init(&q);
	begin(&r, &s, "[\"lsq\"]", &q, &c);
	run(&r);
	qb_qat_feed(r.qat);
	assert_int_equal(qb_train_reestimate(r.t, QB_BN_REESTIMATION_BATCHES, &d, NULL), QB_OK);
	assert_true(d.count >= 7);
	for (int i = 0; i < d.count; i++) {
		assert_true(d.norm[i].mean > 0 && d.norm[i].most >= d.norm[i].mean && d.norm[i].channels >= 4);
	}
	qb_norm_divergences_fini(&d);
	/* A second time nothing is left to correct. */
	assert_int_equal(qb_train_reestimate(r.t, QB_BN_REESTIMATION_BATCHES, &d, NULL), QB_OK);
	for (int i = 0; i < d.count; i++) {
		assert_true(d.norm[i].most < 1e-9);
	}
	qb_norm_divergences_fini(&d);
	end(&r);
	fini(&s);
}

static void create__what_cannot_be_trained__is_refused(void **state)
{
	struct started e = start("E4", NULL), b = start("mxfp4", NULL);
	json_t *dsq = json_pack("[s]", "dsq"), *freeze = json_pack("[s]", "freeze");
	struct qb_train_method_list list;
	struct qb_qat_config q;
	struct qb_qat *qat = NULL;
	struct qb_errbuf eb;

	(void)state;
	qb_qat_config_init(&q);
	q.methods = &list;
	assert_int_equal(qb_train_method_list_parse(&list, dsq, "methods", NULL), QB_OK);
	assert_int_equal(qb_qat_create(&qat, e.quantization, e.bound, &q, &eb), QB_EUNSUPPORTED);
	assert_non_null(strstr(eb.text, "integers"));
	qb_train_method_list_fini(&list);
	assert_int_equal(qb_train_method_list_parse(&list, NULL, "methods", NULL), QB_OK);
	assert_int_equal(qb_qat_create(&qat, b.quantization, b.bound, &q, &eb), QB_EUNSUPPORTED);
	assert_non_null(strstr(eb.text, "block"));
	qb_train_method_list_fini(&list);
	json_decref(dsq);
	json_decref(freeze);
	fini(&e);
	fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layer_scheme__ends_and_layers_only__leave_the_rest_as_it_should_be),
		cmocka_unit_test(layer_scheme__named_by_the_scheme__stays),
		cmocka_unit_test(divergence__gaussians__is_the_integral),
		cmocka_unit_test(fold_factors__channels__are_found_or_refused),
		cmocka_unit_test(train__negative_gains__are_flipped_without_a_change),
		cmocka_unit_test(deploy__frozen_batch_norms__equals_the_training_graph),
		cmocka_unit_test(deploy__int32_biases__predict_the_same),
		cmocka_unit_test(train__lsq__learns_weights_and_scales),
		cmocka_unit_test(checkpoint__killed_and_resumed__ends_with_the_same_bytes),
		cmocka_unit_test(reestimate__after_training__replaces_statistics_and_tells_the_divergence),
		cmocka_unit_test(create__what_cannot_be_trained__is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
