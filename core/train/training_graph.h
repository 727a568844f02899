/* SPDX-License-Identifier: Apache-2.0
 *
 * One step of training as a graph, bound to a shard of the batch: the network with its parameters as inputs, the loss, and
 * gradients.
 *
 *	inputs   those of the network, parameters (each at qb_parameter.input), targets and weights of the loss
 *	outputs  the loss of the shard; gradients; sums of batch norms; watched values
 *
 * With QB_BATCH_NORM_TRAIN a BatchNormalization becomes BatchStatistics, ShardSum and BatchNormalizationTraining; frozen ones stay, and
 * read running statistics as inputs.
 */
#ifndef QB_TRAIN_TRAINING_GRAPH_H
#define QB_TRAIN_TRAINING_GRAPH_H

#include "core/train/config.h"
#include "core/train/hooks.h"
#include "core/train/targets.h"

/* A term of the loss: graph inputs of its target and weight. */
struct qb_loss_term {
	int target, weight; /* -1: the graph does not have it. MSE has no weight per place but one, a scalar */
};

struct qb_trained_norm {
	struct qb_parameter *mean, *variance;
	int sums;       /* graph output: float64 [2,C], of all shards */
	int64_t count;  /* elements a channel has in the batch */
};

struct qb_training_graph {
	struct qb_training training; /* first: hooks see this part */
	struct qb_graph *open;       /* what the bound graph is a copy of */
	int data_inputs;
	int *gradient;               /* [parameters]: graph output, or -1: the loss does not depend on it */
	int norms;
	struct qb_trained_norm *norm;
	int watches;
	struct qb_value **watched;   /* [watches] */
	int *watch;                  /* [watches]: graph output */
	struct qb_loss_term labels, teacher;
	struct qb_places places;     /* of a shard's scores; MSE: outer 1, classes 1, inner the elements */
};

/* network: by qb_training_network. hooks may be NULL. */
struct qb_training_plan {
	const struct qb_graph *network;
	const struct qb_train_config *config;
	int64_t shards; /* that divide the batch */
	const struct qb_train_hooks *hooks;
};
enum qb_err qb_training_graph_create(struct qb_training_graph **out, const struct qb_training_plan *plan,
	struct qb_errbuf *eb);
void qb_training_graph_destroy(struct qb_training_graph **g);

/* A Softmax over the classes that makes this output of a bound or unbound network is left out: the output is its input. */
void qb__train_take_scores(struct qb_graph *g, int output, int axis);

/* The parts that a graph is made of; each in a file of its own. */
enum qb_err qb__train_batch_norms(struct qb_training_graph *t, struct qb_errbuf *eb);
enum qb_err qb__train_loss(struct qb_training_graph *t, const struct qb_loss_config *c, struct qb_value **loss,
	struct qb_errbuf *eb);

/* New nodes and inputs. After a failure every function returns NULL, and err says which. */
struct qb__nodes {
	struct qb_graph *g;
	enum qb_err err;
	struct qb_errbuf *eb;
};
/* A node with one output, named after it, whose attributes the caller sets; then its output, with type and shape. */
struct qb_node *qb__nodes_begin(struct qb__nodes *m, enum qb_op_id op, const char *name, int inputs,
	struct qb_value *const *input);
struct qb_value *qb__nodes_end(struct qb__nodes *m, struct qb_node *n);
struct qb_value *qb__nodes_input(struct qb__nodes *m, const char *name, const struct qb_shape *shape, int *index);

#endif
