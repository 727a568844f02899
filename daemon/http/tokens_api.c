/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/tokens and /v1/audit, for administrators.
 */
#include "config.h"

#include <math.h>
#include <string.h>

#include "daemon/http/http.h"
#include "daemon/loop.h"
#include "daemon/storage.h"
#include "daemon/store.h"
#include "daemon/tokens.h"

enum MHD_Result qb__tokens_list(struct qb_request *rq)
{
	json_t *rows = NULL;

	if (!qb_store_list(qb_reader(rq), QB_SQL_TOKEN_LIST, &rows, "")) {
		return qb_reply_unread(rq);
	}
	return qb_reply_json(rq, 200, json_pack("{s:o}", "tokens", rows));
}

/* What the loop thread does. */
struct order {
	struct qb_request *rq;
	struct qb_token_wish wish;
	int64_t id;
	json_t *row;
	char secret[QB_SECRET_LEN];
	bool ok;
	struct qb_problem problem;
};

static void create(struct qb_call *call, void *arg)
{
	struct order *o = arg;

	o->row = qb_token_create(o->rq->daemon->store, &o->wish, o->secret, &o->problem);
	qb_call_done(call);
}

static void revoke_one(struct qb_call *call, void *arg)
{
	struct order *o = arg;

	o->ok = qb_token_revoke(o->rq->daemon->store, o->id, &o->problem);
	qb_call_done(call);
}

/* A limit, -1 where there is none in the body. */
static bool read_limit(const json_t *body, const char *key, int64_t *out, struct qb_problem *p)
{
	const json_t *v = json_object_get(body, key);

	const double number = json_number_value(v);

	/* 1.0 is a whole number in JSON, too. */
	*out = json_is_integer(v) ? json_integer_value(v) : json_is_real(v) && number >= 0 && number < 9e15 && number == floor(number) ? (int64_t)number : -1;
	return !v || json_is_null(v) || *out >= 0 ||
		qb_refuse(p, 422, "bad_token", "%s: must be a whole number (0: no limit), or null for the server's", key);
}

static bool read_text(const json_t *body, const char *key, const char *absent, const char **out, struct qb_problem *p)
{
	const json_t *v = json_object_get(body, key);

	*out = v ? json_string_value(v) : absent;
	return *out || qb_refuse(p, 422, "bad_token", "%s: %s", key, v ? "must be a text" : "is missing");
}

static bool known_fields(const json_t *body, struct qb_problem *p)
{
	static const char *const known[] = {"name", "role", "expires", "upload_bytes", "queued_jobs", "requests_per_minute"};
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)body, key, v) {
		bool is = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			is = is || !strcmp(known[i], key);
		}
		if (!is) {
			return qb_refuse(p, 422, "bad_token", "%.60s: is no field of a token; there are name, role, expires, "
				"upload_bytes, queued_jobs and requests_per_minute", key);
		}
	}
	return json_is_object(body) || qb_refuse(p, 422, "bad_token", "a token is described by a JSON object, such as "
		"{\"name\": \"alice\", \"role\": \"submit\", \"expires\": \"90d\"}");
}

enum MHD_Result qb__tokens_create(struct qb_request *rq)
{
	struct order o = {.rq = rq};
	struct qb_problem *p = &o.problem;
	json_t *body = qb_body_json(rq, p);

	if (!body) {
		return qb_reply_problem(rq, p);
	}
	if (known_fields(body, p) && read_text(body, "name", NULL, &o.wish.name, p) &&
		read_text(body, "role", NULL, &o.wish.role, p) && read_text(body, "expires", "never", &o.wish.lifetime, p) &&
		read_limit(body, "upload_bytes", &o.wish.upload_bytes, p) &&
		read_limit(body, "queued_jobs", &o.wish.queued_jobs, p) &&
		read_limit(body, "requests_per_minute", &o.wish.requests_per_minute, p) &&
		qb_storage_usable(rq->daemon->storage, p)) {
		qb_calls_run(rq->daemon->calls, create, &o);
	}
	json_decref(body);
	if (!o.row) {
		return qb_reply_problem(rq, p);
	}
	json_object_set_new(o.row, "secret", json_string(o.secret));
	return qb_reply_created(rq, 201, "/v1/tokens", o.row);
}

enum MHD_Result qb__tokens_revoke(struct qb_request *rq)
{
	struct order o = {.rq = rq, .id = qb_id_number(rq->part[0], 't')};

	if (o.id < 0) {
		return qb_reply_refuse(rq, 404, "not_found", "there is no token \"%.60s\"; ids of tokens look like t3", rq->part[0]);
	}
	qb_calls_run(rq->daemon->calls, revoke_one, &o);
	return o.ok ? qb_reply_empty(rq, 204) : qb_reply_problem(rq, &o.problem);
}

enum MHD_Result qb__audit_list(struct qb_request *rq)
{
	struct qb_problem p = {0};
	int64_t limit, before, total;
	json_t *rows;

	if (!qb_query_limit(rq, &limit, &p) || !qb_query_id(rq, "before", 'e', &before, &p)) {
		return qb_reply_problem(rq, &p);
	}
	if (qb_store_value(qb_reader(rq), QB_SQL_AUDIT_COUNT, &total, "") != QB_FOUND ||
		!qb_store_list(qb_reader(rq), QB_SQL_AUDIT_LIST, &rows, "Ii", before, limit)) {
		return qb_reply_unread(rq);
	}
	return qb_reply_page(rq, "entries", rows, total, limit);
}
