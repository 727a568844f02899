/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs in the database: the one place where a job changes its state. Loop thread only.
 *
 *     queued -> running -> succeeded | failed | cancelled
 *
 * Each change is one transaction; it is published and logged when it has been committed. A function returns false where
 * that failed, and the job is then as it was.
 */
#ifndef QB_DAEMON_JOBS_H
#define QB_DAEMON_JOBS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/util.h"
#include "daemon/who.h"

struct qb_daemon;

/* Jobs that ran when an earlier daemon went away are queued again; called once, before requests are answered. */
bool qb_jobs_recover(struct qb_daemon *d);

/* The version that runs a job is the job's, and its fingerprint's, whichever it was queued for. engine may be NULL. */
void qb_job_engine(struct qb_daemon *d, int64_t id, const char *engine);
/* The processor that it runs on, as the worker says. */
void qb_job_machine(struct qb_daemon *d, int64_t id, const json_t *machine);
/* What an earlier start left is removed. */
bool qb_job_start(struct qb_daemon *d, int64_t id);
/* The ways out of running. error: {code, detail} or NULL; outcome: how the process ended, or NULL. */
bool qb_job_finish(struct qb_daemon *d, int64_t id, const char *state, json_t *error, const char *outcome,
	json_t *result);
bool qb_job_fail(struct qb_daemon *d, int64_t id, const char *code, const char *detail);
/* Jobs that wait for one that has not succeeded fail with it; for those that could not be looked for then, this does so. */
void qb_jobs_look_again(struct qb_daemon *d);
/* A failure that may pass: queued again after a pause, as often as the job wishes. *again is false, and nothing done, where it
 * has been by now. */
bool qb_job_try_later(struct qb_daemon *d, int64_t id, bool *again);
/* counts: the start that was made counts as an attempt. */
bool qb_job_requeue(struct qb_daemon *d, int64_t id, bool counts);
/* Within the caller's transaction. */
void qb_job_state_event(struct qb_daemon *d, int64_t id, const char *state, json_t *error);

/* Whether that one may change the job, or says why not. */
bool qb_job_is_of(struct qb_daemon *d, int64_t id, const struct qb_who *who, struct qb_problem *p);
/* What people ask for. They return the job's object. */
json_t *qb_job_cancel(struct qb_daemon *d, int64_t id, struct qb_problem *p);
bool qb_job_may_retry(struct qb_daemon *d, int64_t id, struct qb_problem *p); /* or says why not */
json_t *qb_job_retry(struct qb_daemon *d, int64_t id, struct qb_problem *p);
/* A part of what is left of it: some of its rows, in the end itself (*done). */
bool qb_job_delete(struct qb_daemon *d, int64_t id, bool *done, struct qb_problem *p);

json_t *qb_job_object(struct qb_daemon *d, int64_t id, struct qb_problem *p);

#endif
