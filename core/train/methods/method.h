/* SPDX-License-Identifier: Apache-2.0
 *
 * Methods of quantization-aware training. A method is one file NAME.c with one struct qb_train_method, and one row of the table
 * here. In a job:
 *   "methods": ["lsq", {"name": "freeze", "threshold": 0.01}]
 *
 * A list holds at most one method of quantizers, which says how they learn (lsq where there is none), and any regularizers on top of
 * it, which keep weights from oscillating.
 */
#ifndef QB_TRAIN_METHODS_METHOD_H
#define QB_TRAIN_METHODS_METHOD_H

#include <jansson.h>

#include "core/json/named.h"
#include "core/train/hooks.h"
#include "core/train/quantized_layer.h"

/* One line a method; each is `const struct qb_train_method qb_train_method_NAME`. */
#define QB_TRAIN_METHODS(X) \
	X(br) \
	X(dampen) \
	X(dsq) \
	X(ewgs) \
	X(freeze) \
	X(lsq) \
	X(lsq_plus) \
	X(pact)

/* What methods work on. */
struct qb_train_layers {
	const struct qb_train_position *at;
	int parameters;                        /* of the training, these layers' among them */
	struct qb_parameter *const *parameter;
	/* Runs the step's batch again with what is fed now; gradients are replaced. */
	enum qb_err (*run)(void *arg, struct qb_errbuf *eb);
	void *arg;
	int count;
	struct qb_train_layer *layer;
	uint64_t seed;
};

enum qb_train_method_kind { QB_TRAIN_METHOD_QUANTIZERS, QB_TRAIN_METHOD_REGULARIZER };

struct qb_train_method {
	struct qb_named named;
	enum qb_train_method_kind kind;
	/* Of methods of quantizers: changes what lsq has. NULL: nothing. */
	void (*quantizers)(const void *params, struct qb_train_quantizers *q);
	/* With the gradients by what was fed, before they go through the quantizers; may run the batch again. NULL: nothing. */
	enum qb_err (*observe)(const void *params, struct qb_train_layers *l, struct qb_errbuf *eb);
	/* Adds to the gradients by the latent weights; *penalty is added to. NULL: nothing. */
	enum qb_err (*penalise)(const void *params, struct qb_train_layers *l, double *penalty, struct qb_errbuf *eb);
	/* The frequency above which weights freeze at this step; INFINITY: none do. NULL: never. */
	double (*threshold)(const void *params, const struct qb_train_position *at);
};

const struct qb_train_method *qb_train_method_find(const char *name);
const struct qb_train_method *qb_train_method_at(int i); /* NULL at the end */
/* JSON Schema of what names one method in a job's list: an object with its parameters, or the bare name. New reference. */
json_t *qb_train_method_schema(void);
/* One object a method: {"name", "summary", "kind": "quantizers" | "regularizer"}. New reference. */
json_t *qb_train_method_descriptions(void);

/* A list of methods with their parameters. */
enum { QB_TRAIN_METHODS_MAX = 4 };
struct qb_train_method_use {
	const struct qb_train_method *method;
	void *params;
};
struct qb_train_method_list {
	int count; /* one of quantizers first, always */
	struct qb_train_method_use use[QB_TRAIN_METHODS_MAX];
};
/* list: an array of names and objects, or NULL for lsq. at: its path in the job. */
enum qb_err qb_train_method_list_parse(struct qb_train_method_list *out, const json_t *list, const char *at,
	struct qb_errbuf *eb);
void qb_train_method_list_fini(struct qb_train_method_list *list);

void qb_train_quantizers_of(const struct qb_train_method_list *list, struct qb_train_quantizers *q);
enum qb_err qb_train_methods_observe(const struct qb_train_method_list *list, struct qb_train_layers *l, struct qb_errbuf *eb);
enum qb_err qb_train_methods_penalise(const struct qb_train_method_list *list, struct qb_train_layers *l, double *penalty,
	struct qb_errbuf *eb);
double qb_train_methods_threshold(const struct qb_train_method_list *list, const struct qb_train_position *at);
/* Does the list have regularizers, which need integers of few bits? */
bool qb_train_methods_regularise(const struct qb_train_method_list *list);

/* A schedule of the methods: false before `begin`, a share of all steps T, t0 = begin T; then from `from` to `to` on a cosine:
 * v(t) = to + (from - to) (1 + cos(pi (t - t0) / (T - t0))) / 2. */
bool qb_train_anneal(const struct qb_train_position *at, double begin, double from, double to, double *v);

#endif
