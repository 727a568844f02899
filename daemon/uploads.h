/* SPDX-License-Identifier: Apache-2.0
 *
 * Models and datasets. Loop thread only.
 */
#ifndef QB_DAEMON_UPLOADS_H
#define QB_DAEMON_UPLOADS_H

#include <jansson.h>

#include "daemon/blobs.h"
#include "daemon/daemon.h"
#include "daemon/who.h"

/* Files a sealed blob under kind ("m" or "d"). Returns its object; *created is false where the file was known. *wake: it
 * waits for its inspection, so wake the queue. */
json_t *qb_uploads_add(struct qb_daemon *daemon, const char *kind, const char *name,
	struct qb_blob_writer *blob, const struct qb_who *who, bool *created, bool *wake, struct qb_problem *p);
/* Has it inspected once more, whatever the last one found; returns its object. Wake the queue. */
json_t *qb_uploads_inspect(struct qb_daemon *daemon, const char *id, struct qb_problem *p);
/* force: results may refer to it. */
bool qb_uploads_delete(struct qb_daemon *daemon, const char *id, const struct qb_who *who, bool force, struct qb_problem *p);
/* At the start: removes the files that nothing refers to. */
void qb_uploads_sweep(struct qb_daemon *daemon);
/* At the start: has inspections repeated that were killed, up to a number of times. */
bool qb_uploads_recover(struct qb_daemon *daemon);
/* Removes the file if nothing refers to it any more; where the database cannot tell, it is asked again by
 * qb_uploads_release_rest, which says whether all are done. */
bool qb_uploads_release_rest(struct qb_daemon *daemon);
void qb_uploads_release(struct qb_daemon *daemon, const char *sha256);

#endif
