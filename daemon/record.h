/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker says about its job, on the way into the database. Each event waits in memory until it has been committed,
 * an artifact in the job's folder; so a write that fails can be made again, and none is lost, doubled or out of order.
 * Loop thread only.
 */
#ifndef QB_DAEMON_RECORD_H
#define QB_DAEMON_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/daemon.h"

struct qb_record {
	struct qb_daemon *daemon;
	int64_t job;
	const char *folder; /* where its artifacts lie; borrowed */
	json_t *events;     /* that wait, in order */
	json_t *progress;   /* the latest, if it waits */
	double progress_at;
	char stage[64];
	int64_t kept;
};

void qb_record_init(struct qb_record *c, struct qb_daemon *daemon, int64_t job, const char *folder);
void qb_record_fini(struct qb_record *c);

/* An event of the worker (borrowed, and changed); kinds that are not stored are ignored. */
void qb_record_take(struct qb_record *c, json_t *event);
void qb_record_warn(struct qb_record *c, const char *text);
/* Stores what waits, and publishes it; false where it has to be tried again. */
bool qb_record_save(struct qb_record *c);

/* Stores an event of the server's own within the caller's transaction; the time is added. */
void qb_record_event(struct qb_daemon *daemon, int64_t job, json_t *event);

#endif
