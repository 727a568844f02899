/* SPDX-License-Identifier: Apache-2.0
 *
 * The loss of a training graph, a scalar for each shard. Weights carry one over the count of what is averaged in the batch, so that
 * shards just add.
 */
#include <inttypes.h>

#include "core/graph/op.h"
#include "core/graph/shape.h"
#include "core/train/training_graph.h"

/* [N, C, ...] with the classes at axis. */
static struct qb_places places_of(const struct qb_shape *s, int axis)
{
	int at = axis < 0 ? axis + s->ndim : axis;

	return (struct qb_places){.outer = qb_shape_product(s, 0, at), .classes = s->dim[at],
		.inner = qb_shape_product(s, at + 1, s->ndim)};
}

static struct qb_value *cross_entropy(struct qb__nodes *m, const char *name, struct qb_value *scores, int axis,
	double temperature, struct qb_loss_term *term)
{
	struct qb_shape target = scores->shape, weight = {.known = true};
	const char *targets = qb_arena_printf(m->g->arena, "%s.target", name);
	const char *weights = qb_arena_printf(m->g->arena, "%s.weight", name);
	struct qb_value *input[3] = {scores};
	struct qb_node *n;
	int at = axis < 0 ? axis + target.ndim : axis;

	for (int i = 0; i < target.ndim; i++) {
		if (i != at) {
			weight.dim[weight.ndim++] = target.dim[i];
		}
	}
	if (!targets || !weights) {
		m->err = qb_fail(m->eb, QB_ENOMEM, "out of memory while building a training graph");
		return NULL;
	}
	input[1] = qb__nodes_input(m, targets, &target, &term->target);
	input[2] = qb__nodes_input(m, weights, &weight, &term->weight);
	n = qb__nodes_begin(m, QB_OP_SoftmaxCrossEntropy, name, 3, input);
	if (n) {
		qb_node_add_int(n, "axis", at);
		qb_node_add_float(n, "temperature", (float)temperature);
	}
	return qb__nodes_end(m, n);
}

static struct qb_value *entropy_loss(struct qb_training_graph *t, const struct qb_loss_config *c, struct qb_value *scores,
	struct qb__nodes *m)
{
	struct qb_value *term[2] = {0};
	int terms = 0;

	t->places = places_of(&scores->shape, c->axis);
	if (c->distillation < 1) {
		term[terms++] = cross_entropy(m, "training.loss", scores, c->axis, 1, &t->labels);
	}
	if (c->distillation > 0) {
		term[terms++] = cross_entropy(m, "training.distillation", scores, c->axis, c->temperature, &t->teacher);
	}
	if (m->err != QB_OK || terms < 2) {
		return term[0];
	}
	return qb__nodes_end(m, qb__nodes_begin(m, QB_OP_Add, "training.sum", 2, term));
}

/* weight * sum of (y - target)^2 */
static struct qb_value *squared_error(struct qb_training_graph *t, struct qb_value *y, struct qb__nodes *m)
{
	const struct qb_shape scalar = {.known = true};
	struct qb_value *pair[2] = {y}, *d;

	t->places = (struct qb_places){1, 1, qb_shape_product(&y->shape, 0, y->shape.ndim)};
	pair[1] = qb__nodes_input(m, "training.target", &y->shape, &t->labels.target);
	d = qb__nodes_end(m, qb__nodes_begin(m, QB_OP_Sub, "training.error", 2, pair));
	d = qb__nodes_end(m, qb__nodes_begin(m, QB_OP_Mul, "training.square", 2, (struct qb_value *[]){d, d}));
	if (d) {
		struct qb_node *n = qb__nodes_begin(m, QB_OP_ReduceSum, "training.sum", 1, &d);

		if (n) {
			qb_node_add_int(n, "keepdims", 0);
		}
		pair[0] = qb__nodes_end(m, n);
		pair[1] = qb__nodes_input(m, "training.weight", &scalar, &t->labels.weight);
	}
	return qb__nodes_end(m, qb__nodes_begin(m, QB_OP_Mul, "training.loss", 2, pair));
}

enum qb_err qb__train_loss(struct qb_training_graph *t, const struct qb_loss_config *c, struct qb_value **loss,
	struct qb_errbuf *eb)
{
	struct qb_graph *g = t->training.graph;
	struct qb__nodes m = {.g = g, .eb = eb};
	struct qb_value *y;

	t->labels = t->teacher = (struct qb_loss_term){-1, -1};
	if (c->kind == QB_LOSS_CROSS_ENTROPY) {
		qb__train_take_scores(g, c->output, c->axis);
	}
	y = g->output[c->output];
	if (y->dtype != QB_F32 || (c->kind == QB_LOSS_CROSS_ENTROPY && y->shape.ndim < 2)) {
		char text[256];

		return qb_fail(eb, QB_EJOB, "output %.200s of the network is %s%s: %s", y->name, qb_dtype_name(y->dtype),
			qb_shape_text(&y->shape, text, sizeof(text)), c->kind == QB_LOSS_MSE ? "squared error is of float32"
			: "cross-entropy wants float32 scores [N, classes, ...]");
	}
	*loss = c->kind == QB_LOSS_MSE ? squared_error(t, y, &m) : entropy_loss(t, c, y, &m);
	return m.err;
}
