/* SPDX-License-Identifier: Apache-2.0
 *
 * Names, notes and tags of jobs.
 */
#ifndef QB_CLI_LABELS_H
#define QB_CLI_LABELS_H

#include "cli/cli.h"

/* Those of the options become the job's, beside what its file says. */
void cli_labels_put(const struct cli *cli, json_t *job);
/* Takes them out of a job that is done without a server. */
void cli_labels_strip(json_t *job);

#endif
