/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QB_DAEMON_WORKER_COMMAND_H
#define QB_DAEMON_WORKER_COMMAND_H

#include "daemon/options.h"

/* How the worker program is called with the limits that the operator chose; freed by qb_worker_argv_free. launcher: words
 * before it. cpu_seconds: 0 is no limit. writable: a folder that it may write to, beside the one where it runs, or NULL. mode: one
 * more option, or NULL. */
char **qb_worker_command(const struct qb_options *o, const char *launcher, int64_t cpu_seconds, const char *writable,
	const char *mode);

/* The path of a program that is named by a path or looked for in PATH, from the root, through no link: a link that is
 * set to another version is another program. Takes name. */
char *qb_program_path(char *name);

#endif
