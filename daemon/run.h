/* SPDX-License-Identifier: Apache-2.0
 *
 * One worker at work: on a job, or on the inspection of an upload. Stores its events, holds its limits, words its
 * end. Loop thread only.
 */
#ifndef QB_DAEMON_RUN_H
#define QB_DAEMON_RUN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/daemon.h"
#include "daemon/record.h"
#include "daemon/scheduler.h"

struct qb_run {
	struct qb_daemon *daemon;
	int64_t job;     /* 0 for an inspection */
	char upload[24]; /* what an inspection looks at */
	struct qb_worker *worker;
	char *folder;
	json_t *result, *error; /* what the worker said last */
	char engine[64];        /* its version, as it said beside the result */
	char outcome[160];      /* how the process ended, for the record */
	enum qb_run_stop stop;
	enum qb_exclusive exclusive;
	int64_t turn;           /* of its exclusive time, given by the receiver */
	double active;          /* when it last showed a sign of life */
	int attempts;           /* the receiver's, as is serial */
	int64_t serial;
	struct qb_record record;
	bool begun, paused;
	bool held;              /* it is not read until its events can be stored */
	bool ended;             /* its worker is gone */
	bool refused;           /* its end was worded before it came */
	bool disk_full;         /* it may have failed for that */
	bool host_failed;       /* what ended was a program that could not start the worker */
	uv_timer_t wall, grace;
	int closed; /* of the two */
	double wall_left, wall_since; /* seconds */
	int64_t invalid;
	struct qb_run *next;
	char *line; /* its job, until it begins */
	/* It asked for exclusive time or gave it back, or it ended: error is then NULL exactly when result counts. */
	void (*changed)(void *arg, struct qb_run *run);
	void *arg;
};

/* Starts a worker, which waits for its job (line). NULL with a sentence in why where the host cannot. */
struct qb_run *qb_run_start(struct qb_daemon *daemon, int64_t job, const char *upload, json_t *line,
	void (*changed)(void *arg, struct qb_run *run), void *arg, char *why, size_t why_len);
void qb_run_begin(struct qb_run *run); /* the worker gets its job, and its time runs */
void qb_run_end(struct qb_run *run, enum qb_run_stop reason); /* SIGTERM, two seconds, SIGKILL */
/* Instead of qb_run_begin: ends it at once, and says what its end is. host_failed: that is no fault of the job. */
void qb_run_refuse(struct qb_run *run, const char *code, const char *detail, bool host_failed);
/* Stores its events; false where that has to be tried again. */
bool qb_run_save(struct qb_run *run);
void qb_run_pause(struct qb_run *run);                        /* its clock stops too */
void qb_run_resume(struct qb_run *run);
void qb_run_grant(struct qb_run *run); /* the exclusive time it asked for begins */
void qb_run_free(struct qb_run **run);

#endif
