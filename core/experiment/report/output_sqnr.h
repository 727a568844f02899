/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QB_EXPERIMENT_REPORT_OUTPUT_SQNR_H
#define QB_EXPERIMENT_REPORT_OUTPUT_SQNR_H

#include <jansson.h>

#include "core/analysis/sqnr_sums.h"

/* Adds "output_sqnr_db" and its 95 % interval, "output_sqnr_low_db" to "output_sqnr_high_db". */
void qb_output_sqnr_put(json_t *row, const struct qb_sqnr_sums *output);

#endif
