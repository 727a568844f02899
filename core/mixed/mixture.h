/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks whose layers follow different schemes: quantizers of several
 * schemes of a sweep, combined layer by layer and evaluated on the same samples.
 */
#ifndef QB_MIXED_MIXTURE_H
#define QB_MIXED_MIXTURE_H

#include "core/ptq/sweep.h"

/* The unit of assignment: the weights of a node and its outputs, or an input of the network. The name is what a
 * scheme's "layers" calls it. */
struct qb_mixture_layer {
	const char *name, *type; /* of the node; type "input" of an input */
	const struct qb_node *node; /* NULL: an input */
	double macs;             /* of one row */
	size_t float_bytes;      /* its weights as they are */
};

struct qb_mixture_layers {
	int count;
	struct qb_mixture_layer *layer;
	int *of; /* [values]: whose quantizer a value has, -1: none */
};

/* n: with at least one quantization. Layers are in the order of the network, inputs first. */
enum qb_err qb_mixture_layers_create(struct qb_mixture_layers **out, const struct qb_network *n,
	struct qb_errbuf *eb);
void qb_mixture_layers_destroy(struct qb_mixture_layers **layers);

enum { QB_MIXTURE_FLOAT = -1 };

struct qb_mixture_result {
	double metric;
	struct qb_metric_change change; /* of it, against the first mixture of the first run */
	struct qb_sqnr_sums output;     /* as in a row of a sweep */
};

struct qb_mixture_eval;

struct qb_mixture_options {
	const char *metric;
	int64_t samples; /* of the data's first ones, in whole batches */
	int threads;
	uint64_t seed;   /* of intervals */
};

/* sweep: of which the first variant has all schemes. */
enum qb_err qb_mixture_eval_create(struct qb_mixture_eval **out, const struct qb_sweep *sweep,
	const struct qb_mixture_layers *layers, const struct qb_dataset *data, const struct qb_mixture_options *opt,
	struct qb_errbuf *eb);
void qb_mixture_eval_destroy(struct qb_mixture_eval **eval);
int64_t qb_mixture_eval_samples(const struct qb_mixture_eval *eval);
/* choice[k][layer]: the scheme's number in the sweep, or QB_MIXTURE_FLOAT. One float pass serves all; the
 * results do not depend on the number of threads. */
enum qb_err qb_mixture_eval_run(struct qb_mixture_eval *eval, const int *const *choice, int count,
	struct qb_mixture_result *out, struct qb_errbuf *eb);
/* Bytes of all parameters, as qb_model_bytes counts. */
enum qb_err qb_mixture_eval_bytes(const struct qb_mixture_eval *eval, const int *choice, size_t *bytes,
	struct qb_errbuf *eb);

#endif
