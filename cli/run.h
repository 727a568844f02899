/* SPDX-License-Identifier: Apache-2.0
 *
 * A job on this machine, with no server.
 */
#ifndef QB_CLI_RUN_H
#define QB_CLI_RUN_H

#include "cli/cli.h"

/* Starts a worker on the job and shows its progress; files that the job names are found here. *result is a new reference. */
enum cli_exit cli_run_job(struct cli *cli, json_t *job, json_t **result);

#endif
