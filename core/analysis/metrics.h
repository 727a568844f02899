/* SPDX-License-Identifier: Apache-2.0
 *
 * Task metrics, fed sample by sample in the order of the data. A new one is one row in the table of metrics.c and its
 * functions in the file of its family.
 */
#ifndef QB_ANALYSIS_METRICS_H
#define QB_ANALYSIS_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

enum { QB_METRIC_DIMS = 8, QB_METRIC_GROUPS = 256 };

/* One row of a network's output, without the batch, and what a sample has besides. */
struct qb_metric_shape {
	int ndim;
	int64_t dim[QB_METRIC_DIMS]; /* [C], [C,H,W], [tokens,vocabulary] ... */
	size_t outputs;              /* their product */
	size_t inputs;               /* elements of one row of the first input; 0: it is not float */
	size_t labels;               /* elements; 0: there are none */
	int64_t rows;                /* rows that make one sample: 1, 2 for pairs of sentences, ... */
};

struct qb_metric;

/* Fails where there is no such metric. */
enum qb_err qb_metric_check_name(const char *name, struct qb_errbuf *eb);
/* Fails where the name is unknown or the labels do not fit; the sentence says what the metric wants. */
enum qb_err qb_metric_create(struct qb_metric **out, const char *name,
	const struct qb_metric_shape *shape, struct qb_errbuf *eb);
void qb_metric_destroy(struct qb_metric **m);

/* y [samples, rows, outputs]; x [samples, rows, inputs], NULL where the metric does not read it; labels
 * [samples, labels]. */
enum qb_err qb_metric_update(struct qb_metric *m, const float *y, const float *x,
	const double *labels, int64_t samples, struct qb_errbuf *eb);

/* Before the first sample of so many: keeps what intervals need. Metrics to be compared get the same seed. */
enum qb_err qb_metric_keep_groups(struct qb_metric *m, int64_t samples, uint64_t seed, struct qb_errbuf *eb);

struct qb_interval {
	double low, high; /* NaN: there is none */
};

struct qb_metric_change {
	struct qb_interval interval; /* 95 %, of the change against metric[0] */
	bool best;                   /* of those after metric[0]: the best one, or no worse by what the samples can tell */
};

/* How sure changes are, by a paired bootstrap over the samples that all of the metrics saw. metric[count], with groups;
 * change[count]. Where all of its replicates find no change, the interval is the exact bound for that many samples whose answers
 * stayed, or NaN of metrics that are no share of right answers. The numbers depend on the seed and not on the machine. */
enum qb_err qb_metric_compare(const struct qb_metric *const metric[], int count, uint64_t seed,
	struct qb_metric_change change[], struct qb_errbuf *eb);

/* The table's summaries say which are in per cent; NaN before any sample. */
double qb_metric_value(const struct qb_metric *m);
/* Samples with an output that is no number; they count as wrong. */
int64_t qb_metric_nans(const struct qb_metric *m);

/* The table, for lists: NULL at the end. */
const char *qb_metric_name(int i);
const char *qb_metric_summary(int i);
/* Is a larger value better? */
bool qb_metric_rises(const char *name);
/* Does it read labels as windows of a text have them, those of each token at its own place? */
bool qb_metric_is_of_windows(const char *name);
/* Does it compare the output with the network's input? */
bool qb_metric_reads_input(const char *name);
/* The mean loss in nats of which `value` tells; NaN of metrics that are of no loss. */
double qb_metric_loss(const char *name, double value);

#endif
