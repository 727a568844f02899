/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/http/http.h"

#include <stdarg.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "daemon/http/access.h"
#include "daemon/http/cache.h"
#include "daemon/http/gzip.h"
#include "daemon/http/later.h"
#include "daemon/loop.h"
#include "daemon/store.h"

static const char *title_of(int status)
{
	switch (status) {
	case 400:
		return "Bad request";
	case 401:
		return "Not known";
	case 403:
		return "Forbidden";
	case 404:
		return "Not found";
	case 405:
		return "Method not allowed";
	case 409:
		return "Conflict";
	case 413:
		return "Too large";
	case 422:
		return "Cannot be carried out";
	case 429:
		return "Too much";
	case 503:
		return "Not available";
	case 507:
		return "Insufficient storage";
	default:
		return "Server error";
	}
}

/* Nothing in its headers is of this request alone. */
static bool is_plain(const struct qb_request *rq)
{
	return !*rq->allow && !rq->retry_after_s && !rq->close && !rq->ask_for_token;
}

static void count(struct qb_request *rq, unsigned status)
{
	qb_access_note(rq, status);
	qb_connection_answer(rq->daemon->connections, rq->slot);
	atomic_fetch_add(&rq->daemon->requests[status / 100 % 6], 1);
}

bool qb_takes_gzip(struct qb_request *rq)
{
	return qb_accepts_coding(qb_header(rq, "Accept-Encoding"), "gzip");
}

/* What is kept is kept for who takes gzip and for who does not. */
static const char *cache_key(struct qb_request *rq, char *key, size_t size)
{
	snprintf(key, size, "%s %s", qb_takes_gzip(rq) ? "gzip" : "plain", rq->path);
	return key;
}

/* A body that is text, and of an answer as a page asks for it, in gzip where that is taken and worth it. A secret is never in one: answers to
 * GET hold none. *size becomes what is sent. */
static struct MHD_Response *body_of(struct qb_request *rq, unsigned status, char *take, size_t *size)
{
	bool large = status == 200 && rq->route && !strcmp(rq->route->method, "GET") && *size >= QB_GZIP_FROM_BYTES;
	char *less = large && qb_takes_gzip(rq) ? qb_gzip(take, *size, size) : NULL;
	struct MHD_Response *r;

	if (less) {
		free(take);
	}
	r = MHD_create_response_from_buffer(*size, less ? less : take, MHD_RESPMEM_MUST_FREE);
	if (!r) {
		free(less ? less : take);
		return NULL;
	}
	if (less) {
		MHD_add_response_header(r, "Content-Encoding", "gzip");
	}
	if (large) {
		MHD_add_response_header(r, "Vary", "Accept-Encoding");
	}
	return r;
}

/* version: -1, or that of the database of which it is the answer. */
static enum MHD_Result send_reply(struct qb_request *rq, unsigned status, struct MHD_Response *take, int64_t version, size_t size)
{
	enum MHD_Result queued;
	char seconds[16], key[96];

	if (!take) {
		return MHD_NO;
	}
	MHD_add_response_header(take, "X-Content-Type-Options", "nosniff");
	if (!MHD_get_response_header(take, "Referrer-Policy")) {
		MHD_add_response_header(take, "Referrer-Policy", "no-referrer");
	}
	if (!MHD_get_response_header(take, "Cache-Control")) {
		MHD_add_response_header(take, "Cache-Control", "no-store");
	}
	if (*rq->allow) {
		MHD_add_response_header(take, "Allow", rq->allow);
	}
	if (rq->retry_after_s) {
		snprintf(seconds, sizeof(seconds), "%d", rq->retry_after_s);
		MHD_add_response_header(take, "Retry-After", seconds);
	}
	if (rq->close) {
		MHD_add_response_header(take, "Connection", "close");
	}
	if (rq->ask_for_token) {
		MHD_add_response_header(take, "WWW-Authenticate", "Bearer realm=\"quantbench\"");
	}
	count(rq, status);
	queued = MHD_queue_response(rq->connection, status, take);
	if (version >= 0 && status == 200 && is_plain(rq)) {
		qb_cache_keep(rq->daemon->cache, cache_key(rq, key, sizeof(key)), version, take, size);
	} else {
		MHD_destroy_response(take);
	}
	return queued;
}

enum MHD_Result qb_reply_send(struct qb_request *rq, unsigned status, struct MHD_Response *take)
{
	return send_reply(rq, status, take, -1, 0);
}

bool qb_reply_known(struct qb_request *rq, int64_t *version, enum MHD_Result *sent)
{
	char key[96];

	*version = qb_store_version();
	if (!is_plain(rq) || !qb_cache_send(rq->daemon->cache, cache_key(rq, key, sizeof(key)), *version, rq->connection, sent)) {
		return false;
	}
	count(rq, 200);
	return true;
}

enum MHD_Result qb_reply_text(struct qb_request *rq, unsigned status, const char *type, char *take,
	size_t len)
{
	struct MHD_Response *r = body_of(rq, status, take, &len);

	if (r) {
		MHD_add_response_header(r, "Content-Type", type);
	}
	return qb_reply_send(rq, status, r);
}

static enum MHD_Result reply_dump(struct qb_request *rq, unsigned status, const char *type, json_t *take,
	const char *location, int64_t version)
{
	size_t size;

	char *text = qb_json_text(take, JSON_COMPACT | JSON_ENCODE_ANY);
	struct MHD_Response *r;

	json_decref(take);
	if (!text) { /* without memory for an answer there is still one that needs none */
		text = strdup("{\"type\":\"about:blank\",\"title\":\"Server error\",\"status\":500,\"code\":\"internal\","
			"\"detail\":\"the server could not write its answer; try again\"}");
		status = 500;
		type = "application/problem+json";
	}
	size = text ? strlen(text) : 0;
	r = text ? body_of(rq, status, text, &size) : NULL;
	if (!r) {
		return MHD_NO;
	}
	MHD_add_response_header(r, "Content-Type", type);
	if (location) {
		MHD_add_response_header(r, "Location", location);
	}
	return send_reply(rq, status, r, version, size);
}

enum MHD_Result qb_reply_known_json(struct qb_request *rq, int64_t version, json_t *take)
{
	return reply_dump(rq, 200, "application/json", take, NULL, version);
}

enum MHD_Result qb_reply_json(struct qb_request *rq, unsigned status, json_t *take)
{
	return reply_dump(rq, status, "application/json", take, NULL, -1);
}

enum MHD_Result qb_reply_page(struct qb_request *rq, const char *key, json_t *take_rows, int64_t total,
	int64_t limit)
{
	size_t n = json_array_size(take_rows);
	json_t *next = n && (int64_t)n == limit
		? json_incref(json_object_get(json_array_get(take_rows, n - 1), "id")) : json_null();

	return qb_reply_json(rq, 200, json_pack("{s:o, s:I, s:o}", key, take_rows, "total", (json_int_t)total,
		"next", next));
}

enum MHD_Result qb_reply_created(struct qb_request *rq, unsigned status, const char *folder,
	json_t *take)
{
	const char *id = json_string_value(json_object_get(take, "id"));
	char *location = qb_format("%s/%s", folder, id);
	enum MHD_Result sent;

	snprintf(rq->object, sizeof(rq->object), "%s", id);
	sent = reply_dump(rq, status, "application/json", take, location, -1);
	free(location);
	return sent;
}

/* Where the problem is, and what may have been meant, for readers that look at one error. */
static void add_first(json_t *problem, const json_t *error)
{
	static const char *const keys[] = {"field", "pointer", "near"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		json_t *value = json_object_get(error, keys[i]);

		if (value) {
			json_object_set(problem, keys[i], value);
		}
	}
}

enum MHD_Result qb_reply_problem(struct qb_request *rq, struct qb_problem *p)
{
	json_t *detail, *v;
	int status = p->status ? p->status : 500;

	rq->retry_after_s = p->retry_after_s;
	/* One mistake is stated by the detail, several by their list. */
	if (json_array_size(p->errors) > 1) {
		snprintf(p->detail, sizeof(p->detail), "the job has %zu mistakes", json_array_size(p->errors));
	}
	detail = json_string(p->detail);
	v = json_pack("{s:s, s:s, s:i, s:o, s:s}", "type", "about:blank", "title", title_of(status),
		"status", status, "detail",
		detail ? detail : json_string("the request holds text that is not UTF-8; send UTF-8"),
		"code", *p->code ? p->code : "internal");
	if (p->errors) {
		add_first(v, json_array_get(p->errors, 0));
		json_object_set_new(v, "errors", p->errors);
		p->errors = NULL;
	}
	return reply_dump(rq, (unsigned)status, "application/problem+json", v, NULL, -1);
}

enum MHD_Result qb_reply_refuse(struct qb_request *rq, int status, const char *code, const char *fmt,
	...)
{
	struct qb_problem p = {.status = status};
	va_list ap;

	snprintf(p.code, sizeof(p.code), "%s", code);
	va_start(ap, fmt);
	vsnprintf(p.detail, sizeof(p.detail), fmt, ap);
	va_end(ap);
	return qb_reply_problem(rq, &p);
}

enum MHD_Result qb_reply_unread(struct qb_request *rq)
{
	struct qb_problem p = {0};

	qb_refuse_unread(&p);
	return qb_reply_problem(rq, &p);
}

enum MHD_Result qb_reply_empty(struct qb_request *rq, unsigned status)
{
	return qb_reply_send(rq, status,
		MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT));
}

enum MHD_Result qb_reply_later(struct qb_request *rq, void (*fn)(void *work), void *work, void (*free_work)(void *work))
{
	if (!qb_later_begin(rq->later, rq->connection)) {
		free_work(work);
		return qb_reply_refuse(rq, 503, "stopping", "the server is stopping; try again later");
	}
	rq->work = work;
	rq->free_work = free_work;
	/* A failure wakes the connection at once: the handler finds work that has neither an answer nor a problem. */
	if (!qb_calls_post(rq->daemon->calls, fn, work)) {
		qb_reply_awaken(rq);
	}
	return MHD_YES;
}

void qb_reply_awaken(struct qb_request *rq)
{
	qb_later_end(rq->later, rq->connection);
}

int qb_client(struct qb_request *rq)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(rq->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

const char *qb_query(struct qb_request *rq, const char *name)
{
	return MHD_lookup_connection_value(rq->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *qb_header(struct qb_request *rq, const char *name)
{
	return MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND, name);
}

const char *qb_cookie(struct qb_request *rq, const char *name)
{
	return MHD_lookup_connection_value(rq->connection, MHD_COOKIE_KIND, name);
}

struct qb_store *qb_reader(struct qb_request *rq)
{
	return qb_store_reader(rq->daemon->database, rq->daemon->storage);
}

json_t *qb_body_json(struct qb_request *rq, struct qb_problem *p)
{
	json_error_t why;
	json_t *body = json_loadb(rq->body ? rq->body : "", rq->body_len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);

	if (body) {
		return body;
	}
	switch (json_error_code(&why)) {
	case json_error_numeric_overflow: /* JSON all the same */
		qb_refuse(p, 422, "bad_value", "a number is larger than any here can be: %s (line %d, column %d)", why.text, why.line, why.column);
		break;
	case json_error_null_character:
	case json_error_null_byte_in_key:
		qb_refuse(p, 422, "bad_value", "\\u0000 stands in no text here: %s (line %d, column %d)", why.text, why.line, why.column);
		break;
	default:
		qb_refuse(p, 400, "bad_json", "the body is not JSON: %s (line %d, column %d)", why.text, why.line, why.column);
	}
	return NULL;
}

bool qb_read_number(const char *text, int64_t *n)
{
	errno = 0;
	if (!*text || text[strspn(text, "0123456789")]) {
		return false;
	}
	*n = strtoll(text, NULL, 10);
	return errno == 0;
}

bool qb_query_limit(struct qb_request *rq, int64_t *limit, struct qb_problem *p)
{
	const char *text = qb_query(rq, "limit");

	*limit = 100;
	if (text && (!qb_read_number(text, limit) || *limit < 1 || *limit > 1000)) {
		return qb_refuse(p, 400, "bad_query", "limit is \"%.40s\"; give a number from 1 to 1000", text);
	}
	return true;
}

bool qb_query_id(struct qb_request *rq, const char *name, char prefix, int64_t *id,
	struct qb_problem *p)
{
	const char *text = qb_query(rq, name);

	*id = text ? qb_id_number(text, prefix) : -1;
	if (text && *id < 0) {
		return qb_refuse(p, 400, "bad_query", "%s is \"%.40s\"; give an id such as %c12", name, text,
			prefix);
	}
	return true;
}

bool qb_path_job(struct qb_request *rq, int64_t *id, struct qb_problem *p)
{
	*id = qb_id_number(rq->part[0], 'j');
	return *id > 0 || qb_refuse(p, 404, "not_found", "there is no job \"%.60s\"; ids of jobs look like "
		"j12", rq->part[0]);
}
