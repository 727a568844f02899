/* SPDX-License-Identifier: Apache-2.0
 *
 * The trainer as a whole on small networks: against a loop by hand, resumed, refused, stopped, diverged, with a teacher, with hooks.
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
#include "core/train/permutation.h"
#include "core/train/trainer_state.h"
#include "core/train/training_network.h"
#include "tests/unit/files.h"
#include "tests/unit/networks/named_network.h"

enum { SAMPLES = 64, IMAGE = 3 * 8 * 8, CLASSES = 4 };

/* ---- networks and data ---- */

static struct qb_graph *build_mlp(void)
{
	return named_network("{\"name\": \"mlp\", \"layers\": [16], \"classes\": 4, \"input\": [3, 8, 8]}", 1);
}

static struct qb_graph *build_resnet(void)
{
	return named_network("{\"name\": \"resnet8\", \"classes\": 4, \"input\": [3, 8, 8]}", 1);
}

static char folder[64];

/* The path stays valid. */
static const char *in_folder(const char *name)
{
	static struct {
		char name[16], path[128];
	} known[8];
	int i = 0;

	while (*known[i].name && strcmp(known[i].name, name)) {
		i++;
	}
	snprintf(known[i].name, sizeof(known[i].name), "%s", name);
	snprintf(known[i].path, sizeof(known[i].path), "%s/%s", folder, name);
	return known[i].path;
}

/* x [64,3,8,8] float32 around the mean of its class, y [64] int64, as .safetensors. */
static void write_data(const char *path)
{
	char header[256];
	float *x = malloc(SAMPLES * IMAGE * sizeof(*x));
	int64_t y[SAMPLES];
	uint64_t length;
	FILE *f = fopen(path, "wb");

	assert_true(f && x);
	for (int i = 0; i < SAMPLES; i++) {
		y[i] = qb_random_u32(1, 1, (uint64_t)i) % CLASSES;
		for (int k = 0; k < IMAGE; k++) {
			x[i * IMAGE + k] = (float)(qb_random_normal(2, (uint64_t)i, (uint64_t)k) +
				qb_random_normal(3, (uint64_t)y[i], (uint64_t)k));
		}
	}
	length = (uint64_t)snprintf(header, sizeof(header), "{\"x\":{\"dtype\":\"F32\",\"shape\":[%d,3,8,8],\"data_offsets\":[0,%zu]},"
		"\"y\":{\"dtype\":\"I64\",\"shape\":[%d],\"data_offsets\":[%zu,%zu]}}", SAMPLES, SAMPLES * IMAGE * sizeof(*x), SAMPLES,
		SAMPLES * IMAGE * sizeof(*x), SAMPLES * IMAGE * sizeof(*x) + sizeof(y));
	fwrite(&length, 8, 1, f);
	fwrite(header, 1, length, f);
	fwrite(x, sizeof(*x), SAMPLES * IMAGE, f);
	fwrite(y, sizeof(*y), SAMPLES, f);
	assert_int_equal(fclose(f), 0);
	free(x);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "trainer-XXXXXX");
	if (!mkdtemp(folder)) {
		return -1;
	}
	write_data(in_folder("data"));
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"data", "a", "b", "a.new", "b.new"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		unlink(in_folder(names[i]));
	}
	return rmdir(folder);
}

static struct qb_dataset *open_data(void)
{
	const struct qb_input_spec input = {.name = "x", .dtype = QB_F32, .ndim = 4, .dim = {-1, 3, 8, 8}};
	struct qb_dataset *d = NULL;
	struct qb_errbuf eb;

	if (qb_dataset_open(&d, in_folder("data"), &input, 1, NULL, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
	return d;
}

static struct qb_train_config small_config(void)
{
	struct qb_train_config c;

	qb_train_config_init(&c);
	c.batch = 16;
	c.epochs = 3;
	c.seed = 5;
	c.optimizer[QB_PARAMETERS_WEIGHTS].rate = c.optimizer[QB_PARAMETERS_NO_DECAY].rate = 0.05;
	return c;
}

/* ---- running ---- */

/* What a run is watched by. */
struct watch {
	double loss[64];
	int steps;
	int fail_at, stop_at; /* after so many steps; 0: never */
	double metric[16];    /* of epochs */
	int evaluations;
};

static enum qb_err on_step(void *arg, const struct qb_train_step *s, struct qb_errbuf *eb)
{
	struct watch *w = arg;

	w->loss[s->at.step] = s->loss;
	w->steps++;
	return w->fail_at && s->at.step + 1 == w->fail_at ? qb_fail(eb, QB_ECANCELLED, "killed") : QB_OK;
}

static bool on_stop(void *arg)
{
	const struct watch *w = arg;

	return w->stop_at && w->steps == w->stop_at;
}

static enum qb_err on_evaluate(void *arg, struct qb_trainer *t, int epoch, double *metric, struct qb_errbuf *eb)
{
	struct watch *w = arg;

	(void)t, (void)eb;
	*metric = w->metric[epoch];
	w->evaluations++;
	return QB_OK;
}

struct session {
	struct qb_graph *network;
	struct qb_dataset *data;
	struct qb_trainer *t;
};

static struct session start(struct qb_graph *network, const struct qb_train_config *c, const struct qb_train_hooks *h)
{
	struct session s = {.network = network, .data = open_data()};
	struct qb_errbuf eb = {0};

	if (qb_trainer_create(&s.t, network, s.data, c, h, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
	return s;
}

static void finish(struct session *s)
{
	qb_trainer_destroy(&s->t);
	qb_dataset_close(&s->data);
	qb_graph_destroy(&s->network);
}

static struct qb_train_result run(struct session *s, struct watch *w, bool evaluate)
{
	const struct qb_train_callbacks cb = {.arg = w, .step = on_step, .should_stop = on_stop,
		.evaluate = evaluate ? on_evaluate : NULL};
	struct qb_train_result r = {0};
	struct qb_errbuf eb = {0};

	if (qb_trainer_run(s->t, &cb, &r, &eb) != QB_OK && !(w->fail_at && eb.code == QB_ECANCELLED)) {
		fail_msg("%s", eb.text);
	}
	return r;
}

static void assert_same_parameters(const struct session *a, const struct session *b)
{
	assert_int_equal(qb_trainer_parameters(a->t), qb_trainer_parameters(b->t));
	for (int i = 0; i < qb_trainer_parameters(a->t); i++) {
		const struct qb_parameter *p = qb_trainer_parameter(a->t, i), *q = qb_trainer_parameter(b->t, i);

		assert_memory_equal(p->value, q->value, p->size * sizeof(float));
	}
}

static void assert_near_parameters(const struct session *a, const struct session *b, double tolerance)
{
	for (int i = 0; i < qb_trainer_parameters(a->t); i++) {
		const struct qb_parameter *p = qb_trainer_parameter(a->t, i), *q = qb_trainer_parameter(b->t, i);

		for (size_t k = 0; k < p->size; k++) {
			if (!(fabs((double)p->value[k] - q->value[k]) <= tolerance)) {
				fail_msg("%s[%zu]: %.9g and %.9g", p->name, k, (double)p->value[k], (double)q->value[k]);
			}
		}
	}
}

/* ---- parameters ---- */

static void list_parameters__resnet__roles_and_groups(void **state)
{
	struct qb_graph *g = build_resnet(), *network = NULL;
	struct qb_parameter_list list;
	int roles[QB_PARAMETER_ROLE_QUANTIZER + 1] = {0};

	(void)state;
	assert_int_equal(qb_training_network(&network, g, NULL), QB_OK);
	assert_int_equal(qb_list_parameters(network, &list, NULL), QB_OK);
	for (int i = 0; i < list.count; i++) {
		const struct qb_parameter *p = &list.parameter[i];
		bool statistic = p->role == QB_PARAMETER_ROLE_MEAN || p->role == QB_PARAMETER_ROLE_VARIANCE;

		roles[p->role]++;
		assert_int_equal(p->group, statistic ? QB_PARAMETERS_STATISTICS
			: p->role == QB_PARAMETER_ROLE_WEIGHT ? QB_PARAMETERS_WEIGHTS : QB_PARAMETERS_NO_DECAY);
	}
	assert_int_equal(roles[QB_PARAMETER_ROLE_GAIN], roles[QB_PARAMETER_ROLE_MEAN]);
	assert_int_equal(roles[QB_PARAMETER_ROLE_OFFSET], roles[QB_PARAMETER_ROLE_VARIANCE]);
	assert_int_equal(roles[QB_PARAMETER_ROLE_OTHER], 0);
	assert_true(roles[QB_PARAMETER_ROLE_WEIGHT] >= 10 && roles[QB_PARAMETER_ROLE_GAIN] >= 7);
	qb_graph_destroy(&network);
	qb_graph_destroy(&g);
}

/* ---- against a loop by hand: softmax regression, SGD with momentum ---- */

static void reference_step(double *w, double *b, double *vw, double *vb, const int64_t *order, const float *x,
	const int64_t *y)
{
	static double gw[CLASSES * IMAGE], gb[CLASSES];

	memset(gw, 0, sizeof(gw));
	memset(gb, 0, sizeof(gb));
	for (int i = 0; i < 16; i++) {
		const float *row = x + order[i] * IMAGE;
		double z[CLASSES], sum = 0;

		for (int c = 0; c < CLASSES; c++) {
			z[c] = b[c];
			for (int k = 0; k < IMAGE; k++) {
				z[c] += w[c * IMAGE + k] * row[k];
			}
			sum += exp(z[c]);
		}
		for (int c = 0; c < CLASSES; c++) {
			double d = (exp(z[c]) / sum - (y[order[i]] == c)) / 16;

			gb[c] += d;
			for (int k = 0; k < IMAGE; k++) {
				gw[c * IMAGE + k] += d * row[k];
			}
		}
	}
	for (int i = 0; i < CLASSES * IMAGE; i++) {
		vw[i] = 0.9 * vw[i] + gw[i] + 1e-4 * w[i];
		w[i] -= 0.05 * vw[i];
	}
	for (int c = 0; c < CLASSES; c++) {
		vb[c] = 0.9 * vb[c] + gb[c];
		b[c] -= 0.05 * vb[c];
	}
}

static void trainer_run__softmax_regression__follows_the_loop_by_hand(void **state)
{
	static double w[CLASSES * IMAGE], vw[CLASSES * IMAGE], b[CLASSES], vb[CLASSES];
	struct qb_train_config c = small_config();
	struct watch watch = {0};
	struct session s;
	const struct qb_parameter *weight, *bias;
	float *x;
	int64_t y[SAMPLES];
	FILE *f = fopen(in_folder("data"), "rb");
	uint64_t length;

	(void)state;
	c.schedule.kind = QB_SCHEDULE_CONSTANT;
	s = start(named_network("{\"name\": \"mlp\", \"layers\": [], \"classes\": 4, \"input\": [3, 8, 8]}", 1), &c, NULL);
	assert_int_equal(qb_trainer_parameters(s.t), 2);
	weight = qb_trainer_parameter(s.t, 0);
	bias = qb_trainer_parameter(s.t, 1);
	assert_true(weight->size == CLASSES * IMAGE && weight->dim[0] == CLASSES && bias->size == CLASSES);
	for (int i = 0; i < CLASSES * IMAGE; i++) {
		w[i] = weight->value[i];
	}
	x = malloc(SAMPLES * IMAGE * sizeof(*x));
	assert_int_equal(fread(&length, 8, 1, f), 1);
	fseek(f, (long)(8 + length), SEEK_SET);
	assert_int_equal(fread(x, sizeof(*x), SAMPLES * IMAGE, f), SAMPLES * IMAGE);
	assert_int_equal(fread(y, sizeof(*y), SAMPLES, f), SAMPLES);
	fclose(f);
	for (int epoch = 0; epoch < c.epochs; epoch++) {
		int64_t order[SAMPLES];

		qb_permutation(c.seed, epoch, SAMPLES, order);
		for (int step = 0; step < SAMPLES / 16; step++) {
			reference_step(w, b, vw, vb, order + step * 16, x, y);
		}
	}
	run(&s, &watch, false);
	for (int i = 0; i < CLASSES * IMAGE; i++) {
		assert_true(fabs(weight->value[i] - w[i]) < 1e-5);
	}
	for (int i = 0; i < CLASSES; i++) {
		assert_true(fabs(bias->value[i] - b[i]) < 1e-5);
	}
	free(x);
	finish(&s);
}

/* ---- shards, threads, accumulation ---- */

static void trainer_run__threads__same_bytes(void **state)
{
	struct qb_train_config c = small_config();
	struct watch one = {0}, three = {0};
	struct session a, b;

	(void)state;
	c.augment = (struct qb_augment_config){.flip = true, .crop = 1, .noise = 0.1};
	a = start(build_resnet(), &c, NULL);
	c.threads = 3;
	b = start(build_resnet(), &c, NULL);
	run(&a, &one, false);
	run(&b, &three, false);
	assert_same_parameters(&a, &b);
	assert_memory_equal(one.loss, three.loss, sizeof(one.loss));
	assert_true(one.loss[11] < one.loss[0]);
	finish(&a);
	finish(&b);
}

/* Of all gradients, as the last step left them. */
static double gradients_length(const struct session *s)
{
	double sum = 0;

	for (int i = 0; i < qb_trainer_parameters(s->t); i++) {
		const struct qb_parameter *p = qb_trainer_parameter(s->t, i);

		for (size_t k = 0; p->gradient && k < p->size; k++) {
			sum += (double)p->gradient[k] * p->gradient[k];
		}
	}
	return sqrt(sum);
}

/* Parameters of several pieces, which threads share: gradients over all of them are as long as the clip says. */
static void trainer_run__threads_and_large_parameters__same_bytes(void **state)
{
	struct qb_train_config c = small_config();
	struct watch one = {0}, three = {0};
	struct session a, b;

	(void)state;
	c.epochs = 2;
	c.accumulation = 2;
	c.ema = 0.9;
	c.clip_norm = 0.01;
	c.optimizer[QB_PARAMETERS_WEIGHTS].kind = QB_OPTIMIZER_ADAMW;
	c.optimizer[QB_PARAMETERS_WEIGHTS].rate = 1e-3;
	a = start(named_network("{\"name\": \"mlp\", \"layers\": [501, 401], \"classes\": 4, \"input\": [3, 8, 8]}", 1), &c, NULL);
	c.threads = 3;
	b = start(named_network("{\"name\": \"mlp\", \"layers\": [501, 401], \"classes\": 4, \"input\": [3, 8, 8]}", 1), &c, NULL);
	run(&a, &one, false);
	run(&b, &three, false);
	assert_same_parameters(&a, &b);
	assert_memory_equal(one.loss, three.loss, sizeof(one.loss));
	assert_true(one.loss[3] < one.loss[0]);
	assert_true(fabs(gradients_length(&a) - 0.01) < 1e-5);
	finish(&a);
	finish(&b);
}

static void trainer_run__other_shards_and_accumulation__nearly_the_same(void **state)
{
	struct qb_train_config c = small_config();
	struct watch w = {0};
	struct session a, b, d;

	(void)state;
	a = start(build_mlp(), &c, NULL);
	c.shards = 1;
	b = start(build_mlp(), &c, NULL);
	c.batch = 8;
	c.accumulation = 2;
	d = start(build_mlp(), &c, NULL);
	run(&a, &w, false);
	run(&b, &w, false);
	run(&d, &w, false);
	assert_near_parameters(&a, &b, 1e-5);
	assert_near_parameters(&a, &d, 1e-5);
	finish(&a);
	finish(&b);
	finish(&d);
}

/* Shards share the statistics of batch norms, so the number of shards changes roundings alone. */
static void trainer_run__batch_norms_in_shards__nearly_the_same(void **state)
{
	struct qb_train_config c = small_config();
	struct watch many = {0}, one = {0};
	struct session a, b;

	(void)state;
	c.epochs = 1;
	a = start(build_resnet(), &c, NULL);
	c.shards = 1;
	b = start(build_resnet(), &c, NULL);
	run(&a, &many, false);
	run(&b, &one, false);
	for (int i = 0; i < 4; i++) {
		assert_true(fabs(many.loss[i] - one.loss[i]) < 1e-4);
	}
	assert_near_parameters(&a, &b, 1e-3);
	finish(&a);
	finish(&b);
}

static void trainer_run__recomputed__same_bytes_in_less_memory(void **state)
{
	struct qb_train_config c = small_config();
	struct watch kept = {0}, again = {0};
	struct session a, b;

	(void)state;
	a = start(build_resnet(), &c, NULL);
	c.recompute = true;
	b = start(build_resnet(), &c, NULL);
	assert_true(qb_trainer_bytes(b.t) < qb_trainer_bytes(a.t));
	run(&a, &kept, false);
	run(&b, &again, false);
	assert_same_parameters(&a, &b);
	finish(&a);
	finish(&b);
}

static void trainer_run__frozen_batch_norms__statistics_stay(void **state)
{
	struct qb_train_config c = small_config();
	struct watch w = {0};
	struct session a, b;

	(void)state;
	c.batch_norm = QB_BATCH_NORM_FROZEN;
	c.optimizer[0].rate = c.optimizer[1].rate = 0.002;
	c.epochs = 1;
	a = start(build_resnet(), &c, NULL);
	b = start(build_resnet(), &c, NULL);
	run(&a, &w, false);
	for (int i = 0; i < qb_trainer_parameters(a.t); i++) {
		const struct qb_parameter *p = qb_trainer_parameter(a.t, i), *q = qb_trainer_parameter(b.t, i);
		bool same = memcmp(p->value, q->value, p->size * sizeof(float)) == 0;

		assert_int_equal(same, p->group == QB_PARAMETERS_STATISTICS);
	}
	assert_true(w.loss[3] < w.loss[0]);
	assert_int_equal(qb_trainer_estimate_statistics(a.t, 2, NULL), QB_EINVAL);
	finish(&a);
	finish(&b);
}

static void estimate_statistics__all_batches__mean_of_theirs(void **state)
{
	struct qb_train_config c = small_config();
	struct session s;
	double mean = 0, variance = 0;
	const struct qb_trained_norm *n;

	(void)state;
	c.augment.flip = true;
	c.augment.noise = 0.3;
	s = start(build_resnet(), &c, NULL);
	n = &s.t->graph->norm[0];
	for (int i = 0; i < 4; i++) {
		const double *sums = s.t->output[0][n->sums];
		double m, count = 16 * 64;

		assert_int_equal(qb__train_batch_read(s.t, s.t->steps + i, 0, NULL), QB_OK);
		assert_int_equal(qb__train_run_shards(s.t, NULL), QB_OK);
		assert_int_equal(n->count, count);
		m = sums[0] / count;
		mean += m / 4;
		variance += (sums[n->mean->size] / count - m * m) * count / (count - 1) / 4;
	}
	assert_int_equal(qb_trainer_estimate_statistics(s.t, 100, NULL), QB_OK);
	assert_true(fabs(n->mean->value[0] - mean) < 1e-6 && fabs(n->variance->value[0] - variance) < 1e-6 * variance);
	finish(&s);
}

/* ---- checkpoints ---- */

static size_t read_file(const char *path, unsigned char **data)
{
	FILE *f = fopen(path, "rb");
	long n;

	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	*data = malloc((size_t)n + 1);
	assert_int_equal(fread(*data, 1, (size_t)n, f), n);
	fclose(f);
	return (size_t)n;
}

static struct qb_train_config resumable(const char *path)
{
	struct qb_train_config c = small_config();

	c.optimizer[0].kind = c.optimizer[1].kind = QB_OPTIMIZER_ADAMW;
	c.optimizer[0].rate = c.optimizer[1].rate = 0.003;
	c.ema = 0.8;
	c.checkpoint = path;
	c.checkpoint_every = 1;
	return c;
}

static void checkpoint__killed_at_every_step__same_bytes(void **state)
{
	struct qb_train_config c = resumable(in_folder("a"));
	struct watch whole = {.metric = {1, 3, 2}}, w;
	struct session a = start(build_resnet(), &c, NULL), b;
	struct qb_train_result r = run(&a, &whole, true), again;
	unsigned char *want, *got;
	size_t n = read_file(c.checkpoint, &want);

	(void)state;
	assert_true(r.best_epoch == 1 && r.best_metric == 3 && r.epochs == 3 && r.end == QB_TRAIN_DONE);
	c.checkpoint = in_folder("b");
	for (int step = 1; step <= 12; step++) {
		w = (struct watch){.metric = {1, 3, 2}, .fail_at = step};
		b = start(build_resnet(), &c, NULL);
		run(&b, &w, true);
		assert_int_equal(w.steps, step == 1 ? 1 : 2);
		assert_true(w.loss[step - 1] == whole.loss[step - 1]);
		finish(&b);
	}
	w = (struct watch){.metric = {1, 3, 2}};
	b = start(build_resnet(), &c, NULL);
	again = run(&b, &w, true);
	assert_int_equal(again.resumed, 11);
	assert_same_parameters(&a, &b);
	assert_int_equal(read_file(c.checkpoint, &got), n);
	assert_memory_equal(got, want, n);
	assert_memory_equal(again.history, r.history, 3 * sizeof(*r.history));
	assert_int_equal(qb_trainer_use_best(a.t, NULL), QB_OK);
	assert_int_equal(qb_trainer_use_best(b.t, NULL), QB_OK);
	assert_same_parameters(&a, &b);
	finish(&b);
	/* One that is over is read and nothing runs. */
	w = (struct watch){0};
	b = start(build_resnet(), &c, NULL);
	again = run(&b, &w, true);
	assert_true(w.steps == 0 && w.evaluations == 0 && again.step == 12 && again.best_epoch == 1);
	free(got);
	free(want);
	finish(&a);
	finish(&b);
}

static void checkpoint__stopped__goes_on(void **state)
{
	struct qb_train_config c = resumable(in_folder("a"));
	struct watch w = {.stop_at = 5}, rest = {0};
	struct session s;
	struct qb_train_result r;

	(void)state;
	unlink(c.checkpoint);
	c.checkpoint_every = 0;
	s = start(build_mlp(), &c, NULL);
	r = run(&s, &w, false);
	assert_true(r.end == QB_TRAIN_STOPPED && r.step == 5);
	finish(&s);
	s = start(build_mlp(), &c, NULL);
	r = run(&s, &rest, false);
	assert_true(r.end == QB_TRAIN_DONE && r.resumed == 5 && rest.steps == 7);
	finish(&s);
}

static void expect_refusal(const struct qb_train_config *c, enum qb_err code, const char *says)
{
	struct session s = start(build_mlp(), c, NULL);
	struct qb_train_result r;
	struct qb_errbuf eb = {0};

	assert_int_equal(qb_trainer_run(s.t, NULL, &r, &eb), code);
	if (!strstr(eb.text, says)) {
		fail_msg("\"%s\" does not say \"%s\"", eb.text, says);
	}
	finish(&s);
}

static void checkpoint__of_another_training__says_the_difference(void **state)
{
	struct qb_train_config c = resumable(in_folder("a"));
	struct session s;
	struct watch w = {0};

	(void)state;
	unlink(c.checkpoint);
	c.identity = "mlp\nof a test";
	s = start(build_mlp(), &c, NULL);
	run(&s, &w, false);
	finish(&s);
	c.seed = 6;
	expect_refusal(&c, QB_EJOB, "it says \"seed = 5\", this one is \"seed = 6\"");
	c.seed = 5;
	c.identity = "mlp";
	expect_refusal(&c, QB_EJOB, "it says \"identity = mlp of a test\", this one is \"identity = mlp\"");
	c.identity = "mlp\nof a test";
	c.ema = 0;
	expect_refusal(&c, QB_EJOB, "\"ema = 0\"");
}

static void checkpoint__damaged_anywhere__is_refused(void **state)
{
	struct qb_train_config c = resumable(in_folder("a"));
	struct watch w = {0};
	struct session s;
	unsigned char *data;
	size_t n;

	(void)state;
	unlink(c.checkpoint);
	s = start(build_mlp(), &c, NULL);
	run(&s, &w, false);
	finish(&s);
	n = read_file(c.checkpoint, &data);
	for (int i = 0; i < 60; i++) {
		/* Places all over the header, then all over the file. */
		size_t at = i < 30 ? (size_t)i * 64 / 30 : 64 + (n - 65) * (size_t)(i - 30) / 29;

		data[at] ^= 0x10;
		write_file(c.checkpoint, data, n);
		expect_refusal(&c, QB_EFORMAT, "is damaged");
		data[at] ^= 0x10;
	}
	for (int i = 0; i < 12; i++) {
		write_file(c.checkpoint, data, n * (size_t)i / 12);
		expect_refusal(&c, QB_EFORMAT, "is damaged");
	}
	write_file(c.checkpoint, data, n);
	s = start(build_mlp(), &c, NULL);
	assert_int_equal(run(&s, &w, false).resumed, 12);
	finish(&s);
	free(data);
}

/* ---- how runs end ---- */

static void trainer_run__patience__stops_early_and_keeps_the_best(void **state)
{
	struct qb_train_config c = small_config();
	struct watch w = {.metric = {1, 5, 4, 3, 9}};
	struct qb_train_result r;
	struct session s;

	(void)state;
	c.epochs = 5;
	c.patience = 2;
	s = start(build_mlp(), &c, NULL);
	r = run(&s, &w, true);
	assert_true(r.end == QB_TRAIN_EARLY && r.epochs == 4 && r.best_epoch == 1 && r.best_metric == 5);
	assert_true(r.history[1].metric == 5 && r.history[3].loss < r.history[0].loss);
	finish(&s);
}

static void trainer_run__huge_rate__says_step_and_layer(void **state)
{
	struct qb_train_config c = small_config();
	struct session s;
	struct qb_train_result r;
	struct qb_errbuf eb = {0};

	(void)state;
	c.optimizer[0].rate = c.optimizer[1].rate = 1e30;
	s = start(build_mlp(), &c, NULL);
	assert_int_equal(qb_trainer_run(s.t, NULL, &r, &eb), QB_EDIVERGED);
	assert_non_null(strstr(eb.text, "diverged at step 2 of 12 (epoch 1)"));
	assert_non_null(strstr(eb.text, "the first value that is not finite is"));
	assert_non_null(strstr(eb.text, "linear"));
	assert_non_null(strstr(eb.text, "lower rate"));
	finish(&s);
}

static void trainer_run__huge_rate_before_batch_norms__names_a_layer_and_keeps_statistics(void **state)
{
	struct qb_train_config c = small_config();
	struct session s;
	struct qb_train_result r;
	struct qb_errbuf eb = {0};

	(void)state;
	c.optimizer[0].rate = c.optimizer[1].rate = 1e25;
	s = start(build_resnet(), &c, NULL);
	assert_int_equal(qb_trainer_run(s.t, NULL, &r, &eb), QB_EDIVERGED);
	assert_non_null(strstr(eb.text, "step 2 of 12"));
	assert_non_null(strstr(eb.text, "the loss is nan"));
	assert_non_null(strstr(eb.text, "the first value that is not finite is"));
	for (int i = 0; i < qb_trainer_parameters(s.t); i++) {
		const struct qb_parameter *p = qb_trainer_parameter(s.t, i);

		for (size_t k = 0; p->group == QB_PARAMETERS_STATISTICS && k < p->size; k++) {
			assert_true(isfinite(p->value[k]));
		}
	}
	finish(&s);
}

static enum qb_err spoil_gradient(void *arg, struct qb_trainer *t, const struct qb_train_position *at, double *penalty,
	struct qb_errbuf *eb)
{
	(void)arg, (void)penalty, (void)eb;
	if (at->step == 6) {
		qb_trainer_parameter(t, 2)->gradient[3] = INFINITY;
		qb_trainer_parameter(t, 0)->gradient[1] = NAN;
	}
	return QB_OK;
}

static void trainer_run__gradient_overflows__names_the_layer_nearest_to_the_loss(void **state)
{
	const struct qb_train_hooks h = {.after_gradients = spoil_gradient};
	struct qb_train_config c = small_config();
	struct session s = start(build_mlp(), &c, &h);
	struct qb_train_result r;
	struct qb_errbuf eb = {0};
	char says[200];

	(void)state;
	assert_int_equal(qb_trainer_run(s.t, NULL, &r, &eb), QB_EDIVERGED);
	snprintf(says, sizeof(says), "step 7 of 12 (epoch 2): the loss is ");
	assert_non_null(strstr(eb.text, says));
	snprintf(says, sizeof(says), "the gradient of %s of layer %s is the first", qb_trainer_parameter(s.t, 2)->name,
		qb_trainer_parameter(s.t, 2)->layer);
	assert_non_null(strstr(eb.text, says));
	finish(&s);
}

static void trainer_create__bad_data__says_why(void **state)
{
	struct qb_train_config c = small_config();
	struct qb_graph *g = build_mlp();
	struct qb_dataset *d = open_data();
	struct qb_trainer *t = NULL;
	struct qb_errbuf eb = {0};

	(void)state;
	c.batch = 128;
	assert_int_equal(qb_trainer_create(&t, g, d, &c, NULL, &eb), QB_EJOB);
	assert_non_null(strstr(eb.text, "64 samples, fewer than a step takes"));
	c.batch = 16;
	c.loss.kind = QB_LOSS_MSE;
	assert_int_equal(qb_trainer_create(&t, g, d, &c, NULL, &eb), QB_EJOB);
	assert_non_null(strstr(eb.text, "1 labels a sample"));
	c.loss.kind = QB_LOSS_CROSS_ENTROPY;
	c.loss.output = 1;
	assert_int_equal(qb_trainer_create(&t, g, d, &c, NULL, &eb), QB_EINVAL);
	assert_null(t);
	qb_dataset_close(&d);
	qb_graph_destroy(&g);
}

/* ---- averages, teachers ---- */

static void trainer_run__moving_average__is_what_evaluation_sees(void **state)
{
	struct qb_train_config c = small_config();
	struct session plain, averaged;
	struct watch w = {0}, v = {0};
	double average = 0;

	(void)state;
	c.epochs = 1;
	plain = start(build_mlp(), &c, NULL);
	average = qb_trainer_parameter(plain.t, 0)->value[0];
	c.ema = 0.5;
	averaged = start(build_mlp(), &c, NULL);
	run(&averaged, &v, false);
	/* The same training, one step at a time. */
	for (int i = 0; i < 4; i++) {
		w.stop_at = i + 1;
		run(&plain, &w, false);
		average = 0.5 * average + 0.5 * qb_trainer_parameter(plain.t, 0)->value[0];
	}
	assert_same_parameters(&plain, &averaged);
	assert_int_equal(qb_trainer_use_best(averaged.t, NULL), QB_OK);
	assert_true(fabs(qb_trainer_parameter(averaged.t, 0)->value[0] - average) < 1e-6);
	finish(&plain);
	finish(&averaged);
}

static void trainer_run__teacher_is_the_start__no_divergence_from_it(void **state)
{
	struct qb_train_config c = small_config();
	struct watch w = {0};
	struct session s;

	(void)state;
	c.loss.distillation = 1;
	c.loss.temperature = 3;
	s = start(build_mlp(), &c, NULL);
	run(&s, &w, false);
	for (int i = 0; i < 12; i++) {
		assert_true(fabs(w.loss[i]) < 1e-5);
	}
	finish(&s);
}

/* (1 - a) cross-entropy + a T^2 KL(teacher || student), of the first step, whose student is the teacher: only the former is left. */
static void trainer_run__half_distilled__first_loss_is_half(void **state)
{
	struct qb_train_config c = small_config();
	struct watch hard = {0}, half = {0};
	struct session a, b;

	(void)state;
	a = start(build_mlp(), &c, NULL);
	c.loss.distillation = 0.5;
	c.loss.temperature = 2;
	b = start(build_mlp(), &c, NULL);
	run(&a, &hard, false);
	run(&b, &half, false);
	assert_true(fabs(half.loss[0] - hard.loss[0] / 2) < 1e-5);
	assert_true(half.loss[11] < half.loss[0]);
	finish(&a);
	finish(&b);
}

/* ---- hooks ---- */

/* Feeds twice the first weight, and a scale that the output is multiplied by. */
struct doubling {
	struct qb_parameter *weight, *scale;
	float *fed;
	int watch;
	double watched;
	int64_t steps;
};

static enum qb_err prepare(void *arg, struct qb_training *t, struct qb_errbuf *eb)
{
	struct doubling *d = arg;
	struct qb_value *y = t->graph->output[0], *scale;
	const float one = 1;

	for (int i = 0; i < t->parameters && !d->weight; i++) {
		d->weight = t->parameter[i]->role == QB_PARAMETER_ROLE_WEIGHT ? t->parameter[i] : NULL;
	}
	d->fed = calloc(d->weight->size, sizeof(float));
	d->weight->fed = d->fed;
	QB_TRY(qb_training_add_parameter(t, "scale", "logits", 0, NULL, &one, &scale, &d->scale, eb));
	assert_int_equal(qb_training_add_parameter(t, "scale", "logits", 0, NULL, &one, NULL, &d->scale, NULL), QB_EINVAL);
	{
		struct qb__nodes m = {.g = t->graph, .eb = eb};
		struct qb_value *scaled = qb__nodes_end(&m, qb__nodes_begin(&m, QB_OP_Mul, "scaled", 2, (struct qb_value *[]){y, scale}));

		QB_TRY(m.err);
		qb_graph_move_outputs(t->graph, y, scaled);
	}
	return qb_training_watch(t, y, &d->watch, eb);
}

static enum qb_err before_step(void *arg, struct qb_trainer *t, const struct qb_train_position *at, struct qb_errbuf *eb)
{
	struct doubling *d = arg;

	(void)t, (void)at, (void)eb;
	for (size_t i = 0; i < d->weight->size; i++) {
		d->fed[i] = 2 * d->weight->value[i];
	}
	return QB_OK;
}

static enum qb_err after_gradients(void *arg, struct qb_trainer *t, const struct qb_train_position *at, double *penalty,
	struct qb_errbuf *eb)
{
	struct doubling *d = arg;
	double loss;

	if (at->step == 0) {
		double first = d->weight->gradient[0];

		d->watched = *(const float *)qb_trainer_watched(t, d->watch, 1);
		assert_int_equal(qb_trainer_gradients(t, &loss, eb), QB_OK);
		assert_true(d->weight->gradient[0] == first);
	}
	for (size_t i = 0; i < d->weight->size; i++) {
		d->weight->gradient[i] *= 2;
	}
	*penalty = 10;
	return QB_OK;
}

static enum qb_err after_step(void *arg, struct qb_trainer *t, const struct qb_train_position *at, struct qb_errbuf *eb)
{
	struct doubling *d = arg;

	(void)t, (void)eb;
	assert_int_equal(at->step, d->steps++);
	return QB_OK;
}

static size_t state_bytes(void *arg)
{
	(void)arg;
	return sizeof(int64_t);
}

static void save(void *arg, void *bytes)
{
	memcpy(bytes, &((struct doubling *)arg)->steps, sizeof(int64_t));
}

static enum qb_err load(void *arg, const void *bytes, size_t size, struct qb_errbuf *eb)
{
	(void)eb;
	assert_int_equal(size, sizeof(int64_t));
	memcpy(&((struct doubling *)arg)->steps, bytes, size);
	return QB_OK;
}

static void hooks__fed_weights_and_a_scale__train_and_resume(void **state)
{
	struct doubling d = {0}, e = {0};
	struct qb_train_hooks h = {&d, prepare, before_step, after_gradients, after_step, NULL, state_bytes, save, load};
	struct qb_train_config c = small_config();
	struct watch w = {0}, first = {.stop_at = 5}, rest = {0};
	struct session a, b;

	(void)state;
	a = start(build_mlp(), &c, &h);
	run(&a, &w, false);
	assert_true(w.loss[0] > 10 && w.loss[11] < w.loss[0]);
	assert_true(d.watched != 0 && d.scale->value[0] != 1 && d.steps == 12);
	assert_int_equal(qb_trainer_find(a.t, "scale")->group, QB_PARAMETERS_QUANTIZERS);

	c.checkpoint = in_folder("a");
	unlink(c.checkpoint);
	h.arg = &e;
	b = start(build_mlp(), &c, &h);
	run(&b, &first, false);
	finish(&b);
	free(e.fed);
	e = (struct doubling){0};
	b = start(build_mlp(), &c, &h);
	run(&b, &rest, false);
	assert_true(rest.steps == 7 && e.steps == 12);
	assert_same_parameters(&a, &b);
	finish(&a);
	finish(&b);
	free(d.fed);
	free(e.fed);
}

/* ---- the trained network ---- */

static void trainer_network__trained__has_the_values(void **state)
{
	struct qb_train_config c = small_config();
	struct session s = start(build_resnet(), &c, NULL);
	struct watch w = {0};
	struct qb_graph *g = NULL;
	int found = 0;

	(void)state;
	run(&s, &w, false);
	assert_int_equal(qb_trainer_network(s.t, &g, NULL), QB_OK);
	for (int i = 0; i < g->values; i++) {
		const struct qb_parameter *p = g->value[i]->constant ? qb_trainer_find(s.t, g->value[i]->name) : NULL;

		if (p) {
			assert_memory_equal(p->value, g->value[i]->constant->data, p->size * sizeof(float));
			found++;
		}
	}
	assert_int_equal(found, qb_trainer_parameters(s.t));
	assert_int_equal(qb_graph_prepare(g, NULL), QB_OK);
	qb_graph_destroy(&g);
	finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_parameters__resnet__roles_and_groups),
		cmocka_unit_test(trainer_run__softmax_regression__follows_the_loop_by_hand),
		cmocka_unit_test(trainer_run__threads__same_bytes),
		cmocka_unit_test(trainer_run__threads_and_large_parameters__same_bytes),
		cmocka_unit_test(trainer_run__other_shards_and_accumulation__nearly_the_same),
		cmocka_unit_test(trainer_run__batch_norms_in_shards__nearly_the_same),
		cmocka_unit_test(trainer_run__recomputed__same_bytes_in_less_memory),
		cmocka_unit_test(trainer_run__frozen_batch_norms__statistics_stay),
		cmocka_unit_test(estimate_statistics__all_batches__mean_of_theirs),
		cmocka_unit_test(checkpoint__killed_at_every_step__same_bytes),
		cmocka_unit_test(checkpoint__stopped__goes_on),
		cmocka_unit_test(checkpoint__of_another_training__says_the_difference),
		cmocka_unit_test(checkpoint__damaged_anywhere__is_refused),
		cmocka_unit_test(trainer_run__patience__stops_early_and_keeps_the_best),
		cmocka_unit_test(trainer_run__huge_rate__says_step_and_layer),
		cmocka_unit_test(trainer_run__huge_rate_before_batch_norms__names_a_layer_and_keeps_statistics),
		cmocka_unit_test(trainer_run__gradient_overflows__names_the_layer_nearest_to_the_loss),
		cmocka_unit_test(trainer_create__bad_data__says_why),
		cmocka_unit_test(trainer_run__moving_average__is_what_evaluation_sees),
		cmocka_unit_test(trainer_run__teacher_is_the_start__no_divergence_from_it),
		cmocka_unit_test(trainer_run__half_distilled__first_loss_is_half),
		cmocka_unit_test(hooks__fed_weights_and_a_scale__train_and_resume),
		cmocka_unit_test(trainer_network__trained__has_the_values),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
