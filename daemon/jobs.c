/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/jobs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "daemon/blobs.h"
#include "daemon/engine.h"
#include "daemon/hub.h"
#include "daemon/run.h"
#include "daemon/store.h"
#include "daemon/uploads.h"

enum { ATTEMPTS_MAX = 3, QUEUE_MAX = 10000 };

struct qb_jobs {
	struct qb_daemon *daemon;
	struct qb_run *runs;
	uv_timer_t wake; /* fires at once, but never inside somebody's transaction */
	int64_t turns;
	void (*stopped)(struct qb_daemon *daemon);
};

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static int64_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static bool database_problem(struct qb_problem *p)
{
	return qb_refuse(p, 500, "database", "the server's database cannot be used; see its log");
}

static json_t *job_object(struct qb_jobs *j, int64_t id, struct qb_problem *p)
{
	json_t *job = qb_store_row(j->daemon->store, QB_SQL_JOB_GET, "i", id);

	if (!job) {
		qb_refuse(p, 404, "not_found", "there is no job j%lld here", (long long)id);
	}
	return job;
}

static void state_event(struct qb_jobs *j, int64_t id, const char *state, json_t *error)
{
	json_t *e = json_pack("{s:s, s:s, s:O?}", "event", "state", "state", state, "error", error);

	qb_run_event(j->daemon, id, e);
	json_decref(e);
}

/* The one way into an end state. */
static void finish(struct qb_jobs *j, int64_t id, const char *state, json_t *error,
	const char *outcome, json_t *result)
{
	struct qb_store *s = j->daemon->store;
	char now[QB_TIME_LEN];
	bool ok;

	qb_time_now(now);
	qb_store_begin(s, true);
	ok = qb_store_exec(s, QB_SQL_JOB_FINISH, "issjs", id, state, now, error, outcome);
	if (result) {
		ok = qb_store_exec(s, QB_SQL_RESULT_INSERT, "ij", id, result) && ok;
	}
	if (error && !strcmp(state, "failed")) {
		json_t *e = json_copy(error);

		json_object_set_new(e, "event", json_string("error"));
		qb_run_event(j->daemon, id, e);
		json_decref(e);
	}
	state_event(j, id, state, error);
	qb_store_end(s, ok);
	qb_hub_publish(j->daemon->hub, id);
	qb_log(QB_LOG_INFO, "j%lld %s%s%s", (long long)id, state, error ? ": " : "",
		error ? text_of(error, "detail") : "");
}

static void fail(struct qb_jobs *j, int64_t id, const char *code, const char *detail)
{
	json_t *error = json_pack("{s:s, s:s}", "code", code, "detail", detail);

	finish(j, id, "failed", error, NULL, NULL);
	json_decref(error);
}

static void requeue(struct qb_jobs *j, int64_t id, int forget)
{
	struct qb_store *s = j->daemon->store;

	qb_store_begin(s, true);
	qb_store_exec(s, QB_SQL_JOB_REQUEUE, "ii", id, (int64_t)forget);
	state_event(j, id, "queued", NULL);
	qb_store_end(s, true);
	qb_hub_publish(j->daemon->hub, id);
}

static void unlink_run(struct qb_jobs *j, struct qb_run *run)
{
	for (struct qb_run **link = &j->runs; *link; link = &(*link)->next) {
		if (*link == run) {
			*link = run->next;
			return;
		}
	}
}

/* One latency section at a time, in the order they were asked for; everybody else stands still meanwhile. */
static void sections(void *arg)
{
	struct qb_jobs *j = arg;
	struct qb_run *first = NULL;

	for (struct qb_run *r = j->runs; r; r = r->next) {
		if (r->section == QB_SECTION_ALONE) {
			first = r;
			break;
		}
		if (r->section == QB_SECTION_WAITS) {
			r->waits_since = r->waits_since ? r->waits_since : ++j->turns;
			if (!first || r->waits_since < first->waits_since) {
				first = r;
			}
		} else {
			r->waits_since = 0;
		}
	}
	/* A run that waits holds no processor, so it is enough to look for the others. */
	for (struct qb_run *r = j->runs; r; r = r->next) {
		first && r != first ? qb_run_pause(r) : qb_run_resume(r);
	}
	if (first && first->section == QB_SECTION_WAITS) {
		first->waits_since = 0;
		qb_run_go(first);
	}
	if (!first) {
		qb_jobs_wake(j);
	}
}

static void inspection_ended(struct qb_jobs *j, struct qb_run *r)
{
	if (r->stop == QB_RUN_GOES || r->stop == QB_RUN_OVERTIME) {
		qb_store_exec(j->daemon->store, QB_SQL_UPLOAD_INSPECTED, "ssjj", r->upload,
			r->error ? "failed" : "ok", r->error ? NULL : r->result, r->error);
	}
}

static void job_ended(struct qb_jobs *j, struct qb_run *r)
{
	if (r->stop == QB_RUN_STOPPED && r->error) {
		requeue(j, r->job, 1);
	} else if (r->stop == QB_RUN_CANCELLED) {
		finish(j, r->job, "cancelled", r->error, r->outcome, NULL);
	} else if (r->error) {
		finish(j, r->job, "failed", r->error, r->outcome, NULL);
	} else {
		finish(j, r->job, "succeeded", NULL, r->outcome, r->result);
	}
}

static void ended(void *arg, struct qb_run *r)
{
	struct qb_jobs *j = arg;

	unlink_run(j, r);
	r->job ? job_ended(j, r) : inspection_ended(j, r);
	qb_run_free(&r);
	sections(j);
	if (j->stopped && !j->runs) {
		j->stopped(j->daemon);
	}
}

static json_t *file_object(struct qb_daemon *daemon, const char *name, const char *sha256)
{
	char *path = qb_blob_path(daemon->options.state, sha256);
	json_t *v = json_pack("{s:s, s:s, s:s}", "path", path, "name", name, "sha256", sha256);

	free(path);
	return v;
}

static void add_run(struct qb_jobs *j, struct qb_run *r)
{
	r->next = j->runs;
	j->runs = r;
}

/* What the worker reads: ids become files. NULL where a file is gone. */
static json_t *job_line(struct qb_jobs *j, int64_t id, const json_t *spec, char *why, size_t why_len)
{
	json_t *line = json_deep_copy(spec), *inputs, *in, *file;
	size_t i;

	inputs = qb_store_rows(j->daemon->store, QB_SQL_JOB_INPUTS, "i", id);
	json_array_foreach(inputs, i, in) {
		if (!json_is_true(json_object_get(in, "exists"))) {
			snprintf(why, why_len, "%s: %s (%s) was deleted; upload it again and submit a new job",
				text_of(in, "field"), text_of(in, "upload"), text_of(in, "name"));
			json_decref(line);
			line = NULL;
			break;
		}
		file = file_object(j->daemon, text_of(in, "name"), text_of(in, "sha256"));
		/* Results that hold a job to submit name uploads as this one did. */
		json_object_set(file, "id", json_object_get(in, "upload"));
		json_object_set_new(line, text_of(in, "field"), file);
	}
	json_decref(inputs);
	return line;
}

static void clear_outcome(struct qb_jobs *j, int64_t id)
{
	struct qb_store *s = j->daemon->store;
	json_t *hashes = qb_store_rows(s, QB_SQL_ARTIFACT_HASHES, "i", id), *h;
	size_t i;

	qb_store_exec(s, QB_SQL_METRIC_CLEAR, "i", id);
	qb_store_exec(s, QB_SQL_RESULT_CLEAR, "i", id);
	qb_store_exec(s, QB_SQL_ARTIFACT_CLEAR, "i", id);
	json_array_foreach(hashes, i, h) {
		qb_uploads_release(j->daemon, text_of(h, "sha256"));
	}
	json_decref(hashes);
}

static void start_job(struct qb_jobs *j, const json_t *row)
{
	int64_t id = number_of(row, "id");
	char now[QB_TIME_LEN], why[512];
	json_t *line = job_line(j, id, json_object_get(row, "spec"), why, sizeof(why));
	struct qb_run *r;

	if (!line) {
		fail(j, id, "input_deleted", why);
		return;
	}
	qb_time_now(now);
	qb_store_begin(j->daemon->store, true);
	qb_store_exec(j->daemon->store, QB_SQL_JOB_START, "is", id, now);
	clear_outcome(j, id);
	state_event(j, id, "running", NULL);
	qb_store_end(j->daemon->store, true);
	qb_hub_publish(j->daemon->hub, id);
	r = qb_run_start(j->daemon, id, NULL, line, ended, sections, j, why, sizeof(why));
	json_decref(line);
	if (!r) {
		fail(j, id, "worker_unavailable", why);
		return;
	}
	add_run(j, r);
}

static bool start_inspection(struct qb_jobs *j, const json_t *row)
{
	const char *id = text_of(row, "id");
	json_t *line = json_pack("{s:s, s:o}", "type", "inspect",
		!strcmp(text_of(row, "kind"), "m") ? "model" : "data",
		file_object(j->daemon, text_of(row, "name"), text_of(row, "sha256")));
	char why[512];
	struct qb_run *r = qb_run_start(j->daemon, 0, id, line, ended, sections, j, why, sizeof(why));

	json_decref(line);
	if (!r) {
		qb_log(QB_LOG_ERROR, "inspection of %s: %s", id, why);
		return false;
	}
	add_run(j, r);
	return true;
}

static int count(const struct qb_jobs *j, bool inspections)
{
	int n = 0;

	for (const struct qb_run *r = j->runs; r; r = r->next) {
		n += (r->job == 0) == inspections;
	}
	return n;
}

/* One inspection at a time, beside the jobs: it is short, and somebody waits for it at a form. */
static void start_inspections(struct qb_jobs *j)
{
	json_t *pending, *row;

	if (count(j, true)) {
		return;
	}
	pending = qb_store_rows(j->daemon->store, QB_SQL_UPLOAD_PENDING, "");
	row = json_array_get(pending, 0);
	if (row) {
		start_inspection(j, row);
	}
	json_decref(pending);
}

static void schedule(uv_timer_t *timer)
{
	struct qb_jobs *j = timer->data;

	if (j->stopped || !qb_engine_info(j->daemon->engine, NULL)) {
		return;
	}
	for (struct qb_run *r = j->runs; r; r = r->next) {
		if (r->section != QB_SECTION_NONE) {
			return; /* nothing new starts beside a latency section */
		}
	}
	start_inspections(j);
	while (count(j, false) < j->daemon->options.jobs) {
		json_t *row = qb_store_row(j->daemon->store, QB_SQL_JOB_NEXT, "");

		if (!row) {
			return;
		}
		start_job(j, row);
		json_decref(row);
	}
}

void qb_jobs_wake(struct qb_jobs *j)
{
	if (!j->stopped) {
		uv_timer_start(&j->wake, schedule, 0, 0);
	}
}

struct qb_jobs *qb_jobs_create(struct qb_daemon *daemon)
{
	struct qb_jobs *j = calloc(1, sizeof(*j));

	if (j) {
		j->daemon = daemon;
		uv_timer_init(daemon->loop, &j->wake);
		j->wake.data = j;
	}
	return j;
}

void qb_jobs_recover(struct qb_jobs *j)
{
	json_t *rows = qb_store_rows(j->daemon->store, QB_SQL_JOB_RUNNING, ""), *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		int64_t id = number_of(row, "id");

		if (number_of(row, "attempts") >= ATTEMPTS_MAX) {
			fail(j, id, "gave_up", "the server went down three times while this job ran; retry it if you "
				"think that the job was not the cause");
		} else {
			qb_log(QB_LOG_WARNING, "j%lld was running when the server went down; queued again",
				(long long)id);
			requeue(j, id, 0);
		}
	}
	json_decref(rows);
}

void qb_jobs_stop(struct qb_jobs *j, void (*done)(struct qb_daemon *daemon))
{
	j->stopped = done;
	uv_close((uv_handle_t *)&j->wake, NULL);
	for (struct qb_run *r = j->runs; r; r = r->next) {
		qb_run_end(r, QB_RUN_STOPPED);
	}
	if (!j->runs) {
		done(j->daemon);
	}
}

void qb_jobs_destroy(struct qb_jobs **jobs)
{
	free(*jobs);
	*jobs = NULL;
}

bool qb_jobs_alone(const struct qb_jobs *j)
{
	for (const struct qb_run *r = j->runs; r; r = r->next) {
		if (r->section == QB_SECTION_ALONE) {
			return true;
		}
	}
	return false;
}

int qb_jobs_running(const struct qb_jobs *j)
{
	return count(j, false) + count(j, true);
}

static bool field_wrong(struct qb_problem *p, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static bool field_wrong(struct qb_problem *p, const char *field, const char *fmt, ...)
{
	char text[700];
	va_list ap;
	json_t *detail;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	qb_refuse(p, 422, "bad_job", "%s: %s", field, text);
	detail = json_string(text);
	p->errors = p->errors ? p->errors : json_array();
	json_array_append_new(p->errors, json_pack("{s:s, s:o}", "field", field, "detail",
		detail ? detail : json_string("is not valid")));
	return false;
}

/* The upload that a field names, as {field, upload, name, sha256}. */
static bool resolve_one(struct qb_jobs *j, const char *field, const json_t *value, json_t *inputs,
	struct qb_problem *p)
{
	const char *id = json_string_value(value);
	const char *kind = !strcmp(field, "model") ? "model" : "dataset";
	json_t *row;

	if (!id) {
		return field_wrong(p, field, "must be the id of a %s, such as \"%c1\"", kind, *kind);
	}
	if (!strcmp(kind, "model") && qb_id_number(id, 'm') < 0) {
		return field_wrong(p, field, "\"%.60s\" is no model's id, which looks like m1; upload the model "
			"with POST /v1/models first", id);
	}
	if (qb_id_number(id, 'm') < 0 && qb_id_number(id, 'd') < 0) {
		return field_wrong(p, field, "\"%.60s\" is no dataset's id, which looks like d1; upload the data "
			"with POST /v1/datasets first", id);
	}
	row = qb_store_row(j->daemon->store, QB_SQL_UPLOAD_FILE, "s", id);
	if (!row) {
		return field_wrong(p, field, "there is no %.60s here; see GET /v1/%ss", id, kind);
	}
	if (!strcmp(text_of(row, "state"), "failed")) {
		field_wrong(p, field, "%s (%s) cannot be used: %s", id, text_of(row, "name"),
			text_of(row, "why") ? text_of(row, "why") : "its inspection failed");
		json_decref(row);
		return false;
	}
	json_object_set_new(row, "field", json_string(field));
	json_object_set_new(row, "upload", json_string(id));
	json_array_append_new(inputs, row);
	return true;
}

static json_t *resolve(struct qb_jobs *j, const json_t *type, const json_t *spec, struct qb_problem *p)
{
	json_t *inputs = json_array(), *field, *value;
	size_t i;
	bool ok = true;

	json_array_foreach(json_object_get(type, "inputs"), i, field) {
		value = json_object_get(spec, json_string_value(field));
		if (value && !json_is_null(value)) {
			ok = resolve_one(j, json_string_value(field), value, inputs, p) && ok;
		}
	}
	if (!ok) {
		json_decref(inputs);
		inputs = NULL;
	}
	return inputs;
}

/* Canonical job, hashes in place of ids, and the engine's version: the same question has the same fingerprint. */
static void fingerprint(const json_t *spec, const json_t *inputs, const char *engine,
	char out[QB_HASH_LEN])
{
	json_t *job = json_deep_copy(spec), *whole, *in;
	size_t i;
	char *text;

	json_array_foreach(inputs, i, in) {
		json_object_set(job, text_of(in, "field"), json_object_get(in, "sha256"));
	}
	whole = json_pack("{s:s, s:o}", "engine", engine, "job", job);
	text = qb_json_text(whole, JSON_COMPACT | JSON_SORT_KEYS);
	qb_hash_text(text ? text : "", text ? strlen(text) : 0, out);
	free(text);
	json_decref(whole);
}

static int64_t insert(struct qb_jobs *j, const json_t *spec, const json_t *inputs, const char *hash,
	const char *engine)
{
	struct qb_store *s = j->daemon->store;
	char now[QB_TIME_LEN];
	json_t *in;
	size_t i;
	int64_t id;
	bool ok;

	qb_time_now(now);
	if (!qb_store_begin(s, true)) {
		return -1;
	}
	id = qb_store_number(s, QB_SQL_JOB_INSERT, "sjsss", text_of(spec, "type"), spec, hash, engine,
		now);
	ok = id > 0;
	json_array_foreach(inputs, i, in) {
		ok = ok && qb_store_exec(s, QB_SQL_JOB_INPUT_INSERT, "issss", id, text_of(in, "field"),
			text_of(in, "upload"), text_of(in, "name"), text_of(in, "sha256"));
	}
	if (ok) {
		state_event(j, id, "queued", NULL);
	}
	return qb_store_end(s, ok) ? id : -1;
}

static bool queue_is_full(struct qb_jobs *j)
{
	json_t *census = qb_store_row(j->daemon->store, QB_SQL_JOB_CENSUS, "");
	bool full = number_of(census, "queued") >= QUEUE_MAX;

	json_decref(census);
	return full;
}

json_t *qb_jobs_submit(struct qb_jobs *j, const json_t *asked, bool *created, struct qb_problem *p)
{
	const json_t *info = qb_engine_info(j->daemon->engine, p);
	const json_t *type = info ? qb_engine_type(info, text_of(asked, "type")) : NULL;
	bool fresh = json_is_true(json_object_get(asked, "fresh"));
	json_t *spec, *inputs, *job = NULL;
	char hash[QB_HASH_LEN];
	int64_t id;

	if (!type) {
		return NULL;
	}
	inputs = resolve(j, type, asked, p);
	if (!inputs) {
		return NULL;
	}
	spec = json_copy((json_t *)asked);
	json_object_del(spec, "fresh");
	fingerprint(spec, inputs, text_of(info, "engine"), hash);
	id = fresh ? -1 : qb_store_number(j->daemon->store, QB_SQL_JOB_BY_FINGERPRINT, "s", hash);
	*created = id < 0;
	if (*created && queue_is_full(j)) {
		qb_refuse(p, 503, "queue_full", "%d jobs wait already; try again when some are done", QUEUE_MAX);
	} else {
		id = *created ? insert(j, spec, inputs, hash, text_of(info, "engine")) : id;
		job = id > 0 ? job_object(j, id, p) : NULL;
		job ? (void)json_object_set_new(job, "cached", json_boolean(!*created))
		    : (void)database_problem(p);
		qb_jobs_wake(j);
	}
	json_decref(spec);
	json_decref(inputs);
	return job;
}

static struct qb_run *find_run(struct qb_jobs *j, int64_t id)
{
	for (struct qb_run *r = j->runs; r; r = r->next) {
		if (r->job == id) {
			return r;
		}
	}
	return NULL;
}

/* Copies the state of a job out; false and 404 where there is none. */
static bool state_of(struct qb_jobs *j, int64_t id, char state[16], struct qb_problem *p)
{
	json_t *row = qb_store_row(j->daemon->store, QB_SQL_JOB_STATE, "i", id);

	if (!row) {
		return qb_refuse(p, 404, "not_found", "there is no job j%lld here", (long long)id);
	}
	snprintf(state, 16, "%s", text_of(row, "state"));
	json_decref(row);
	return true;
}

json_t *qb_jobs_cancel(struct qb_jobs *j, int64_t id, struct qb_problem *p)
{
	struct qb_run *r = find_run(j, id);
	char state[16];

	if (!state_of(j, id, state, p)) {
		return NULL;
	}
	if (r) {
		qb_run_end(r, QB_RUN_CANCELLED);
	} else if (!strcmp(state, "queued")) {
		json_t *error = json_pack("{s:s, s:s}", "code", "cancelled", "detail",
			"the job was cancelled before it started");

		finish(j, id, "cancelled", error, NULL, NULL);
		json_decref(error);
	} else {
		qb_refuse(p, 409, "already_ended", "job j%lld has %s already; nothing is left to cancel",
			(long long)id, state);
		return NULL;
	}
	return job_object(j, id, p);
}

json_t *qb_jobs_retry(struct qb_jobs *j, int64_t id, struct qb_problem *p)
{
	struct qb_store *s = j->daemon->store;
	char state[16];

	if (!state_of(j, id, state, p)) {
		return NULL;
	}
	if (strcmp(state, "failed") != 0 && strcmp(state, "cancelled") != 0) {
		qb_refuse(p, 409, "not_ended", "job j%lld is %s; only a failed or cancelled job can be retried "
			"(submit it with \"fresh\": true to compute it anew)", (long long)id, state);
		return NULL;
	}
	qb_store_begin(s, true);
	qb_store_exec(s, QB_SQL_JOB_RETRY, "i", id);
	state_event(j, id, "queued", NULL);
	qb_store_end(s, true);
	qb_hub_publish(j->daemon->hub, id);
	qb_jobs_wake(j);
	return job_object(j, id, p);
}

bool qb_jobs_delete(struct qb_jobs *j, int64_t id, struct qb_problem *p)
{
	struct qb_store *s = j->daemon->store;
	char state[16];

	if (!state_of(j, id, state, p)) {
		return false;
	}
	if (!strcmp(state, "queued") || !strcmp(state, "running")) {
		return qb_refuse(p, 409, "not_ended", "job j%lld is %s; cancel it first", (long long)id, state);
	}
	qb_store_begin(s, true);
	clear_outcome(j, id);
	if (!qb_store_end(s, qb_store_exec(s, QB_SQL_JOB_DELETE, "i", id))) {
		return database_problem(p);
	}
	qb_hub_publish(j->daemon->hub, id);
	return true;
}
