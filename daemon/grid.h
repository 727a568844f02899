/* SPDX-License-Identifier: Apache-2.0
 *
 * A grid: one job over lists of values, {"job": {...}, "over": {"model": ["m1", "m2"], "run.target": ["local", "pi"]}}, is a job
 * for every combination. A name with dots is a field of a field. Pure.
 */
#ifndef QB_DAEMON_GRID_H
#define QB_DAEMON_GRID_H

#include <jansson.h>

#include "daemon/util.h"

enum { QB_GRID_JOBS_MAX = 1000, QB_GRID_FIELDS_MAX = 8 };

/* New array of {"job": the job, "at": {field: value}}, the last field's values next to each other; NULL after having filled p. */
json_t *qb_grid_expand(const json_t *grid, struct qb_problem *p);

#endif
