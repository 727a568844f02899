/* SPDX-License-Identifier: Apache-2.0
 *
 * A step of training in float, of a network by name or a file: forward, backward, sums over shards and SGD with momentum. Prints the
 * least time of a step, the least processor time, samples per second and, with -k, where the time goes by kind of step, with -v by step.
 *
 *   bench_train [-b BATCH] [-s SHARDS] [-t THREADS] [-n STEPS] [-q FORMAT] [-a AXIS] [-R] [-k | -v] NETWORK
 *
 * NETWORK is a name or an ONNX file; -a names the axis of its classes, 1 if not given, and integer inputs are tokens below 256.
 * -q has the inputs of layers go through quantizers of FORMAT with learned scales; -R computes cheap values again
 * for the backward pass.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/random.h"
#include "core/base/size.h"
#include "core/exec/shards.h"
#include "core/graph/op.h"
#include "core/train/networks/architecture.h"
#include "core/train/optimizer.h"
#include "core/train/training_graph.h"
#include "core/train/training_network.h"

struct options {
	int64_t batch, shards;
	int threads, steps, axis;
	bool by_kind, by_step, recompute;
	const char *network, *format; /* format: of the inputs of layers; NULL: float */
};

struct step {
	struct options o;
	struct qb_graph *open, *network;
	struct qb_training_graph *training;
	struct qb_plan *plan;
	struct qb_shards *shards;
	void **input;          /* [graph inputs] of shard 0; data of further shards lies behind it */
	void **output;         /* [shards][graph outputs] */
	float **momentum;      /* [parameters] */
	int64_t *step_ns;
};

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Weights as He et al. draw them, ones for gains; images and the rest normal. */
static void fill(const struct qb_value *v, void *to, size_t n)
{
	float *x = to;
	size_t fan = v->shape.ndim > 1 ? qb_value_size(v) / (size_t)v->shape.dim[0] : 1;

	for (size_t i = 0; i < n && v->dtype == QB_I64; i++) {
		((int64_t *)to)[i] = (int64_t)(qb_random_u32(1, 0, i) % 256);
	}
	for (size_t i = 0; i < n && v->dtype == QB_F32; i++) {
		x[i] = v->shape.ndim == 1 ? 1 : (float)(qb_random_normal(1, (uint64_t)v->index, i) * sqrt(2.0 / (double)fan));
	}
}

static enum qb_err make_network(struct step *s, struct qb_errbuf *eb)
{
	const struct qb_architecture *a = qb_architecture_find(s->o.network);
	void *params;
	enum qb_err err;

	if (strstr(s->o.network, ".onnx")) {
		return qb_graph_import(&s->open, s->o.network, eb);
	}
	if (!a) {
		return qb_fail(eb, QB_EINVAL, "\"%s\" is no network that can be built by name", s->o.network);
	}
	QB_TRY(qb_named_defaults(&params, &a->named, eb));
	err = qb_architecture_build(&s->open, a, &a->usual, params, 1, eb);
	free(params);
	return err;
}

/* FakeQuantize with a learned scale behind v. */
static enum qb_err quantize(struct qb_training *t, struct qb_value *v, const char *format, struct qb_errbuf *eb)
{
	struct qb_graph *g = t->graph;
	const char *name = qb_arena_printf(g->arena, "%s.scale", v->name), *quantized = qb_arena_printf(g->arena, "%s.quantized", v->name);
	struct qb_value *in[2] = {v}, *out = name && quantized ? qb_graph_add_value(g, quantized, v->dtype) : NULL;
	struct qb_parameter *p;
	struct qb_node *n;

	if (!out) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a quantizer");
	}
	QB_TRY(qb_training_add_parameter(t, name, v->name, 1, (int64_t[]){1}, (float[]){0.2f}, &in[1], &p, eb));
	n = qb_node_create(g, QB_OP_FakeQuantize, quantized, 1, 2, in, 1, &out);
	if (!n) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a quantizer");
	}
	qb_node_add_string(n, "format", format);
	qb_node_add_string(n, "estimator", "lsq");
	qb_node_add_int(n, "axis", -1);
	out->shape = v->shape;
	qb_graph_replace_value(g, v, out);
	n->input[0] = v;
	return qb_graph_insert_after(g, n, v->producer) ? qb_graph_relink(g, eb) : qb_fail(eb, QB_ENOMEM, "no memory for a quantizer");
}

/* Inputs of layers, but for the images. */
static enum qb_err quantize_inputs(void *arg, struct qb_training *t, struct qb_errbuf *eb)
{
	const char *format = arg;

	for (int i = 0; i < t->graph->nodes; i++) {
		const struct qb_node *n = t->graph->node[i];
		struct qb_value *x = n->inputs ? n->input[0] : NULL;

		if ((qb_node_is(n, QB_OP_Conv) || qb_node_is(n, QB_OP_Gemm)) && x->producer && !qb_node_is(x->producer, QB_OP_FakeQuantize)) {
			QB_TRY(quantize(t, x, format, eb));
			i = -1; /* nodes have moved */
		}
	}
	return QB_OK;
}

/* Of a shard, in one piece as those of a trainer. */
static void take_outputs(const struct qb_graph *g, void **output)
{
	size_t bytes = 0;
	unsigned char *at;

	for (int i = 0; i < g->outputs; i++) {
		bytes += qb_align_up(qb_value_bytes(g->output[i]), 64);
	}
	at = qb_aligned_alloc(bytes, 1);
	memset(at, 0, bytes);
	for (int i = 0; i < g->outputs; i++) {
		output[i] = at;
		at += qb_align_up(qb_value_bytes(g->output[i]), 64);
	}
}

static enum qb_err prepare(struct step *s, struct qb_errbuf *eb)
{
	struct qb_train_hooks hooks = {.arg = (void *)s->o.format, .prepare = quantize_inputs};
	struct qb_train_config c;
	const struct qb_graph *g;

	qb_train_config_init(&c);
	c.batch = s->o.batch;
	c.shards = s->o.shards;
	c.recompute = s->o.recompute;
	c.loss.axis = s->o.axis;
	QB_TRY(make_network(s, eb));
	QB_TRY(qb_training_network(&s->network, s->open, eb));
	QB_TRY(qb_training_graph_create(&s->training, &(struct qb_training_plan){.network = s->network, .config = &c, .shards = s->o.shards,
		.hooks = s->o.format ? &hooks : NULL}, eb));
	g = s->training->training.graph;
	QB_TRY(qb_plan_create(&s->plan, g, QB_PLAN_TRAINING, 1, NULL, eb));
	QB_TRY(qb_shards_create(&s->shards, s->plan, (int)s->o.shards, eb));
	s->input = calloc((size_t)g->inputs, sizeof(*s->input));
	s->output = calloc((size_t)g->outputs * (size_t)s->o.shards, sizeof(*s->output));
	s->step_ns = calloc((size_t)qb_plan_steps(s->plan), sizeof(*s->step_ns));
	for (int i = 0; i < g->inputs; i++) {
		s->input[i] = calloc((size_t)s->o.shards, qb_value_bytes(g->input[i]));
		fill(g->input[i], s->input[i], qb_value_size(g->input[i]) * (size_t)s->o.shards);
	}
	for (int64_t i = 0; i < s->o.shards; i++) {
		take_outputs(g, s->output + i * g->outputs);
	}
	s->momentum = calloc((size_t)s->training->training.parameters, sizeof(*s->momentum));
	for (int i = 0; i < s->training->training.parameters; i++) {
		s->momentum[i] = calloc(s->training->training.parameter[i]->size, sizeof(float));
	}
	return QB_OK;
}

static bool is_parameter(const struct step *s, int input)
{
	for (int i = 0; i < s->training->training.parameters; i++) {
		if (s->training->training.parameter[i]->input == input) {
			return true;
		}
	}
	return false;
}

/* Sums up a gradient over the shards and moves the parameter. */
static enum qb_err move(void *arg, int thread, int64_t i, struct qb_errbuf *eb)
{
	enum { AT_ONCE = 2048 };
	static const struct qb_optimizer_config sgd = {.kind = QB_OPTIMIZER_SGD, .rate = 0.01, .momentum = 0.9};
	struct step *s = arg;
	const struct qb_parameter *p = s->training->training.parameter[i];
	int output = s->training->gradient[i], outputs = s->training->training.graph->outputs;

	(void)thread, (void)eb;
	if (output < 0) {
		return QB_OK;
	}
	for (size_t from = 0; from < p->size; from += AT_ONCE) {
		size_t n = p->size - from < AT_ONCE ? p->size - from : AT_ONCE;
		float *sum = (float *)s->output[output] + from;

		for (int64_t k = 1; k < s->o.shards; k++) {
			qb_add_gradient(sum, (const float *)s->output[k * outputs + output] + from, n);
		}
		qb_optimizer_step(&sgd, 1, 1, n, sum, (float *)s->input[p->input] + from, (float *[]){s->momentum[i] + from});
	}
	return QB_OK;
}

static enum qb_err run(struct step *s, int64_t *step_ns, struct qb_errbuf *eb)
{
	const struct qb_graph *g = s->training->training.graph;
	const void **in = calloc((size_t)(g->inputs * s->o.shards), sizeof(*in));
	const void *const **inputs = calloc((size_t)s->o.shards, sizeof(*inputs));
	void *const **outputs = calloc((size_t)s->o.shards, sizeof(*outputs));
	enum qb_err err;

	for (int64_t k = 0; k < s->o.shards; k++) {
		for (int i = 0; i < g->inputs; i++) {
			in[k * g->inputs + i] = (char *)s->input[i] + (is_parameter(s, i) ? 0 : (size_t)k * qb_value_bytes(g->input[i]));
		}
		inputs[k] = in + k * g->inputs;
		outputs[k] = s->output + k * g->outputs;
	}
	err = qb_shards_run(s->shards, &(struct qb_shards_run){.threads = s->o.threads, .input = inputs, .output = outputs,
		.step_ns = step_ns}, eb);
	free(in);
	free(inputs);
	free(outputs);
	return err == QB_OK ? qb_team_run(s->o.threads, s->training->training.parameters, move, s, eb) : err;
}

static int by_time(const void *a, const void *b)
{
	const int64_t *x = *(const int64_t *const *)a, *y = *(const int64_t *const *)b;

	return (*y > *x) - (*y < *x);
}

static void report(const struct step *s)
{
	int n = qb_plan_steps(s->plan);
	int64_t total = 0, **order = calloc((size_t)n, sizeof(*order));

	for (int i = 0; i < n; i++) {
		order[i] = &s->step_ns[i];
		total += s->step_ns[i];
	}
	if (s->o.by_step) {
		qsort(order, (size_t)n, sizeof(*order), by_time);
	}
	for (int i = 0; i < n && s->o.by_step; i++) {
		struct qb_step_info info = qb_plan_step(s->plan, (int)(order[i] - s->step_ns));
		const struct qb_node *node = info.node;
		char shape[128] = "";

		for (int k = 0; node && k < node->output[0]->shape.ndim; k++) {
			snprintf(shape + strlen(shape), sizeof(shape) - strlen(shape), "%s%ld", k ? "x" : "", (long)node->output[0]->shape.dim[k]);
		}
		printf("%6.2f %%  %-34s %-28s %s %s\n", 100.0 * (double)*order[i] / (double)total, node ? node->type : "", info.implementation,
			shape, node ? node->name : "");
	}
	for (int i = 0; i < n && s->o.by_kind; i++) {
		struct qb_step_info a = qb_plan_step(s->plan, i);
		const char *at = a.node ? a.node->type : "output";
		int64_t sum = 0;
		int count = 0;
		bool seen = false;

		for (int k = 0; k < n; k++) {
			struct qb_step_info b = qb_plan_step(s->plan, k);
			bool same = !strcmp(at, b.node ? b.node->type : "output") && !strcmp(a.implementation, b.implementation);

			seen = seen || (same && k < i);
			sum += same ? s->step_ns[k] : 0;
			count += same;
		}
		if (!seen) {
			printf("%6.2f %%  %4d  %-34s %s\n", 100.0 * (double)sum / (double)total, count, at, a.implementation);
		}
	}
	free(order);
}

static enum qb_err measure(struct step *s, struct qb_errbuf *eb)
{
	double least = INFINITY, least_cpu = INFINITY;

	QB_TRY(run(s, NULL, eb));
	for (int i = 0; i < s->o.steps; i++) {
		double start = now(CLOCK_MONOTONIC), start_cpu = now(CLOCK_PROCESS_CPUTIME_ID);

		QB_TRY(run(s, s->o.by_kind || s->o.by_step ? s->step_ns : NULL, eb));
		least = fmin(least, now(CLOCK_MONOTONIC) - start);
		least_cpu = fmin(least_cpu, now(CLOCK_PROCESS_CPUTIME_ID) - start_cpu);
	}
	printf("%s: batch %ld, %ld shards, %d threads: least %.2f ms, processor %.2f ms, %.1f samples/s; %.1f MB\n", s->o.network, (long)s->o.batch,
		(long)s->o.shards, s->o.threads, least * 1e3, least_cpu * 1e3, (double)s->o.batch / least, (double)qb_shards_bytes(s->shards) * 1e-6);
	report(s);
	return QB_OK;
}

int main(int argc, char **argv)
{
	struct step s = {.o = {.batch = 64, .shards = 8, .threads = 2, .steps = 10, .axis = 1}};
	struct qb_errbuf eb = {0};
	int c;

	while ((c = getopt(argc, argv, "a:b:s:t:n:q:Rkv")) != -1) {
		switch (c) {
		case 'a':
			s.o.axis = atoi(optarg);
			break;
		case 'b':
			s.o.batch = atol(optarg);
			break;
		case 's':
			s.o.shards = atol(optarg);
			break;
		case 't':
			s.o.threads = atoi(optarg);
			break;
		case 'n':
			s.o.steps = atoi(optarg);
			break;
		case 'q':
			s.o.format = optarg;
			break;
		case 'R':
			s.o.recompute = true;
			break;
		case 'k':
			s.o.by_kind = true;
			break;
		case 'v':
			s.o.by_step = true;
			break;
		default:
			return 2;
		}
	}
	s.o.network = optind < argc ? argv[optind] : "resnet8";
	if (prepare(&s, &eb) != QB_OK || measure(&s, &eb) != QB_OK) {
		fprintf(stderr, "%s\n", eb.text);
		return 1;
	}
	return 0;
}
