/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of the metrics of all jobs, the latest first, page by page: daemon/filters.h.
 */
#ifndef QB_DAEMON_METRIC_LIST_H
#define QB_DAEMON_METRIC_LIST_H

#include <jansson.h>
#include <stdint.h>

#include "daemon/util.h"

struct qb_store;

enum qb_metric_filter {
	QB_METRIC_TENSOR,
	QB_METRIC_NAME,
	QB_METRIC_SCHEME,
	QB_METRIC_MODEL,
	QB_METRIC_DATA,
	QB_METRIC_TYPE,
	QB_METRIC_SCOPE,
	QB_METRIC_FILTERS_N,
};

struct qb_metric_query {
	int64_t job;                             /* -1: any that succeeded; of one that runs, too */
	const char *filter[QB_METRIC_FILTERS_N]; /* NULL: none */
	int64_t before;                          /* rows with a smaller number; -1: all */
	int64_t limit;
};

/* Names of the filters as queries have them. */
extern const char *const qb_metric_filters[QB_METRIC_FILTERS_N];

/* {results, total, more, next}: how many match, "more" than so many where they are not counted to the end, and before which row
 * the next page begins. NULL after having filled p. */
json_t *qb_metric_list(struct qb_store *s, const struct qb_metric_query *query, struct qb_problem *p);
/* The rows alone. */
json_t *qb_metric_rows(struct qb_store *s, const struct qb_metric_query *query, struct qb_problem *p);

#endif
