/* SPDX-License-Identifier: Apache-2.0
 *
 * What folding batch norms made of a weight: each channel times a number.
 */
#ifndef QB_TRAIN_FOLD_FACTORS_H
#define QB_TRAIN_FOLD_FACTORS_H

#include "core/base/err.h"

#include <stdint.h>

/* factor[width]: folded = factor[c] * raw for every element of channel c, both [outer, width, inner]; 1 of channels of zeros. Fails, naming
 * the weight, where it was not made so. */
enum qb_err qb_fold_factors(const char *name, const float *raw, const float *folded, int64_t outer, int64_t width, int64_t inner,
	double *factor, struct qb_errbuf *eb);

#endif
