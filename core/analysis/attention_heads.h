/* SPDX-License-Identifier: Apache-2.0
 *
 * What an attention head looks at: how much of its attention the first token gets, and the token that gets the most of a
 * sequence (an attention sink where that is much: Gu et al., "When Attention Sink Emerges", ICLR 2025), and how long value vectors
 * are (heads that do nothing attend to tokens of short ones). One sequence after another, in constant memory.
 */
#ifndef QB_ANALYSIS_ATTENTION_HEADS_H
#define QB_ANALYSIS_ATTENTION_HEADS_H

#include <stdbool.h>
#include <stdint.h>

/* Heads whose most attended token gets more than this, mean over queries and sequences, are sinks. */
#define QB_SINK_SHARE 0.3

/* All zero: nothing seen. */
struct qb_attention_head {
	int64_t sequences;
	double first, most;       /* sums over sequences of the mean over queries */
	int64_t seen, zeros;      /* probabilities that no mask excludes; those of them that are exactly 0 */
	int64_t firsts, others;   /* value vectors */
	double first_norm, other_norm; /* sums of their L2 norms */
};

/* One sequence's matrix of probabilities: p[query * row + key * column]. */
struct qb_attention_matrix {
	const float *p;
	int64_t tokens, row, column;
	bool causal;      /* a query sees no later key */
	const bool *kept; /* [tokens]: which count, as queries and as keys; NULL: all */
};

/* scratch [tokens]. */
void qb_attention_head_add(struct qb_attention_head *h, const struct qb_attention_matrix *m, double *scratch);
/* v[token * row + i * column], i < width. */
void qb_attention_head_add_values(struct qb_attention_head *h, const float *v, int64_t tokens, int64_t width, int64_t row,
	int64_t column, const bool *kept);
void qb_attention_head_merge(struct qb_attention_head *h, const struct qb_attention_head *from);

/* Means; NaN of nothing. */
double qb_attention_head_first(const struct qb_attention_head *h);
double qb_attention_head_most(const struct qb_attention_head *h);
double qb_attention_head_zeros(const struct qb_attention_head *h);
double qb_attention_head_first_norm(const struct qb_attention_head *h);
double qb_attention_head_other_norm(const struct qb_attention_head *h);
bool qb_attention_head_is_sink(const struct qb_attention_head *h);

#endif
