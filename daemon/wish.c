/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/wish.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "daemon/labels.h"

/* Whole numbers: name, least, most. */
static const struct number {
	const char *name;
	size_t offset;
	int64_t least, most;
} numbers[] = {
	{"priority", offsetof(struct qb_wish, priority), -QB_PRIORITY_MAX, QB_PRIORITY_MAX},
	{"retries", offsetof(struct qb_wish, retries), 0, QB_RETRIES_MAX},
	{"threads", offsetof(struct qb_wish, threads), 1, 4096},
	{"memory_bytes", offsetof(struct qb_wish, memory_bytes), 1 << 20, (int64_t)1 << 50},
	{"wall_seconds", offsetof(struct qb_wish, wall_seconds), 1, 31536000},
};

enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]), LIMITS_BEGIN = 2 };

bool qb_wish_refuse(struct qb_problem *p, const char *name, const char *fmt, ...)
{
	char field[60], pointer[64], detail[500];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	snprintf(field, sizeof(field), "run.%.40s", name);
	snprintf(pointer, sizeof(pointer), "/run/%.40s", name);
	qb_refuse(p, 422, "bad_job", "%s: %s", field, detail);
	p->errors = p->errors ? p->errors : json_array();
	json_array_append_new(p->errors, json_pack("{s:s, s:s, s:s}", "field", field, "pointer", pointer, "detail", detail));
	return false;
}

static const struct number *number_named(const char *name)
{
	for (int i = 0; i < NUMBERS; i++) {
		if (!strcmp(numbers[i].name, name)) {
			return &numbers[i];
		}
	}
	return NULL;
}

static bool read_number(struct qb_wish *w, const struct number *n, const json_t *v, struct qb_problem *p)
{
	int64_t value = json_integer_value(v);

	if (!json_is_integer(v) || value < n->least || value > n->most) {
		return qb_wish_refuse(p, n->name, "must be a whole number from %lld to %lld", (long long)n->least, (long long)n->most);
	}
	*(int64_t *)(void *)((char *)w + n->offset) = value;
	return true;
}

static bool read_target(struct qb_wish *w, const json_t *v, struct qb_problem *p)
{
	const char *name = json_string_value(v);

	if (!name || !*name || strlen(name) >= QB_TARGET_NAME) {
		return qb_wish_refuse(p, "target", "must be the name of a target, such as \"local\"; GET /v1/targets lists them");
	}
	snprintf(w->target, sizeof(w->target), "%s", name);
	return true;
}

static bool read_after(struct qb_wish *w, const json_t *v, struct qb_problem *p)
{
	const json_t *id;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) > QB_AFTER_MAX) {
		return qb_wish_refuse(p, "after", "must be a list of at most 100 ids of jobs, such as [\"j12\"]");
	}
	json_array_foreach(v, i, id) {
		if (!json_is_string(id) || qb_id_number(json_string_value(id), 'j') < 1) {
			return qb_wish_refuse(p, "after", "must be a list of ids of jobs, which look like j12");
		}
	}
	w->after = v;
	return true;
}

static bool read_member(struct qb_wish *w, const char *name, const json_t *v, struct qb_problem *p)
{
	const struct number *n = number_named(name);

	if (n) {
		return read_number(w, n, v, p);
	}
	if (!strcmp(name, "target")) {
		return read_target(w, v, p);
	}
	return !strcmp(name, "after") ? read_after(w, v, p) : qb_wish_refuse(p, name, "is not known; run holds target, priority, after, retries, "
		"threads, memory_bytes and wall_seconds");
}

bool qb_wish_read(const json_t *job, struct qb_wish *w, struct qb_problem *p)
{
	const json_t *fresh = json_object_get(job, "fresh");
	json_t *run = json_object_get(job, "run"), *v;
	const char *name;
	bool ok = true;

	*w = (struct qb_wish){.target = "local", .fresh = json_is_true(fresh)};
	if (fresh && !json_is_boolean(fresh)) {
		return qb_refuse(p, 422, "bad_job", "fresh: must be true or false");
	}
	if (run && !json_is_object(run)) {
		return qb_refuse(p, 422, "bad_job", "run: must be an object, such as {\"target\": \"local\"}");
	}
	json_object_foreach(run, name, v) {
		ok = read_member(w, name, v, p) && ok;
	}
	return ok;
}

json_t *qb_wish_bare(const json_t *job)
{
	json_t *bare = json_copy((json_t *)job);

	json_object_del(bare, "fresh");
	json_object_del(bare, "run");
	qb_labels_strip(bare);
	return bare;
}

json_t *qb_wish_limits(const struct qb_wish *w)
{
	json_t *all = NULL;

	for (int i = LIMITS_BEGIN; i < NUMBERS; i++) {
		const int64_t value = *(const int64_t *)(const void *)((const char *)w + numbers[i].offset);

		if (value) {
			all = all ? all : json_object();
			json_object_set_new(all, numbers[i].name, json_integer(value));
		}
	}
	return all;
}
