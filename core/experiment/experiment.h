/* SPDX-License-Identifier: Apache-2.0
 *
 * Kinds of job. A kind is one file jobs/NAME_job.c with one struct qb_experiment, and one row of the table in jobs/kinds.h.
 * Its table of fields is what reads a job, what JSON Schema, form and help tell of it, and which uploads it takes.
 */
#ifndef QB_EXPERIMENT_EXPERIMENT_H
#define QB_EXPERIMENT_EXPERIMENT_H

#include <jansson.h>
#include <stdbool.h>

#include "core/base/err.h"
#include "core/json/fields.h"
#include "core/json/number.h"

/* Where a job runs: who hears its events, and what it may use. */
struct qb_host {
	/* Takes one event object (borrowed). */
	void (*event)(void *arg, json_t *event);
	/* Returns once nothing else runs on this job's cores; QB_ECANCELLED if the parent went away. */
	enum qb_err (*wait_go)(void *arg, const char *section, struct qb_errbuf *eb);
	void *arg;
	const volatile bool *cancelled; /* set by a signal */
	const char *workdir;            /* where artifacts go; NULL: none are written */
	const char *checkpoints;        /* a folder that outlives the worker, from which a job goes on; NULL: there is none */
	int threads;                    /* worker threads the job may use */
	/* What reports say of the run, and no result; NULL where nobody told. */
	const char *job, *started, *engine; /* its id, when it began (2026-01-05T10:00:00Z), the version that runs it */
};

struct qb_job {
	const json_t *spec; /* the job as submitted, uploads resolved to paths */
	const struct qb_host *host;
	double progress; /* of the whole job; never goes back */
	/* What to look at is the description alone: no file is read or written, and work ends where it is checked. */
	bool checked;
	const json_t *uploads; /* of a check, or NULL: {"model": what inspect said of it, "data": ...}; either may be missing */
	bool live;       /* a page waits for the answer: no uploads, bounded work, nothing sampled unasked */
};

struct qb_experiment {
	const char *type;
	const char *summary;
	bool internal;      /* run by the daemon itself, not offered to users */
	bool live;          /* may also be asked for at once (core/experiment/question.h) */
	struct qb_object job; /* its fields beside "type", "workdir", "checkpoints" and "fresh", which all jobs have */
	/* *result is a new reference. Errors name the field of the job that caused them. */
	enum qb_err (*run)(struct qb_job *job, json_t **result, struct qb_errbuf *eb);
	/* What can be known of a job before it runs: reads the description with the reader that run has. */
	enum qb_err (*check)(struct qb_job *job, struct qb_errbuf *eb);
};

const struct qb_experiment *qb_experiment_find(const char *type);
const struct qb_experiment *qb_experiment_at(int i); /* NULL at the end */

/* Fills the members of *out that the job has, by the fields of its kind; defaults are the caller's to set first. */
enum qb_err qb_job_read(void *out, const struct qb_job *job, const struct qb_field *fields, struct qb_errbuf *eb);

/* Carries out the job; emits progress, metrics and artifacts through host on the way. */
enum qb_err qb_job_run(const json_t *spec, const struct qb_host *host, json_t **result,
	struct qb_errbuf *eb);

/* Would it be carried out, as far as its description and those of its uploads tell (struct qb_job)? */
enum qb_err qb_job_check_spec(const json_t *spec, const json_t *uploads, int threads, struct qb_errbuf *eb);

/* Events. fraction is of the whole job. */
enum qb_err qb_job_progress(struct qb_job *job, const char *stage, double fraction,
	struct qb_errbuf *eb, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* QB_ECANCELLED once the job is to end; tells nobody anything. arg: struct qb_job. */
enum qb_err qb_job_check(void *arg, struct qb_errbuf *eb);
void qb_job_log(struct qb_job *job, const char *level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* scope: model, layer, tensor or step; scheme, tensor and unit may be NULL. */
void qb_job_metric(struct qb_job *job, const char *scope, const char *scheme,
	const char *tensor, const char *name, double value, const char *unit);
/* Of a step of training, from 1; scope "step". scheme may be NULL. */
void qb_job_step_metric(struct qb_job *job, const char *scheme, const char *name, int64_t step, double value);
/* name: a file just written in workdir. */
void qb_job_artifact(struct qb_job *job, const char *name, const char *content_type);
enum qb_err qb_job_section_begin(struct qb_job *job, const char *name, struct qb_errbuf *eb);
void qb_job_section_end(struct qb_job *job, const char *name);

/* {"code", "detail"}, with the "field" and the "near" names, a list, where the error has them. New reference. */
json_t *qb_error_json(const struct qb_errbuf *error);

/* err, its sentence behind the upload that it is about, if it is about a file and not about a field of the job:
 * "model net.onnx: ...". */
enum qb_err qb_job_in_file(enum qb_err err, const char *field, const char *name, struct qb_errbuf *eb);

/* The path of an upload given as "path" or {"path": ..., "name": ...}, and its name for people. */
enum qb_err qb_job_input(const struct qb_job *job, const char *field, const char **path,
	const char **name, struct qb_errbuf *eb);
/* The same of entry i of a list of uploads (QB_FIELD_UPLOADS). */
enum qb_err qb_job_input_at(const struct qb_job *job, const char *field, size_t i, const char **path,
	const char **name, struct qb_errbuf *eb);

#endif
