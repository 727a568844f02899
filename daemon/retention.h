/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes by itself, as the options keep-...-days say: jobs that ended long ago with all that is theirs, and uploads that no job
 * names. Loop thread only.
 */
#ifndef QB_DAEMON_RETENTION_H
#define QB_DAEMON_RETENTION_H

#include <stdbool.h>

struct qb_daemon;

/* Removes a few; true where more are left. */
bool qb_retention_sweep(struct qb_daemon *d);

#endif
