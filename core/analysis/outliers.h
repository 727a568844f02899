/* SPDX-License-Identifier: Apache-2.0
 *
 * Outliers of an activation [T, C] of sequences of T tokens with C channels, one sequence after another: infinity norm and
 * kurtosis as "Quantizable Transformers" (Bondarenko et al., NeurIPS 2023) measures them, elements beyond 6 standard deviations
 * by channel and token, norms of tokens by position. Memory does not grow with the sequences.
 */
#ifndef QB_ANALYSIS_OUTLIERS_H
#define QB_ANALYSIS_OUTLIERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

#define QB_OUTLIER_DEVIATIONS 6.0

struct qb_outliers {
	int64_t tokens, channels;
	int64_t sequences;       /* with two elements or more: those of the sums */
	double inf_norm_sum;     /* of each sequence's largest |x| */
	double kurtosis_sum;     /* of each sequence's mean((x - mean)^4) / (std^4 + 1e-6), std by n - 1 */
	int64_t elements, beyond; /* all; further than 6 std of their sequence from its mean */
	float max_abs;           /* of all sequences; infinite where an element is no finite number */
	int64_t *channel_beyond; /* [channels] */
	float *channel_max;      /* [channels]: largest |x| */
	int64_t *token_beyond;   /* [tokens], by position */
	double *token_norm;      /* [tokens]: sums of the L2 norms of the vectors [C] */
	int64_t *token_seen;     /* [tokens] */
	int64_t firsts;          /* sequences with a token */
	double first_norm;       /* sum of the norms of their first tokens */
};

enum qb_err qb_outliers_init(struct qb_outliers *o, int64_t tokens, int64_t channels, struct qb_errbuf *eb);
void qb_outliers_fini(struct qb_outliers *o);
void qb_outliers_clear(struct qb_outliers *o);

/* x [T, C]; kept [T]: which tokens count, NULL: all. A sequence with an element that is no finite number makes the means NaN. */
void qb_outliers_add(struct qb_outliers *o, const float *x, const bool *kept);
/* Adds what `from`, of the same shape, saw. The bytes depend on the order of additions, and on nothing else. */
void qb_outliers_merge(struct qb_outliers *o, const struct qb_outliers *from);

/* Means over sequences; NaN of none. */
double qb_outliers_inf_norm(const struct qb_outliers *o);
double qb_outliers_kurtosis(const struct qb_outliers *o);
/* Mean norm of all tokens; of the first of a sequence; and the largest of a position, which is *position (-1: of none). */
double qb_outliers_norm(const struct qb_outliers *o);
double qb_outliers_first_norm(const struct qb_outliers *o);
double qb_outliers_peak_norm(const struct qb_outliers *o, int64_t *position);

#endif
