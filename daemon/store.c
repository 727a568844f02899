/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/store.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/json_text.h"
#include "daemon/embedded.h"
#include "daemon/storage.h"
#include "daemon/util.h"

static const struct {
	const char *name, *text;
} statements[QB_SQL_COUNT] = {
#define X(name, sql) [QB_SQL_##name] = {#name, sql},
	QB_SQL(X)
#undef X
};

/* Nobody else writes; a person who does must not hold the loop for long. */
enum { BUSY_MS = 1000, JOIN_MS = 30000 };
enum transaction { TX_NONE, TX_OPEN, TX_BROKEN };

struct qb_store {
	sqlite3 *db;
	sqlite3_stmt *stmt[QB_SQL_COUNT];
	struct qb_storage *storage;
	bool writes;
	bool durable, is_new;
	enum transaction tx;
	char fault_name[32]; /* for tests */
	int64_t fault_at, fault_gap, steps;
};

/* What an error says about the storage. A mistake of ours, such as a violated constraint, says nothing. */
static enum qb_storage_state meaning(int rc, int sys)
{
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return QB_STORAGE_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return QB_STORAGE_DAMAGED;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return sys == ENOSPC || sys == EDQUOT ? QB_STORAGE_FULL : QB_STORAGE_FAILING;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_NOMEM:
	case SQLITE_PROTOCOL:
		return QB_STORAGE_FAILING;
	default:
		return QB_STORAGE_OK;
	}
}

static atomic_llong changes; /* of all connections of this process */

int64_t qb_store_version(void)
{
	return atomic_load(&changes);
}

static bool failed(struct qb_store *s, const char *what, int rc)
{
	enum qb_storage_state state = meaning(rc, sqlite3_system_errno(s->db));
	char text[200];

	/* One that was made up for a test is not the connection's last. */
	snprintf(text, sizeof(text), "%s: %s", what,
		(sqlite3_errcode(s->db) & 0xff) == (rc & 0xff) ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
	qb_log(QB_LOG_ERROR, "database: %s", text);
	if (s->tx == TX_OPEN) {
		s->tx = TX_BROKEN;
	}
	/* A reader that is short of memory or descriptors is no reason to stop writing. */
	if (s->storage && (s->writes ? state != QB_STORAGE_OK : state == QB_STORAGE_DAMAGED)) {
		qb_storage_trouble(s->storage, state, text);
	}
	return false;
}

/* QUANTBENCHD_TEST_FAULTS=NAME:FIRST:GAP (only for tests): of the writer's statements of that name ("any": of all,
 * commits and reads as well) the one of that number fails as on a full disk; so does another after GAP more, another
 * after 2 GAP more, 4 GAP more, and so on: were the gaps equal, a long transaction would never end. A rollback always
 * ends a transaction, so it is left alone. */
static bool fault(struct qb_store *s, enum qb_sql sql)
{
	if (!s->fault_at || sql == QB_SQL_ROLLBACK ||
		(strcmp(s->fault_name, "any") != 0 && strcmp(s->fault_name, statements[sql].name) != 0) ||
		++s->steps < s->fault_at) {
		return false;
	}
	s->fault_at += s->fault_gap;
	s->fault_gap *= 2;
	return true;
}

static void read_faults(struct qb_store *s)
{
	const char *text = getenv("QUANTBENCHD_TEST_FAULTS");
	long long first, gap;

	if (text && sscanf(text, "%31[A-Za-z_]:%lld:%lld", s->fault_name, &first, &gap) == 3 && first > 0 && gap > 0) {
		s->fault_at = first;
		s->fault_gap = gap;
	}
}

static sqlite3_stmt *prepare(struct qb_store *s, enum qb_sql sql)
{
	int rc;

	if (!s || (s->tx == TX_BROKEN && sql != QB_SQL_ROLLBACK)) {
		return NULL; /* what went wrong before has been said */
	}
	if (fault(s, sql)) {
		failed(s, statements[sql].name, SQLITE_FULL);
		return NULL;
	}
	if (!s->stmt[sql]) {
		rc = sqlite3_prepare_v3(s->db, statements[sql].text, -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[sql], NULL);
		if (rc != SQLITE_OK) {
			failed(s, statements[sql].name, rc);
			return NULL;
		}
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

/* Steps to the end, for a RETURNING takes effect there only; false after having logged why it was not reached. */
static bool finish(struct qb_store *s, const char *name, sqlite3_stmt *stmt, int rc)
{
	while (rc == SQLITE_ROW) {
		rc = sqlite3_step(stmt);
	}
	if (rc != SQLITE_DONE) {
		failed(s, name, rc);
	}
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc == SQLITE_DONE;
}

/* A column as the value that its name's ending asks for; NULL where its text is not what it has to be. */
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
		return !text ? NULL : !strcmp(suffix, ":json") ? json_loads(text, JSON_DECODE_ANY, NULL)
							       : json_string(text);
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
		if (json_object_set_new(row, key, column(stmt, i, colon ? colon : ""))) {
			json_decref(row);
			return NULL;
		}
	}
	return row;
}

/* Up to max rows; NULL where not all of them can be read. */
static json_t *collect(struct qb_store *s, const char *name, sqlite3_stmt *stmt, size_t max)
{
	json_t *rows = json_array(), *row;
	int rc = SQLITE_ROW;

	while (rows && json_array_size(rows) < max && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		row = row_object(stmt);
		if (!row) {
			rc = SQLITE_MISMATCH; /* text that has to be JSON or UTF-8 is not */
			break;
		}
		json_array_append_new(rows, row);
	}
	if (!finish(s, name, stmt, rc == SQLITE_ROW ? SQLITE_DONE : rc)) {
		json_decref(rows);
		rows = NULL;
	}
	return rows;
}

bool qb_store_exec(struct qb_store *s, enum qb_sql sql, const char *types, ...)
{
	va_list ap;
	sqlite3_stmt *stmt;

	va_start(ap, types);
	stmt = start(s, sql, types, &ap);
	va_end(ap);
	if (!stmt || !finish(s, statements[sql].name, stmt, sqlite3_step(stmt))) {
		return false;
	}
	if (s->writes && sqlite3_get_autocommit(s->db)) { /* a commit, or a statement that is its own transaction */
		atomic_fetch_add(&changes, 1);
	}
	return true;
}

enum qb_found qb_store_value(struct qb_store *s, enum qb_sql sql, int64_t *value, const char *types, ...)
{
	va_list ap;
	sqlite3_stmt *stmt;
	int64_t n = 0;
	int rc;

	va_start(ap, types);
	stmt = start(s, sql, types, &ap);
	va_end(ap);
	if (!stmt) {
		return QB_UNREAD;
	}
	rc = sqlite3_step(stmt);
	n = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	if (!finish(s, statements[sql].name, stmt, rc)) {
		return QB_UNREAD;
	}
	*value = rc == SQLITE_ROW ? n : *value;
	return rc == SQLITE_ROW ? QB_FOUND : QB_NONE;
}

enum qb_found qb_store_get(struct qb_store *s, enum qb_sql sql, json_t **row, const char *types, ...)
{
	va_list ap;
	sqlite3_stmt *stmt;
	json_t *rows;
	bool found;

	va_start(ap, types);
	stmt = start(s, sql, types, &ap);
	va_end(ap);
	rows = stmt ? collect(s, statements[sql].name, stmt, 1) : NULL;
	if (!rows) {
		return QB_UNREAD;
	}
	found = json_array_size(rows) > 0;
	if (found) {
		*row = json_incref(json_array_get(rows, 0));
	}
	json_decref(rows);
	return found ? QB_FOUND : QB_NONE;
}

bool qb_store_list(struct qb_store *s, enum qb_sql sql, json_t **rows, const char *types, ...)
{
	va_list ap;
	sqlite3_stmt *stmt;
	json_t *all;

	va_start(ap, types);
	stmt = start(s, sql, types, &ap);
	va_end(ap);
	all = stmt ? collect(s, statements[sql].name, stmt, SIZE_MAX) : NULL;
	*rows = all ? all : *rows;
	return all != NULL;
}

static void bind_value(sqlite3_stmt *stmt, int i, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_STRING:
		sqlite3_bind_text(stmt, i, json_string_value(v), -1, SQLITE_TRANSIENT);
		break;
	case JSON_INTEGER:
		sqlite3_bind_int64(stmt, i, json_integer_value(v));
		break;
	case JSON_REAL:
		sqlite3_bind_double(stmt, i, json_real_value(v));
		break;
	default:
		sqlite3_bind_null(stmt, i);
	}
}

bool qb_store_select(struct qb_store *s, const char *sql, const json_t *values, json_t **rows)
{
	sqlite3_stmt *stmt = NULL;
	json_t *all = NULL, *v;
	size_t i;
	int rc;

	if (!s || s->tx == TX_BROKEN) {
		return false;
	}
	rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);
	if (rc != SQLITE_OK) {
		return failed(s, "a composed statement", rc);
	}
	json_array_foreach(values, i, v) {
		bind_value(stmt, (int)i + 1, v);
	}
	all = collect(s, "a composed statement", stmt, SIZE_MAX);
	sqlite3_finalize(stmt);
	*rows = all ? all : *rows;
	return all != NULL;
}

bool qb_store_begin(struct qb_store *s, bool durable)
{
	/* SQLite's setting may only change between transactions. */
	if (durable != s->durable && qb_store_exec(s, durable ? QB_SQL_DURABLE : QB_SQL_LAZY, "")) {
		s->durable = durable;
	}
	s->tx = durable == s->durable && qb_store_exec(s, QB_SQL_BEGIN, "") ? TX_OPEN : TX_BROKEN;
	return s->tx == TX_OPEN;
}

void qb_store_rollback(struct qb_store *s)
{
	if (!sqlite3_get_autocommit(s->db)) { /* SQLite may have rolled it back itself */
		qb_store_exec(s, QB_SQL_ROLLBACK, "");
	}
	s->tx = TX_NONE;
}

bool qb_store_commit(struct qb_store *s)
{
	if (s->tx == TX_OPEN && qb_store_exec(s, QB_SQL_COMMIT, "")) {
		s->tx = TX_NONE;
		return true;
	}
	qb_store_rollback(s);
	return false;
}

void qb_store_checkpoint(struct qb_store *s)
{
	sqlite3_busy_timeout(s->db, 0); /* readers are not waited for */
	sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_busy_timeout(s->db, BUSY_MS);
}

/* The first column of the first row of a statement outside the table, as text; freed with free(). */
static char *ask(struct qb_store *s, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	const char *text;
	char *copy = NULL;

	if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(stmt, 0);
		copy = strdup(text ? text : "");
	}
	sqlite3_finalize(stmt);
	return copy;
}

static int user_version(struct qb_store *s)
{
	char *text = ask(s, "PRAGMA user_version");
	int v = text ? atoi(text) : -1;

	free(text);
	return v;
}

/* Each migration and its number become true together or not at all. */
static bool migrate(struct qb_store *s, const char *path)
{
	const int latest = (int)(sizeof(qb_migrations) / sizeof(qb_migrations[0]));
	int version = user_version(s), rc;
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
		rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
		ok = rc == SQLITE_OK || failed(s, "migration", rc);
		free(sql);
	}
	s->is_new = version == 0;
	return ok && version >= 0;
}

static struct qb_store *open_with(const char *path, struct qb_storage *storage, int flags, const char *setup)
{
	struct qb_store *s = calloc(1, sizeof(*s));
	int rc;

	if (!s) {
		return NULL;
	}
	s->storage = storage;
	s->writes = flags & SQLITE_OPEN_READWRITE;
	rc = sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_extended_result_codes(s->db, 1);
		sqlite3_busy_timeout(s->db, BUSY_MS);
		rc = sqlite3_exec(s->db, setup, NULL, NULL, NULL);
	}
	if (rc != SQLITE_OK) {
		failed(s, path, rc);
		qb_store_close(&s);
	}
	return s;
}

/* A damaged database would answer some questions wrongly and lose what is written to it. */
static bool sound(struct qb_store *s, const char *path)
{
	char *verdict = ask(s, "PRAGMA quick_check(1)");
	bool ok = verdict && !strcmp(verdict, "ok");

	if (!ok) {
		qb_log(QB_LOG_ERROR, "%s is damaged: %s. Nothing was changed. Put a backup in its place, or save what can be "
			"read (sqlite3 %s .recover | sqlite3 new.db) and put that there; then start again", path,
			verdict ? verdict : sqlite3_errmsg(s->db), path);
	}
	free(verdict);
	return ok;
}

static bool holds_something(const char *path)
{
	struct stat st;

	/* SQLite takes an empty file for a database without tables. */
	return stat(path, &st) == 0 && st.st_size > 0;
}

static bool not_anew(const char *path)
{
	qb_log(QB_LOG_ERROR, "%s is missing or empty, but what belongs to it is there: beginning again would forget all jobs and "
		"uploads, and give their ids to others. Put quantbench.db (or a backup of it) back; or start once with --new-database, "
		"which puts the files of the old one aside", path);
	return false;
}

struct qb_store *qb_store_open(const char *path, struct qb_storage *storage, bool anew)
{
	struct qb_store *s;

	if (!anew && !holds_something(path)) {
		not_anew(path); /* before SQLite touches what lies there */
		return NULL;
	}
	s = open_with(path, storage, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;"
		"PRAGMA journal_size_limit = 67108864;");

	if (s) { /* SQLite's log and its index stay when it is closed: on a full disk they could not be made again */
		sqlite3_file_control(s->db, "main", SQLITE_FCNTL_PERSIST_WAL, &(int){1});
	}
	if (s && (!sound(s, path) || (!anew && user_version(s) == 0 && !not_anew(path)) || !migrate(s, path))) {
		qb_store_close(&s);
	}
	if (s) {
		read_faults(s);
	}
	return s;
}

struct qb_store *qb_store_join(const char *path)
{
	const int latest = (int)(sizeof(qb_migrations) / sizeof(qb_migrations[0]));
	struct qb_store *s = open_with(path, NULL, SQLITE_OPEN_READWRITE, "PRAGMA foreign_keys = ON;");

	if (s && user_version(s) != latest) {
		qb_log(QB_LOG_ERROR, "%s is in use by a quantbenchd of another version; restart that first", path);
		qb_store_close(&s);
	}
	if (s) {
		sqlite3_busy_timeout(s->db, JOIN_MS);
	}
	return s;
}

struct qb_store *qb_store_look(const char *path)
{
	return open_with(path, NULL, SQLITE_OPEN_READONLY, "PRAGMA query_only = ON;");
}

bool qb_store_is_new(const struct qb_store *s)
{
	return s->is_new;
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

struct qb_store *qb_store_reader(const char *path, struct qb_storage *storage)
{
	struct qb_store *s;

	pthread_once(&reader_once, make_key);
	s = pthread_getspecific(reader_key);
	if (!s) {
		s = open_with(path, storage, SQLITE_OPEN_READONLY, "PRAGMA query_only = ON;");
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
