/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether the state folder can be written to: a state of the whole service. The store reports what fails. Until a
 * write succeeds again nothing is started, readyz says why, and what needs disk space is refused with 507.
 *
 * A reserve file holds a few MiB of the disk, so that deletions still work on a full disk.
 */
#ifndef QB_DAEMON_STORAGE_H
#define QB_DAEMON_STORAGE_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/util.h"

struct qb_storage;
struct qb_store;

enum qb_storage_state {
	QB_STORAGE_OK,
	QB_STORAGE_FULL,    /* no disk space, for a while */
	QB_STORAGE_FAILING, /* writes fail for another reason, for a while */
	QB_STORAGE_DAMAGED, /* the database is; until the daemon ends */
};

struct qb_storage *qb_storage_create(const char *state);
void qb_storage_destroy(struct qb_storage **storage);

/* Any thread; but FULL and FAILING are the loop thread's to report, for it then tries again. The worst stays. */
void qb_storage_trouble(struct qb_storage *g, enum qb_storage_state what, const char *why);
/* Loop thread. True, and noticed, where the disk is nearly full. */
bool qb_storage_look(struct qb_storage *g);
/* Any thread. False after having filled p (which may be NULL) where nothing can be stored now: 507, or 500. */
bool qb_storage_usable(struct qb_storage *g, struct qb_problem *p);
/* The same, and looks at the disk, which may have been filled while nothing was stored. */
bool qb_storage_ready(struct qb_storage *g, struct qb_problem *p);
/* Any thread. Whether so many bytes of an upload may be written: the last of a disk is not for uploads. */
bool qb_storage_has_room(struct qb_storage *g, int64_t bytes, struct qb_problem *p);
/* Any thread, after a call of the store failed: fills p with what is known, and returns false. */
bool qb_storage_problem(struct qb_storage *g, struct qb_problem *p);

/* Loop thread. Frees the reserve, for a deletion on a full disk; false where the disk is not full or the reserve is
 * gone already. It comes back with the next success. */
bool qb_storage_release(struct qb_storage *g);
/* Loop thread. From now on trouble is followed by attempts, with growing pauses: save() stores what waits and says
 * whether all of it is stored; then resume() may start things again. */
void qb_storage_watch(struct qb_storage *g, uv_loop_t *loop, struct qb_store *store, bool (*save)(void *arg),
	void (*resume)(void *arg), void *arg);
void qb_storage_retry(struct qb_storage *g); /* at once: there may be space now */
void qb_storage_unwatch(struct qb_storage *g);

#endif
