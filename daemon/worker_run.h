/* SPDX-License-Identifier: Apache-2.0
 *
 * One worker at work: on a job, or on the inspection of an upload. Stores its events, holds its limits, words its
 * end. Loop thread only.
 */
#ifndef QB_DAEMON_WORKER_RUN_H
#define QB_DAEMON_WORKER_RUN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/daemon.h"
#include "daemon/record.h"
#include "daemon/scheduler.h"
#include "daemon/targets.h"

struct qb_worker_run {
	struct qb_daemon *daemon;
	int64_t job;     /* 0 for an inspection */
	char upload[24]; /* what an inspection looks at */
	char target[QB_TARGET_NAME]; /* where it runs */
	enum qb_target_kind kind;
	int64_t wall_limit; /* of this job; 0: the server's */
	struct qb_worker *worker;
	char *folder, *checkpoints;
	char *scratch; /* in it, where the worker runs and leaves its artifacts */
	int64_t checkpoint;     /* the stamp of what its checkpoints' folder held when it began */
	json_t *result, *error; /* what the worker said last */
	char engine[64];        /* its version, as it said beside the result */
	json_t *machine;        /* and its processor */
	char outcome[160];      /* how the process ended, for the record */
	enum qb_worker_run_stop stop;
	enum qb_exclusive exclusive;
	int64_t turn;           /* of its exclusive time, given by the receiver */
	double active;          /* when it last showed a sign of life */
	int64_t ticks;          /* of processor time, at the last look */
	int64_t oom_kills;      /* the kernel's count, taken at oom_looked */
	double oom_looked;
	int attempts;           /* the receiver's, as is serial */
	int64_t serial;
	struct qb_record record;
	bool launched; /* behind a launcher */
	bool begun, paused;
	bool held;              /* it is not read until its events can be stored */
	bool ended;             /* its worker is gone */
	bool refused;           /* its end was worded before it came */
	bool silent;            /* it failed by itself, without having said a word */
	bool crashed;           /* it ended by neither a result nor an error of its own */
	bool host_suspected;    /* it may have failed for want of memory or disk, or of something else that a worker needs to start */
	bool host_failed;       /* what ended was a program that could not start the worker */
	uv_timer_t wall, grace;
	int graces; /* left before it is killed */
	int closed; /* of the two */
	double wall_left, wall_since; /* seconds */
	int64_t invalid;
	struct qb_worker_run *next;
	char *line; /* its job, until it begins */
	/* It said its first line, asked for exclusive time or gave it back, or ended: error is then NULL exactly when result counts. */
	void (*changed)(void *arg, struct qb_worker_run *run);
	void *arg;
};

struct qb_worker_run_setup {
	int64_t job;        /* 0 for an inspection of upload */
	const char *upload;
	const struct qb_target *target; /* where; borrowed */
	const json_t *limits;   /* {threads, memory_bytes, wall_seconds} of what is less than the target's; NULL: none; borrowed */
	json_t *line;           /* what the worker is told; borrowed */
	const json_t *inputs;   /* rows of {field, name, sha256}: fields of the line that become {path, name, sha256} */
	void (*changed)(void *arg, struct qb_worker_run *run);
	void *arg;
};

enum qb_worker_run_started { QB_RUN_STARTED, QB_RUN_HOST_FAILED, QB_RUN_INPUT_LOST };

/* Starts a worker, which waits for its job. Fails with a sentence in why. */
enum qb_worker_run_started qb_worker_run_start(struct qb_daemon *daemon, const struct qb_worker_run_setup *setup, struct qb_worker_run **run,
	char *why, size_t why_len);
void qb_worker_run_begin(struct qb_worker_run *run); /* the worker gets its job, and its time runs */
void qb_worker_run_end(struct qb_worker_run *run, enum qb_worker_run_stop reason); /* SIGTERM, two seconds, SIGKILL */
/* Instead of qb_worker_run_begin: ends it at once, and says what its end is. host_failed: that is no fault of the job. */
void qb_worker_run_refuse(struct qb_worker_run *run, const char *code, const char *detail, bool host_failed);
/* Stores its events; false where that has to be tried again. */
bool qb_worker_run_save(struct qb_worker_run *run);
/* Has it a checkpoint to go on from; did this run write one? */
bool qb_worker_run_resumable(const struct qb_worker_run *run, bool *progressed);
void qb_worker_run_pause(struct qb_worker_run *run);                        /* its clock stops too */
void qb_worker_run_resume(struct qb_worker_run *run);
void qb_worker_run_grant(struct qb_worker_run *run); /* the exclusive time it asked for begins */
void qb_worker_run_look(struct qb_worker_run *run);  /* processor time that it used is a sign of life */
void qb_worker_run_free(struct qb_worker_run **run);

/* For worker_run.c. Sets outcome, and the error of every end but a good one. */
struct qb_worker_end;
void qb__run_explain(struct qb_worker_run *r, const struct qb_worker_end *end);
int64_t qb__run_wall_seconds(const struct qb_worker_run *r); /* its limits */
int64_t qb__run_cpu_seconds(const struct qb_worker_run *r);

#endif
