/* SPDX-License-Identifier: Apache-2.0
 *
 * The change of the metric against what a scheme costs, as an SVG: points with their 95 % intervals, and the front of those that no other beats.
 */
#ifndef QB_EXPERIMENT_REPORT_PARETO_H
#define QB_EXPERIMENT_REPORT_PARETO_H

#include <jansson.h>
#include <stdio.h>

/* One drawing for each cost that any scheme has; emulated times are left out. Nothing where there is no memory for them. */
void qb__pareto_write(FILE *f, const json_t *result);

#endif
