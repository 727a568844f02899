/* SPDX-License-Identifier: Apache-2.0
 *
 * The database. A qb_store is one SQLite connection: the loop thread has the only one that writes, each HTTP thread
 * has one that reads. A connection is used by its thread alone.
 *
 * "There is no such row" and "the database cannot tell" are different answers everywhere. What fails is logged, and
 * reported to the storage (daemon/storage.h).
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
struct qb_storage;

enum qb_found { QB_FOUND, QB_NONE, QB_UNREAD };

/* Opens for writing: checks the file, makes it where anew allows that, applies the migrations. NULL after
 * having logged why not, and what to do. */
struct qb_store *qb_store_open(const char *path, struct qb_storage *storage, bool anew);
/* The same beside a daemon that has it open, for a few short transactions: nothing is checked, made or migrated. */
struct qb_store *qb_store_join(const char *path);
/* A copy of any version, for reading. */
struct qb_store *qb_store_look(const char *path);
/* The calling thread's reader of the same file; closed when the thread ends. NULL, which every read takes for a
 * failure, where it cannot be opened. */
struct qb_store *qb_store_reader(const char *path, struct qb_storage *storage);
void qb_store_close(struct qb_store **store);
bool qb_store_is_new(const struct qb_store *s); /* opening it made it */

/* The first row as an object, or its first column as a number; *out is written only where it is found. */
enum qb_found qb_store_get(struct qb_store *s, enum qb_sql sql, json_t **row, const char *types, ...)
	__attribute__((warn_unused_result));
enum qb_found qb_store_value(struct qb_store *s, enum qb_sql sql, int64_t *value, const char *types, ...)
	__attribute__((warn_unused_result));
/* All rows as an array; false where not all of them can be read. */
bool qb_store_list(struct qb_store *s, enum qb_sql sql, json_t **rows, const char *types, ...)
	__attribute__((warn_unused_result));
/* All rows of a statement that the caller composes of pieces of sql.h, with the elements of an array (null, numbers, texts)
 * as its parameters. */
bool qb_store_select(struct qb_store *s, const char *sql, const json_t *values, json_t **rows)
	__attribute__((warn_unused_result));

/* A transaction. Durable ones have reached the disk when they are committed. After the first failure (of begin too)
 * the rest of it does nothing and the commit fails, with nothing written: only the commit needs to be looked at. */
bool qb_store_begin(struct qb_store *s, bool durable);
bool qb_store_exec(struct qb_store *s, enum qb_sql sql, const char *types, ...);
bool qb_store_commit(struct qb_store *s) __attribute__((warn_unused_result));
void qb_store_rollback(struct qb_store *s);

/* Any thread. Another number after every change that this process has committed: what was read after the number was is of a
 * state at least as new. */
int64_t qb_store_version(void);

/* Moves SQLite's log into the database and cuts it, as far as nobody reads it. */
void qb_store_checkpoint(struct qb_store *s);

#endif
