/* SPDX-License-Identifier: Apache-2.0
 *
 * One network of an outliers job: its metric in float and under every scheme, once a calibration seed, and its outliers, as one
 * row of the result.
 */
#ifndef QB_JOBS_OUTLIER_RUN_H
#define QB_JOBS_OUTLIER_RUN_H

#include "core/experiment/experiment.h"
#include "core/experiment/spec/outliers_spec.h"
#include "core/ptq/outlier_report.h"

/* A place in a network, the same in every network of its kind. */
struct qb_outlier_place {
	bool known;
	enum qb_stream_kind kind;
	enum qb_stream_branch after;
	int layer;
};

struct qb_outlier_subject {
	const char *id, *name, *model_name; /* of the run; of the method or model; of the upload or the network */
	int64_t seed;                       /* of a training; negative: there was none */
	const struct qb_graph *model;       /* prepared */
	const struct qb_dataset *data;
	const json_t *attention;            /* what the job says of the attention; NULL: nothing */
	double from, to;                    /* of the job's progress */
};

/* What a summary is made of. */
struct qb_outlier_numbers {
	int64_t samples, calibration_samples, tokens; /* evaluated; that calibrate; of a sequence */
	bool masked;                                  /* padding was left out */
	double metric, loss, max_inf_norm, avg_kurtosis, sink_share;
	double *scheme_metric, *scheme_delta; /* [schemes] */
};

/* *row: a new reference, without "training" and "growth". *place: the worst tensor's, where none is known yet; what is known is shown
 * of this network, too. */
enum qb_err qb_outlier_run(json_t **row, struct qb_outlier_numbers *numbers, struct qb_job *job, const struct qb_outliers_spec *spec,
	const struct qb_outlier_subject *subject, struct qb_outlier_place *place, struct qb_errbuf *eb);
void qb_outlier_numbers_fini(struct qb_outlier_numbers *n);

#endif
