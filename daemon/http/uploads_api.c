/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/models and /v1/datasets: looking at uploads and deleting them. Their POST is upload.c's.
 */
#include "config.h"

#include <string.h>

#include "daemon/http/http.h"
#include "daemon/loop.h"
#include "daemon/store.h"
#include "daemon/uploads.h"

/* The next page begins before the last row of a full one. */
static json_t *next_page(const json_t *rows, int64_t limit)
{
	size_t n = json_array_size(rows);

	return n && (int64_t)n == limit ? json_incref(json_object_get(json_array_get(rows, n - 1), "id"))
					: json_null();
}

static enum MHD_Result list(struct qb_request *rq, const char *kind, const char *key)
{
	struct qb_problem p = {0};
	const char *sha256 = qb_query(rq, "sha256");
	int64_t limit, before;
	json_t *rows;
	int64_t total;

	if (!qb_query_limit(rq, &limit, &p) || !qb_query_id(rq, "before", *kind, &before, &p)) {
		return qb_reply_problem(rq, &p);
	}
	if (sha256 && (strlen(sha256) != 64 || strspn(sha256, "0123456789abcdef") != 64)) {
		return qb_reply_refuse(rq, 400, "bad_query", "sha256 is \"%.80s\"; give 64 digits, 0-9 and a-f",
			sha256);
	}
	rows = qb_store_rows(qb_reader(rq), QB_SQL_UPLOAD_LIST, "ssIi", kind, sha256, before, limit);
	total = qb_store_number(qb_reader(rq), QB_SQL_UPLOAD_COUNT, "ss", kind, sha256);
	return qb_reply_json(rq, 200, json_pack("{s:o, s:I, s:o}", "next", next_page(rows, limit), "total",
		(json_int_t)total, key, rows));
}

static enum MHD_Result unknown(struct qb_request *rq, const char *kind)
{
	const char *what = *kind == 'm' ? "model" : "dataset";

	return qb_reply_refuse(rq, 404, "not_found", "there is no %s \"%.60s\"; GET /v1/%ss lists them", what,
		rq->part[0], what);
}

static enum MHD_Result get(struct qb_request *rq, const char *kind)
{
	json_t *row = qb_id_number(rq->part[0], *kind) > 0
		? qb_store_row(qb_reader(rq), QB_SQL_UPLOAD_GET, "s", rq->part[0]) : NULL;

	return row ? qb_reply_json(rq, 200, row) : unknown(rq, kind);
}

struct removal {
	struct qb_request *rq;
	struct qb_problem problem;
	bool ok;
};

static void remove_upload(struct qb_call *call, void *arg)
{
	struct removal *r = arg;

	r->ok = qb_uploads_delete(r->rq->daemon, r->rq->part[0], &r->problem);
	qb_call_done(call);
}

static enum MHD_Result delete(struct qb_request *rq, const char *kind)
{
	struct removal r = {.rq = rq};

	if (qb_id_number(rq->part[0], *kind) < 0) {
		return unknown(rq, kind);
	}
	qb_calls_run(rq->daemon->calls, remove_upload, &r);
	return r.ok ? qb_reply_empty(rq, 204) : qb_reply_problem(rq, &r.problem);
}

enum MHD_Result qb__models_list(struct qb_request *rq)
{
	return list(rq, "m", "models");
}

enum MHD_Result qb__datasets_list(struct qb_request *rq)
{
	return list(rq, "d", "datasets");
}

enum MHD_Result qb__models_get(struct qb_request *rq)
{
	return get(rq, "m");
}

enum MHD_Result qb__datasets_get(struct qb_request *rq)
{
	return get(rq, "d");
}

enum MHD_Result qb__models_delete(struct qb_request *rq)
{
	return delete(rq, "m");
}

enum MHD_Result qb__datasets_delete(struct qb_request *rq)
{
	return delete(rq, "d");
}

enum MHD_Result qb__models_graph(struct qb_request *rq)
{
	json_t *row = qb_id_number(rq->part[0], 'm') > 0
		? qb_store_row(qb_reader(rq), QB_SQL_UPLOAD_GRAPH, "s", rq->part[0]) : NULL;
	json_t *graph = json_incref(json_object_get(row, "graph"));
	const char *state = json_string_value(json_object_get(row, "state"));
	const char *why = json_string_value(json_object_get(json_object_get(row, "error"), "detail"));
	enum MHD_Result sent;

	if (!row) {
		return unknown(rq, "m");
	}
	if (json_is_object(graph)) {
		json_decref(row);
		return qb_reply_json(rq, 200, graph);
	}
	json_decref(graph);
	if (!strcmp(state, "pending")) {
		sent = qb_reply_refuse(rq, 409, "not_inspected", "%s has not been looked into yet; try again in a "
			"moment", rq->part[0]);
	} else {
		sent = qb_reply_refuse(rq, 409, "no_graph", "%s has no graph: %.800s", rq->part[0],
			why ? why : "its inspection found none");
	}
	json_decref(row);
	return sent;
}
