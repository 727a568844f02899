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

/* Loop thread. ready is called whenever the worker has described itself; measuring says whether heavy questions have
 * to be refused just now. */
struct qb_engine *qb_engine_create(struct qb_daemon *daemon, void (*ready)(struct qb_daemon *daemon),
	bool (*measuring)(struct qb_daemon *daemon));
void qb_engine_stop(struct qb_engine *e); /* no more questions; those that wait are refused */
void qb_engine_destroy(struct qb_engine **e);

/* Any thread. {"engine", "types", "formats", ...}, borrowed until the engine is destroyed, never changes; another one takes
 * its place when the worker program is replaced. NULL while no worker has answered yet. */
const json_t *qb_engine_info(struct qb_engine *e, struct qb_problem *p);
/* Any thread. The same, and NULL while the worker program does not run. */
const json_t *qb_engine_ready(struct qb_engine *e, struct qb_problem *p);
/* Loop thread. The same, for what is about to be started: NULL while the program is another than the one described. */
const json_t *qb_engine_current(struct qb_engine *e);
/* Loop thread. A job was run by this version: if that is not the one described, the program is asked again. */
void qb_engine_heard(struct qb_engine *e, const char *version);
/* The row of a kind of job, borrowed; NULL where there is none. */
const json_t *qb_engine_type(const json_t *info, const char *type);

/* Something the worker is asked. It belongs to whoever asks, and stays until done was called. */
struct qb_question {
	const char *ask;    /* format, round, sqnr, ... (core/experiment/question.c) */
	const json_t *body; /* what it takes; borrowed */
	bool heavy;         /* not while a job measures latency, and after all that are not */
	int refused;        /* status of the worker's own refusals; 0: 422 */
	int client;         /* socket of who waits for the answer: a client that is gone is not worked for; -1: none */
	json_t *answer;     /* new reference, or NULL and problem */
	struct qb_problem problem;
	void (*done)(struct qb_question *q); /* loop thread; once, perhaps before qb_engine_ask returns */
	struct qb_question *next; /* the engine's */
};
/* Loop thread. */
void qb_engine_ask(struct qb_engine *e, struct qb_question *q);

#endif
