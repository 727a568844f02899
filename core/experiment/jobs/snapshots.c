/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/jobs/snapshots.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qb_snapshots {
	json_t *all;
	char *path; /* or NULL */
};

enum qb_err qb_snapshots_create(struct qb_snapshots **out, const char *folder, struct qb_errbuf *eb)
{
	struct qb_snapshots *s = calloc(1, sizeof(*s));
	size_t bytes = folder ? strlen(folder) + sizeof("/snapshots") : 0;

	if (s) {
		s->all = json_array();
		s->path = folder ? malloc(bytes) : NULL;
	}
	if (!s || !s->all || (folder && !s->path)) {
		qb_snapshots_destroy(&s);
		return qb_fail(eb, QB_ENOMEM, "no memory for snapshots of a training");
	}
	if (folder) {
		snprintf(s->path, bytes, "%s/snapshots", folder);
	}
	*out = s;
	return QB_OK;
}

void qb_snapshots_destroy(struct qb_snapshots **snapshots)
{
	struct qb_snapshots *s = *snapshots;

	if (s) {
		json_decref(s->all);
		free(s->path);
		free(s);
		*snapshots = NULL;
	}
}

static int64_t step_of(const json_t *snapshot)
{
	return json_integer_value(json_object_get(snapshot, "step"));
}

static void read_lines(struct qb_snapshots *s, int64_t step)
{
	FILE *f = fopen(s->path, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	while (f && (n = getline(&line, &cap, f)) > 0) {
		json_t *one = json_loadb(line, (size_t)n, 0, NULL);

		if (!json_is_object(one) || step_of(one) > step) {
			json_decref(one);
			break;
		}
		json_array_append_new(s->all, one);
	}
	free(line);
	if (f) {
		fclose(f);
	}
}

/* All of them: one takes the place of another, and what is behind is cut off. */
static enum qb_err write_lines(const struct qb_snapshots *s, struct qb_errbuf *eb)
{
	FILE *f = s->path ? fopen(s->path, "w") : NULL;
	bool bad = s->path && !f;
	const json_t *one;
	size_t i;

	json_array_foreach(s->all, i, one) {
		if (f && !bad) {
			bad = json_dumpf(one, f, JSON_COMPACT) || fputc('\n', f) == EOF;
		}
	}
	if (f && fclose(f)) {
		bad = true;
	}
	return bad ? qb_fail(eb, QB_EIO, "%s: %s", s->path, strerror(errno)) : QB_OK;
}

enum qb_err qb_snapshots_begin(struct qb_snapshots *s, int64_t step, struct qb_errbuf *eb)
{
	if (!s->path) {
		return QB_OK;
	}
	if (step > 0) {
		read_lines(s, step);
	}
	return write_lines(s, eb);
}

enum qb_err qb_snapshots_add(struct qb_snapshots *s, json_t *snapshot, struct qb_errbuf *eb)
{
	size_t count = json_array_size(s->all);
	FILE *f;
	bool bad;

	if (count && step_of(json_array_get(s->all, count - 1)) == step_of(snapshot)) {
		json_array_set_new(s->all, count - 1, snapshot);
		return write_lines(s, eb);
	}
	json_array_append_new(s->all, snapshot);
	if (!s->path) {
		return QB_OK;
	}
	f = fopen(s->path, "a");
	bad = !f || json_dumpf(snapshot, f, JSON_COMPACT) || fputc('\n', f) == EOF;
	if (f && fclose(f)) {
		bad = true;
	}
	return bad ? qb_fail(eb, QB_EIO, "%s: %s", s->path, strerror(errno)) : QB_OK;
}

json_t *qb_snapshots_json(const struct qb_snapshots *s)
{
	return json_incref(s->all);
}
