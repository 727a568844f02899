/* SPDX-License-Identifier: Apache-2.0
 *
 * Result objects as tables.
 */
#ifndef QB_CLI_RESULTS_H
#define QB_CLI_RESULTS_H

#include <jansson.h>
#include <stdio.h>

#include "cli/cli.h"

/* Any kind of job: its own table where it has one, else its rows and its numbers. */
void cli_results_print(const json_t *result, FILE *out);
/* On stdout, as --csv or --json ask for it, else as a table. */
void cli_print_result(const struct cli *cli, const json_t *result);
/* A list of objects as a table: a column for each plain member of the first. */
void cli_results_rows(const json_t *rows, FILE *out);
/* The server's comparison: one row a network, one column a scheme. */
void cli_results_compare(const json_t *comparison, FILE *out);

#endif
