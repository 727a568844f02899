/* SPDX-License-Identifier: Apache-2.0
 *
 * Several jobs as one submission: {"job": ..., "over": {field: [values]}}.
 */
#ifndef QB_CLI_GRID_H
#define QB_CLI_GRID_H

#include "cli/http.h"

/* Sends the files that it names, hands it in, prints its jobs; with --wait follows them and compares sweeps. */
enum cli_exit cli_grid_submit(const struct cli *cli, struct cli_http *http, json_t *spec);

#endif
