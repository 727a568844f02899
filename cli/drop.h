/* SPDX-License-Identifier: Apache-2.0
 *
 * What schemes lose of their metric, and whether that is within a limit.
 */
#ifndef QB_CLI_DROP_H
#define QB_CLI_DROP_H

#include <stdio.h>

#include "cli/cli.h"

/* Compares every scheme of a result (of a ptq job; of a qat job the trained network) with the result's float, or with
 * the same scheme of a baseline (NULL: float), which is called `against`. The measured change decides; *out, a new reference:
 *
 *   {"metric_name", "against", "model", "data", "samples", "max_drop", "within": all of them, "why_no_interval": text or null,
 *    "schemes": [{"scheme", "metric", "reference", "change", "change_low", "change_high", "drop", "within",
 *                 "sure": the whole interval is on the measured side of the limit; null without an interval}]}
 */
enum cli_exit cli_drop_compare(const json_t *result, const json_t *baseline, const char *against, double max_drop, json_t **out);

void cli_drop_print(const json_t *drops, FILE *out);
void cli_drop_markdown(const json_t *drops, FILE *out);

#endif
