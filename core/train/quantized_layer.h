/* SPDX-License-Identifier: Apache-2.0
 *
 * A weight that trains quantized: its quantizer, its scales, the integers of each step and how they oscillate.
 */
#ifndef QB_TRAIN_QUANTIZED_LAYER_H
#define QB_TRAIN_QUANTIZED_LAYER_H

#include "core/train/oscillation.h"
#include "core/train/parameter.h"
#include "core/train/weight_quantizer.h"

/* How quantizers learn. */
struct qb_train_quantizers {
	enum qb_estimator weights, activations;
	enum qb_weight_range range; /* where the scales of weights begin */
	bool dorefa;                /* weights through tanh, on a range that stays */
	bool offsets;               /* of asymmetric activations are learned */
	bool gradient_scale;        /* LSQ's 1 / sqrt(N p) */
	double factor;              /* of the estimator at first */
	bool learns_factor;         /* within (0, factor_most] */
	double factor_most;
	double clip;                /* largest value of activations at first; 0: that of the scheme */
	double range_decay;         /* L2 penalty on the largest value of activations: decay * a^2 */
};

/* A weight that trains quantized, as methods see it. */
struct qb_train_layer {
	struct qb_parameter *weight; /* value: latent; gradient: by it */
	struct qb_parameter *scale;  /* [channels], in units of the first: an optimizer's step is relative; NULL: it stays */
	struct qb_parameter *alpha;  /* of dsq where it is learned; or NULL */
	struct qb_weight_quantizer q;
	float *unit;                 /* [channels]: the scales at first */
	float *scales;               /* [channels] in force: unit times the parameter */
	float factor;                /* of the estimator, in force */
	float *fed;                  /* [elements] Q(w): what the graph gets */
	int16_t *code;               /* [elements] its integers; NULL where there are none */
	float *dscale;               /* [2][channels]: gradients of the scales, by all weights and by the frozen */
	int first, codes;            /* the smallest code, and how many there are */
	bool tracked;                /* of few enough bits: oscillates, and is regularized */
	struct qb_oscillation oscillation; /* of tracked ones */
	double curvature;            /* of ewgs: sum of what batches found, and how many did */
	int64_t curvature_batches;
};

/* What a layer begins with. extents: the weight around its channel axis. */
struct qb_train_layer_begin {
	const struct qb_train_quantizers *quantizers;
	struct qb_format format;
	bool per_channel;
	int64_t outer, width, inner;
	const struct qb_quantizer *start; /* of the scheme that the training starts from; or NULL */
	int tracked_bits;                 /* integers of at most so many bits are tracked */
	double momentum;                  /* of frequencies */
};

/* The layer of a weight on the scales that it begins with. The parameters scale (whose first values are ones) and alpha are the
 * caller's to set. */
enum qb_err qb_train_layer_init(struct qb_train_layer *l, struct qb_parameter *weight, const struct qb_train_layer_begin *b,
	struct qb_errbuf *eb);
void qb_train_layer_fini(struct qb_train_layer *l);

/* fed and code from the latent weights, and of the frozen ones from their pinned integers. */
void qb_train_layer_feed(struct qb_train_layer *l);
/* The same as a step of training: follows oscillations and freezes what exceeds the threshold. */
void qb_train_layer_step(struct qb_train_layer *l, double threshold);
/* weight->gradient, by what was fed, becomes the gradient by the latent weight; those of scale and alpha are set. Frozen weights
 * have none. */
void qb_train_layer_backward(struct qb_train_layer *l, bool gradient_scale);
/* After penalties: they do not move what is frozen. */
void qb_train_layer_hold_frozen(struct qb_train_layer *l);
/* Values have been stepped: scales and alpha go back to where they may be. */
void qb_train_layer_project(struct qb_train_layer *l, double factor_most);

/* State beside the parameters, for checkpoints. */
size_t qb_train_layer_bytes(const struct qb_train_layer *l);
void qb_train_layer_save(const struct qb_train_layer *l, void *bytes);
enum qb_err qb_train_layer_load(struct qb_train_layer *l, const void *bytes, struct qb_errbuf *eb);

#endif
