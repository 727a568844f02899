/* SPDX-License-Identifier: Apache-2.0
 *
 * What the worker program can do, and what it is asked for answers at once. One worker lives as long as the daemon and
 * answers questions one after the other; it is started again when it dies, and killed when an answer takes too long.
 */
#ifndef QB_DAEMON_ENGINE_H
#define QB_DAEMON_ENGINE_H

#include <jansson.h>
#include <stdbool.h>

#include "daemon/util.h"

struct qb_engine;
struct qb_daemon;
struct qb_call;

/* Loop thread. ready is called once, when the worker has answered; measuring says whether heavy questions have to be
 * refused just now. */
struct qb_engine *qb_engine_create(struct qb_daemon *daemon, void (*ready)(struct qb_daemon *daemon),
	bool (*measuring)(struct qb_daemon *daemon));
void qb_engine_stop(struct qb_engine *e); /* no more questions */
void qb_engine_destroy(struct qb_engine **e);

/* Any thread. {"engine", "types", "formats", ...}, borrowed, never changes; NULL while the worker has not answered. */
const json_t *qb_engine_info(struct qb_engine *e, struct qb_problem *p);
/* The row of a kind of job, borrowed; NULL where there is none. */
const json_t *qb_engine_type(const json_t *info, const char *type);

/* Something the worker is asked, on the stack of a thread that waits for the answer. */
struct qb_question {
	struct qb_daemon *daemon;
	const char *ask;    /* format, round, sqnr, ... (core/experiment/question.c) */
	const json_t *body; /* what it takes; borrowed */
	bool heavy;         /* not while a job measures latency */
	int refused;        /* status of the worker's own refusals; 0: 422 */
	json_t *answer;     /* new reference, or NULL and problem */
	struct qb_problem problem;
	/* the engine's */
	struct qb_call *call;
	struct qb_question *next;
};
/* For qb_calls_run with a question as its argument. */
void qb_engine_ask(struct qb_call *call, void *question);

#endif
