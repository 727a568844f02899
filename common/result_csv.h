/* SPDX-License-Identifier: Apache-2.0
 *
 * The result of a job as comma-separated values (RFC 4180), for the API and the command line alike: one line a row, with
 * every number of it.
 */
#ifndef QB_COMMON_RESULT_CSV_H
#define QB_COMMON_RESULT_CSV_H

#include <jansson.h>
#include <stdio.h>

/* A value as a cell; an empty one of null, an object and an array. */
void qb_csv_value(FILE *f, const json_t *v);

/* result has its "type". A field of a field is named with a point, as in latency.p50_ns; several values stand in a cell with
 * spaces between. Returns a new string for free() and its length, or NULL where memory ends. */
char *qb_result_csv(const json_t *result, size_t *len);

#endif
