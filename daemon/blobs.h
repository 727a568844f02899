/* SPDX-License-Identifier: Apache-2.0
 *
 * Files named by their SHA-256 in the state folder. A file is written beside them first and moved into place when
 * it is whole and on disk, so a blob that can be seen is never half of one.
 */
#ifndef QB_DAEMON_BLOBS_H
#define QB_DAEMON_BLOBS_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/util.h"

struct qb_blob_writer {
	struct sha256_ctx hash;
	int fd; /* -1: none */
	int64_t size, flushed; /* bytes: written, and on their way to the disk */
	char *temporary;       /* path */
	char sha256[QB_HASH_LEN];
};

/* Makes the folders below state and empties the temporary ones. Logs why it cannot. */
bool qb_blobs_prepare(const char *state);

/* Calls each with the names of the files there are; false where the folder cannot be read. */
bool qb_blobs_each(const char *state, void (*each)(void *arg, const char *sha256), void *arg);
/* Moves all of them into another folder of state and begins an empty one. Logs where to, or why not. */
bool qb_blobs_set_aside(const char *state);

bool qb_blob_begin(struct qb_blob_writer *w, const char *state, struct qb_problem *p);
bool qb_blob_write(struct qb_blob_writer *w, const void *bytes, size_t n, struct qb_problem *p);
/* Everything is on disk and w->sha256 is set; the file is still the temporary one. */
bool qb_blob_seal(struct qb_blob_writer *w, struct qb_problem *p);
/* Loop thread: moves it into place. */
bool qb_blob_keep(struct qb_blob_writer *w, const char *state, struct qb_problem *p);
/* Always last: closes and removes what was not kept. */
void qb_blob_end(struct qb_blob_writer *w);

char *qb_blob_path(const char *state, const char *sha256); /* freed with free() */
void qb_blob_remove(const char *state, const char *sha256);

/* Copies folder/name, a regular file and no link, into a sealed temporary blob. */
bool qb_blob_copy(struct qb_blob_writer *w, const char *state, const char *folder, const char *name,
	struct qb_problem *p);

#endif
