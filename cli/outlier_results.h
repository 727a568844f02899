/* SPDX-License-Identifier: Apache-2.0
 *
 * The result of an outliers job as tables.
 */
#ifndef QB_CLI_OUTLIER_RESULTS_H
#define QB_CLI_OUTLIER_RESULTS_H

#include <jansson.h>
#include <stdio.h>

void cli_results_outliers(const json_t *result, FILE *out);

#endif
