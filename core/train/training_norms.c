/* SPDX-License-Identifier: Apache-2.0
 *
 * Batch norms of a training graph: statistics of the whole batch, over all shards.
 */
#include <string.h>

#include "core/graph/op.h"
#include "core/graph/shape.h"
#include "core/train/training_graph.h"

static struct qb_parameter *parameter_of(const struct qb_training_graph *t, const struct qb_value *v)
{
	/* Running statistics are constants of the graph, with the names of the network. */
	return qb_training_find(&t->training, v->name);
}

static int64_t channel_count(const struct qb_value *x)
{
	return qb_shape_product(&x->shape, 0, 1) * qb_shape_product(&x->shape, 2, x->shape.ndim);
}

/* The node becomes a BatchNormalizationTraining; its sums are given out. */
static struct qb_value *replace(struct qb_training_graph *t, struct qb_node *n, struct qb__nodes *m)
{
	struct qb_graph *g = t->training.graph;
	struct qb_value *x = n->input[0], *sums, *input[4];
	const char *of = qb_arena_printf(g->arena, "%s.statistics", n->name);
	const char *all = qb_arena_printf(g->arena, "%s.sums", n->name);
	const char *name = qb_arena_printf(g->arena, "%s.training", n->name);
	struct qb_node *made;

	if (!of || !all || !name) {
		m->err = qb_fail(m->eb, QB_ENOMEM, "out of memory while building a training graph");
		return NULL;
	}
	sums = qb__nodes_end(m, qb__nodes_begin(m, QB_OP_BatchStatistics, of, 1, &x));
	sums = sums ? qb__nodes_end(m, qb__nodes_begin(m, QB_OP_ShardSum, all, 1, &sums)) : NULL;
	if (!sums) {
		return NULL;
	}
	memcpy(input, (struct qb_value *[]){x, n->input[1], n->input[2], sums}, sizeof(input));
	made = qb__nodes_begin(m, QB_OP_BatchNormalizationTraining, name, 4, input);
	if (made) {
		qb_node_add_float(made, "epsilon", qb_node_float(n, "epsilon", 1e-5f));
		qb_node_add_int(made, "count", channel_count(x) * t->training.shards);
	}
	if (!qb__nodes_end(m, made)) {
		return NULL;
	}
	/* The old value is the new node's output, so that it keeps its name for whoever looks for it. */
	made->output[0] = n->output[0];
	made->output[0]->producer = made;
	qb_graph_remove(g, n);
	return sums;
}

static bool is_batch_norm(const struct qb_node *n)
{
	return qb_node_is(n, QB_OP_BatchNormalization);
}

static enum qb_err check(const struct qb_training_graph *t, const struct qb_node *n, struct qb_errbuf *eb)
{
	for (int k = 1; k < 5; k++) {
		if (!parameter_of(t, n->input[k])) {
			return qb_node_fail(eb, QB_EUNSUPPORTED, n, "its input %s is computed: batch norms of which gains, offsets or "
				"statistics are no constants do not train", n->input[k]->name);
		}
	}
	if (channel_count(n->input[0]) * t->training.shards < 2) {
		return qb_node_fail(eb, QB_EJOB, n, "its channels have one element in the batch, which has no variance: take a larger "
			"batch, or freeze batch norms");
	}
	return QB_OK;
}

enum qb_err qb__train_batch_norms(struct qb_training_graph *t, struct qb_errbuf *eb)
{
	struct qb_graph *g = t->training.graph;
	struct qb__nodes m = {.g = g, .eb = eb};
	struct qb_value **sums;
	int nodes = g->nodes, count = 0;

	for (int i = 0; i < nodes; i++) {
		count += is_batch_norm(g->node[i]);
	}
	sums = qb_arena_alloc(g->arena, (size_t)count + 1, sizeof(struct qb_value *));
	t->norm = qb_arena_alloc(g->arena, (size_t)count + 1, sizeof(*t->norm));
	if (!sums || !t->norm) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while building a training graph");
	}
	for (int i = 0; i < nodes; i++) {
		struct qb_node *n = g->node[i];

		if (!is_batch_norm(n)) {
			continue;
		}
		QB_TRY(check(t, n, eb));
		t->norm[t->norms] = (struct qb_trained_norm){.mean = parameter_of(t, n->input[3]),
			.variance = parameter_of(t, n->input[4]), .sums = t->norms,
			.count = channel_count(n->input[0]) * t->training.shards};
		sums[t->norms] = replace(t, n, &m);
		if (!sums[t->norms++]) {
			return m.err;
		}
	}
	g->output = sums;
	g->outputs = t->norms;
	return QB_OK;
}
