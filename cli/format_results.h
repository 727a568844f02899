/* SPDX-License-Identifier: Apache-2.0
 *
 * Results of jobs about number formats (sqnr, tensor, hwcost) as tables.
 */
#ifndef QB_CLI_FORMAT_RESULTS_H
#define QB_CLI_FORMAT_RESULTS_H

#include <jansson.h>
#include <stdio.h>

void cli_results_sqnr(const json_t *result, FILE *out);
void cli_results_tensor(const json_t *result, FILE *out);
void cli_results_hwcost(const json_t *result, FILE *out);

#endif
