/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/blobs.h"
#include "daemon/hub.h"
#include "daemon/storage.h"
#include "daemon/store.h"

enum { EVENTS_MAX = 200000 };
static const double PROGRESS_PAUSE_S = 0.1;

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void stamp(json_t *event)
{
	char now[QB_TIME_LEN];

	qb_time_now(now);
	json_object_set_new(event, "time", json_string(now));
}

void qb_record_event(struct qb_daemon *daemon, int64_t job, json_t *event)
{
	stamp(event);
	if (qb_store_exec(daemon->store, QB_SQL_EVENT_INSERT, "isj", job, text_of(event, "event"), event)) {
		atomic_fetch_add(&daemon->events, 1);
	}
}

void qb_record_init(struct qb_record *c, struct qb_daemon *daemon, int64_t job, const char *folder)
{
	*c = (struct qb_record){.daemon = daemon, .job = job, .folder = folder, .events = json_array()};
}

void qb_record_fini(struct qb_record *c)
{
	json_decref(c->events);
	json_decref(c->progress);
	c->events = c->progress = NULL;
}

static void append(struct qb_record *c, json_t *event)
{
	stamp(event);
	json_array_append(c->events, event);
}

void qb_record_warn(struct qb_record *c, const char *text)
{
	json_t *e = c->job ? json_pack("{s:s, s:s, s:s}", "event", "log", "level", "warning", "text", text) : NULL;

	if (e) {
		append(c, e);
		json_decref(e);
	}
}

/* Nobody can print events without end onto our disk. */
static void keep(struct qb_record *c, json_t *event)
{
	if (c->kept == EVENTS_MAX) {
		qb_record_warn(c, "this job has sent 200000 events; the rest are not kept");
	}
	if (c->kept++ < EVENTS_MAX) {
		append(c, event);
	}
}

static void on_progress(struct qb_record *c, json_t *e)
{
	const char *stage = text_of(e, "stage"), *text = text_of(e, "text");
	const json_t *fraction = json_object_get(e, "fraction");
	double now = qb_seconds(), f = json_number_value(fraction);
	json_t *event;

	stage = stage ? stage : "";
	if (!json_is_number(fraction) ||
		(f < 1 && !strcmp(stage, c->stage) && now - c->progress_at < PROGRESS_PAUSE_S)) {
		return;
	}
	c->progress_at = now;
	snprintf(c->stage, sizeof(c->stage), "%s", stage);
	json_decref(c->progress);
	c->progress = json_pack("{s:s, s:f, s:s}", "stage", stage, "fraction", f < 0 ? 0 : f > 1 ? 1 : f,
		"text", text ? text : "");
	event = json_copy(c->progress);
	json_object_set_new(event, "event", json_string("progress"));
	keep(c, event);
	json_decref(event);
}

static bool known_scope(const char *scope)
{
	return scope && (!strcmp(scope, "model") || !strcmp(scope, "layer") ||
		!strcmp(scope, "tensor") || !strcmp(scope, "step"));
}

static void on_metric(struct qb_record *c, json_t *e)
{
	if (known_scope(text_of(e, "scope")) && text_of(e, "name")) {
		keep(c, e);
	}
}

static void on_log(struct qb_record *c, json_t *e)
{
	const char *level = text_of(e, "level");

	if (!text_of(e, "text")) {
		return;
	}
	if (!level || (strcmp(level, "debug") && strcmp(level, "warning") && strcmp(level, "error"))) {
		json_object_set_new(e, "level", json_string("info"));
	}
	keep(c, e);
}

static bool plain_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return name && *name && *name != '.' && strlen(name) < 128 &&
		name[strspn(name, allowed)] == '\0';
}

/* Only the name is believed; the file must lie in the job's own folder. */
static void on_artifact(struct qb_record *c, json_t *e)
{
	if (!plain_name(text_of(e, "name"))) {
		qb_record_warn(c, "an artifact was dropped: its name has characters other than letters, digits, . _ -");
		return;
	}
	json_object_del(e, "path");
	keep(c, e);
}

void qb_record_take(struct qb_record *c, json_t *event)
{
	static const struct {
		const char *name;
		void (*take)(struct qb_record *c, json_t *e);
	} takers[] = {{"progress", on_progress}, {"metric", on_metric}, {"log", on_log},
		{"artifact", on_artifact}};
	const char *kind = text_of(event, "event");

	for (size_t i = 0; c->job && kind && i < sizeof(takers) / sizeof(takers[0]); i++) {
		if (!strcmp(kind, takers[i].name)) {
			takers[i].take(c, event);
		}
	}
}

static void write_event(struct qb_record *c, const json_t *e)
{
	qb_store_exec(c->daemon->store, QB_SQL_EVENT_INSERT, "isj", c->job, text_of(e, "event"), e);
}

static void write_metric(struct qb_record *c, const json_t *e)
{
	const json_t *value = json_object_get(e, "value"), *step = json_object_get(e, "step");
	double number = json_number_value(value);

	qb_store_exec(c->daemon->store, QB_SQL_METRIC_INSERT, "isssIsfss", c->job, text_of(e, "scope"),
		text_of(e, "scheme"), text_of(e, "tensor"),
		(int64_t)(json_is_integer(step) ? json_integer_value(step) : -1), text_of(e, "name"),
		json_is_number(value) ? &number : NULL, text_of(e, "unit"), text_of(e, "time"));
	write_event(c, e);
}

static void write_refusal(struct qb_record *c, const json_t *artifact, const char *why)
{
	json_t *e = json_pack("{s:s, s:s, s:s, s:O}", "event", "log", "level", "warning", "text", why, "time",
		json_object_get(artifact, "time"));

	write_event(c, e);
	json_decref(e);
}

/* A file that is none is the worker's fault, and said so; one that cannot be stored is not. */
static bool write_artifact(struct qb_record *c, const json_t *e)
{
	const char *state = c->daemon->options.state, *name = text_of(e, "name"), *type = text_of(e, "content_type");
	struct qb_blob_writer blob;
	struct qb_problem p = {0};
	bool ok = qb_blob_copy(&blob, state, c->folder, name, &p) && qb_blob_keep(&blob, state, &p);

	if (ok) {
		qb_store_exec(c->daemon->store, QB_SQL_ARTIFACT_INSERT, "isssi", c->job, name,
			type ? type : "application/octet-stream", blob.sha256, blob.size);
		write_event(c, e);
	} else if (p.status == 422) {
		write_refusal(c, e, p.detail);
		ok = true;
	} else {
		qb_storage_trouble(c->daemon->storage, p.status == 507 ? QB_STORAGE_FULL : QB_STORAGE_FAILING, p.detail);
	}
	qb_blob_end(&blob);
	return ok;
}

static bool write_all(struct qb_record *c)
{
	const json_t *e;
	size_t i;

	json_array_foreach(c->events, i, e) {
		const char *kind = text_of(e, "event");

		if (!strcmp(kind, "artifact")) {
			if (!write_artifact(c, e)) {
				return false;
			}
		} else if (!strcmp(kind, "metric")) {
			write_metric(c, e);
		} else {
			write_event(c, e);
		}
	}
	if (c->progress) {
		qb_store_exec(c->daemon->store, QB_SQL_JOB_PROGRESS, "ij", c->job, c->progress);
	}
	return true;
}

bool qb_record_save(struct qb_record *c)
{
	struct qb_store *s = c->daemon->store;
	size_t n = json_array_size(c->events);

	if (!n && !c->progress) {
		return true;
	}
	qb_store_begin(s, false);
	if (!write_all(c)) {
		qb_store_rollback(s);
		return false;
	}
	if (!qb_store_commit(s)) {
		return false;
	}
	json_array_clear(c->events);
	json_decref(c->progress);
	c->progress = NULL;
	atomic_fetch_add(&c->daemon->events, (long long)n);
	qb_hub_publish(c->daemon->hub, c->job);
	return true;
}
