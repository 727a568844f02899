/* SPDX-License-Identifier: Apache-2.0
 *
 * Results: of one job, as JSON and as a table; of all jobs, as rows; several side by side.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/result_csv.h"
#include "daemon/export.h"
#include "daemon/http/http.h"
#include "daemon/metric_list.h"
#include "daemon/store.h"

/* The result of the job in the path (new reference, with "job" and "type" in it); NULL after having filled p. */
static json_t *load(struct qb_request *rq, struct qb_problem *p)
{
	int64_t id;
	json_t *row = NULL, *result;
	const char *state;
	enum qb_found found;

	if (!qb_path_job(rq, &id, p)) {
		return NULL;
	}
	found = qb_store_get(qb_reader(rq), QB_SQL_RESULT_GET, &row, "i", id);
	result = qb_export_result(row, rq->part[0]);
	state = json_string_value(json_object_get(row, "state"));
	if (found == QB_UNREAD) {
		qb_refuse_unread(p);
	} else if (found == QB_NONE) {
		qb_refuse(p, 404, "not_found", "there is no job j%lld here", (long long)id);
	} else if (!result) {
		qb_refuse(p, 409, "no_result", !strcmp(state, "queued") || !strcmp(state, "running")
			? "job %s is %s; its results come when it succeeds"
			: "job %s %s and has no results; the job itself says why",
			rq->part[0], state);
	}
	json_decref(row);
	return result;
}

enum MHD_Result qb__results_get(struct qb_request *rq)
{
	struct qb_problem p = {0};
	enum MHD_Result sent;
	int64_t version;
	json_t *result;

	if (qb_reply_known(rq, &version, &sent)) {
		return sent;
	}
	result = load(rq, &p);
	return result ? qb_reply_known_json(rq, version, result) : qb_reply_problem(rq, &p);
}

enum MHD_Result qb__results_csv(struct qb_request *rq)
{
	struct qb_problem p = {0};
	json_t *result = load(rq, &p);
	char *text;
	size_t len = 0;

	if (!result) {
		return qb_reply_problem(rq, &p);
	}
	text = qb_result_csv(result, &len);
	json_decref(result);
	return text ? qb_reply_text(rq, 200, "text/csv; charset=utf-8", text, len) : MHD_NO;
}

static bool read_metric_query(struct qb_request *rq, struct qb_metric_query *q, struct qb_problem *p)
{
	const char *before = qb_query(rq, "before"), *scope;

	q->before = -1;
	if (!qb_query_limit(rq, &q->limit, p) || !qb_query_id(rq, "job", 'j', &q->job, p)) {
		return false;
	}
	if (before && (!qb_read_number(before, &q->before) || q->before < 1)) {
		return qb_refuse(p, 400, "bad_query", "before is \"%.40s\"; give the number of a row", before);
	}
	for (int i = 0; i < QB_METRIC_FILTERS_N; i++) {
		q->filter[i] = qb_query(rq, qb_metric_filters[i]);
	}
	scope = q->filter[QB_METRIC_SCOPE];
	return !scope || !strcmp(scope, "model") || !strcmp(scope, "layer") || !strcmp(scope, "tensor") || !strcmp(scope, "step") ||
		qb_refuse(p, 400, "bad_query", "scope is \"%.40s\"; give model, layer, tensor or step", scope);
}

enum MHD_Result qb__results_list(struct qb_request *rq)
{
	struct qb_metric_query query = {0};
	struct qb_problem p = {0};
	json_t *list = read_metric_query(rq, &query, &p) ? qb_metric_list(qb_reader(rq), &query, &p) : NULL;

	return list ? qb_reply_json(rq, 200, list) : qb_reply_problem(rq, &p);
}

/* The ids in "j1,j7", or of the latest jobs; NULL after having filled p. */
static json_t *compared(struct qb_request *rq, struct qb_problem *p)
{
	const char *text = qb_query(rq, "jobs");
	json_t *ids = NULL;
	char *words, *rest = NULL;

	if (!text || !*text) {
		if (!qb_store_list(qb_reader(rq), QB_SQL_COMPARE_LATEST, &ids, "")) {
			qb_refuse_unread(p);
		}
		return ids;
	}
	ids = json_array();
	words = strdup(text);
	for (char *w = words ? strtok_r(words, ",", &rest) : NULL; w; w = strtok_r(NULL, ",", &rest)) {
		int64_t id = qb_id_number(w, 'j');

		if (id < 0) {
			qb_refuse(p, 400, "bad_query", "jobs: \"%.40s\" is no job's id; give ids with commas, such as "
				"j1,j7", w);
		} else if (json_array_size(ids) >= 200) {
			qb_refuse(p, 400, "bad_query", "jobs: names more than 200 jobs");
		} else {
			json_array_append_new(ids, json_pack("{s:I}", "id", (json_int_t)id));
		}
	}
	free(words);
	if (p->status) {
		json_decref(ids);
		return NULL;
	}
	return ids;
}

static void note_schemes(json_t *schemes, json_t *seen, const json_t *cells)
{
	const json_t *cell;
	size_t i;

	json_array_foreach(cells, i, cell) {
		const json_t *name = json_object_get(cell, "scheme");

		if (json_is_string(name) && !json_object_get(seen, json_string_value(name))) {
			json_object_set_new(seen, json_string_value(name), json_true());
			json_array_append(schemes, (json_t *)name);
		}
	}
}

/* Why there is no row of job n to compare. */
static bool not_comparable(struct qb_request *rq, int64_t n, struct qb_problem *p)
{
	json_t *state = NULL;

	switch (qb_store_get(qb_reader(rq), QB_SQL_JOB_STATE, &state, "i", n)) {
	case QB_FOUND:
		qb_refuse(p, 409, "no_result", "j%lld is no ptq job with results, so it cannot be compared",
			(long long)n);
		break;
	case QB_NONE:
		qb_refuse(p, 404, "not_found", "there is no job j%lld here", (long long)n);
		break;
	default:
		qb_refuse_unread(p);
	}
	json_decref(state);
	return false;
}

/* What job n measured, with its cells; NULL after having filled p. */
static json_t *compare_row(struct qb_request *rq, int64_t n, struct qb_problem *p)
{
	json_t *row = NULL, *cells = NULL;
	enum qb_found found = qb_store_get(qb_reader(rq), QB_SQL_COMPARE_ROW, &row, "i", n);

	if (found == QB_NONE) {
		not_comparable(rq, n, p);
	} else if (found == QB_UNREAD || !qb_store_list(qb_reader(rq), QB_SQL_COMPARE_CELLS, &cells, "i", n)) {
		qb_refuse_unread(p);
		json_decref(row);
		row = NULL;
	} else {
		json_object_set_new(row, "cells", cells);
	}
	return row;
}

enum MHD_Result qb__compare_get(struct qb_request *rq)
{
	struct qb_problem p = {0};
	json_t *ids = compared(rq, &p), *id, *rows = json_array(), *schemes = json_array();
	json_t *seen = json_object();
	size_t i;

	json_array_foreach(ids, i, id) {
		json_t *row = compare_row(rq, json_integer_value(json_object_get(id, "id")), &p);

		if (row) {
			note_schemes(schemes, seen, json_object_get(row, "cells"));
			json_array_append_new(rows, row);
		}
	}
	json_decref(ids);
	json_decref(seen);
	if (p.status) {
		json_decref(rows);
		json_decref(schemes);
		return qb_reply_problem(rq, &p);
	}
	return qb_reply_json(rq, 200, json_pack("{s:o, s:o}", "schemes", schemes, "rows", rows));
}
