/* SPDX-License-Identifier: Apache-2.0
 *
 * What the worker program can do. It is asked once at the start (and again while it does not answer); number formats
 * are asked for as people look at them, and remembered.
 */
#ifndef QB_DAEMON_ENGINE_H
#define QB_DAEMON_ENGINE_H

#include <jansson.h>
#include <stdbool.h>

#include "daemon/util.h"

struct qb_engine;
struct qb_lab;
struct qb_call;

/* Loop thread. ready is called once, when the worker has answered. */
struct qb_engine *qb_engine_create(struct qb_lab *lab, void (*ready)(struct qb_lab *lab));
void qb_engine_stop(struct qb_engine *e); /* no more questions */
void qb_engine_destroy(struct qb_engine **e);

/* Any thread. {"engine", "types", "formats", ...}, borrowed, never changes; NULL while the worker has not answered. */
const json_t *qb_engine_info(struct qb_engine *e, struct qb_problem *p);
/* The row of a kind of job, borrowed; NULL where there is none. */
const json_t *qb_engine_type(const json_t *info, const char *type);

struct qb_format_question {
	struct qb_lab *lab;
	const char *name;
	json_t *answer; /* new reference, or NULL and problem */
	struct qb_problem problem;
};
/* For qb_calls_run with a question as its argument. */
void qb_engine_format(struct qb_call *call, void *question);

#endif
