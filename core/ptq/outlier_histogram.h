/* SPDX-License-Identifier: Apache-2.0
 *
 * The histogram of one value of a transformer over sequences, padding left out.
 */
#ifndef QB_PTQ_OUTLIER_HISTOGRAM_H
#define QB_PTQ_OUTLIER_HISTOGRAM_H

#include "core/ptq/sequences.h"
#include "core/quant/histogram.h"

/* value->index of the bound graph of s; all of its sequences. */
enum qb_err qb_outlier_histogram_take(struct qb_histogram *out, struct qb_sequences *s, int value, struct qb_errbuf *eb);

#endif
