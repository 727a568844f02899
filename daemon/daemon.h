/* SPDX-License-Identifier: Apache-2.0
 *
 * The running daemon: what its parts share. Everything here is set before the HTTP threads start and stays until
 * they have ended. The store, the jobs and the uploads belong to the loop thread; the others say who may call what.
 */
#ifndef QB_DAEMON_DAEMON_H
#define QB_DAEMON_DAEMON_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include "daemon/options.h"

struct qb_daemon {
	struct qb_options options;
	char *database;
	uv_loop_t *loop;
	struct qb_calls *calls;
	struct qb_storage *storage;
	json_t *unreleased;  /* loop thread: hashes of files that may have lost their last user (uploads.c) */
	json_t *sound_files; /* loop thread: hash -> what the file looked like when it had it (inputs.c) */
	bool waiting_unread; /* loop thread: those that wait for a job in vain could not be looked for (jobs.c) */
	struct qb_store *store; /* loop thread */
	struct qb_hub *hub;
	struct qb_connections *connections;
	struct qb_cache *cache;
	struct qb_audit *audit;
	struct qb_rates *rates;
	struct qb_engine *engine;
	struct qb_dispatcher *dispatcher; /* loop thread */
	struct qb_deliveries *deliveries; /* loop thread */
	struct qb_health *health;
	double started;
	char started_at[25];
	atomic_bool stopping;
	/* for /metrics */
	atomic_llong requests[6]; /* by hundreds of the status */
	atomic_llong upload_bytes, events, workers_started, workers_crashed;
};

#endif
