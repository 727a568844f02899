/* SPDX-License-Identifier: Apache-2.0
 *
 * The state folder: who uses it, and the database in it.
 */
#ifndef QB_DAEMON_STATE_H
#define QB_DAEMON_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct qb_options;
struct qb_storage;
struct qb_store;

enum qb_state_lock { QB_STATE_LOCKED, QB_STATE_IN_USE, QB_STATE_FAILED };

/* Makes the folder where it is missing, makes its path absolute, and takes its lock until the program ends. What fails has
 * been logged; that another daemon uses it has not. */
enum qb_state_lock qb_state_lock(struct qb_options *o);

/* The database of a locked folder, at *path (new). A missing one is made only where nothing was lost with it. *blobs is
 * how many files there are. NULL after having logged why. */
struct qb_store *qb_state_open(const struct qb_options *o, struct qb_storage *storage, char **path, int64_t *blobs);

#endif
