/* SPDX-License-Identifier: Apache-2.0
 *
 * The queue and its workers: the one place where a job changes its state. Loop thread only.
 *
 *     queued -> running -> succeeded | failed | cancelled
 *
 * A job whose daemon went away while it ran is queued again, up to three times in all.
 */
#ifndef QB_DAEMON_JOBS_H
#define QB_DAEMON_JOBS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/util.h"

struct qb_jobs;
struct qb_daemon;

struct qb_jobs *qb_jobs_create(struct qb_daemon *daemon);
/* Takes up what an earlier daemon left; called once, before requests are answered. */
void qb_jobs_recover(struct qb_jobs *jobs);
/* Starts whatever may start now. */
void qb_jobs_wake(struct qb_jobs *jobs);
/* Ends all workers, queues their jobs again; done is called when none is left. */
void qb_jobs_stop(struct qb_jobs *jobs, void (*done)(struct qb_daemon *daemon));
void qb_jobs_destroy(struct qb_jobs **jobs);
bool qb_jobs_alone(const struct qb_jobs *jobs); /* a latency section runs: nothing else may compute */
int qb_jobs_running(const struct qb_jobs *jobs); /* workers, inspections included */

/* spec has passed its schema. Returns the job's object; *created is false where an identical job answers. */
json_t *qb_jobs_submit(struct qb_jobs *jobs, const json_t *spec, bool *created, struct qb_problem *p);
json_t *qb_jobs_cancel(struct qb_jobs *jobs, int64_t id, struct qb_problem *p);
json_t *qb_jobs_retry(struct qb_jobs *jobs, int64_t id, struct qb_problem *p);
bool qb_jobs_delete(struct qb_jobs *jobs, int64_t id, struct qb_problem *p);

#endif
