/* SPDX-License-Identifier: Apache-2.0
 *
 * Latency as MLPerf Inference's single-stream scenario measures it (Reddi et al., ISCA 2020; the MLPerf Inference
 * rules): one query at a time, back to back, after a warm-up, for at least a stated time and count; percentiles
 * with the early-stopping estimate.
 */
#ifndef QB_ANALYSIS_LATENCY_H
#define QB_ANALYSIS_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

struct qb_latency_options {
	double min_seconds;   /* of queries, for each subject; the rule's is 10 */
	int64_t min_queries;  /* the rule's is 662 */
	double warmup_seconds; /* and at least one run; the rule's is 0.5 */
};

/* One subject of a comparison: a network under one format. */
struct qb_latency_subject {
	enum qb_err (*query)(void *arg, struct qb_errbuf *eb);
	void *arg;
};

struct qb_latency {
	int64_t count;
	double seconds;                /* spent in counted queries */
	int64_t p50_ns, p90_ns, p99_ns; /* nearest rank, as observed */
	/* Early stopping: a value that the percentile does not exceed with 99 % confidence; -1 when there are too
	 * few queries to say. */
	int64_t es50_ns, es90_ns, es99_ns;
	double mean_ns, stddev_ns;
	int64_t min_ns, max_ns;
	bool short_run; /* less than the rule's 10 s, 662 queries or warm-up */
};

/* Measures the subjects in turns of a tenth of a second, so that drift of the machine hits all alike. Each turn
 * starts with an uncounted query. progress (or NULL) hears the fraction done, now and then; an error of it ends all. */
enum qb_err qb_latency_measure(const struct qb_latency_subject *subjects, int count,
	const struct qb_latency_options *opt, struct qb_latency *out,
	enum qb_err (*progress)(void *arg, double fraction, struct qb_errbuf *eb), void *arg,
	struct qb_errbuf *eb);

/* Of latencies taken elsewhere, which it sorts: [count], at least one. */
void qb_latency_summarise(int64_t *ns, int64_t count, const struct qb_latency_options *opt, struct qb_latency *out);

/* The largest t such that P[Binomial(n, 1 - percentile) <= t] <= 1 - confidence, or -1: at most t of n queries may
 * exceed a bound that the percentile keeps with that confidence. */
int64_t qb_latency_overlatency(int64_t n, double percentile, double confidence);

#endif
