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

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/quant/weight.h"
#include "core/train/bn_reestimation.h"
#include "core/train/deploy.h"
#include "core/train/fold_factors.h"
#include "core/train/trainer_state.h"
#include "tests/unit/train/small_qat.h"

static char folder[64];

static const char *in_folder(const char *name)
{
	static char path[4][128];
	static int next;

	next = (next + 1) % 4;
	snprintf(path[next], sizeof(path[next]), "%s/%s", folder, name);
	return path[next];
}

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "qat-XXXXXX");
	if (!mkdtemp(folder)) {
		return -1;
	}
	if (!qat_write_data(in_folder("data"))) {
		return -1;
	}
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

/* ---- schemes by layer ---- */

static const struct qb_quantizer *quantizer_of(const struct qat_start *s, const struct qb_value *v)
{
	return s->quantization->q[v->index];
}

static void layer_scheme__ends_and_layers_only__leave_the_rest_as_it_should_be(void **state)
{
	const struct qb_layer_scheme_options opt = {true, true};
	struct qat_start s = qat_start("w4a4", &opt);
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
	qat_start_fini(&s);
}

static void layer_scheme__named_by_the_scheme__stays(void **state)
{
	const struct qb_layer_scheme_options opt = {true, true};
	struct qat_start s = qat_start("w4a4", NULL);
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
	qat_start_fini(&s);
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
	struct qat_start *s;
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
	float y[BATCH * CLASSES];

	QB_TRY(qb_qat_deploy(&d, r->qat, t, &opt, eb));
	qat_simulate(d.bound, d.quantization, t->input[0], y);
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

static void begin(struct trained *r, struct qat_start *s, const char *methods, struct qb_qat_config *q, const struct qb_train_config *c)
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
	struct qat_start s = qat_start(scheme, opt);
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
	qat_start_fini(&s);
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
	struct qat_start s = qat_start("w4a4", &both);
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
	qat_start_fini(&s);
}

/* The trainer runs the batch again for it, and goes on as if it had not. */
static void train__ewgs_by_curvature__measures_and_learns(void **state)
{
	const struct qb_layer_scheme_options both = {true, true};
	struct qat_start s = qat_start("w4a4", &both);
	struct qb_train_config c = small_config(QB_BATCH_NORM_TRAIN, 8);
	struct trained r = {0};
	struct qb_qat_config q;
	int measured = 0;

	(void)state;
	qb_qat_config_init(&q);
	begin(&r, &s, "[{\"name\": \"ewgs\", \"curvature\": true, \"every\": 2, \"batches\": 2, \"vectors\": 2}]", &q, &c);
	run(&r);
	assert_true(r.loss[31] < 0.7 * r.loss[0]);
	for (int i = 0; i < qb_qat_layers(r.qat); i++) {
		const struct qb_train_layer *l = qb_qat_layer(r.qat, i);

		assert_true(l->factor >= 0 && isfinite(l->factor));
		assert_int_equal(l->curvature_batches, 2);
		measured += l->factor > 0;
	}
	assert_true(measured > 0);
	end(&r);
	qat_start_fini(&s);
}

/* A flipped channel is the same network: the float logits before any step. */
static void train__negative_gains__are_flipped_without_a_change(void **state)
{
	struct qat_start s = qat_start("w8a8", NULL);
	struct qb_train_config c = small_config(QB_BATCH_NORM_FROZEN, 1);
	struct qb_tensor x = {.dtype = QB_F32, .ndim = 4, .dim = {BATCH, 3, 8, 8}, .data = qat_samples}, a, b;
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
	qat_start_fini(&s);
}

/* Weights as a method of PTQ decided them, here all rounded down: training begins with exactly these. */
static void train__from_a_scheme__begins_with_what_its_methods_decided(void **state)
{
	const struct qb_layer_scheme_options both = {true, true};
	const char *const schemes[] = {"w4a4", "w8a8", "int4/float32"};

	(void)state;
	for (size_t k = 0; k < QB_COUNT(schemes); k++) {
		struct qat_start s = qat_start(schemes[k], k ? NULL : &both);
		struct qb_train_config c = small_config(QB_BATCH_NORM_FROZEN, 1);
		const struct qb_deploy_options opt = {.scheme = &s.scheme, .batch = BATCH};
		struct qb_deployment d;
		struct trained r = {0};
		struct qb_qat_config q;
		int decided = 0;

		for (int i = 0; i < s.bound->values; i++) {
			const struct qb_value *v = s.bound->value[i];
			int64_t outer, channels, inner;
			float *down, *up;

			if (!v->constant || !s.quantization->q[i]) {
				continue;
			}
			qb_weight_extents(v, s.quantization->axis[i], &outer, &channels, &inner);
			down = calloc(2 * qb_value_size(v), sizeof(*down));
			up = down + qb_value_size(v);
			qb_neighbours(s.quantization->q[i], v->constant->data, down, up, outer, channels, inner);
			assert_int_equal(qb_quantization_override(s.quantization, v, down, NULL), QB_OK);
			free(down);
		}
		qb_qat_config_init(&q);
		q.from_scheme = true;
		begin(&r, &s, "[\"lsq\"]", &q, &c);
		assert_int_equal(qb_qat_deploy(&d, r.qat, r.t, &opt, NULL), QB_OK);
		for (int i = 0; i < s.bound->values; i++) {
			const float *want = s.quantization->constant[i], *got = d.quantization->constant[i];

			for (size_t n = 0; want && n < qb_value_size(s.bound->value[i]); n++) {
				if (!(fabsf(got[n] - want[n]) <= 2e-6f * fabsf(want[n]))) {
					fail_msg("%s: element %zu of %s is %g, not %g", schemes[k], n, s.bound->value[i]->name, (double)got[n],
						(double)want[n]);
				}
				decided++;
			}
		}
		assert_true(decided > 70000);
		qb_deployment_fini(&d);
		end(&r);
		qat_start_fini(&s);
	}
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
	struct qat_start s = qat_start("w3a3", &both);
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
	qat_start_fini(&s);
}

static void reestimate__after_training__replaces_statistics_and_tells_the_divergence(void **state)
{
	const struct qb_layer_scheme_options both = {true, true};
	struct qat_start s = qat_start("w4a4", &both);
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
	qat_start_fini(&s);
}

static void create__what_cannot_be_trained__is_refused(void **state)
{
	struct qat_start e = qat_start("E4", NULL), b = qat_start("mxfp4", NULL);
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
	qat_start_fini(&e);
	qat_start_fini(&b);
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
		cmocka_unit_test(train__ewgs_by_curvature__measures_and_learns),
		cmocka_unit_test(train__from_a_scheme__begins_with_what_its_methods_decided),
		cmocka_unit_test(checkpoint__killed_and_resumed__ends_with_the_same_bytes),
		cmocka_unit_test(reestimate__after_training__replaces_statistics_and_tells_the_divergence),
		cmocka_unit_test(create__what_cannot_be_trained__is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
