/* SPDX-License-Identifier: Apache-2.0
 *
 * Carries out what the scheduler decides: starts workers, pauses and ends them, and stores what became of their jobs.
 * Loop thread only.
 */
#ifndef QB_DAEMON_DISPATCHER_H
#define QB_DAEMON_DISPATCHER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct qb_daemon;
struct qb_dispatcher;

struct qb_dispatcher *qb_dispatcher_create(struct qb_daemon *daemon);
/* Something changed: decides soon what to do, but never inside somebody's transaction. */
void qb_dispatcher_wake(struct qb_dispatcher *d);
/* Ends the worker of a job; false where it has none. */
bool qb_dispatcher_cancel(struct qb_dispatcher *d, int64_t job);
/* Ends all workers, queues their jobs again; done is called when none is left. */
void qb_dispatcher_stop(struct qb_dispatcher *d, void (*done)(struct qb_daemon *daemon));
void qb_dispatcher_destroy(struct qb_dispatcher **dispatcher);
/* Stores what became of the jobs whose workers are gone; false where something could not be stored. */
bool qb_dispatcher_save(struct qb_dispatcher *d);
/* New array of {name, kind, slots, running, problem}. */
json_t *qb_dispatcher_targets(const struct qb_dispatcher *d);
bool qb_dispatcher_measuring(const struct qb_dispatcher *d); /* one worker computes alone, to measure latency */

#endif
