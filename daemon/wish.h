/* SPDX-License-Identifier: Apache-2.0
 *
 * How a job is to be run: what stands in "run" beside its own fields, and "fresh". None of it changes what the job computes.
 */
#ifndef QB_DAEMON_WISH_H
#define QB_DAEMON_WISH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/targets.h"
#include "daemon/util.h"

enum { QB_PRIORITY_MAX = 100, QB_RETRIES_MAX = 10, QB_AFTER_MAX = 100 };

struct qb_wish {
	bool fresh;
	char target[QB_TARGET_NAME];
	int64_t priority, retries;
	int64_t threads, memory_bytes, wall_seconds; /* 0: what the target gives */
	const json_t *after; /* ids of jobs, of the job that was read; NULL: none */
};

/* Any thread: the form alone. false after having filled p. */
bool qb_wish_read(const json_t *job, struct qb_wish *out, struct qb_problem *p);
/* The job without it and without labels: what the worker is told and the schema of its kind describes. New reference. */
json_t *qb_wish_bare(const json_t *job);
/* {"threads": ...} of the limits that are set; NULL: none. New reference. */
json_t *qb_wish_limits(const struct qb_wish *w);

/* Says what is wrong with a member of "run"; false. */
bool qb_wish_refuse(struct qb_problem *p, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
