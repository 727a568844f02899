/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files of quantization-aware training.
 */
#ifndef QB_TRAIN_QAT_STATE_H
#define QB_TRAIN_QAT_STATE_H

#include "core/graph/graph.h"
#include "core/train/qat.h"

/* What the scheme says of a weight. */
struct qb__qat_weight {
	const char *name;
	struct qb_format format;
	bool per_channel;
	int axis;                 /* of channels; -1: none */
	/* of the graph that the training starts from, until it is prepared */
	const struct qb_value *value;
	const struct qb_quantizer *quantizer;
	const struct qb_scheme_part *part;
	const float *decided;     /* by methods of PTQ; or NULL */
};

struct qb__qat_activation {
	const char *name;         /* of the value */
	struct qb_format format;
	float first_scale;
	int32_t zero;             /* at first; where it is fixed, always */
	/* scale and offset are in units of the first scale, so that an optimizer's step is relative; offset, alpha: NULL where there is
	 * none. */
	struct qb_parameter *scale, *offset, *alpha;
	float unit;               /* the first scale */
	float fed[2];             /* scale and offset that the graph gets */
	int watch;                /* of running ranges; -1: none */
	double elements;          /* of the batch */
	bool seen;                /* running: there is a range */
	double lo, hi;
};

struct qb_qat {
	struct qb_qat_config config;
	struct qb_train_quantizers how;
	struct qb_train_hooks hooks;
	const struct qb_graph *of;
	int weights;
	struct qb__qat_weight *weight;
	struct qb_train_layer *layer;   /* [weights] */
	int activations;
	struct qb__qat_activation *activation;
	int gains;                      /* of batch norms behind quantized weights: they stay positive */
	struct qb_parameter **gain;     /* [weights] */
	int parameters;                 /* of the training */
	struct qb_parameter *const *parameter;
	int64_t shards;
	int64_t summed;                 /* the step of the summary, -1: none */
	struct qb_oscillation_summary summary;
	struct qb_train_position at;
};

/* The hook `prepare`. */
enum qb_err qb__qat_prepare(void *arg, struct qb_training *t, struct qb_errbuf *eb);
/* What the graph gets follows the parameters. */
void qb__qat_activation_feed(struct qb__qat_activation *a);
/* The ranges of activations after a step, and gradients before it. */
void qb__qat_activation_gradients(struct qb_qat *q, double *penalty);
void qb__qat_activation_step(struct qb_qat *q);
void qb__qat_watch_ranges(struct qb_qat *q, struct qb_trainer *t);

#endif
