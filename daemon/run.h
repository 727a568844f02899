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

enum qb_run_stop {
	QB_RUN_GOES,
	QB_RUN_CANCELLED, /* somebody asked for it */
	QB_RUN_STOPPED,   /* the daemon is stopping */
	QB_RUN_OVERTIME,  /* the limit of elapsed time */
};

enum qb_run_section { QB_SECTION_NONE, QB_SECTION_WAITS, QB_SECTION_ALONE };

struct qb_run {
	struct qb_daemon *daemon;
	int64_t job;     /* 0 for an inspection */
	char upload[24]; /* what an inspection looks at */
	struct qb_worker *worker;
	char *folder;
	json_t *result, *error; /* what the worker said last */
	char outcome[160];      /* how the process ended, for the record */
	enum qb_run_stop stop;
	enum qb_run_section section;
	bool paused;
	uv_timer_t wall, grace;
	int closed; /* of the two */
	int64_t waits_since; /* turn of its section */
	double wall_left, wall_since; /* seconds */
	double progress_at;
	char stage[64];
	int64_t kept, invalid;
	bool changed; /* events were stored in this batch */
	struct qb_run *next;
	/* Its worker is gone; error is NULL exactly when result counts. The receiver frees the run. */
	void (*ended)(void *arg, struct qb_run *run);
	void (*sections)(void *arg); /* a section began or ended */
	void *arg;
};

/* line: the job for the worker. NULL with a sentence in why where it cannot start. */
struct qb_run *qb_run_start(struct qb_daemon *daemon, int64_t job, const char *upload, json_t *line,
	void (*ended)(void *arg, struct qb_run *run), void (*sections)(void *arg), void *arg, char *why,
	size_t why_len);
void qb_run_end(struct qb_run *run, enum qb_run_stop reason); /* SIGTERM, two seconds, SIGKILL */
void qb_run_pause(struct qb_run *run);                        /* its clock stops too */
void qb_run_resume(struct qb_run *run);
void qb_run_go(struct qb_run *run); /* the section it waits for may begin */
void qb_run_free(struct qb_run **run);

/* Stores an event of the job and wakes its followers; the time is added. */
void qb_run_event(struct qb_daemon *daemon, int64_t job, json_t *event);

#endif
