/* SPDX-License-Identifier: Apache-2.0
 *
 * Where quantization plugs into training. Without hooks the network trains in float.
 *
 * Activations are quantized by nodes of the graph (prepare inserts FakeQuantize behind values, found by their names in the
 * network). Weights are quantized outside of it: hooks point `fed` at an array of their own, fill it before each step, and turn the
 * gradient by what was fed into that by the value.
 */
#ifndef QB_TRAIN_HOOKS_H
#define QB_TRAIN_HOOKS_H

#include "core/graph/graph.h"
#include "core/train/parameter.h"

struct qb_trainer;

/* The network while its training graph is made: bound to one shard, its parameters inputs of the graph already, batch norms
 * still BatchNormalization nodes; neither loss nor gradients yet. Values have the names of the network. */
struct qb_training {
	struct qb_graph *graph;
	int64_t batch, shards; /* rows of the whole batch; the graph is bound to batch / shards */
	int parameters;
	struct qb_parameter **parameter; /* the pointers stay valid with the trainer */
};

/* Adds a parameter of the group QUANTIZERS with these first values [dim...], which are copied. input: where not NULL, it
 * becomes an input of the graph, and *input is that value. */
enum qb_err qb_training_add_parameter(struct qb_training *t, const char *name, const char *layer, int ndim,
	const int64_t *dim, const float *first, struct qb_value **input, struct qb_parameter **out, struct qb_errbuf *eb);
/* Makes a value of the graph an output that hooks may read after each run (ranges of activations): *watch is its handle. */
enum qb_err qb_training_watch(struct qb_training *t, struct qb_value *v, int *watch, struct qb_errbuf *eb);
/* NULL where there is none. */
struct qb_parameter *qb_training_find(const struct qb_training *t, const char *name);

struct qb_train_position {
	int64_t step, steps;  /* this step (from 0), and all steps of the training */
	int epoch, epochs;
	double rate;          /* the schedule's factor on all rates */
};

struct qb_train_metric {
	const char *name;   /* of a step metric: "oscillation", "frozen" */
	double value;
};

/* All are called from the thread that runs the trainer; each may be NULL. */
struct qb_train_hooks {
	void *arg;
	/* Once, before anything runs. */
	enum qb_err (*prepare)(void *arg, struct qb_training *t, struct qb_errbuf *eb);
	/* Before the batch runs: fills what is fed. */
	enum qb_err (*before_step)(void *arg, struct qb_trainer *t, const struct qb_train_position *at,
		struct qb_errbuf *eb);
	/* gradient holds d loss / d fed of the whole batch, and 0 where a parameter is not in the graph: makes it d loss / d value,
	 * adds penalties. Before clipping. *penalty (0) is added to the loss that is reported. */
	enum qb_err (*after_gradients)(void *arg, struct qb_trainer *t, const struct qb_train_position *at,
		double *penalty, struct qb_errbuf *eb);
	/* Values have been stepped: keeps scales > 0, freezes, tracks oscillations. */
	enum qb_err (*after_step)(void *arg, struct qb_trainer *t, const struct qb_train_position *at,
		struct qb_errbuf *eb);
	/* At most room metrics of the last step into out; returns how many. */
	int (*metrics)(void *arg, struct qb_train_metric *out, int room);
	/* All state beside parameters (which the trainer keeps): trackers, pinned integers. The size is fixed after prepare.
	 * load gets exactly those bytes, of a file: it checks what they hold. */
	size_t (*state_bytes)(void *arg);
	void (*save)(void *arg, void *bytes);
	enum qb_err (*load)(void *arg, const void *bytes, size_t size, struct qb_errbuf *eb);
};

#endif
