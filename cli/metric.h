/* SPDX-License-Identifier: Apache-2.0
 *
 * What the names of metrics in results tell of their values.
 */
#ifndef QB_CLI_METRIC_H
#define QB_CLI_METRIC_H

#include <stdbool.h>

#include <jansson.h>

bool cli_metric_in_per_cent(const char *name);
/* Lower values are better. */
bool cli_metric_falls(const char *name);
/* The format of printf for a value. */
const char *cli_metric_digits(const char *name);

enum { CLI_CHANGE_MAX = 96 };

/* "+0.12 (-0.30 to +0.55)", the change and its interval; without bounds (NaN) the change alone, "-" for NaN. */
const char *cli_metric_change(const char *name, double change, double low, double high, char text[CLI_CHANGE_MAX]);

/* "35.2 ±0.4": a row's NAME_db and half its 95 % interval, up to NAME_high_db, where there is one; "-" where there is no NAME_db. */
const char *cli_sqnr(const json_t *row, const char *name, char text[CLI_CHANGE_MAX]);

#endif
