/* SPDX-License-Identifier: Apache-2.0
 *
 * Methods of post-training quantization: what is done to a network, beyond choosing ranges, so that it loses less.
 * A method is one file method_NAME.c with one struct qb_method, and one row of the table here. In a job:
 *   "methods": ["cross_layer_equalization", {"name": "adaround", "iterations": 1000}]
 *
 * Stages, in this order:
 * - QB_METHOD_GRAPH rewrites the float network (prepared, batch symbolic) before anything is quantized. Schemes with
 *   equal lists of these share a variant of the network, with a float plan and a calibration of its own.
 * - QB_METHOD_WEIGHTS runs when the quantizers of a scheme are known, and decides what constants become:
 *   qb_method_set writes final weights (on the grid of their quantizer) and biases.
 * Both may look at the calibration samples (calibration.h). Results must not depend on the number of threads.
 */
#ifndef QB_PTQ_METHOD_H
#define QB_PTQ_METHOD_H

#include <jansson.h>

#include "core/ptq/calibration.h"
#include "core/json/named.h"

/* One line a method; each is `const struct qb_method qb_method_NAME`. */
#define QB_METHODS(X) \
	X(adaround) \
	X(batch_norm_reestimation) \
	X(bias_correction) \
	X(cross_layer_equalization) \
	X(gptq) \
	X(high_bias_absorption) \
	X(smoothquant)

enum qb_method_stage { QB_METHOD_GRAPH, QB_METHOD_WEIGHTS };

/* What a graph method works on. */
struct qb_method_graph {
	struct qb_graph *graph; /* the variant's own copy, to be rewritten */
	const struct qb_calibration *calibration;
	uint64_t seed;
	json_t *report;         /* an object: what it did, for the results */
};

/* What a weight method works on: one scheme. */
struct qb_method_weights {
	const struct qb_network *network;      /* the variant at the calibration's batch */
	struct qb_quantization *quantization;  /* of its graph's values; scales may be changed too */
	struct qb_overlay *overlay;            /* simulates it, as it is so far */
	const struct qb_calibration *calibration;
	uint64_t seed;
	json_t *report;
	/* Hears of a method that it has done so many of all layers; its error (QB_ECANCELLED) ends the work. */
	enum qb_err (*progress)(void *arg, const char *method, int done, int layers, struct qb_errbuf *eb);
	void *progress_arg;
	const char *method; /* at work */
};

struct qb_method {
	struct qb_named named;
	enum qb_method_stage stage;
	bool needs_bias;     /* every Conv, ConvTranspose, Gemm and MatMul by a constant gets a bias first */
	enum qb_err (*graph)(struct qb_method_graph *m, const void *params, struct qb_errbuf *eb);
	enum qb_err (*weights)(struct qb_method_weights *m, const void *params, struct qb_errbuf *eb);
};

/* JSON Schema of what names one method in a job's list: an object with its parameters, or the bare name. New reference. */
json_t *qb_method_schema(void);
/* One object a method: {"name", "summary", "stage": "graph" | "weights"}; qb_method_schema has the parameters. New reference. */
json_t *qb_method_descriptions(void);

/* A method with its parameters, and a scheme's list of them. */
struct qb_method_use {
	const struct qb_method *method;
	void *params;
	char *key; /* the canonical JSON of name and parameters */
};
struct qb_method_list {
	int count;
	struct qb_method_use *use;
};

/* list: an array of names and objects, or NULL for none. */
enum qb_err qb_method_list_parse(struct qb_method_list *out, const json_t *list, const char *at,
	struct qb_errbuf *eb);
void qb_method_list_fini(struct qb_method_list *list);
/* Do both make the same network of a model? */
bool qb_method_list_same_graph(const struct qb_method_list *a, const struct qb_method_list *b);
/* Does the list change the network at all? */
bool qb_method_list_changes_graph(const struct qb_method_list *list);
/* Runs the methods of one stage in the list's order; their reports are added to reports[method name]. */
enum qb_err qb_method_list_run_graph(const struct qb_method_list *list, struct qb_method_graph *m,
	json_t *reports, struct qb_errbuf *eb);
enum qb_err qb_method_list_run_weights(const struct qb_method_list *list,
	struct qb_method_weights *m, json_t *reports, struct qb_errbuf *eb);

/* For weight methods: the constant becomes y, in the quantization and in the overlay that simulates it. */
enum qb_err qb_method_set(struct qb_method_weights *m, const struct qb_value *constant,
	const float *y, struct qb_errbuf *eb);

#endif
