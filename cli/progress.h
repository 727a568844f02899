/* SPDX-License-Identifier: Apache-2.0
 *
 * A job's events as a person sees them: a bar on a terminal, plain lines in a pipe. All on stderr.
 */
#ifndef QB_CLI_PROGRESS_H
#define QB_CLI_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <time.h>

struct cli_progress {
	bool terminal, drawn;
	char stage[64];
	int percent;
	struct timespec start;
};

void cli_progress_init(struct cli_progress *p);
/* One event of the worker: progress and log are shown, others are nothing to see. */
void cli_progress_event(struct cli_progress *p, const json_t *event);
/* Takes the bar away before something else is printed. */
void cli_progress_clear(struct cli_progress *p);

#endif
