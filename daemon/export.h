/* SPDX-License-Identifier: Apache-2.0
 *
 * All that is known of jobs as one file: for other tools, and for whoever goes on elsewhere. Secrets stay here.
 */
#ifndef QB_DAEMON_EXPORT_H
#define QB_DAEMON_EXPORT_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "daemon/util.h"

/* form, name in a query, Content-Type, file */
#define QB_EXPORT_FORMS(X) \
	X(JSON, "json", "application/x-ndjson", "quantbench.jsonl") /* a line a job, with its result */ \
	X(CSV, "csv", "text/csv; charset=utf-8", "quantbench.csv") /* a line a metric of a job that succeeded */ \
	X(SQLITE, "sqlite", "application/vnd.sqlite3", "quantbench.db")
enum qb_export_form {
#define X(form, name, type, file) QB_EXPORT_##form,
	QB_EXPORT_FORMS(X)
#undef X
};

/* A job's result as the API gives it, of a row of QB_SQL_RESULT_GET (borrowed); NULL where it has none. */
json_t *qb_export_result(const json_t *row, const char *job);

/* Any thread that nobody waits for. database: its file; state: the folder in which space is taken until the file is closed. The
 * file, at its beginning and without a name; -1 after having filled p. Ends early when *stop becomes true. */
int qb_export(const char *database, const char *state, enum qb_export_form form, const atomic_bool *stop, struct qb_problem *p);

#endif
