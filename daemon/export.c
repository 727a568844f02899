/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json_text.h"
#include "common/result_csv.h"
#include "daemon/job_list.h"
#include "daemon/metric_list.h"
#include "daemon/store.h"
#include "daemon/store_copy.h"

enum { PAGE = 1000 };

json_t *qb_export_result(const json_t *row, const char *job)
{
	json_t *result = json_object_get(row, "result");

	if (!json_is_object(result)) {
		return NULL;
	}
	json_object_set_new(result, "job", json_string(job));
	json_object_set(result, "type", json_object_get(row, "type"));
	json_object_set(result, "run_target", json_object_get(row, "target"));
	return json_incref(result);
}

static bool write_job(FILE *f, struct qb_store *s, json_t *job, struct qb_problem *p)
{
	const char *id = json_string_value(json_object_get(job, "id"));
	json_t *row = NULL, *result;
	char *text;

	if (qb_store_get(s, QB_SQL_RESULT_GET, &row, "i", qb_id_number(id, 'j')) == QB_UNREAD) {
		qb_refuse_unread(p);
		return false;
	}
	result = qb_export_result(row, id);
	json_object_set_new(job, "result", result ? result : json_null());
	text = qb_json_text(job, JSON_COMPACT);
	if (text) {
		fprintf(f, "%s\n", text);
	}
	free(text);
	json_decref(row);
	return text || qb_refuse(p, 500, "out_of_memory", "no memory for job %s", id);
}

static bool write_jobs(FILE *f, struct qb_store *s, const atomic_bool *stop, struct qb_problem *p)
{
	char *before = NULL;
	bool ok = true;

	do {
		const struct qb_job_query query = {.before = before, .limit = PAGE};
		json_t *page = qb_job_list(s, &query, p), *job;
		const char *next = json_string_value(json_object_get(page, "next"));
		size_t i;

		ok = page != NULL;
		json_array_foreach(json_object_get(page, "jobs"), i, job) {
			ok = ok && write_job(f, s, job, p);
		}
		free(before);
		before = next ? strdup(next) : NULL;
		json_decref(page);
	} while (ok && before && !atomic_load(stop));
	free(before);
	return ok;
}

static bool write_metrics(FILE *f, struct qb_store *s, const atomic_bool *stop, struct qb_problem *p)
{
	static const char *const columns[] = {"job", "type", "model", "data", "scope", "scheme", "tensor", "step", "name", "value", "unit", "time"};
	enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };
	struct qb_metric_query query = {.job = -1, .before = -1, .limit = PAGE};
	size_t count;

	for (int c = 0; c < COLUMNS; c++) {
		fprintf(f, "%s%s", columns[c], c + 1 < COLUMNS ? "," : "\r\n");
	}
	do {
		json_t *rows = qb_metric_rows(s, &query, p), *row;
		size_t i;

		if (!rows) {
			return false;
		}
		json_array_foreach(rows, i, row) {
			query.before = json_integer_value(json_object_get(row, "id"));
			for (int c = 0; c < COLUMNS; c++) {
				const json_t *v = json_object_get(row, columns[c]);

				/* A model or dataset by its name. */
				qb_csv_value(f, json_is_object(v) ? json_object_get(v, "name") : v);
				fputs(c + 1 < COLUMNS ? "," : "\r\n", f);
			}
		}
		count = json_array_size(rows);
		json_decref(rows);
	} while (count == PAGE && !atomic_load(stop));
	return true;
}

static bool write_lines(int fd, const char *database, enum qb_export_form form, const atomic_bool *stop, struct qb_problem *p)
{
	struct qb_store *s = qb_store_look(database);
	int own = dup(fd);
	FILE *f = own >= 0 ? fdopen(own, "w") : NULL;
	bool ok = s && f;

	if (!s) {
		qb_refuse_unread(p);
	} else if (!f) {
		qb_refuse(p, 500, "io", "no memory or descriptor for the file");
	} else {
		ok = form == QB_EXPORT_JSON ? write_jobs(f, s, stop, p) : write_metrics(f, s, stop, p);
		if (ferror(f) | fflush(f)) {
			ok = qb_refuse(p, 507, "disk_full", "what is exported does not fit on the server's disk: %s", strerror(errno));
		}
	}
	if (f) {
		fclose(f);
	} else if (own >= 0) {
		close(own);
	}
	qb_store_close(&s);
	return ok;
}

int qb_export(const char *database, const char *state, enum qb_export_form form, const atomic_bool *stop, struct qb_problem *p)
{
	char *path = qb_format("%s/tmp/export-XXXXXX", state), why[300] = "";
	int fd = path ? mkostemp(path, O_CLOEXEC) : -1;
	bool ok;

	if (fd < 0) {
		qb_refuse(p, errno == ENOSPC ? 507 : 500, errno == ENOSPC ? "disk_full" : "io", "there is no file to export to: %s",
			strerror(errno));
		free(path);
		return -1;
	}
	if (form == QB_EXPORT_SQLITE) {
		/* Into the empty file, which SQLite takes for a new database. */
		ok = qb_store_copy_public(database, path, why, sizeof(why)) ||
			qb_refuse(p, 507, "no_copy", "the database cannot be copied: %s", why);
	} else {
		ok = write_lines(fd, database, form, stop, p);
	}
	if (ok && atomic_load(stop)) {
		ok = qb_refuse(p, 503, "stopping", "the server stops; try again when it is back");
	}
	unlink(path);
	free(path);
	if (!ok || lseek(fd, 0, SEEK_SET) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}
