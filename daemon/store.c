/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "daemon/embedded.h"
#include "daemon/util.h"

static const struct {
	const char *name, *text;
} statements[QB_SQL_COUNT] = {
#define X(name, sql) [QB_SQL_##name] = {#name, sql},
	QB_SQL(X)
#undef X
};

struct qb_store {
	sqlite3 *db;
	sqlite3_stmt *stmt[QB_SQL_COUNT];
	bool durable;
};

static bool failed(struct qb_store *s, const char *what)
{
	qb_log(QB_LOG_ERROR, "database: %s: %s", what, sqlite3_errmsg(s->db));
	return false;
}

static sqlite3_stmt *prepare(struct qb_store *s, enum qb_sql sql)
{
	if (!s) {
		return NULL; /* a reader that could not be opened has said so */
	}
	if (!s->stmt[sql] && sqlite3_prepare_v3(s->db, statements[sql].text, -1,
				     SQLITE_PREPARE_PERSISTENT, &s->stmt[sql], NULL) != SQLITE_OK) {
		failed(s, statements[sql].name);
		return NULL;
	}
	return s->stmt[sql];
}

static void bind_one(sqlite3_stmt *stmt, int i, char type, va_list *ap)
{
	const char *text;
	const double *real;
	const json_t *json;
	char *dump;
	int64_t n;

	switch (type) {
	case 's':
		text = va_arg(*ap, const char *);
		text ? sqlite3_bind_text(stmt, i, text, -1, SQLITE_TRANSIENT)
		     : sqlite3_bind_null(stmt, i);
		break;
	case 'j':
		json = va_arg(*ap, const json_t *);
		dump = json ? qb_json_text(json, JSON_COMPACT | JSON_ENCODE_ANY)
			    : NULL;
		dump ? sqlite3_bind_text(stmt, i, dump, -1, free) : sqlite3_bind_null(stmt, i);
		break;
	case 'f':
		real = va_arg(*ap, const double *);
		real ? sqlite3_bind_double(stmt, i, *real) : sqlite3_bind_null(stmt, i);
		break;
	default:
		n = va_arg(*ap, int64_t);
		type == 'I' && n < 0 ? sqlite3_bind_null(stmt, i) : sqlite3_bind_int64(stmt, i, n);
	}
}

static sqlite3_stmt *start(struct qb_store *s, enum qb_sql sql, const char *types, va_list *ap)
{
	sqlite3_stmt *stmt = prepare(s, sql);

	if (stmt) {
		for (int i = 0; types[i]; i++) {
			bind_one(stmt, i + 1, types[i], ap);
		}
	}
	return stmt;
}

static void finish(sqlite3_stmt *stmt)
{
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
}

/* A column as the value that its name's ending asks for. */
static json_t *column(sqlite3_stmt *stmt, int i, const char *suffix)
{
	const char *text;
	json_t *v;

	switch (sqlite3_column_type(stmt, i)) {
	case SQLITE_INTEGER:
		return !strcmp(suffix, ":bool") ? json_boolean(sqlite3_column_int(stmt, i))
						: json_integer(sqlite3_column_int64(stmt, i));
	case SQLITE_FLOAT:
		v = json_real(sqlite3_column_double(stmt, i));
		return v ? v : json_null();
	case SQLITE_TEXT:
		text = (const char *)sqlite3_column_text(stmt, i);
		v = !strcmp(suffix, ":json") ? json_loads(text, JSON_DECODE_ANY, NULL)
					     : json_string(text);
		return v ? v : json_null();
	default:
		return json_null();
	}
}

static json_t *row_object(sqlite3_stmt *stmt)
{
	json_t *row = json_object();

	for (int i = 0; i < sqlite3_column_count(stmt); i++) {
		const char *name = sqlite3_column_name(stmt, i), *colon = strchr(name, ':');
		char key[64];

		snprintf(key, sizeof(key), "%.*s", (int)(colon ? colon - name : 63), name);
		json_object_set_new(row, key, column(stmt, i, colon ? colon : ""));
	}
	return row;
}

bool qb_store_exec(struct qb_store *s, enum qb_sql sql, const char *types, ...)
{
	va_list ap;
	sqlite3_stmt *stmt;
	int rc;

	va_start(ap, types);
	stmt = start(s, sql, types, &ap);
	va_end(ap);
	if (!stmt) {
		return false;
	}
	do {
		rc = sqlite3_step(stmt);
	} while (rc == SQLITE_ROW);
	if (rc != SQLITE_DONE) {
		failed(s, statements[sql].name);
	}
	finish(stmt);
	return rc == SQLITE_DONE;
}

int64_t qb_store_number(struct qb_store *s, enum qb_sql sql, const char *types, ...)
{
	va_list ap;
	sqlite3_stmt *stmt;
	int64_t n = -1;
	int rc;

	va_start(ap, types);
	stmt = start(s, sql, types, &ap);
	va_end(ap);
	if (!stmt) {
		return -1;
	}
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		n = sqlite3_column_int64(stmt, 0);
		while (rc == SQLITE_ROW) { /* a RETURNING takes effect when it is stepped to its end */
			rc = sqlite3_step(stmt);
		}
	}
	if (rc != SQLITE_DONE) {
		failed(s, statements[sql].name);
		n = -1;
	}
	finish(stmt);
	return n;
}

static json_t *collect(struct qb_store *s, enum qb_sql sql, sqlite3_stmt *stmt, bool first_only)
{
	json_t *rows = json_array();
	int rc = SQLITE_DONE;

	while (stmt && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		json_array_append_new(rows, row_object(stmt));
		if (first_only) {
			rc = SQLITE_DONE;
			break;
		}
	}
	if (stmt) {
		if (rc != SQLITE_DONE) {
			failed(s, statements[sql].name);
		}
		finish(stmt);
	}
	return rows;
}

json_t *qb_store_row(struct qb_store *s, enum qb_sql sql, const char *types, ...)
{
	va_list ap;
	json_t *rows, *row;

	va_start(ap, types);
	rows = collect(s, sql, start(s, sql, types, &ap), true);
	va_end(ap);
	row = json_incref(json_array_get(rows, 0));
	json_decref(rows);
	return row;
}

json_t *qb_store_rows(struct qb_store *s, enum qb_sql sql, const char *types, ...)
{
	va_list ap;
	json_t *rows;

	va_start(ap, types);
	rows = collect(s, sql, start(s, sql, types, &ap), false);
	va_end(ap);
	return rows;
}

bool qb_store_begin(struct qb_store *s, bool durable)
{
	/* SQLite's setting may only change between transactions. */
	if (durable != s->durable) {
		qb_store_exec(s, durable ? QB_SQL_DURABLE : QB_SQL_LAZY, "");
		s->durable = durable;
	}
	return qb_store_exec(s, QB_SQL_BEGIN, "");
}

bool qb_store_end(struct qb_store *s, bool keep)
{
	if (keep && qb_store_exec(s, QB_SQL_COMMIT, "")) {
		return true;
	}
	if (!sqlite3_get_autocommit(s->db)) {
		qb_store_exec(s, QB_SQL_ROLLBACK, "");
	}
	return false;
}

static int user_version(struct qb_store *s)
{
	sqlite3_stmt *stmt = NULL;
	int v = -1;

	if (sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &stmt, NULL) == SQLITE_OK &&
		sqlite3_step(stmt) == SQLITE_ROW) {
		v = sqlite3_column_int(stmt, 0);
	}
	sqlite3_finalize(stmt);
	return v;
}

/* Each migration and its number become true together or not at all. */
static bool migrate(struct qb_store *s, const char *path)
{
	const int latest = (int)(sizeof(qb_migrations) / sizeof(qb_migrations[0]));
	int version = user_version(s);
	char *sql;
	bool ok = true;

	if (version > latest) {
		qb_log(QB_LOG_ERROR, "%s was written by a newer quantbench (its schema is %d, this program "
			"knows %d); install that version again, or start with another state folder", path,
			version, latest);
		return false;
	}
	for (int i = version; ok && i >= 0 && i < latest; i++) {
		sql = qb_format("BEGIN IMMEDIATE;\n%s\nPRAGMA user_version = %d;\nCOMMIT;",
			qb_migrations[i], i + 1);
		ok = sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK || failed(s, "migration");
		free(sql);
	}
	return ok && version >= 0;
}

static struct qb_store *open_with(const char *path, int flags, const char *setup)
{
	struct qb_store *s = calloc(1, sizeof(*s));

	if (!s) {
		return NULL;
	}
	if (sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
		sqlite3_busy_timeout(s->db, 10000) != SQLITE_OK ||
		sqlite3_exec(s->db, setup, NULL, NULL, NULL) != SQLITE_OK) {
		failed(s, path);
		qb_store_close(&s);
	}
	return s;
}

struct qb_store *qb_store_open(const char *path)
{
	struct qb_store *s = open_with(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;"
		"PRAGMA journal_size_limit = 67108864;");

	if (s && !migrate(s, path)) {
		qb_store_close(&s);
	}
	return s;
}

static pthread_key_t reader_key;
static pthread_once_t reader_once = PTHREAD_ONCE_INIT;

static void close_reader(void *arg)
{
	struct qb_store *s = arg;

	qb_store_close(&s);
}

static void make_key(void)
{
	pthread_key_create(&reader_key, close_reader);
}

struct qb_store *qb_store_reader(const char *path)
{
	struct qb_store *s;

	pthread_once(&reader_once, make_key);
	s = pthread_getspecific(reader_key);
	if (!s) {
		s = open_with(path, SQLITE_OPEN_READONLY, "PRAGMA query_only = ON;");
		pthread_setspecific(reader_key, s);
	}
	return s;
}

void qb_store_close(struct qb_store **store)
{
	struct qb_store *s = *store;

	if (s) {
		for (int i = 0; i < QB_SQL_COUNT; i++) {
			sqlite3_finalize(s->stmt[i]);
		}
		sqlite3_close(s->db);
		free(s);
		*store = NULL;
	}
}
