/* SPDX-License-Identifier: Apache-2.0
 *
 * From a training to the network that runs: trained values in the network, batch norms folded, and the learned quantizers on it, in
 * the form that simulation, integer plans, sizes and exports of PTQ take.
 *
 * Folding multiplies each output channel of a weight by a number a > 0 (gains are kept positive), so that its scale becomes a s and
 * its integers stay what they were: quantizers of weights are per channel where a batch norm was folded, and what each element becomes is
 * decided here from the integers of the training, not rounded again.
 */
#ifndef QB_TRAIN_DEPLOY_H
#define QB_TRAIN_DEPLOY_H

#include "core/train/qat.h"

struct qb_trainer;

struct qb_deployment {
	struct qb_graph *model;              /* prepared, batch symbolic as in the file */
	struct qb_graph *bound;              /* the same at a batch: what quantization speaks of */
	struct qb_quantization *quantization;
};

/* With the values that the trainer's parameters hold. scheme: named in results and exports; its parts are those of the training.
 * float_biases: biases stay float instead of int32 codes of the sums' scale: equal to the training graph but for rounding in
 * float32, while integer plans and exports then hold them in float, too. */
struct qb_deploy_options {
	const struct qb_scheme *scheme;
	int64_t batch;     /* of bound */
	bool float_biases;
};
enum qb_err qb_qat_deploy(struct qb_deployment *out, struct qb_qat *q, const struct qb_trainer *t,
	const struct qb_deploy_options *opt, struct qb_errbuf *eb);
void qb_deployment_fini(struct qb_deployment *d);

#endif
