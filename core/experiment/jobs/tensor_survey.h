/* SPDX-License-Identifier: Apache-2.0
 *
 * The survey of one tensor: its moments, its channels, and the error of every format at every granularity, in two
 * passes over the source and constant memory. Results do not depend on the number of threads: sums are kept by chunk
 * and added in order.
 */
#ifndef QB_JOBS_TENSOR_SURVEY_H
#define QB_JOBS_TENSOR_SURVEY_H

#include "core/analysis/spread.h"
#include "core/experiment/jobs/tensor_source.h"
#include "core/quant/quantizer.h"
#include "core/quant/range.h"
#include "core/quant/scheme.h"

enum { QB_GRANULARITIES = QB_PER_BLOCK + 1 };

struct qb_survey_options {
	const struct qb_format *format; /* as named; [formats] */
	int formats;
	bool granularity[QB_GRANULARITIES];
	int block;                      /* a power of two: for formats without blocks of their own */
	struct qb_range_options range;
	int threads;
	double outlier_ratio;
	/* Hears elements done of two passes' worth; its error ends the survey. May be NULL. */
	enum qb_err (*progress)(void *arg, int64_t elements, struct qb_errbuf *eb);
	void *arg;
};

/* One format at one granularity. */
struct qb_survey_row {
	int format;
	enum qb_granularity granularity;
	double bits; /* of a number, its part of the scales included */
	double signal, noise, mse, sqnr_db;
};

struct qb_outlier {
	int64_t channel;
	float infinity_norm;
	double ratio; /* to the median of the channels' */
};

enum { QB_OUTLIERS_KEPT = 32 };

struct qb_survey {
	int axis; /* -1: no channels */
	int64_t channels;
	struct qb_observer *observer; /* minimum, maximum, counts, histogram; owned */
	struct qb_spread spread;
	uint64_t zeros;
	int64_t outliers; /* all of them; the largest are kept */
	struct qb_outlier outlier[QB_OUTLIERS_KEPT];
	int rows;
	struct qb_survey_row *row; /* by granularity, then format; owned */
};

/* axis: of the channels; -1: none. */
enum qb_err qb_survey_run(struct qb_survey *out, const struct qb_tensor_source *source, int tensor,
	int axis, const struct qb_survey_options *opt, struct qb_errbuf *eb);
void qb_survey_fini(struct qb_survey *survey);

#endif
