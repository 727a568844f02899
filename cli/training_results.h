/* SPDX-License-Identifier: Apache-2.0
 *
 * Results of jobs that train (train, qat, toy) as tables.
 */
#ifndef QB_CLI_TRAINING_RESULTS_H
#define QB_CLI_TRAINING_RESULTS_H

#include <jansson.h>
#include <stdio.h>

void cli_results_train(const json_t *result, FILE *out);
void cli_results_qat(const json_t *result, FILE *out);
void cli_results_toy(const json_t *result, FILE *out);

#endif
