/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of jobs: filtered, sorted, page by page, in time that hardly depends on how many jobs there are. The filter that the
 * fewest jobs pass is looked up in its index and the others are tried on these; where many pass each of them and the order is
 * not that of ids, jobs are tried in the order of the list until the page is full.
 */
#ifndef QB_DAEMON_JOB_LIST_H
#define QB_DAEMON_JOB_LIST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/util.h"

struct qb_store;

enum qb_job_filter {
	QB_FILTER_STATE,
	QB_FILTER_TYPE,
	QB_FILTER_TAG,
	QB_FILTER_SCHEME,
	QB_FILTER_MODEL,
	QB_FILTER_DATA,
	QB_FILTERS,
};

struct qb_job_query {
	const char *filter[QB_FILTERS]; /* NULL: none */
	const char *words;              /* each of which stands somewhere in what is said of the job; NULL: none */
	const char *sort;               /* a name of QB_JOB_SORTS, "-" before it: from the end; NULL: the latest first */
	const char *before;             /* "next" of the page before; NULL: the first */
	int64_t limit;
};

/* Names of the filters as queries have them. */
extern const char *const qb_job_filters[QB_FILTERS];

/* {jobs, total, more, next}: how many match, "more" than so many where they are not counted to the end, and where the next
 * page begins. NULL after having filled p. */
json_t *qb_job_list(struct qb_store *s, const struct qb_job_query *query, struct qb_problem *p);

#endif
