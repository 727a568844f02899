/* SPDX-License-Identifier: Apache-2.0
 *
 * What a training for a scheme tells of its quantizers.
 */
#ifndef QB_JOBS_QAT_ROWS_H
#define QB_JOBS_QAT_ROWS_H

#include <jansson.h>

#include "core/train/bn_reestimation.h"
#include "core/train/qat.h"

/* Of a histogram of latent weights around their integers; the middle is an integer, the ends are thresholds. */
enum { QB_LATENT_BINS = 40 };
/* Of a histogram of frequencies, from 0 to QB_FREQUENCY_MOST and more. */
enum { QB_FREQUENCY_BINS = 20 };
#define QB_FREQUENCY_MOST 0.2

/* All are new references. */
json_t *qb_qat_share(int64_t part, int64_t whole); /* null of nothing */
json_t *qb_qat_method_names(const struct qb_train_method_list *list);
/* {"oscillating", "frozen", "layers": [...], "batch_norms": [...]}: as it stands now. norms: of the re-estimation before it. */
json_t *qb_qat_snapshot(const struct qb_qat *q, const struct qb_norm_divergences *norms);
/* One object a quantized weight, in the order of the network. */
json_t *qb_qat_layer_rows(const struct qb_qat *q);
json_t *qb_qat_activation_rows(const struct qb_qat *q);

#endif
