/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradients of an ONNX network by the operators' plain C or, with --plan, by a training plan of one shard, for tests in
 * Python.
 *   gradient_eval [--plan] [--axis=AXIS] MODEL.onnx INPUTS OUTPUTS
 * The network's weights are inputs of it, its first output is logits; every BatchNormalization takes the statistics of the
 * batch, its mean and variance are ignored. INPUTS: a tensor for each float32 or integer input in the graph's order, then the
 * target of the softmax cross-entropy along AXIS (default -1), of the logits' shape, and its weight. OUTPUTS: the loss,
 * the logits, then for each float32 input of the network the gradient. Files are those of onnx_eval. Exit 1 with the error's
 * code and text on stderr.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/exec/shards.h"
#include "core/graph/gradient.h"
#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "tests/tools/tensor_file.h"

enum { OPSET = 18 };

static struct qb_value *new_input(struct qb_graph *g, const char *name, enum qb_dtype dtype)
{
	struct qb_value **input = qb_arena_alloc(g->arena, (size_t)g->inputs + 1, sizeof(*input));
	struct qb_value *v = qb_graph_add_value(g, name, dtype);

	memcpy(input, g->input, (size_t)g->inputs * sizeof(*input));
	input[g->inputs++] = v;
	g->input = input;
	return v;
}

static struct qb_value *put_before(struct qb_graph *g, struct qb_node *at, enum qb_op_id op, struct qb_value *x)
{
	char name[256];
	struct qb_value *y;

	snprintf(name, sizeof(name), "%.200s.%s", at->name, qb_op_of(op)->type);
	y = qb_graph_add_value(g, name, QB_F64);
	qb_graph_insert_before(g, qb_node_create(g, op, name, OPSET, 1, &x, 1, &y), at);
	return y;
}

/* The statistics of the batch in place of the network's. */
static void train_batch_norm(struct qb_graph *g, struct qb_node *n)
{
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_value *sums = put_before(g, n, QB_OP_ShardSum, put_before(g, n, QB_OP_BatchStatistics, n->input[0]));
	struct qb_value *in[4] = {n->input[0], n->input[1], n->input[2], sums}, *out = n->output[0];
	char name[256];
	struct qb_node *t;
	int64_t count = 1;

	for (int i = 0; i < x->ndim; i++) {
		count *= i == 1 ? 1 : x->dim[i];
	}
	snprintf(name, sizeof(name), "%.200s.training", n->name);
	t = qb_node_create(g, QB_OP_BatchNormalizationTraining, name, OPSET, 4, in, 1, &out);
	qb_node_add_int(t, "count", count);
	qb_node_add_float(t, "epsilon", qb_node_float(n, "epsilon", 1e-5f));
	qb_graph_insert_before(g, t, n);
	qb_graph_remove(g, n);
}

static struct qb_value *add_loss(struct qb_graph *g, int axis)
{
	struct qb_value *logits = g->output[0], *target = new_input(g, "target", QB_F32), *loss;
	struct qb_value *in[3] = {logits, target, new_input(g, "weight", QB_F32)};
	struct qb_node *n;

	target->shape = logits->shape;
	in[2]->shape = (struct qb_shape){.known = true, .ndim = 1, .dim = {1}};
	loss = qb_graph_add_value(g, "loss", QB_F32);
	n = qb_node_create(g, QB_OP_SoftmaxCrossEntropy, "loss", OPSET, 3, in, 1, &loss);
	qb_node_add_int(n, "axis", axis);
	qb_graph_append(g, n);
	return loss;
}

/* The graph's outputs become the loss, the logits and the gradients. */
static enum qb_err differentiate(struct qb_graph *g, int axis, struct qb_errbuf *eb)
{
	struct qb_value **wanted, **gradient, **output, *loss;
	int nodes = g->nodes, count = 0, inputs = g->inputs;

	for (int i = 0; i < nodes; i++) {
		if (qb_node_is(g->node[i], QB_OP_BatchNormalization)) {
			train_batch_norm(g, g->node[i]);
		}
	}
	loss = add_loss(g, axis);
	wanted = qb_arena_alloc(g->arena, (size_t)inputs + 1, sizeof(*wanted));
	gradient = qb_arena_alloc(g->arena, (size_t)inputs + 1, sizeof(*gradient));
	output = qb_arena_alloc(g->arena, (size_t)inputs + 2, sizeof(*output));
	for (int i = 0; i < inputs; i++) {
		if (g->input[i]->dtype == QB_F32) {
			wanted[count++] = g->input[i];
		}
	}
	output[0] = loss;
	output[1] = g->output[0];
	g->output = output;
	g->outputs = 2;
	QB_TRY(qb_graph_relink(g, eb));
	QB_TRY(qb_graph_infer(g, eb));
	QB_TRY(qb_graph_gradient(g, loss, wanted, count, gradient, eb));
	for (int i = 0; i < count; i++) {
		if (!gradient[i]) {
			return qb_fail(eb, QB_EINTERNAL, "the loss does not depend on input %s", wanted[i]->name);
		}
		output[g->outputs++] = gradient[i];
	}
	return qb_graph_relink(g, eb);
}

static enum qb_err run_shard(const struct qb_plan *plan, const struct qb_tensor *const in[], struct qb_tensor out[],
	const struct qb_graph *g, struct qb_errbuf *eb)
{
	const void **args = calloc((size_t)g->inputs + 1, sizeof(*args));
	void **results = calloc((size_t)g->outputs + 1, sizeof(*results));
	struct qb_shards_run run = {.threads = 1, .input = (const void *const *const[]){args},
		.output = (void *const *const[]){results}};
	struct qb_shards *shards = NULL;
	enum qb_err err;

	for (int i = 0; i < g->inputs; i++) {
		args[i] = in[i]->data;
	}
	for (int i = 0; i < g->outputs; i++) {
		const struct qb_value *v = g->output[i];

		out[i] = (struct qb_tensor){.dtype = v->dtype, .ndim = v->shape.ndim};
		memcpy(out[i].dim, v->shape.dim, sizeof(out[i].dim));
		results[i] = out[i].data = calloc(qb_value_size(v) + 1, qb_dtype_bytes(v->dtype));
	}
	err = qb_shards_create(&shards, plan, 1, eb);
	err = err == QB_OK ? qb_shards_check_steps(shards, eb) : err;
	err = err == QB_OK ? qb_shards_run(shards, &run, eb) : err;
	qb_shards_destroy(&shards);
	free(args);
	free(results);
	return err;
}

static enum qb_err run_plan(const struct qb_graph *g, const struct qb_tensor *const in[], struct qb_tensor out[],
	struct qb_errbuf *eb)
{
	struct qb_plan *plan = NULL;
	enum qb_err err = qb_plan_create(&plan, g, QB_PLAN_TRAINING, 1, NULL, eb);

	err = err == QB_OK ? run_shard(plan, in, out, g, eb) : err;
	qb_plan_destroy(&plan);
	return err;
}

int main(int argc, char **argv)
{
	struct qb_graph *file = NULL, *g = NULL;
	struct qb_errbuf eb = {0};
	run_fn *run = qb_graph_eval;
	int axis = -1, at = 1;
	enum qb_err err;

	if (argc > at && strcmp(argv[at], "--plan") == 0) {
		run = run_plan;
		at++;
	}
	if (argc > at && strncmp(argv[at], "--axis=", 7) == 0) {
		axis = atoi(argv[at++] + 7);
	}
	if (argc - at != 3) {
		fprintf(stderr, "usage: gradient_eval [--plan] [--axis=AXIS] MODEL.onnx INPUTS OUTPUTS\n");
		return 2;
	}
	err = qb_graph_import(&file, argv[at], &eb);
	err = err == QB_OK ? qb_graph_bind(&g, file, 1, &eb) : err;
	err = err == QB_OK ? differentiate(g, axis, &eb) : err;
	err = err == QB_OK ? run_files(g, run, argv[at + 1], argv[at + 2], &eb) : err;
	qb_graph_destroy(&g);
	qb_graph_destroy(&file);
	if (err != QB_OK) {
		fprintf(stderr, "%s: %s\n", qb_err_name(err), eb.text);
	}
	return err == QB_OK ? 0 : 1;
}
