/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantization-aware training as hooks of the trainer: FakeQuantize behind the values that a scheme quantizes, quantizers of weights
 * beside the graph, methods, trackers. What is trained is what core/train/deploy.h makes of it.
 *
 *	qb_qat_create(&q, start, of, &config, eb);       start: the scheme's quantizers (PTQ), which training begins with
 *	config.batch_norm ...; qb_trainer_create(&t, network, data, &train, qb_qat_hooks(q), eb);
 *	in `evaluate`: qb_qat_feed(q), qb_train_reestimate(t, 50, ...), qb_qat_deploy(...), qb_task_metric(...)
 *	qb_trainer_destroy(&t); qb_qat_destroy(&q);
 */
#ifndef QB_TRAIN_QAT_H
#define QB_TRAIN_QAT_H

#include "core/quant/quantization.h"
#include "core/train/hooks.h"
#include "core/train/methods/method.h"

/* How ranges move. learned: scales (and with lsq_plus offsets) are parameters, in units of the scale that they begin with: scales of
 * layers are orders of magnitude apart, and a step of Adam is of one size. fixed: as the scheme calibrated them. running: of
 * activations a moving average of each batch's minimum and maximum; of weights learned. */
#define QB_QAT_RANGES(X) \
	X(QB_QAT_LEARNED, "learned") \
	X(QB_QAT_FIXED, "fixed") \
	X(QB_QAT_RUNNING, "running")
enum qb_qat_ranges {
#define X(id, name) id,
	QB_QAT_RANGES(X)
#undef X
};

struct qb_qat_config {
	const struct qb_train_method_list *methods; /* outlives the training */
	enum qb_qat_ranges ranges;
	double running_momentum;    /* of running ranges: share of what was there, 0.9 */
	bool from_scheme;           /* weights begin as the scheme's methods decided them (AdaRound, GPTQ ...), on its scales */
	int tracked_bits;           /* weights of integers of at most so many bits are tracked and regularized: 4 */
	double frequency_momentum;  /* m of frequencies: 0.01 */
	double frequency_threshold; /* a weight of a higher frequency oscillates, in reports: 0.02 */
	uint64_t seed;
};
void qb_qat_config_init(struct qb_qat_config *c);

struct qb_qat;

/* start: quantizers on the values of `of`, a prepared and bound graph of the network that will train; what is quantized, formats,
 * granularity and first ranges are taken from it. Both are borrowed for the call and until the trainer has been created. Fails where a
 * format cannot be trained, or a regularizer is asked for and no weight has integers of few enough bits. */
enum qb_err qb_qat_create(struct qb_qat **out, const struct qb_quantization *start, const struct qb_graph *of,
	const struct qb_qat_config *c, struct qb_errbuf *eb);
void qb_qat_destroy(struct qb_qat **q);
/* For qb_trainer_create; lives as long as q. */
const struct qb_train_hooks *qb_qat_hooks(struct qb_qat *q);

/* What is fed follows the parameters' present values: before statistics are estimated, and after values were put back. */
void qb_qat_feed(struct qb_qat *q);

/* ---- what became of it ---- */

/* Quantized weights, in the order of the scheme's graph. */
int qb_qat_layers(const struct qb_qat *q);
const struct qb_train_layer *qb_qat_layer(const struct qb_qat *q, int i);
/* Of all tracked layers together, or of one. */
struct qb_oscillation_summary qb_qat_oscillations(const struct qb_qat *q);
struct qb_oscillation_summary qb_qat_layer_oscillations(const struct qb_qat *q, int i);
/* count[bins], added to: where latent weights of a layer lie around their integers (qb_latent_histogram). */
void qb_qat_latent(const struct qb_qat *q, int layer, int bins, int64_t *count);

/* A quantizer of an activation as it stands. */
struct qb_qat_activation {
	const char *name; /* of the value */
	struct qb_format format;
	float scale;
	int32_t zero;
};
int qb_qat_activations(const struct qb_qat *q);
struct qb_qat_activation qb_qat_activation(const struct qb_qat *q, int i);

#endif
