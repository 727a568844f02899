/* SPDX-License-Identifier: Apache-2.0
 *
 * The database. A qb_store is one SQLite connection: the loop thread has the only one that writes, each HTTP thread
 * has one that reads. A connection is used by its thread alone.
 *
 * Parameters follow a string of types: 's' const char * (NULL is SQL's NULL), 'i' int64_t, 'I' int64_t of which a
 * negative one is NULL, 'j' json_t * written as text (borrowed; NULL is NULL), 'f' const double * (NULL is NULL).
 */
#ifndef QB_DAEMON_STORE_H
#define QB_DAEMON_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/sql.h"

struct qb_store;

/* Opens for writing: makes the file, applies the migrations. NULL after having logged why. */
struct qb_store *qb_store_open(const char *path);
/* The calling thread's reader of the same file; closed when the thread ends. NULL where it cannot be opened. */
struct qb_store *qb_store_reader(const char *path);
void qb_store_close(struct qb_store **store);

/* Runs a statement that gives no rows; false after having logged why. */
bool qb_store_exec(struct qb_store *s, enum qb_sql sql, const char *types, ...);
/* The first column of the first row as a number; -1 where there is no row. */
int64_t qb_store_number(struct qb_store *s, enum qb_sql sql, const char *types, ...);
/* New references: the first row as an object (NULL where there is none), or all rows as an array. */
json_t *qb_store_row(struct qb_store *s, enum qb_sql sql, const char *types, ...);
json_t *qb_store_rows(struct qb_store *s, enum qb_sql sql, const char *types, ...);

/* A transaction. Durable ones have reached the disk when they end. */
bool qb_store_begin(struct qb_store *s, bool durable);
bool qb_store_end(struct qb_store *s, bool keep);

#endif
