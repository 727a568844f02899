/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers that many ask for again while nothing changes: each is of one state of the database (qb_store_version), and is not
 * given after the next change. Any HTTP thread.
 */
#ifndef QB_DAEMON_HTTP_CACHE_H
#define QB_DAEMON_HTTP_CACHE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct qb_cache;

struct qb_cache *qb_cache_create(void);
void qb_cache_destroy(struct qb_cache **c);

/* key: the path and what else the answer depends on. Queues the answer where there is one of that version; false where there is none. */
bool qb_cache_send(struct qb_cache *c, const char *key, int64_t version, struct MHD_Connection *connection, enum MHD_Result *sent);
/* Keeps a response with status 200, all its headers and a body of size bytes, which has been queued. Takes it. */
void qb_cache_keep(struct qb_cache *c, const char *key, int64_t version, struct MHD_Response *take, size_t size);

#endif
