/* SPDX-License-Identifier: Apache-2.0
 *
 * What is put before a worker so that it runs on a target.
 */
#ifndef QB_DAEMON_LAUNCHER_H
#define QB_DAEMON_LAUNCHER_H

#include "daemon/options.h"
#include "daemon/targets.h"
#include "daemon/worker_command.h"

/* Exit status of what runs a worker by ssh, when it was lost on the way. */
enum { QB_SSH_LOST = 75 };

/* Words parted by spaces; "" for none. Freed with free(). */
char *qb_launcher(const struct qb_options *o, const struct qb_target *t, int64_t job, const struct qb_worker_limits *limits);

#endif
