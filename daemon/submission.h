/* SPDX-License-Identifier: Apache-2.0
 *
 * How a job comes into the queue. Loop thread only.
 */
#ifndef QB_DAEMON_SUBMISSION_H
#define QB_DAEMON_SUBMISSION_H

#include <jansson.h>
#include <stdbool.h>

#include "daemon/util.h"
#include "daemon/who.h"

struct qb_daemon;
struct qb_store;

/* asked has passed its schema, and its wish is well formed. Returns the job's object; *created is false where an identical job
 * answers. */
json_t *qb_submit(struct qb_daemon *d, const json_t *asked, const struct qb_who *who, bool *created, struct qb_problem *p);

/* The jobs of a grid ({"job", "at"} each, as qb_grid_expand gives them), in one transaction; of identical ones those that are there.
 * Returns the grid's object. */
json_t *qb_submit_grid(struct qb_daemon *d, const json_t *grid, const json_t *jobs, const struct qb_who *who, struct qb_problem *p);
json_t *qb_grid_object(struct qb_store *s, int64_t id, struct qb_problem *p); /* any thread */

/* The "check" that the worker is asked before such a job is queued, with what is known of its uploads; new reference.
 * NULL after having filled p, and, with p left empty, where there is nothing to ask: an identical job answers. */
json_t *qb_submission_question(struct qb_daemon *d, const json_t *asked, struct qb_problem *p);
json_t *qb_retry_question(struct qb_daemon *d, int64_t id, struct qb_problem *p);
/* false after having filled p where the worker's answer (NULL: there is none) is that it would refuse the job. */
bool qb_submission_accepted(const json_t *answer, struct qb_problem *p);

/* Canonical job, hashes in place of ids, the engine's version, and the target where that is not this machine: the same
 * question has the same fingerprint. inputs: array of objects with field and sha256. */
void qb_fingerprint(const json_t *spec, const json_t *inputs, const char *engine, const char *target, char out[QB_HASH_LEN]);

#endif
