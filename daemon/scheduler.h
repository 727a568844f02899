/* SPDX-License-Identifier: Apache-2.0
 *
 * What to do next with the queue and the workers, as a function of their state and the time. Pure: no loop, no database,
 * no clock.
 */
#ifndef QB_DAEMON_SCHEDULER_H
#define QB_DAEMON_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

/* A worker asks for a time during which it alone computes, to measure latency. */
enum qb_exclusive { QB_EXCLUSIVE_NO, QB_EXCLUSIVE_ASKED, QB_EXCLUSIVE_GRANTED };

struct qb_sched_run {
	bool inspection;
	int place; /* where it runs, of the state's; -1: at one that is no more, elsewhere */
	bool ended; /* its worker is gone; its end waits to be stored */
	enum qb_exclusive exclusive;
	int64_t turn;  /* order in which exclusive runs were asked for */
	double active; /* when it last showed a sign of life */
};

enum { QB_PLACES_MAX = 32 };

/* Where jobs run. Those that are here share this machine; what is elsewhere neither disturbs nor is disturbed. */
struct qb_sched_place {
	bool here;
	int slots;     /* jobs at once */
	double resume; /* nothing starts before: it failed, and has a pause */
};

struct qb_sched_state {
	double now;    /* seconds */
	bool open;     /* new work may start: the worker program is known, the server is not stopping */
	const struct qb_sched_place *places; /* the first one is here, and inspections are there */
	int place_count;
	int inspection_slots;
	double stall_seconds; /* an exclusive run without a sign of life for so long is ended; 0: never */
	const struct qb_sched_run *runs;
	int count;
};

struct qb_sched_plan {
	int exclusive; /* index of the run beside which all others are paused; -1: none */
	bool grant;    /* it is to be told that it may begin */
	bool silent;   /* it has shown no sign of life for a while */
	bool stalled;  /* for too long: it is to be ended */
	int inspections, jobs[QB_PLACES_MAX]; /* that may start now, jobs by place */
	double again;  /* decide again at this time, even if nothing changes; 0: no need */
};

struct qb_sched_plan qb_sched_plan(const struct qb_sched_state *s);

/* The pauses after failures of the host, each twice as long as the one before. */
struct qb_host_pause {
	int failures;
	double until;
};
void qb_host_pause_extend(struct qb_host_pause *p, double now);

/* Why a run was ended from here. */
enum qb_worker_run_stop {
	QB_STOP_NONE,
	QB_STOP_CANCELLED, /* somebody asked for it */
	QB_STOP_STOPPING,  /* the daemon is stopping */
	QB_STOP_OVERTIME,  /* the limit of elapsed time */
	QB_STOP_STALLED,   /* it measured latency alone, and did nothing */
	QB_STOP_ABANDONED, /* its start could not be stored: it never began */
};

enum qb_worker_run_fate { QB_FATE_NOTHING, QB_FATE_SUCCEEDED, QB_FATE_FAILED, QB_FATE_CANCELLED, QB_FATE_QUEUED, QB_FATE_GAVE_UP };

enum { QB_ATTEMPTS_MAX = 3 };

struct qb_worker_run_end {
	enum qb_worker_run_stop stop;
	bool good;    /* a result, and exit status 0 */
	bool started; /* false: what ended was no worker, for the host could not start one */
	bool crashed; /* it ended by neither a result nor an error of its own */
	bool resumable, progressed; /* it left a checkpoint; this start wrote it */
	bool host_suspected; /* the worker may have failed for want of something on the machine */
	int attempts; /* times the job was started, this one included; those that were not its fault are not counted */
};
/* What becomes of a job whose worker ended; *counts says whether this start counts as an attempt. */
enum qb_worker_run_fate qb_sched_fate(const struct qb_worker_run_end *e, bool *counts);

#endif
