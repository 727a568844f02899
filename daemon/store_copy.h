/* SPDX-License-Identifier: Apache-2.0
 *
 * A copy of a database that may be written to meanwhile: as it was at one moment, checked, and one file.
 */
#ifndef QB_DAEMON_STORE_COPY_H
#define QB_DAEMON_STORE_COPY_H

#include <stdbool.h>
#include <stddef.h>

/* Writes to, which must not be there, and waits until it is on disk; false with why, and nothing left there. */
bool qb_store_copy(const char *from, const char *to, char *why, size_t why_len);
/* For people who may read, not for a server to go on with: without tokens, sessions, the audit log and what is to be told to whom.
 * Into the file to, which is empty; neither checked nor sure to be on disk. */
bool qb_store_copy_public(const char *from, const char *to, char *why, size_t why_len);

#endif
