/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/uploads.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/store.h"

static bool insert(struct qb_daemon *daemon, const char *kind, const char *name,
	struct qb_blob_writer *blob, struct qb_problem *p)
{
	char now[QB_TIME_LEN];
	int64_t number;
	bool ok;

	qb_time_now(now);
	if (!qb_store_begin(daemon->store, true)) {
		return qb_refuse(p, 500, "database", "the server's database cannot be written to");
	}
	number = qb_store_number(daemon->store, QB_SQL_UPLOAD_NUMBER, "s", kind);
	ok = number > 0 && qb_store_exec(daemon->store, QB_SQL_UPLOAD_INSERT, "sissis", kind,
		number, name, blob->sha256, blob->size, now);
	ok = ok && qb_blob_keep(blob, daemon->options.state, p);
	if (!qb_store_end(daemon->store, ok)) {
		return qb_refuse(p, 500, "database", "the server's database cannot be written to");
	}
	return true;
}

json_t *qb_uploads_add(struct qb_daemon *daemon, const char *kind, const char *name,
	struct qb_blob_writer *blob, bool *created, struct qb_problem *p)
{
	json_t *known = qb_store_row(daemon->store, QB_SQL_UPLOAD_BY_HASH, "ss", kind, blob->sha256);

	*created = !known;
	if (!known) {
		if (!insert(daemon, kind, name, blob, p)) {
			return NULL;
		}
		known = qb_store_row(daemon->store, QB_SQL_UPLOAD_BY_HASH, "ss", kind, blob->sha256);
	}
	if (known) {
		const char *id = json_string_value(json_object_get(known, "id"));
		json_t *row = qb_store_row(daemon->store, QB_SQL_UPLOAD_GET, "s", id);

		json_decref(known);
		known = row;
	}
	if (!known) {
		qb_refuse(p, 500, "database", "the server's database cannot be read");
	}
	return known;
}

void qb_uploads_release(struct qb_daemon *daemon, const char *sha256)
{
	if (qb_store_number(daemon->store, QB_SQL_BLOB_USERS, "s", sha256) == 0) {
		qb_blob_remove(daemon->options.state, sha256);
	}
}

bool qb_uploads_delete(struct qb_daemon *daemon, const char *id, struct qb_problem *p)
{
	json_t *row = qb_store_row(daemon->store, QB_SQL_UPLOAD_FILE, "s", id), *user;
	bool ok = false;

	if (!row) {
		return qb_refuse(p, 404, "not_found", "there is no %s here", id);
	}
	user = qb_store_row(daemon->store, QB_SQL_UPLOAD_USERS, "s", id);
	if (user) {
		qb_refuse(p, 409, "in_use", "job %s still needs %s; cancel the job or wait for its end",
			json_string_value(json_object_get(user, "id")), id);
	} else if (qb_store_begin(daemon->store, true)) {
		ok = qb_store_end(daemon->store, qb_store_exec(daemon->store, QB_SQL_UPLOAD_DELETE, "s", id));
		if (ok) {
			qb_uploads_release(daemon, json_string_value(json_object_get(row, "sha256")));
		} else {
			qb_refuse(p, 500, "database", "the server's database cannot be written to");
		}
	}
	json_decref(user);
	json_decref(row);
	return ok;
}
