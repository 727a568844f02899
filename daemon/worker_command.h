/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QB_DAEMON_WORKER_COMMAND_H
#define QB_DAEMON_WORKER_COMMAND_H

#include <stdint.h>

/* Of which 0 is none. Elapsed time is the daemon's to measure: it stops while a worker is paused. */
struct qb_worker_limits {
	int64_t threads, memory_bytes, cpu_seconds;
};

/* How the worker program is called; freed by qb_worker_argv_free. launcher: words before it. writable: a folder that it may
 * write to, beside the one where it runs, or NULL. mode: one more option, or NULL. */
char **qb_worker_command(const char *launcher, const char *worker, const struct qb_worker_limits *limits, const char *writable,
	const char *mode);

/* The path of a program that is named by a path or looked for in PATH, from the root, through no link: a link that is
 * set to another version is another program. Takes name. */
char *qb_program_path(char *name);

#endif
