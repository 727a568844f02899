/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/models and /v1/datasets: looking at uploads and deleting them. Their POST is upload.c's.
 */
#include "config.h"

#include <string.h>

#include "daemon/http/http.h"
#include "daemon/dispatcher.h"
#include "daemon/loop.h"
#include "daemon/storage.h"
#include "daemon/store.h"
#include "daemon/uploads.h"

static enum MHD_Result list(struct qb_request *rq, const char *kind, const char *key)
{
	struct qb_problem p = {0};
	const char *sha256 = qb_query(rq, "sha256");
	int64_t limit, before, total;
	json_t *rows;

	if (!qb_query_limit(rq, &limit, &p) || !qb_query_id(rq, "before", *kind, &before, &p)) {
		return qb_reply_problem(rq, &p);
	}
	if (sha256 && (strlen(sha256) != 64 || strspn(sha256, "0123456789abcdef") != 64)) {
		return qb_reply_refuse(rq, 400, "bad_query", "sha256 is \"%.80s\"; give 64 digits, 0-9 and a-f",
			sha256);
	}
	if (qb_store_value(qb_reader(rq), QB_SQL_UPLOAD_COUNT, &total, "ss", kind, sha256) != QB_FOUND ||
		!qb_store_list(qb_reader(rq), QB_SQL_UPLOAD_LIST, &rows, "ssIi", kind, sha256, before, limit)) {
		return qb_reply_unread(rq);
	}
	return qb_reply_page(rq, key, rows, total, limit);
}

static enum MHD_Result unknown(struct qb_request *rq, const char *kind)
{
	const char *what = *kind == 'm' ? "model" : "dataset";

	return qb_reply_refuse(rq, 404, "not_found", "there is no %s \"%.60s\"; the list of %ss has what there is", what,
		rq->part[0], what);
}

/* The row of the upload in the path; else *sent is the answer already. */
static json_t *load(struct qb_request *rq, const char *kind, enum qb_sql sql, enum MHD_Result *sent)
{
	json_t *row = NULL;
	enum qb_found found = qb_id_number(rq->part[0], *kind) > 0
		? qb_store_get(qb_reader(rq), sql, &row, "s", rq->part[0]) : QB_NONE;

	if (found != QB_FOUND) {
		*sent = found == QB_NONE ? unknown(rq, kind) : qb_reply_unread(rq);
	}
	return row;
}

static enum MHD_Result get(struct qb_request *rq, const char *kind)
{
	enum MHD_Result sent;
	json_t *row = load(rq, kind, QB_SQL_UPLOAD_GET, &sent);

	return row ? qb_reply_json(rq, 200, row) : sent;
}

/* What the loop thread does with the upload in the path. */
struct order {
	struct qb_request *rq;
	struct qb_problem problem;
	json_t *object;
	bool force, ok;
};

static void remove_upload(struct qb_call *call, void *arg)
{
	struct order *o = arg;

	o->ok = qb_uploads_delete(o->rq->daemon, o->rq->part[0], &o->rq->who, o->force, &o->problem);
	qb_call_done(call);
}

static enum MHD_Result delete(struct qb_request *rq, const char *kind)
{
	const char *force = qb_query(rq, "force");
	struct order o = {.rq = rq, .force = force && !strcmp(force, "true")};

	if (qb_id_number(rq->part[0], *kind) < 0) {
		return unknown(rq, kind);
	}
	if (force && !o.force && strcmp(force, "false") != 0) {
		return qb_reply_refuse(rq, 400, "bad_query", "force is \"%.40s\"; give true or false", force);
	}
	qb_calls_run(rq->daemon->calls, remove_upload, &o);
	return o.ok ? qb_reply_empty(rq, 204) : qb_reply_problem(rq, &o.problem);
}

static void inspect_upload(struct qb_call *call, void *arg)
{
	struct order *o = arg;

	o->object = qb_uploads_inspect(o->rq->daemon, o->rq->part[0], &o->problem);
	qb_dispatcher_wake(o->rq->daemon->dispatcher);
	qb_call_done(call);
}

static enum MHD_Result inspect(struct qb_request *rq, const char *kind)
{
	struct order o = {.rq = rq};

	if (qb_id_number(rq->part[0], *kind) < 0) {
		return unknown(rq, kind);
	}
	if (qb_storage_usable(rq->daemon->storage, &o.problem)) {
		qb_calls_run(rq->daemon->calls, inspect_upload, &o);
	}
	return o.object ? qb_reply_json(rq, 202, o.object) : qb_reply_problem(rq, &o.problem);
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

enum MHD_Result qb__models_inspect(struct qb_request *rq)
{
	return inspect(rq, "m");
}

enum MHD_Result qb__datasets_inspect(struct qb_request *rq)
{
	return inspect(rq, "d");
}

enum MHD_Result qb__models_graph(struct qb_request *rq)
{
	enum MHD_Result sent;
	json_t *row = load(rq, "m", QB_SQL_UPLOAD_GRAPH, &sent);
	json_t *graph = json_incref(json_object_get(row, "graph"));
	const char *state = json_string_value(json_object_get(row, "state"));
	const char *why = json_string_value(json_object_get(json_object_get(row, "error"), "detail"));

	if (!row) {
		return sent;
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
