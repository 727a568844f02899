/* SPDX-License-Identifier: Apache-2.0
 *
 * What training says of its steps, thinned to some hundreds of points for events, results and pages: each point is the mean of
 * the steps since the one before it. A journal in the folder of checkpoints keeps every step, so that a job that goes on from a
 * checkpoint has the points of one that was never interrupted.
 */
#ifndef QB_JOBS_STEP_SERIES_H
#define QB_JOBS_STEP_SERIES_H

#include <jansson.h>
#include <stdint.h>

#include "core/base/err.h"

enum { QB_SERIES_POINTS = 400, QB_SERIES_MOST = 12 };

struct qb_step_series;

/* Of a training of so many steps. folder: of the journal, or NULL: there is none. */
enum qb_err qb_step_series_create(struct qb_step_series **out, int64_t steps, const char *folder, struct qb_errbuf *eb);
void qb_step_series_destroy(struct qb_step_series **series);

/* Called with each point. */
typedef void qb_step_point_fn(void *arg, int64_t step, const char *const *name, const double *value, int count);

/* The names of what each step says, at most QB_SERIES_MOST, copied; count 0: those of the journal. Then the journal's steps before
 * `from` are taken, as if they were added now, and those after it are forgotten. Steps that a journal lacks leave a gap. */
enum qb_err qb_step_series_begin(struct qb_step_series *series, const char *const *name, int count, int64_t from,
	qb_step_point_fn *heard, void *arg, struct qb_errbuf *eb);
/* value[count]; NaN: nothing is known. */
enum qb_err qb_step_series_add(struct qb_step_series *series, int64_t step, const double *value, struct qb_errbuf *eb);

/* [{"step", NAME: value, ...}]; new reference. */
json_t *qb_step_series_json(const struct qb_step_series *series);

#endif
