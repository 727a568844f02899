/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker of one's own, on this machine.
 */
#ifndef QB_CLI_WORKER_H
#define QB_CLI_WORKER_H

#include <stdio.h>
#include <sys/types.h>

#include "cli/cli.h"

struct cli_worker {
	pid_t pid;
	FILE *in, *out; /* its stdin, its stdout */
};

/* options: ended by NULL; failure has been explained. */
enum cli_exit cli_worker_start(struct cli_worker *w, const char *const *options);
/* One line of JSON. */
void cli_worker_send(struct cli_worker *w, const json_t *line);
/* Closes its pipes and waits; its status as of waitpid, whose exit status 127 says that it was not started. */
int cli_worker_end(struct cli_worker *w);

#endif
