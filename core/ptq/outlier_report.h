/* SPDX-License-Identifier: Apache-2.0
 *
 * The outliers of a transformer on data, in float: of every tensor of its residual stream (core/analysis/outliers.h) and every
 * attention head (core/analysis/attention_heads.h), in one pass, with maps of the first sequence. The same bytes for any number of
 * threads.
 */
#ifndef QB_PTQ_OUTLIER_REPORT_H
#define QB_PTQ_OUTLIER_REPORT_H

#include "core/analysis/attention_heads.h"
#include "core/analysis/outliers.h"
#include "core/ptq/sequences.h"

/* At most so many cells a side. */
enum { QB_MAP_SIDE = 64 };

/* Of one sequence: value[position][channel] of a residual sum, each the element of the largest magnitude of its cell's tokens;
 * channel[k] is that of the largest magnitude of its run of channels. */
struct qb_outlier_map {
	int64_t positions, channels; /* 0: there is none */
	int64_t *position, *channel;
	float *value;
};

/* value[query][key]: the largest probability of the cell; both sides are cut in the same places. */
struct qb_attention_map {
	int64_t positions;
	int64_t *position;
	float *value;
};

struct qb_attention_report {
	int layer;     /* -1: in no block */
	int64_t heads; /* 0: its probabilities are of a form that is not read, or of other lengths than the stream's */
	struct qb_attention_head *head; /* [heads] */
	struct qb_attention_map *map;   /* [heads]; NULL: no maps were wanted */
};

struct qb_outlier_report {
	struct qb_sequences *sequences; /* whose stream and attention these are of */
	struct qb_outliers *tensor;     /* [stream.count] */
	struct qb_outlier_map *map;     /* [stream.count]; of residual sums, where maps were wanted */
	struct qb_attention_report *attention; /* [attention.count] */
	double max_inf_norm, avg_kurtosis, max_kurtosis; /* over the measured tensors; NaN of none */
	int worst;                      /* the tensor of max_inf_norm; -1 */
	double sink_share;              /* of all heads; NaN of none */
};

struct qb_outlier_options {
	int64_t samples; /* the data's first; 0: all */
	int threads;
	bool maps;
	enum qb_err (*progress)(void *arg, double share, struct qb_errbuf *eb); /* or NULL */
	void *arg;
};

/* model: prepared. */
enum qb_err qb_outlier_report_create(struct qb_outlier_report **out, const struct qb_graph *model, const struct qb_dataset *data,
	const struct qb_outlier_options *opt, struct qb_errbuf *eb);
void qb_outlier_report_destroy(struct qb_outlier_report **r);

#endif
