/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/uploads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/inputs.h"
#include "daemon/storage.h"
#include "daemon/store.h"

static json_t *object(struct qb_daemon *daemon, const char *id, struct qb_problem *p)
{
	json_t *row = NULL;

	switch (qb_store_get(daemon->store, QB_SQL_UPLOAD_GET, &row, "s", id)) {
	case QB_FOUND:
		break;
	case QB_NONE:
		qb_refuse(p, 404, "not_found", "there is no %s here", id);
		break;
	default:
		qb_storage_problem(daemon->storage, p);
	}
	return row;
}

/* Ends the transaction. What is answered is read within it: who is told of a failure may ask again. */
static json_t *commit(struct qb_daemon *daemon, const char *id, struct qb_problem *p)
{
	json_t *row = object(daemon, id, p);

	if (!qb_store_commit(daemon->store)) {
		qb_storage_problem(daemon->storage, p);
		json_decref(row);
		row = NULL;
	}
	return row;
}

/* The file lies in its place before the row that says so is there; what a failure leaves is removed. */
static json_t *insert(struct qb_daemon *daemon, const char *kind, const char *name,
	struct qb_blob_writer *blob, const struct qb_who *who, struct qb_problem *p)
{
	char now[QB_TIME_LEN], id[24];
	int64_t number = 0;
	json_t *row;
	bool ok;

	qb_time_now(now);
	qb_store_begin(daemon->store, true);
	ok = qb_store_value(daemon->store, QB_SQL_UPLOAD_NUMBER, &number, "s", kind) == QB_FOUND &&
		qb_store_exec(daemon->store, QB_SQL_UPLOAD_INSERT, "sississI", kind, number, name, blob->sha256,
			blob->size, now, who->name, who->token ? who->token : (int64_t)-1) &&
		qb_blob_keep(blob, daemon->options.state, p);
	if (!ok) {
		qb_store_rollback(daemon->store);
		qb_storage_problem(daemon->storage, p);
		return NULL;
	}
	qb_inputs_note(daemon, blob->sha256);
	snprintf(id, sizeof(id), "%s%lld", kind, (long long)number);
	row = commit(daemon, id, p);
	if (!row) {
		qb_uploads_release(daemon, blob->sha256);
	}
	return row;
}

/* A file that is known is put in its place all the same: the one there may be damaged or gone. An inspection that
 * ended without a verdict gets another chance, as does a file that could not be read, under another name. */
static json_t *renew(struct qb_daemon *daemon, const char *id, const char *name, struct qb_blob_writer *blob, bool *wake,
	struct qb_problem *p)
{
	int64_t n;

	if (!qb_blob_keep(blob, daemon->options.state, p)) {
		return NULL;
	}
	qb_inputs_note(daemon, blob->sha256);
	qb_store_begin(daemon->store, true);
	*wake = qb_store_value(daemon->store, QB_SQL_UPLOAD_RENAME, &n, "ss", id, name) == QB_FOUND ||
		qb_store_value(daemon->store, QB_SQL_UPLOAD_REINSPECT, &n, "s", id) == QB_FOUND;
	return commit(daemon, id, p);
}

json_t *qb_uploads_add(struct qb_daemon *daemon, const char *kind, const char *name,
	struct qb_blob_writer *blob, const struct qb_who *who, bool *created, bool *wake, struct qb_problem *p)
{
	json_t *known = NULL, *row = NULL;
	enum qb_found found = qb_store_get(daemon->store, QB_SQL_UPLOAD_BY_HASH, &known, "ss", kind, blob->sha256);

	*created = *wake = found == QB_NONE;
	if (found == QB_NONE) {
		row = insert(daemon, kind, name, blob, who, p);
	} else if (found == QB_FOUND) {
		row = renew(daemon, json_string_value(json_object_get(known, "id")), name, blob, wake, p);
	} else {
		qb_storage_problem(daemon->storage, p);
	}
	json_decref(known);
	return row;
}

json_t *qb_uploads_inspect(struct qb_daemon *daemon, const char *id, struct qb_problem *p)
{
	qb_store_begin(daemon->store, true);
	qb_store_exec(daemon->store, QB_SQL_UPLOAD_INSPECT_AGAIN, "s", id);
	return commit(daemon, id, p);
}

void qb_uploads_release(struct qb_daemon *daemon, const char *sha256)
{
	int64_t users = 0;
	bool known = qb_store_value(daemon->store, QB_SQL_BLOB_USERS, &users, "s", sha256) == QB_FOUND;

	if (known && users == 0) {
		qb_blob_remove(daemon->options.state, sha256);
	} else if (!known) {
		json_object_set_new(daemon->unreleased, sha256, json_true());
	}
}

bool qb_uploads_release_rest(struct qb_daemon *daemon)
{
	json_t *rest = daemon->unreleased;
	const char *sha256;
	json_t *v;
	bool all;

	daemon->unreleased = json_object();
	json_object_foreach(rest, sha256, v) {
		qb_uploads_release(daemon, sha256);
	}
	json_decref(rest);
	all = json_object_size(daemon->unreleased) == 0;
	return all;
}

static bool delete_row(struct qb_daemon *daemon, const char *id)
{
	bool ok;

	do {
		qb_store_begin(daemon->store, true);
		qb_store_exec(daemon->store, QB_SQL_UPLOAD_DELETE, "s", id);
		ok = qb_store_commit(daemon->store);
	} while (!ok && qb_storage_release(daemon->storage));
	return ok;
}

static bool may_delete(struct qb_daemon *daemon, const char *id, const struct qb_who *who, struct qb_problem *p)
{
	int64_t owner = 0;
	enum qb_found found = qb_store_value(daemon->store, QB_SQL_UPLOAD_OWNER, &owner, "s", id);

	if (found != QB_FOUND || qb_who_may_change(who, owner)) {
		return true; /* what is not there, or cannot be read, is told below */
	}
	return qb_refuse(p, 403, "not_yours", "%s was uploaded by somebody else; ask that one or an administrator to delete it", id);
}

/* Results that could not be computed again without it; false after having filled p. */
static bool has_no_results(struct qb_daemon *daemon, const char *id, struct qb_problem *p)
{
	json_t *row = NULL;
	enum qb_found found = qb_store_get(daemon->store, QB_SQL_UPLOAD_RESULTS, &row, "s", id);

	if (found == QB_FOUND) {
		const long long n = json_integer_value(json_object_get(row, "n"));

		qb_refuse(p, 409, "has_results", "results of %lld job%s (%s%s) refer to %s, and could not be computed again without it; delete "
			"the job%s first, or say that it is meant by ?force=true", n, n > 1 ? "s" : "",
			json_string_value(json_object_get(row, "id")), n > 1 ? " and others" : "", id, n > 1 ? "s" : "");
		json_decref(row);
	}
	return found == QB_NONE || (found == QB_UNREAD && qb_storage_problem(daemon->storage, p));
}

bool qb_uploads_delete(struct qb_daemon *daemon, const char *id, const struct qb_who *who, bool force, struct qb_problem *p)
{
	json_t *row = NULL, *user = NULL;
	enum qb_found found = qb_store_get(daemon->store, QB_SQL_UPLOAD_FILE, &row, "s", id), used = QB_UNREAD;

	if (!may_delete(daemon, id, who, p)) {
		json_decref(row);
		return false;
	}
	if (found == QB_FOUND) {
		used = qb_store_get(daemon->store, QB_SQL_UPLOAD_USERS, &user, "s", id);
	} else if (found == QB_NONE) {
		qb_refuse(p, 404, "not_found", "there is no %s here", id);
	}
	if (used == QB_FOUND) {
		qb_refuse(p, 409, "in_use", "job %s still needs %s; cancel the job or wait for its end",
			json_string_value(json_object_get(user, "id")), id);
	} else if (used == QB_NONE && (force || has_no_results(daemon, id, p)) && delete_row(daemon, id)) {
		qb_uploads_release(daemon, json_string_value(json_object_get(row, "sha256")));
		qb_storage_retry(daemon->storage);
	} else {
		qb_storage_problem(daemon->storage, p); /* unless a reason is there already */
	}
	json_decref(user);
	json_decref(row);
	return !p->status;
}

struct sweep {
	struct qb_daemon *daemon;
	int64_t removed;
};

static void sweep_one(void *arg, const char *sha256)
{
	struct sweep *s = arg;
	int64_t users;

	if (qb_store_value(s->daemon->store, QB_SQL_BLOB_USERS, &users, "s", sha256) == QB_FOUND && users == 0) {
		qb_blob_remove(s->daemon->options.state, sha256);
		s->removed++;
	}
}

void qb_uploads_sweep(struct qb_daemon *daemon)
{
	struct sweep s = {.daemon = daemon};

	qb_blobs_each(daemon->options.state, sweep_one, &s);
	if (s.removed) {
		qb_log(QB_LOG_INFO, "removed %lld files that nothing refers to", (long long)s.removed);
	}
}

bool qb_uploads_recover(struct qb_daemon *daemon)
{
	qb_store_begin(daemon->store, true);
	qb_store_exec(daemon->store, QB_SQL_UPLOAD_REINSPECT, "s", NULL);
	qb_store_exec(daemon->store, QB_SQL_UPLOAD_GIVE_UP, "");
	return qb_store_commit(daemon->store);
}
