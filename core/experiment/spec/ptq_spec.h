/* SPDX-License-Identifier: Apache-2.0
 *
 * The description of a ptq job, checked and with its defaults filled in.
 */
#ifndef QB_EXPERIMENT_SPEC_PTQ_SPEC_H
#define QB_EXPERIMENT_SPEC_PTQ_SPEC_H

#include "core/analysis/latency.h"
#include "core/experiment/experiment.h"
#include "core/experiment/spec/scheme_spec.h"
#include "core/experiment/spec/text_spec.h"
#include "core/ptq/query_samples.h"
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
	struct qb_text_config text;
	bool has_text;       /* the data are tokens */
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
	int most_threads; /* of the host */
	struct {          /* borrowed from the job, as it stands there; NULL: it does not */
		const json_t *schemes, *methods, *latency, *scale, *mean, *std;
		struct qb_job_halves halves;
	} asked;
};

void qb_ptq_spec_defaults(void *out);

extern const struct qb_object qb_preprocess_object;
extern const struct qb_field qb_ptq_fields[], qb_latency_entries[];

/* What every job on a network and its data has, of a struct that begins with a struct qb_ptq_spec. */
#define QB_PTQ_UPLOADS \
	{"model", QB_FIELD_UPLOAD, .required = true, .takes = "is missing; give the model to use", \
		.summary = "a model's id, or a path for `quantbench run`"}, \
	QB_PTQ_DATA
#define QB_PTQ_DATA \
	{"data", QB_FIELD_UPLOAD, .required = true, .takes = "is missing; give the data to use", \
		.summary = "a dataset's id, or a path for `quantbench run`"}, \
	{"metric", QB_FIELD_STRING, offsetof(struct qb_ptq_spec, metric), .summary = "of the task, such as top1, miou or mse; default with text: perplexity"}, \
	{"seed", QB_FIELD_LONG, offsetof(struct qb_ptq_spec, seed), .low = 0, .high = QB_FIELD_MOST_LONG}, \
	{"threads", QB_FIELD_INT, offsetof(struct qb_ptq_spec, threads), 1, QB_FIELD_MOST_INT, \
		.summary = "worker threads; default: all that the server gives a job", .most = offsetof(struct qb_ptq_spec, most_threads)}, \
	{"preprocess", QB_FIELD_OBJECT, .object = &qb_preprocess_object}, \
	{"text", QB_FIELD_OBJECT, offsetof(struct qb_ptq_spec, text), .object = &qb_text_object}
#define QB_PTQ_WORDS \
	{"weights", QB_FIELD_ANY, offsetof(struct qb_ptq_spec, asked.halves.weights), .any = qb_part_entry}, \
	{"activations", QB_FIELD_ANY, offsetof(struct qb_ptq_spec, asked.halves.activations), .any = qb_part_entry}, \
	{"methods", QB_FIELD_LIST, offsetof(struct qb_ptq_spec, asked.methods), 0, QB_METHODS_MAX, \
		.summary = "of every scheme that names none of its own", .object = &qb_methods_object, .takes = "methods"}
/* Of its "calibration". */
#define QB_PTQ_CALIBRATION \
	{"samples", QB_FIELD_LONG, offsetof(struct qb_ptq_spec, calibration_samples), 1, 1000000, \
		.summary = "how many of the data set the ranges of activations and are what methods learn from"}, \
	{"spread", QB_FIELD_BOOL, offsetof(struct qb_ptq_spec, spread), \
		.summary = "they lie evenly in the data; false: they are its first"}, \
	{"momentum", QB_FIELD_REAL, offsetof(struct qb_ptq_spec, momentum), 0, 1, \
		.summary = "of running_minmax: what a batch leaves of the range before it"}

/* Where scheme i stands in the job, for messages: "schemes[1]" in a ptq job. */
typedef void qb_scheme_path(size_t i, char *out, size_t size);

/* Strings are borrowed from the job; qb_ptq_spec_fini frees the rest, also after an error. path: NULL for a ptq job's. */
enum qb_err qb_ptq_spec_parse(struct qb_ptq_spec *out, const struct qb_job *job,
	qb_scheme_path *path, struct qb_errbuf *eb);
/* "preprocess" of any job; its memory is freed by qb_ptq_spec_fini. */
enum qb_err qb_ptq_spec_read_preprocess(struct qb_ptq_spec *s, const json_t *job, struct qb_errbuf *eb);
/* That the data are tokens, and the metric; after the fields and the uploads have been read. */
enum qb_err qb_ptq_spec_read_task(struct qb_ptq_spec *s, const struct qb_job *job, struct qb_errbuf *eb);
/* An upload of the job as data; borrows from the spec. */
struct qb_data_source qb_ptq_spec_source(const struct qb_ptq_spec *s, const char *path, const char *name);
/* The schemes of a struct whose `asked` says them, as the fields of that name do; path: NULL for "schemes[i]". */
enum qb_err qb_ptq_spec_read_schemes(struct qb_ptq_spec *s, qb_scheme_path *path, struct qb_errbuf *eb);
/* "latency", where the job has it. */
enum qb_err qb_ptq_spec_read_latency(struct qb_ptq_spec *s, struct qb_errbuf *eb);
/* What such a job asks of its sweep, whose progress is the caller's to hear. */
struct qb_sweep_options qb_ptq_sweep_options(const struct qb_ptq_spec *spec);
void qb_ptq_spec_fini(struct qb_ptq_spec *spec);

#endif
