/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a metric, for the families of metrics: one file each, one row of the table in metrics.c a metric.
 */
#ifndef QB_ANALYSIS_METRIC_H
#define QB_ANALYSIS_METRIC_H

#include "core/analysis/metrics.h"

/* One sample, as its rows went through the network. */
struct qb_metric_sample {
	const float *y;      /* [rows, outputs] */
	const float *x;      /* [rows, inputs], or NULL */
	const double *label; /* [labels] */
};

struct qb_metric {
	const struct qb_metric_row *row;
	struct qb_metric_shape shape;
	int64_t samples, nans;
	double hits, places; /* of top-k and of the confusion: labels in question; of tokens: those that count */
	double sum;          /* mse: squared errors; cosine: of cosines; loss, perplexity: nats */
	int64_t classes;     /* of the confusion: [classes] each */
	uint64_t *both, *predicted, *labelled;
	double *a, *b;       /* correlations and auc: one pair (prediction, label) a sample */
	int64_t pairs, cap;
	/* what a bootstrap draws (metric_bootstrap.c): the same metric of parts of the samples */
	int groups;
	bool each;           /* every sample is a group */
	uint64_t group_seed;
	struct qb_metric **group;
	float *right;        /* [samples], where the value is the share of answers that are right: how many of a sample's; else NULL */
	int64_t right_cap;
	double most_places;  /* of a sample */
};

struct qb_metric_row {
	const char *name, *summary;
	bool rises;
	bool reads_input;
	/* Does the shape suit? Allocates what update counts. */
	enum qb_err (*check)(struct qb_metric *m, struct qb_errbuf *eb);
	enum qb_err (*update)(struct qb_metric *m, const struct qb_metric_sample *s,
		struct qb_errbuf *eb);
	double (*value)(const struct qb_metric *m);
};

/* metric_classes.c: the class axis is the first after the batch, places are what follows it. */
enum qb_err qb__check_classes(struct qb_metric *m, struct qb_errbuf *eb);
enum qb_err qb__check_confusion(struct qb_metric *m, struct qb_errbuf *eb);
enum qb_err qb__update_top1(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb);
enum qb_err qb__update_top5(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb);
enum qb_err qb__update_confusion(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb);
double qb__value_top(const struct qb_metric *m);
double qb__value_miou(const struct qb_metric *m);
double qb__value_f1(const struct qb_metric *m);
double qb__value_matthews(const struct qb_metric *m);

/* metric_regression.c: outputs against real targets. */
enum qb_err qb__check_same_size(struct qb_metric *m, struct qb_errbuf *eb);
enum qb_err qb__check_similarity(struct qb_metric *m, struct qb_errbuf *eb);
enum qb_err qb__check_anomaly(struct qb_metric *m, struct qb_errbuf *eb);
enum qb_err qb__update_mse(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb);
enum qb_err qb__update_cosine(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb);
enum qb_err qb__update_similarity(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb);
enum qb_err qb__update_anomaly(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb);
double qb__value_mse(const struct qb_metric *m);
double qb__value_mean(const struct qb_metric *m);
double qb__value_pearson(const struct qb_metric *m);
double qb__value_spearman(const struct qb_metric *m);
double qb__value_auc(const struct qb_metric *m);

/* metric_tokens.c: logits [tokens, vocabulary]. */
enum qb_err qb__check_tokens(struct qb_metric *m, struct qb_errbuf *eb);
enum qb_err qb__update_tokens(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb);
enum qb_err qb__update_next_tokens(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb);
enum qb_err qb__update_token_hits(struct qb_metric *m, const struct qb_metric_sample *s,
	struct qb_errbuf *eb);
double qb__value_loss(const struct qb_metric *m);
double qb__value_perplexity(const struct qb_metric *m);

/* Of a sample that was added; hits, places: before it. */
void qb__metric_note_answers(struct qb_metric *m, double hits, double places);
/* The group that the next sample belongs to; NULL: none are kept. */
struct qb_metric *qb__metric_group(const struct qb_metric *m);
/* One pair (prediction, label). */
enum qb_err qb__metric_add_pair(struct qb_metric *m, double prediction, double label, struct qb_errbuf *eb);

/* Fails where a sample has several rows. */
enum qb_err qb__check_one_row(const struct qb_metric *m, struct qb_errbuf *eb);

#endif
