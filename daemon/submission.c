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
#include "daemon/jobs.h"
#include "daemon/storage.h"
#include "daemon/store.h"

enum { QUEUE_MAX = 10000 };

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
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
static bool resolve_one(struct qb_daemon *d, const char *field, const json_t *value, json_t *inputs,
	struct qb_problem *p)
{
	const char *id = json_string_value(value);
	const char *kind = !strcmp(field, "model") ? "model" : "dataset";
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

static json_t *resolve(struct qb_daemon *d, const json_t *type, const json_t *spec, struct qb_problem *p)
{
	json_t *inputs = json_array(), *field, *value;
	size_t i;
	bool ok = true;

	json_array_foreach(json_object_get(type, "inputs"), i, field) {
		value = json_object_get(spec, json_string_value(field));
		if (value && !json_is_null(value)) {
			ok = resolve_one(d, json_string_value(field), value, inputs, p) && ok;
		}
	}
	if (!ok) {
		json_decref(inputs);
		inputs = NULL;
	}
	return inputs;
}

void qb_fingerprint(const json_t *spec, const json_t *inputs, const char *engine, char out[QB_HASH_LEN])
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

/* The new job's object, read in the same transaction: who is refused may ask again. NULL after having filled p. */
static json_t *insert(struct qb_daemon *d, const json_t *spec, const json_t *inputs, const char *hash,
	const char *engine, struct qb_problem *p)
{
	struct qb_store *s = d->store;
	char now[QB_TIME_LEN];
	json_t *in, *job = NULL;
	size_t i;
	int64_t id = -1;

	qb_storage_look(d->storage);
	if (!qb_storage_usable(d->storage, p)) {
		return NULL;
	}
	qb_time_now(now);
	qb_store_begin(s, true);
	if (qb_store_value(s, QB_SQL_JOB_INSERT, &id, "sjsss", text_of(spec, "type"), spec, hash, engine, now) ==
		QB_FOUND) {
		json_array_foreach(inputs, i, in) {
			qb_store_exec(s, QB_SQL_JOB_INPUT_INSERT, "issss", id, text_of(in, "field"), text_of(in, "upload"),
				text_of(in, "name"), text_of(in, "sha256"));
		}
		qb_job_state_event(d, id, "queued", NULL);
		job = qb_job_object(d, id, p);
	}
	if (!qb_store_commit(s)) {
		json_decref(job);
		job = NULL;
		qb_storage_problem(d->storage, p);
	}
	return job;
}

static bool queue_has_room(struct qb_daemon *d, struct qb_problem *p)
{
	json_t *census = NULL;
	bool full;

	if (qb_store_get(d->store, QB_SQL_JOB_CENSUS, &census, "") != QB_FOUND) {
		return qb_storage_problem(d->storage, p);
	}
	full = json_integer_value(json_object_get(census, "queued")) >= QUEUE_MAX;
	json_decref(census);
	return !full || qb_refuse(p, 503, "queue_full", "%d jobs wait already; try again when some are done",
		QUEUE_MAX);
}

/* The job that answers the question: one that was there (unless fresh), or a new one. */
static json_t *answer(struct qb_daemon *d, const json_t *spec, const json_t *inputs, const char *engine, bool fresh,
	bool *created, struct qb_problem *p)
{
	char hash[QB_HASH_LEN];
	int64_t id = -1;
	enum qb_found found = QB_NONE;

	qb_fingerprint(spec, inputs, engine, hash);
	if (!fresh) {
		found = qb_store_value(d->store, QB_SQL_JOB_BY_FINGERPRINT, &id, "s", hash);
	}
	*created = found == QB_NONE;
	if (found == QB_UNREAD) {
		qb_storage_problem(d->storage, p);
		return NULL;
	}
	if (found == QB_FOUND) {
		return qb_job_object(d, id, p);
	}
	return queue_has_room(d, p) ? insert(d, spec, inputs, hash, engine, p) : NULL;
}

json_t *qb_submit(struct qb_daemon *d, const json_t *asked, bool *created, struct qb_problem *p)
{
	const json_t *info = qb_engine_info(d->engine, p);
	const json_t *type = info ? qb_engine_type(info, text_of(asked, "type")) : NULL;
	bool fresh = json_is_true(json_object_get(asked, "fresh"));
	json_t *spec, *inputs, *job;

	if (!type) {
		return NULL;
	}
	inputs = resolve(d, type, asked, p);
	if (!inputs) {
		return NULL;
	}
	spec = json_copy((json_t *)asked);
	json_object_del(spec, "fresh");
	job = answer(d, spec, inputs, text_of(info, "engine"), fresh, created, p);
	if (job) {
		json_object_set_new(job, "cached", json_boolean(!*created));
	}
	qb_dispatcher_wake(d->dispatcher);
	json_decref(spec);
	json_decref(inputs);
	return job;
}
