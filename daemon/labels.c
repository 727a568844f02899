/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/labels.h"

#include <stdio.h>
#include <string.h>

#include "daemon/daemon.h"
#include "daemon/hub.h"
#include "daemon/jobs.h"
#include "daemon/storage.h"
#include "daemon/store.h"

enum { LABEL_NAME_MAX = 200, NOTES_MAX = 10000, TAG_MAX = 64, /* characters */ TAGS_MAX = 20 };

static const char *const texts[] = {"name", "notes"};
static const char *const lists[] = {"tags", "add_tags", "remove_tags"};

static bool wrong(struct qb_problem *p, const char *field, const char *detail)
{
	char pointer[32];

	qb_refuse(p, 422, "bad_labels", "%s: %s", field, detail);
	snprintf(pointer, sizeof(pointer), "/%s", field);
	p->errors = json_pack("[{s:s, s:s, s:s}]", "field", field, "pointer", pointer, "detail", detail);
	return false;
}

static size_t characters(const json_t *text)
{
	size_t n = 0;

	for (const char *c = json_string_value(text); *c; c++) {
		n += (*c & 0xc0) != 0x80; /* no later byte of a character in UTF-8 */
	}
	return n;
}

static bool check_text(const json_t *labels, const char *field, struct qb_problem *p)
{
	const json_t *v = json_object_get(labels, field);
	const size_t most = !strcmp(field, "name") ? LABEL_NAME_MAX : NOTES_MAX;

	if (!v || json_is_null(v)) {
		return true;
	}
	if (!json_is_string(v)) {
		return wrong(p, field, "must be text, or null to take it away");
	}
	if (characters(v) > most) {
		return wrong(p, field, most == LABEL_NAME_MAX ? "is longer than 200 characters; the rest may stand in the notes"
			: "are longer than 10000 characters");
	}
	return !strcmp(field, "notes") || !strpbrk(json_string_value(v), "\n\r\t") ||
		wrong(p, field, "is one line; the rest may stand in the notes");
}

/* Something that commas and spaces can separate. */
static bool is_tag(const json_t *v)
{
	const char *text = json_string_value(v);

	if (!text || !*text || characters(v) > TAG_MAX || strchr(text, ',')) {
		return false;
	}
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c <= ' ' || *c == 0x7f) {
			return false;
		}
	}
	return true;
}

static bool check_list(const json_t *labels, const char *field, struct qb_problem *p)
{
	const json_t *list = json_object_get(labels, field), *tag;
	size_t i;

	if (!list || (json_is_null(list) && !strcmp(field, "tags"))) {
		return true;
	}
	if (!json_is_array(list) || json_array_size(list) > TAGS_MAX) {
		return wrong(p, field, "must be a list of at most 20 tags");
	}
	json_array_foreach(list, i, tag) {
		if (!is_tag(tag)) {
			return wrong(p, field, "a tag is a word of at most 64 characters, without spaces and commas");
		}
	}
	return true;
}

bool qb_labels_check(const json_t *labels, bool change, struct qb_problem *p)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!check_text(labels, texts[i], p)) {
			return false;
		}
	}
	for (size_t i = 0; i < (change ? sizeof(lists) / sizeof(lists[0]) : 1); i++) {
		if (!check_list(labels, lists[i], p)) {
			return false;
		}
	}
	return true;
}

void qb_labels_strip(json_t *job)
{
	json_object_del(job, "name");
	json_object_del(job, "notes");
	json_object_del(job, "tags");
}

static void write_tags(struct qb_store *s, int64_t job, const json_t *list, enum qb_sql sql)
{
	const json_t *tag;
	size_t i;

	json_array_foreach(list, i, tag) {
		qb_store_exec(s, sql, "is", job, json_string_value(tag));
	}
}

static bool few_tags(struct qb_daemon *d, int64_t job, struct qb_problem *p)
{
	int64_t n = 0;

	if (qb_store_value(d->store, QB_SQL_JOB_TAGS, &n, "i", job) != QB_FOUND) {
		return qb_storage_problem(d->storage, p);
	}
	return n <= TAGS_MAX || qb_refuse(p, 422, "bad_labels", "j%lld would have %lld tags, and may have 20; take some away "
		"first", (long long)job, (long long)n);
}

bool qb_labels_write(struct qb_daemon *d, int64_t job, const json_t *labels, struct qb_problem *p)
{
	const json_t *name = json_object_get(labels, "name"), *notes = json_object_get(labels, "notes");
	const json_t *tags = json_object_get(labels, "tags");
	struct qb_store *s = d->store;

	if (name) {
		qb_store_exec(s, QB_SQL_JOB_NAME, "is", job, json_string_value(name));
	}
	if (notes) {
		qb_store_exec(s, QB_SQL_JOB_NOTES, "is", job, json_string_value(notes));
	}
	if (tags) {
		qb_store_exec(s, QB_SQL_JOB_TAGS_CLEAR, "i", job);
		write_tags(s, job, tags, QB_SQL_JOB_TAG_INSERT);
	}
	write_tags(s, job, json_object_get(labels, "remove_tags"), QB_SQL_JOB_TAG_DELETE);
	write_tags(s, job, json_object_get(labels, "add_tags"), QB_SQL_JOB_TAG_INSERT);
	qb_store_exec(s, QB_SQL_JOB_TEXT, "i", job);
	return few_tags(d, job, p);
}

json_t *qb_labels_change(struct qb_daemon *d, int64_t job, const json_t *labels, struct qb_problem *p)
{
	json_t *object = qb_job_object(d, job, p);

	if (!object) {
		return NULL;
	}
	json_decref(object);
	qb_store_begin(d->store, true);
	object = qb_labels_write(d, job, labels, p) ? qb_job_object(d, job, p) : NULL;
	if (!object) {
		qb_store_rollback(d->store);
	} else if (!qb_store_commit(d->store)) {
		json_decref(object);
		object = NULL;
		qb_storage_problem(d->storage, p);
	} else {
		qb_hub_publish(d->hub, job);
	}
	return object;
}

void qb_labels_add(struct qb_daemon *d, int64_t job, const json_t *labels)
{
	struct qb_problem p = {0};
	json_t *had = qb_job_object(d, job, &p), *added = json_object();

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *v = json_object_get(labels, texts[i]);

		if (json_is_string(v) && json_is_null(json_object_get(had, texts[i]))) {
			json_object_set(added, texts[i], v);
		}
	}
	if (json_array_size(json_object_get(labels, "tags"))) {
		json_object_set(added, "add_tags", json_object_get(labels, "tags"));
	}
	if (had && json_object_size(added)) {
		json_decref(qb_labels_change(d, job, added, &p));
	}
	json_decref(p.errors);
	json_decref(added);
	json_decref(had);
}
