/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/audit.h"

#include <pthread.h>
#include <stdlib.h>

#include "daemon/store.h"

enum { WAITING_MAX = 10000 };

struct qb_audit {
	pthread_mutex_t lock;
	json_t *waiting;
};

struct qb_audit *qb_audit_create(void)
{
	struct qb_audit *a = calloc(1, sizeof(*a));

	if (a) {
		pthread_mutex_init(&a->lock, NULL);
		a->waiting = json_array();
	}
	return a;
}

void qb_audit_destroy(struct qb_audit **audit)
{
	if (*audit) {
		json_decref((*audit)->waiting);
		pthread_mutex_destroy(&(*audit)->lock);
		free(*audit);
		*audit = NULL;
	}
}

/* A path is what somebody sent: it may hold anything, a new line of the log as well. */
static void printable(const char *from, char *to, size_t size)
{
	size_t n = 0;

	for (; *from && n + 1 < size; from++) {
		to[n++] = *from > ' ' && *from < 0x7f ? *from : '?';
	}
	to[n] = '\0';
}

void qb_audit_add(struct qb_audit *a, const struct qb_audit_entry *e)
{
	char now[QB_TIME_LEN], path[300];
	json_t *row;

	qb_time_now(now);
	printable(e->path, path, sizeof(path));
	qb_log(QB_LOG_INFO, "audit: %s (%s): %s %s%s%s: %u", e->who ? e->who->name : "unknown", e->address, e->method, path,
		e->object ? " = " : "", e->object ? e->object : "", e->status);
	row = json_pack("{s:s, s:s?, s:I, s:s, s:s, s:s, s:s?, s:i}", "time", now, "who", e->who ? e->who->name : NULL, "token",
		(json_int_t)(e->who ? e->who->token : 0), "address", e->address, "method", e->method, "path", path, "object",
		e->object, "status", (int)e->status);
	pthread_mutex_lock(&a->lock);
	if (row && json_array_size(a->waiting) < WAITING_MAX) {
		json_array_append(a->waiting, row);
	}
	pthread_mutex_unlock(&a->lock);
	json_decref(row);
}

static void insert(struct qb_store *s, const json_t *row)
{
	const int64_t token = json_integer_value(json_object_get(row, "token"));

	qb_store_exec(s, QB_SQL_AUDIT_INSERT, "ssIssssi", json_string_value(json_object_get(row, "time")),
		json_string_value(json_object_get(row, "who")), token ? token : (int64_t)-1,
		json_string_value(json_object_get(row, "address")), json_string_value(json_object_get(row, "method")),
		json_string_value(json_object_get(row, "path")), json_string_value(json_object_get(row, "object")),
		(int64_t)json_integer_value(json_object_get(row, "status")));
}

void qb_audit_store(struct qb_audit *a, struct qb_store *s)
{
	json_t *rows, *row;
	size_t i;

	pthread_mutex_lock(&a->lock);
	rows = a->waiting;
	if (json_array_size(rows)) {
		a->waiting = json_array();
	}
	pthread_mutex_unlock(&a->lock);
	if (!json_array_size(rows)) {
		return;
	}
	qb_store_begin(s, false);
	json_array_foreach(rows, i, row) {
		insert(s, row);
	}
	qb_store_exec(s, QB_SQL_AUDIT_SWEEP, "i", (int64_t)QB_AUDIT_ROWS);
	if (!qb_store_commit(s)) { /* back, before what has come since */
		pthread_mutex_lock(&a->lock);
		json_array_extend(rows, a->waiting);
		json_decref(a->waiting);
		a->waiting = rows;
		pthread_mutex_unlock(&a->lock);
		return;
	}
	json_decref(rows);
}
