/* SPDX-License-Identifier: Apache-2.0
 *
 * The description of a ptq job, checked and with its defaults filled in.
 */
#ifndef QB_EXPERIMENT_SPEC_PTQ_SPEC_H
#define QB_EXPERIMENT_SPEC_PTQ_SPEC_H

#include "core/analysis/latency.h"
#include "core/experiment/experiment.h"
#include "core/ptq/sweep.h"
#include "core/quant/scheme.h"
#include "core/tensor/dataset.h"

enum { QB_PTQ_SCHEMES_MAX = 64, QB_PTQ_CHANNELS_MAX = 4096 };

struct qb_ptq_spec {
	const char *model_path, *model_name, *data_path, *data_name;
	const char *metric; /* borrowed from the job */
	int schemes;
	struct qb_scheme *scheme;
	struct qb_method_list *methods; /* [schemes] */
	int64_t seed;
	struct qb_preprocess preprocess; /* points into factor */
	float *factor;
	int64_t calibration_samples;
	bool spread;         /* evenly over the data; else its first */
	bool held_out;       /* those are not evaluated */
	double momentum; /* of running_minmax */
	int64_t max_samples; /* evaluate at most this many; 0: all */
	int threads;         /* for accuracy */
	bool latency, profile;
	int latency_threads;
	struct qb_latency_options latency_options;
	unsigned exports; /* QB_EXPORT_... */
};

/* Where scheme i stands in the job, for messages: "schemes[1]" in a ptq job. */
typedef void qb_scheme_path(size_t i, char *out, size_t size);

/* Strings are borrowed from the job; qb_ptq_spec_fini frees the rest, also after an error. path: NULL for a ptq job's. */
enum qb_err qb_ptq_spec_parse(struct qb_ptq_spec *out, const struct qb_job *job,
	qb_scheme_path *path, struct qb_errbuf *eb);
/* What such a job asks of its sweep, whose progress is the caller's to hear. */
struct qb_sweep_options qb_ptq_sweep_options(const struct qb_ptq_spec *spec);
void qb_ptq_spec_fini(struct qb_ptq_spec *spec);

#endif
