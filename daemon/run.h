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
	int attempts;           /* the receiver's */
	bool paused, ended;     /* ended: its worker is gone */
	bool host_failed;       /* what ended was a program that could not start the worker */
	uv_timer_t wall, grace;
	int closed; /* of the two */
	double wall_left, wall_since; /* seconds */
	double progress_at;
	char stage[64];
	int64_t kept, invalid;
	bool events_stored; /* in this batch */
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
void qb_run_pause(struct qb_run *run);                        /* its clock stops too */
void qb_run_resume(struct qb_run *run);
void qb_run_grant(struct qb_run *run); /* the exclusive time it asked for begins */
void qb_run_free(struct qb_run **run);

/* Stores an event of the job; the time is added. */
void qb_run_event(struct qb_daemon *daemon, int64_t job, json_t *event);

#endif
