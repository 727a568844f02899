/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/best.h"
#include "daemon/checkpoints.h"
#include "daemon/daemon.h"
#include "daemon/deliveries.h"
#include "daemon/dispatcher.h"
#include "daemon/engine.h"
#include "daemon/hub.h"
#include "daemon/record.h"
#include "daemon/storage.h"
#include "daemon/store.h"
#include "daemon/submission.h"
#include "daemon/uploads.h"

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

json_t *qb_job_object(struct qb_daemon *d, int64_t id, struct qb_problem *p)
{
	json_t *job = NULL;

	switch (qb_store_get(d->store, QB_SQL_JOB_GET, &job, "i", id)) {
	case QB_NONE:
		qb_refuse(p, 404, "not_found", "there is no job j%lld here", (long long)id);
		break;
	case QB_UNREAD:
		qb_storage_problem(d->storage, p);
		break;
	default:
		break;
	}
	return job;
}

void qb_job_state_event(struct qb_daemon *d, int64_t id, const char *state, json_t *error)
{
	json_t *e = json_pack("{s:s, s:s, s:O?}", "event", "state", "state", state, "error", error);

	qb_record_event(d, id, e);
	json_decref(e);
}

static void error_event(struct qb_daemon *d, int64_t id, json_t *error)
{
	json_t *e = json_copy(error);

	json_object_set_new(e, "event", json_string("error"));
	qb_record_event(d, id, e);
	json_decref(e);
}

/* Ends the transaction. What is answered is read within it: who is told of a failure may ask again. */
static bool commit(struct qb_daemon *d, int64_t id, json_t **job)
{
	json_t *row = NULL;

	if (job && qb_store_get(d->store, QB_SQL_JOB_GET, &row, "i", id) != QB_FOUND) {
		qb_store_rollback(d->store);
		return false;
	}
	if (!qb_store_commit(d->store)) {
		json_decref(row);
		return false;
	}
	if (job) {
		*job = row;
	}
	qb_hub_publish(d->hub, id);
	return true;
}

/* Those that wait for a job that has not succeeded (0: for any such job) fail; and so those that wait for these. */
static void fail_waiting(struct qb_daemon *d, int64_t id)
{
	json_t *rows = NULL, *row;
	char text[200];
	size_t i;

	if (!qb_store_list(d->store, QB_SQL_JOB_AFTER_IN_VAIN, &rows, "I", id ? id : (int64_t)-1)) {
		d->waiting_unread = true;
		return;
	}
	json_array_foreach(rows, i, row) {
		snprintf(text, sizeof(text), "it was to run after %.40s, which %s; retry that one, then this", text_of(row, "after"),
			!strcmp(text_of(row, "state"), "failed") ? "failed" : "was cancelled");
		qb_job_fail(d, json_integer_value(json_object_get(row, "id")), "after_failed", text);
	}
	json_decref(rows);
}

void qb_jobs_look_again(struct qb_daemon *d)
{
	if (d->waiting_unread) {
		d->waiting_unread = false;
		fail_waiting(d, 0);
	}
}

/* Within the caller's transaction. */
static void write_best(struct qb_daemon *d, int64_t id, const json_t *result)
{
	json_t *row = NULL, *best;

	if (qb_store_get(d->store, QB_SQL_JOB_STATE, &row, "i", id) == QB_FOUND) {
		best = qb_best_of(text_of(row, "type"), result);
		qb_store_exec(d->store, QB_SQL_JOB_BEST, "ij", id, best);
		json_decref(best);
	}
	json_decref(row);
}

static bool finish(struct qb_daemon *d, int64_t id, const char *state, json_t *error, const char *outcome,
	json_t *result, json_t **job)
{
	struct qb_store *s = d->store;
	char now[QB_TIME_LEN];

	qb_time_now(now);
	qb_store_begin(s, true);
	qb_store_exec(s, QB_SQL_JOB_FINISH, "issjs", id, state, now, error, outcome);
	if (result) {
		qb_store_exec(s, QB_SQL_RESULT_INSERT, "ij", id, result);
		write_best(d, id, result);
	}
	if (error && !strcmp(state, "failed")) {
		error_event(d, id, error);
	}
	qb_job_state_event(d, id, state, error);
	qb_deliveries_add(d, id, state, now, error);
	if (!commit(d, id, job)) {
		return false;
	}
	qb_deliveries_wake(d->deliveries);
	qb_checkpoints_end(d->options.state, id, state);
	qb_log(QB_LOG_INFO, "j%lld %s%s%s", (long long)id, state, error ? ": " : "",
		error ? text_of(error, "detail") : "");
	if (strcmp(state, "succeeded") != 0) {
		fail_waiting(d, id);
	}
	return true;
}

bool qb_job_finish(struct qb_daemon *d, int64_t id, const char *state, json_t *error, const char *outcome,
	json_t *result)
{
	return finish(d, id, state, error, outcome, result, NULL);
}

bool qb_job_fail(struct qb_daemon *d, int64_t id, const char *code, const char *detail)
{
	json_t *error = json_pack("{s:s, s:s}", "code", code, "detail", detail);
	bool ok = qb_job_finish(d, id, "failed", error, NULL, NULL);

	json_decref(error);
	return ok;
}

static bool queue_again(struct qb_daemon *d, int64_t id, enum qb_sql sql, int64_t uncounted,
	json_t **job)
{
	struct qb_store *s = d->store;

	qb_store_begin(s, true);
	sql == QB_SQL_JOB_RETRY ? qb_store_exec(s, sql, "i", id) : qb_store_exec(s, sql, "ii", id, uncounted);
	qb_job_state_event(d, id, "queued", NULL);
	return commit(d, id, job);
}

bool qb_job_requeue(struct qb_daemon *d, int64_t id, bool counts)
{
	return queue_again(d, id, QB_SQL_JOB_REQUEUE, !counts, NULL);
}

bool qb_job_try_later(struct qb_daemon *d, int64_t id, bool *again)
{
	enum { LONGEST_S = 3600 };
	char then[QB_TIME_LEN];
	json_t *row = NULL;
	int64_t left, tried, pause = d->options.retry_seconds;

	*again = false;
	if (qb_store_get(d->store, QB_SQL_JOB_RETRIES, &row, "i", id) != QB_FOUND) {
		return false;
	}
	tried = json_integer_value(json_object_get(row, "retried"));
	left = json_integer_value(json_object_get(row, "retries")) - tried;
	json_decref(row);
	if (left <= 0) {
		return true;
	}
	while (tried-- > 0 && pause < LONGEST_S) {
		pause *= 2;
	}
	qb_time_in(pause < LONGEST_S ? pause : LONGEST_S, then);
	qb_store_begin(d->store, true);
	qb_store_exec(d->store, QB_SQL_JOB_LATER, "is", id, then);
	qb_job_state_event(d, id, "queued", NULL);
	*again = commit(d, id, NULL);
	return *again;
}

static void release_all(struct qb_daemon *d, json_t *hashes)
{
	json_t *h;
	size_t i;

	json_array_foreach(hashes, i, h) {
		qb_uploads_release(d, text_of(h, "sha256"));
	}
}

/* Within the caller's transaction; the answer is what to release when it has been committed. */
static json_t *clear_outcome(struct qb_daemon *d, int64_t id)
{
	struct qb_store *s = d->store;
	json_t *artifacts = NULL;

	if (!qb_store_list(s, QB_SQL_ARTIFACT_HASHES, &artifacts, "i", id)) {
		return NULL;
	}
	qb_store_exec(s, QB_SQL_METRIC_CLEAR, "i", id);
	qb_store_exec(s, QB_SQL_RESULT_CLEAR, "i", id);
	qb_store_exec(s, QB_SQL_ARTIFACT_CLEAR, "i", id);
	return artifacts;
}

static bool commit_cleared(struct qb_daemon *d, int64_t id, json_t *artifacts)
{
	bool ok = false;

	if (!artifacts) {
		qb_store_rollback(d->store);
	} else if (qb_store_commit(d->store)) {
		release_all(d, artifacts);
		qb_hub_publish(d->hub, id);
		ok = true;
	}
	json_decref(artifacts);
	return ok;
}

void qb_job_engine(struct qb_daemon *d, int64_t id, const char *engine)
{
	char hash[QB_HASH_LEN];
	json_t *job = NULL, *inputs = NULL;

	if (engine && qb_store_get(d->store, QB_SQL_JOB_SPEC, &job, "i", id) == QB_FOUND &&
		(!text_of(job, "engine") || strcmp(text_of(job, "engine"), engine) != 0) &&
		qb_store_list(d->store, QB_SQL_JOB_INPUTS, &inputs, "i", id)) {
		qb_fingerprint(json_object_get(job, "spec"), inputs, engine, text_of(job, "target"), hash);
		qb_store_exec(d->store, QB_SQL_JOB_ENGINE, "iss", id, engine, hash);
	}
	json_decref(inputs);
	json_decref(job);
}

void qb_job_machine(struct qb_daemon *d, int64_t id, const json_t *machine)
{
	qb_store_exec(d->store, QB_SQL_JOB_MACHINE, "ij", id, machine);
}

bool qb_job_start(struct qb_daemon *d, int64_t id)
{
	char now[QB_TIME_LEN];
	json_t *artifacts;

	qb_time_now(now);
	qb_store_begin(d->store, true);
	qb_job_engine(d, id, text_of(qb_engine_info(d->engine, NULL), "engine"));
	qb_store_exec(d->store, QB_SQL_JOB_START, "is", id, now);
	artifacts = clear_outcome(d, id);
	qb_job_state_event(d, id, "running", NULL);
	return commit_cleared(d, id, artifacts);
}

/* Of jobs that succeeded under an earlier schema. */
static bool find_bests(struct qb_daemon *d)
{
	json_t *rows = NULL, *row, *result;
	size_t i;

	if (!qb_store_list(d->store, QB_SQL_JOB_BEST_UNKNOWN, &rows, "") || !json_array_size(rows)) {
		json_decref(rows);
		return rows != NULL;
	}
	qb_store_begin(d->store, false);
	json_array_foreach(rows, i, row) {
		int64_t id = json_integer_value(json_object_get(row, "id"));

		result = NULL;
		if (qb_store_get(d->store, QB_SQL_RESULT_GET, &result, "i", id) != QB_UNREAD) {
			write_best(d, id, json_object_get(result, "result"));
		}
		json_decref(result);
	}
	json_decref(rows);
	return qb_store_commit(d->store);
}

bool qb_jobs_recover(struct qb_daemon *d)
{
	json_t *rows = NULL, *row;
	bool ok = find_bests(d) && qb_store_list(d->store, QB_SQL_JOB_RUNNING, &rows, "");
	size_t i;

	json_array_foreach(rows, i, row) {
		int64_t id = json_integer_value(json_object_get(row, "id"));

		qb_log(QB_LOG_WARNING, "j%lld was running when the server went down; queued again", (long long)id);
		ok = qb_job_requeue(d, id, false) && ok;
	}
	json_decref(rows);
	fail_waiting(d, 0);
	qb_checkpoints_clear(d);
	return ok;
}

/* Copies the state of a job out; false and 404 where there is none. */
static bool state_of(struct qb_daemon *d, int64_t id, char state[16], struct qb_problem *p)
{
	json_t *row = NULL;
	enum qb_found found = qb_store_get(d->store, QB_SQL_JOB_STATE, &row, "i", id);

	if (found == QB_NONE) {
		return qb_refuse(p, 404, "not_found", "there is no job j%lld here", (long long)id);
	}
	if (found == QB_UNREAD) {
		return qb_storage_problem(d->storage, p);
	}
	snprintf(state, 16, "%s", text_of(row, "state"));
	json_decref(row);
	return true;
}

static bool cancel_queued(struct qb_daemon *d, int64_t id, json_t **job)
{
	json_t *error = json_pack("{s:s, s:s}", "code", "cancelled", "detail",
		"the job was cancelled before it started");
	bool ok = finish(d, id, "cancelled", error, NULL, NULL, job);

	json_decref(error);
	return ok;
}

json_t *qb_job_cancel(struct qb_daemon *d, int64_t id, struct qb_problem *p)
{
	json_t *job = qb_job_object(d, id, p);
	char state[16];

	/* What is answered is read first: who is told of a failure may ask again. */
	if (!job || qb_dispatcher_cancel(d->dispatcher, id)) {
		return job;
	}
	snprintf(state, sizeof(state), "%s", text_of(job, "state"));
	json_decref(job);
	job = NULL;
	/* One that runs without a worker is of an earlier daemon, and could not be queued again yet. */
	if (strcmp(state, "queued") != 0 && strcmp(state, "running") != 0) {
		qb_refuse(p, 409, "already_ended", "job j%lld has %s already; nothing is left to cancel",
			(long long)id, state);
	} else if (!cancel_queued(d, id, &job)) {
		qb_storage_problem(d->storage, p);
	}
	return job;
}

bool qb_job_is_of(struct qb_daemon *d, int64_t id, const struct qb_who *who, struct qb_problem *p)
{
	int64_t owner = 0;

	if (who->role == QB_ROLE_ADMIN) {
		return true;
	}
	switch (qb_store_value(d->store, QB_SQL_JOB_OWNER, &owner, "i", id)) {
	case QB_NONE:
		return qb_refuse(p, 404, "not_found", "there is no job j%lld here", (long long)id);
	case QB_UNREAD:
		return qb_storage_problem(d->storage, p);
	default:
		return qb_who_may_change(who, owner) || qb_refuse(p, 403, "not_yours", "job j%lld is somebody else's; ask that one or "
			"an administrator", (long long)id);
	}
}

bool qb_job_may_retry(struct qb_daemon *d, int64_t id, struct qb_problem *p)
{
	char state[16];

	return state_of(d, id, state, p) && (!strcmp(state, "failed") || !strcmp(state, "cancelled") ||
		qb_refuse(p, 409, "not_ended", "job j%lld is %s; only a failed or cancelled job can be retried "
			"(submit it with \"fresh\": true to compute it anew)", (long long)id, state));
}

json_t *qb_job_retry(struct qb_daemon *d, int64_t id, struct qb_problem *p)
{
	json_t *job = NULL;

	if (!qb_job_may_retry(d, id, p)) {
		return NULL;
	}
	if (!queue_again(d, id, QB_SQL_JOB_RETRY, 0, &job)) {
		qb_storage_problem(d->storage, p);
	}
	qb_dispatcher_wake(d->dispatcher);
	return job;
}

/* Some of many rows; *some is false, and nothing done, where they are few. Whoever is interrupted here deletes the job again. */
static bool delete_some_rows(struct qb_daemon *d, int64_t id, bool *some)
{
	int64_t many;

	*some = qb_store_value(d->store, QB_SQL_JOB_HAS_MANY_ROWS, &many, "i", id) == QB_FOUND && many;
	if (!*some) {
		return true;
	}
	qb_store_begin(d->store, false);
	qb_store_exec(d->store, QB_SQL_METRIC_CLEAR_SOME, "i", id);
	qb_store_exec(d->store, QB_SQL_EVENT_CLEAR_SOME, "i", id);
	return qb_store_commit(d->store);
}

bool qb_job_delete(struct qb_daemon *d, int64_t id, bool *done, struct qb_problem *p)
{
	json_t *artifacts;
	char state[16];
	bool ok, some;

	*done = false;

	if (!state_of(d, id, state, p)) {
		return false;
	}
	if (!strcmp(state, "queued") || !strcmp(state, "running")) {
		return qb_refuse(p, 409, "not_ended", "job j%lld is %s; cancel it first", (long long)id, state);
	}
	if (delete_some_rows(d, id, &some) && some) {
		return true;
	}
	*done = true; /* on a full disk all at once, from the reserve */
	do {
		qb_store_begin(d->store, true);
		artifacts = clear_outcome(d, id);
		qb_store_exec(d->store, QB_SQL_JOB_TEXT_DELETE, "i", id);
		qb_store_exec(d->store, QB_SQL_JOB_DELETE, "i", id);
		ok = commit_cleared(d, id, artifacts);
	} while (!ok && qb_storage_release(d->storage));
	if (ok) {
		qb_checkpoints_remove(d->options.state, id);
		qb_storage_retry(d->storage);
	}
	return ok || qb_storage_problem(d->storage, p);
}
