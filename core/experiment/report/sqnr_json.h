/* SPDX-License-Identifier: Apache-2.0
 *
 * Measured SQNRs in results, each with its 95 % interval.
 */
#ifndef QB_EXPERIMENT_REPORT_SQNR_JSON_H
#define QB_EXPERIMENT_REPORT_SQNR_JSON_H

#include <jansson.h>

#include "core/analysis/sqnr_sums.h"

/* Adds "output_sqnr_db" and its interval, "output_sqnr_low_db" to "output_sqnr_high_db". */
void qb_output_sqnr_put(json_t *row, const struct qb_sqnr_sums *output);
/* Adds the interval alone, "NAME_low_db" to "NAME_high_db"; s NULL: null, for what has none. */
void qb_sqnr_interval_put(json_t *row, const char *name, const struct qb_sqnr_sums *s);

#endif
