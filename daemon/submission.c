/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/submission.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "daemon/daemon.h"
#include "daemon/dispatcher.h"
#include "daemon/engine.h"
#include "daemon/hub.h"
#include "daemon/jobs.h"
#include "daemon/labels.h"
#include "daemon/storage.h"
#include "daemon/store.h"
#include "daemon/targets.h"
#include "daemon/validate.h"
#include "daemon/wish.h"

enum { QUEUE_MAX = 10000 };

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool field_wrong(struct qb_problem *p, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static bool field_wrong(struct qb_problem *p, const char *field, const char *fmt, ...)
{
	char text[700], pointer[64];
	va_list ap;
	json_t *detail;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	qb_refuse(p, 422, "bad_job", "%s: %s", field, text);
	detail = json_string(text);
	p->errors = p->errors ? p->errors : json_array();
	snprintf(pointer, sizeof(pointer), "/%.60s", field);
	json_array_append_new(p->errors, json_pack("{s:s, s:s, s:o}", "field", field, "pointer", pointer, "detail",
		detail ? detail : json_string("is not valid")));
	return false;
}

/* "model", "teacher", "models/0". */
static bool is_model(const char *field)
{
	return !strcmp(field, "model") || !strcmp(field, "teacher") || !strncmp(field, "models/", strlen("models/"));
}

/* The upload that a field names, as {field, upload, name, sha256}. */
static bool resolve_one(struct qb_daemon *d, const char *field, const json_t *value, json_t *inputs,
	struct qb_problem *p)
{
	const char *id = json_string_value(value);
	const char *kind = is_model(field) ? "model" : "dataset";
	json_t *row = NULL;
	enum qb_found found;

	if (!id) {
		return field_wrong(p, field, "must be the id of a %s, such as \"%c1\"", kind, *kind);
	}
	if (!strcmp(kind, "model") && qb_id_number(id, 'm') < 0) {
		return field_wrong(p, field, "\"%.60s\" is no model's id, which looks like m1; upload the model "
			"first", id);
	}
	if (qb_id_number(id, 'm') < 0 && qb_id_number(id, 'd') < 0) {
		return field_wrong(p, field, "\"%.60s\" is no dataset's id, which looks like d1; upload the data "
			"first", id);
	}
	found = qb_store_get(d->store, QB_SQL_UPLOAD_FILE, &row, "s", id);
	if (found == QB_UNREAD) {
		return qb_storage_problem(d->storage, p);
	}
	if (found == QB_NONE) {
		return field_wrong(p, field, "there is no %.60s here; the list of %ss has what there is", id, kind);
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

/* A file, or a list of files whose fields are "models/0", "models/1" ... */
static bool resolve_field(struct qb_daemon *d, const char *field, const json_t *value, json_t *inputs, struct qb_problem *p)
{
	const json_t *one;
	bool ok = true;
	size_t i;

	if (!json_is_array(value)) {
		return !value || json_is_null(value) || resolve_one(d, field, value, inputs, p);
	}
	json_array_foreach(value, i, one) {
		char *entry = qb_format("%s/%zu", field, i);

		ok = resolve_one(d, entry, one, inputs, p) && ok;
		free(entry);
	}
	return ok;
}

static json_t *resolve(struct qb_daemon *d, const json_t *type, const json_t *spec, struct qb_problem *p)
{
	json_t *inputs = json_array(), *field;
	size_t i;
	bool ok = true;

	json_array_foreach(json_object_get(type, "inputs"), i, field) {
		const char *name = json_string_value(field);

		ok = resolve_field(d, name, json_object_get(spec, name), inputs, p) && ok;
	}
	if (!ok) {
		json_decref(inputs);
		inputs = NULL;
	}
	return inputs;
}

void qb_fingerprint(const json_t *spec, const json_t *inputs, const char *engine, const char *target, char out[QB_HASH_LEN])
{
	json_t *job = json_deep_copy(spec), *whole, *in;
	size_t i;
	char *text;

	json_array_foreach(inputs, i, in) {
		qb_set_input(job, text_of(in, "field"), json_incref(json_object_get(in, "sha256")));
	}
	whole = json_pack("{s:s, s:o}", "engine", engine, "job", job);
	if (strcmp(target, "local") != 0) {
		json_object_set_new(whole, "target", json_string(target));
	}
	text = qb_json_text(whole, JSON_COMPACT | JSON_SORT_KEYS);
	qb_hash_text(text ? text : "", text ? strlen(text) : 0, out);
	free(text);
	json_decref(whole);
}

/* What is asked for, looked up. */
struct resolved {
	const char *engine;
	char hash[QB_HASH_LEN]; /* the fingerprint */
	struct qb_wish wish;
	json_t *spec, *inputs;
};

static bool insert_job(struct qb_daemon *d, const struct resolved *r, const struct qb_who *who, int64_t *id)
{
	json_t *limits = qb_wish_limits(&r->wish);
	char now[QB_TIME_LEN];
	bool ok;

	qb_time_now(now);
	ok = qb_store_value(d->store, QB_SQL_JOB_INSERT, id, "sjssssIsiij", text_of(r->spec, "type"), r->spec, r->hash, r->engine, now,
		who->name, who->token ? who->token : (int64_t)-1, r->wish.target, r->wish.priority, r->wish.retries, limits) == QB_FOUND;
	json_decref(limits);
	return ok;
}

/* Within the caller's transaction. labels may be NULL. */
static bool insert_rows(struct qb_daemon *d, const struct resolved *r, const json_t *labels, const struct qb_who *who, int64_t *id,
	struct qb_problem *p)
{
	struct qb_store *s = d->store;
	const json_t *in;
	size_t i;

	if (!insert_job(d, r, who, id)) {
		return false;
	}
	json_array_foreach(r->inputs, i, in) {
		qb_store_exec(s, QB_SQL_JOB_INPUT_INSERT, "issss", *id, text_of(in, "field"), text_of(in, "upload"),
			text_of(in, "name"), text_of(in, "sha256"));
	}
	json_array_foreach(r->wish.after, i, in) {
		qb_store_exec(s, QB_SQL_JOB_AFTER_INSERT, "ii", *id, qb_id_number(json_string_value(in), 'j'));
	}
	qb_store_exec(s, QB_SQL_JOB_NETWORK, "i", *id);
	qb_store_exec(s, QB_SQL_JOB_SCHEMES, "i", *id);
	qb_job_state_event(d, *id, "queued", NULL);
	return qb_labels_write(d, *id, labels, p);
}

/* The new job's object, read in the same transaction: who is refused may ask again. NULL after having filled p. */
static json_t *insert(struct qb_daemon *d, const struct resolved *r, const json_t *labels, const struct qb_who *who, struct qb_problem *p)
{
	struct qb_store *s = d->store;
	json_t *job = NULL;
	int64_t id = -1;

	qb_storage_look(d->storage);
	if (!qb_storage_usable(d->storage, p)) {
		return NULL;
	}
	qb_store_begin(s, true);
	if (insert_rows(d, r, labels, who, &id, p)) {
		job = qb_job_object(d, id, p);
	}
	if (!qb_store_commit(s)) {
		json_decref(job);
		job = NULL;
		qb_storage_problem(d->storage, p);
	} else {
		qb_hub_publish(d->hub, id);
	}
	return job;
}

static bool queue_has_room(struct qb_daemon *d, size_t more, struct qb_problem *p)
{
	int64_t queued = 0;
	bool full;

	if (qb_store_value(d->store, QB_SQL_JOB_QUEUED, &queued, "") != QB_FOUND) {
		return qb_storage_problem(d->storage, p);
	}
	full = queued + (int64_t)more > QUEUE_MAX;
	p->retry_after_s = full ? 60 : 0;
	return !full || qb_refuse(p, 503, "queue_full", "%d jobs wait already; try again when some are done",
		QUEUE_MAX);
}

/* What the token may have in the queue. */
static bool has_room_in_queue(struct qb_daemon *d, const struct qb_who *who, size_t more, struct qb_problem *p)
{
	int64_t n = 0;

	if (!who->token || !who->queued_jobs) {
		return true;
	}
	if (qb_store_value(d->store, QB_SQL_TOKEN_QUEUED, &n, "i", who->token) != QB_FOUND) {
		return qb_storage_problem(d->storage, p);
	}
	if (n + (int64_t)more <= who->queued_jobs) {
		return true;
	}
	p->retry_after_s = 60;
	return qb_refuse(p, 429, "quota", "%s may have %lld jobs that wait or run, and has them; try again when one has ended, or "
		"cancel one", who->name, (long long)who->queued_jobs);
}

/* An identical job, which answers the question; QB_NONE: there is none, or a fresh one is asked for. */
static enum qb_found find_identical(struct qb_daemon *d, const struct resolved *r, int64_t *id, struct qb_problem *p)
{
	enum qb_found found;

	if (r->wish.fresh) {
		return QB_NONE;
	}
	found = qb_store_value(d->store, QB_SQL_JOB_BY_FINGERPRINT, id, "s", r->hash);
	if (found == QB_UNREAD) {
		qb_storage_problem(d->storage, p);
	}
	return found;
}

/* Jobs that are there, and may still succeed. */
static bool resolve_after(struct qb_daemon *d, const json_t *after, struct qb_problem *p)
{
	const json_t *v;
	bool ok = true;
	size_t i;

	json_array_foreach(after, i, v) {
		const char *id = json_string_value(v), *state;
		json_t *row = NULL;
		enum qb_found found = qb_store_get(d->store, QB_SQL_JOB_STATE, &row, "i", qb_id_number(id, 'j'));

		state = text_of(row, "state");
		if (found == QB_UNREAD) {
			return qb_storage_problem(d->storage, p);
		}
		if (found == QB_NONE) {
			ok = qb_wish_refuse(p, "after", "there is no job %.40s here", id);
		} else if (!strcmp(state, "failed") || !strcmp(state, "cancelled")) {
			ok = qb_wish_refuse(p, "after", "%.40s has %s already; retry that one first", id, !strcmp(state, "failed") ? "failed"
				: "been cancelled");
		}
		json_decref(row);
	}
	return ok;
}

static bool less(struct qb_problem *p, const char *field, int64_t asked, int64_t most)
{
	return !asked || !most || asked <= most || qb_wish_refuse(p, field, "is %lld, and a job has at most %lld there", (long long)asked,
		(long long)most);
}

static bool resolve_wish(struct qb_daemon *d, const struct qb_wish *w, struct qb_problem *p)
{
	const struct qb_target *t = qb_targets_find(d->options.targets, w->target);
	const struct qb_options *o = &d->options;
	char names[600];

	if (!t) {
		qb_targets_names(o->targets, names, sizeof(names));
		return qb_wish_refuse(p, "target", "there is no target \"%.40s\" here; choose from %.400s", w->target, names);
	}
	return less(p, "threads", w->threads, t->threads ? t->threads : qb_target_is_here(t) ? o->worker_threads : 0) &&
		less(p, "memory_bytes", w->memory_bytes, t->memory ? t->memory : qb_target_is_here(t) ? o->worker_memory : 0) &&
		less(p, "wall_seconds", w->wall_seconds, o->worker_wall_seconds) && resolve_after(d, w->after, p);
}

static bool resolve_job(struct qb_daemon *d, const json_t *asked, struct resolved *r, struct qb_problem *p)
{
	const json_t *info = qb_engine_info(d->engine, p);
	const json_t *type = info ? qb_engine_type(info, text_of(asked, "type")) : NULL;

	memset(r, 0, sizeof(*r));
	if (!info || !qb_wish_read(asked, &r->wish, p) || !resolve_wish(d, &r->wish, p)) {
		return false;
	}
	if (!type) {
		return qb_refuse(p, 422, "bad_job", "type: is no kind of job here any more; GET /v1/job-types lists them");
	}
	r->inputs = resolve(d, type, asked, p);
	if (!r->inputs) {
		return false;
	}
	r->engine = text_of(info, "engine");
	r->spec = qb_wish_bare(asked);
	qb_fingerprint(r->spec, r->inputs, r->engine, r->wish.target, r->hash);
	return true;
}

static void release(struct resolved *r)
{
	json_decref(r->spec);
	json_decref(r->inputs);
}

/* What the worker is asked: the job, and what inspection said of its uploads; those that it has not seen yet are left out. */
static json_t *question_of(struct qb_daemon *d, const struct resolved *r)
{
	json_t *all = json_object(), *in, *row, *v;
	size_t i;

	json_array_foreach(r->inputs, i, in) {
		row = NULL;
		if (qb_store_get(d->store, QB_SQL_UPLOAD_DESCRIPTION, &row, "s", text_of(in, "upload")) == QB_FOUND) {
			v = json_object_get(row, "description");
			json_is_object(v) ? json_object_set(all, text_of(in, "field"), v) : 0;
		}
		json_decref(row);
	}
	return json_pack("{s:O, s:o}", "job", r->spec, "uploads", all);
}

json_t *qb_submission_question(struct qb_daemon *d, const json_t *asked, struct qb_problem *p)
{
	struct resolved r;
	json_t *question = NULL;
	int64_t id;

	if (!resolve_job(d, asked, &r, p)) {
		return NULL;
	}
	if (find_identical(d, &r, &id, p) == QB_NONE) {
		question = question_of(d, &r);
	}
	release(&r);
	return question;
}

json_t *qb_retry_question(struct qb_daemon *d, int64_t id, struct qb_problem *p)
{
	struct resolved r;
	json_t *row = NULL, *question = NULL;

	if (!qb_job_may_retry(d, id, p)) {
		return NULL;
	}
	if (qb_store_get(d->store, QB_SQL_JOB_SPEC, &row, "i", id) != QB_FOUND) {
		qb_storage_problem(d->storage, p);
		return NULL;
	}
	if (resolve_job(d, json_object_get(row, "spec"), &r, p)) {
		question = question_of(d, &r);
		release(&r);
	}
	json_decref(row);
	return question;
}

bool qb_submission_accepted(const json_t *answer, struct qb_problem *p)
{
	const char *pointer = text_of(answer, "field"), *detail = text_of(answer, "detail"), *code = text_of(answer, "code");
	json_t *field, *error;
	size_t n;

	if (!json_is_false(json_object_get(answer, "ok")) || !detail) {
		return true;
	}
	qb_refuse(p, 422, code ? code : "bad_job", "%.1100s", detail);
	if (pointer) {
		field = qb_field_name(pointer);
		n = json_string_length(field);
		if (!strncmp(detail, json_string_value(field), n) && !strncmp(detail + n, ": ", 2)) {
			detail += n + 2;
		}
		error = json_pack("{s:o, s:s, s:s, s:O*}", "field", field, "pointer", pointer, "detail", detail, "near",
			json_object_get(answer, "near"));
		p->errors = json_pack("[o]", error);
	}
	return false;
}

/* Of a job that answers a submission; somebody else's stays as it is. */
static void add_labels(struct qb_daemon *d, int64_t id, const json_t *asked, const struct qb_who *who)
{
	struct qb_problem nobody = {0};

	if (qb_job_is_of(d, id, who, &nobody)) {
		qb_labels_add(d, id, asked);
	}
}

json_t *qb_submit(struct qb_daemon *d, const json_t *asked, const struct qb_who *who, bool *created, struct qb_problem *p)
{
	struct resolved r;
	json_t *job = NULL;
	int64_t id;
	enum qb_found found;

	if (!resolve_job(d, asked, &r, p)) {
		return NULL;
	}
	found = find_identical(d, &r, &id, p);
	*created = found == QB_NONE;
	if (found == QB_FOUND) {
		add_labels(d, id, asked, who);
		job = qb_job_object(d, id, p);
	} else if (*created && queue_has_room(d, 1, p) && has_room_in_queue(d, who, 1, p)) {
		job = insert(d, &r, asked, who, p);
	}
	if (job) {
		json_object_set_new(job, "cached", json_boolean(!*created));
	}
	qb_dispatcher_wake(d->dispatcher);
	release(&r);
	return job;
}

json_t *qb_grid_object(struct qb_store *s, int64_t id, struct qb_problem *p)
{
	json_t *grid = NULL, *jobs = NULL;
	enum qb_found found = qb_store_get(s, QB_SQL_GRID_GET, &grid, "i", id);

	if (found == QB_NONE) {
		qb_refuse(p, 404, "not_found", "there is no grid g%lld here", (long long)id);
	} else if (found == QB_UNREAD || !qb_store_list(s, QB_SQL_GRID_JOBS, &jobs, "i", id)) {
		qb_refuse_unread(p);
		json_decref(grid);
		grid = NULL;
	} else {
		json_object_set_new(grid, "jobs", jobs);
	}
	return grid;
}

/* One of a grid's jobs, within the transaction; false after having filled p, or after a failure of the store. */
static bool add_to_grid(struct qb_daemon *d, int64_t grid, size_t number, const json_t *one, const struct qb_who *who, struct qb_problem *p)
{
	const json_t *asked = json_object_get(one, "job");
	struct resolved r;
	int64_t id = -1;
	enum qb_found found;
	bool ok = false;

	if (!resolve_job(d, asked, &r, p)) {
		return false;
	}
	found = find_identical(d, &r, &id, p);
	if (found == QB_FOUND || (found == QB_NONE && insert_rows(d, &r, asked, who, &id, p))) {
		ok = qb_store_exec(d->store, QB_SQL_GRID_JOB_INSERT, "iiij", grid, (int64_t)number, id, json_object_get(one, "at"));
	}
	release(&r);
	return ok;
}

json_t *qb_submit_grid(struct qb_daemon *d, const json_t *grid, const json_t *jobs, const struct qb_who *who, struct qb_problem *p)
{
	struct qb_store *s = d->store;
	char now[QB_TIME_LEN];
	json_t *one, *object = NULL;
	int64_t id = -1;
	size_t i;
	bool ok;

	qb_storage_look(d->storage);
	if (!qb_storage_usable(d->storage, p) || !queue_has_room(d, json_array_size(jobs), p) ||
		!has_room_in_queue(d, who, json_array_size(jobs), p)) {
		return NULL;
	}
	qb_time_now(now);
	qb_store_begin(s, true);
	ok = qb_store_value(s, QB_SQL_GRID_INSERT, &id, "jssI", grid, now, who->name, who->token ? who->token : (int64_t)-1) == QB_FOUND;
	json_array_foreach(jobs, i, one) {
		ok = ok && add_to_grid(d, id, i, one, who, p);
	}
	object = ok ? qb_grid_object(s, id, p) : NULL;
	if (!object) {
		qb_store_rollback(s);
	} else if (!qb_store_commit(s)) {
		json_decref(object);
		object = NULL;
	}
	json_array_foreach(json_object_get(object, "jobs"), i, one) {
		qb_hub_publish(d->hub, qb_id_number(text_of(one, "job"), 'j'));
	}
	if (!object) {
		qb_storage_problem(d->storage, p); /* unless a reason is there already */
	}
	qb_dispatcher_wake(d->dispatcher);
	return object;
}
