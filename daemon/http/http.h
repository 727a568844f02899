/* SPDX-License-Identifier: Apache-2.0
 *
 * Between libmicrohttpd and the endpoints: a request, the table of routes, every way to reply. HTTP threads only.
 */
#ifndef QB_DAEMON_HTTP_HTTP_H
#define QB_DAEMON_HTTP_HTTP_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>

#include "daemon/daemon.h"
#include "daemon/http/connections.h"
#include "daemon/http/listen.h"
#include "daemon/util.h"
#include "daemon/who.h"

struct qb_later;
struct qb_upload;
struct qb_store;

struct qb_request {
	struct qb_daemon *daemon;
	struct MHD_Connection *connection;
	struct qb_connection *slot; /* of the connection; NULL where it is not counted */
	const struct qb_route *route;
	const char *path;
	char part[2][256]; /* what stood for the route's parameters, decoded */
	char *body;        /* of a QB_BODY_SMALL route, ended by a NUL */
	size_t body_len;
	bool too_large;
	bool tls;
	bool known; /* who asks */
	struct qb_who who;
	char object[24]; /* id of what was made, for the audit log */
	struct qb_upload *upload; /* of a QB_BODY_FILE route */
	struct qb_later *later;
	/* What a handler that answers later goes on with when it is called again; NULL the first time. */
	void *work;
	void (*free_work)(void *work);
	/* headers of the reply that follows */
	char allow[64];
	int retry_after_s;
	bool close, ask_for_token;
	bool failed; /* came with a secret that is not valid */
};

enum qb_body { QB_BODY_NONE, QB_BODY_SMALL, QB_BODY_FILE };

/* method, path (":" begins a parameter), body, role that it takes, handler */
#define QB_ROUTES(X) \
	X("GET", "/v1/models", NONE, READ, models_list) \
	X("POST", "/v1/models", FILE, SUBMIT, models_upload) \
	X("GET", "/v1/models/:id", NONE, READ, models_get) \
	X("DELETE", "/v1/models/:id", NONE, SUBMIT, models_delete) \
	X("GET", "/v1/models/:id/graph", NONE, READ, models_graph) \
	X("POST", "/v1/models/:id/inspect", SMALL, SUBMIT, models_inspect) \
	X("GET", "/v1/datasets", NONE, READ, datasets_list) \
	X("POST", "/v1/datasets", FILE, SUBMIT, datasets_upload) \
	X("GET", "/v1/datasets/:id", NONE, READ, datasets_get) \
	X("DELETE", "/v1/datasets/:id", NONE, SUBMIT, datasets_delete) \
	X("POST", "/v1/datasets/:id/inspect", SMALL, SUBMIT, datasets_inspect) \
	X("GET", "/v1/jobs", NONE, READ, jobs_list) \
	X("POST", "/v1/jobs", SMALL, SUBMIT, jobs_submit) \
	X("GET", "/v1/jobs/:id", NONE, READ, jobs_get) \
	X("PATCH", "/v1/jobs/:id", SMALL, SUBMIT, jobs_label) \
	X("DELETE", "/v1/jobs/:id", NONE, SUBMIT, jobs_delete) \
	X("POST", "/v1/jobs/:id/cancel", SMALL, SUBMIT, jobs_cancel) \
	X("POST", "/v1/jobs/:id/retry", SMALL, SUBMIT, jobs_retry) \
	X("GET", "/v1/jobs/:id/events", NONE, READ, events_follow) \
	X("GET", "/v1/jobs/:id/results", NONE, READ, results_get) \
	X("GET", "/v1/jobs/:id/results.csv", NONE, READ, results_csv) \
	X("GET", "/v1/jobs/:id/artifacts/:name", NONE, READ, artifacts_get) \
	X("GET", "/v1/grids", NONE, READ, grids_list) \
	X("POST", "/v1/grids", SMALL, SUBMIT, grids_submit) \
	X("GET", "/v1/grids/:id", NONE, READ, grids_get) \
	X("POST", "/v1/grids/:id/cancel", SMALL, SUBMIT, grids_cancel) \
	X("GET", "/v1/events", NONE, READ, changes_follow) \
	X("GET", "/v1/tags", NONE, READ, tags_list) \
	X("GET", "/v1/job-types", NONE, READ, types_list) \
	X("GET", "/v1/targets", NONE, READ, targets_list) \
	X("GET", "/v1/results", NONE, READ, results_list) \
	X("GET", "/v1/export", NONE, READ, export_get) \
	X("GET", "/v1/compare", NONE, READ, compare_get) \
	X("GET", "/v1/formats", NONE, READ, formats_list) \
	X("GET", "/v1/formats/:name", NONE, READ, formats_get) \
	X("POST", "/v1/compute/:question", SMALL, READ, compute_ask) \
	X("GET", "/v1/session", NONE, OPEN, session_get) \
	X("GET", "/login", NONE, OPEN, login_page) \
	X("POST", "/login", SMALL, OPEN, login_begin) \
	X("POST", "/logout", SMALL, OPEN, login_end) \
	X("GET", "/v1/tokens", NONE, ADMIN, tokens_list) \
	X("POST", "/v1/tokens", SMALL, ADMIN, tokens_create) \
	X("DELETE", "/v1/tokens/:id", NONE, ADMIN, tokens_revoke) \
	X("GET", "/v1/audit", NONE, ADMIN, audit_list) \
	X("GET", "/v1/system", NONE, READ, system_get) \
	X("GET", "/healthz", NONE, OPEN, health_live) \
	X("GET", "/readyz", NONE, OPEN, health_ready) \
	X("GET", "/metrics", NONE, READ, metrics_get) \
	X("GET", "/openapi.yaml", NONE, OPEN, openapi_get)

struct qb_route {
	const char *method, *path;
	enum qb_body body;
	enum qb_role role;
	enum MHD_Result (*handle)(struct qb_request *rq);
};

#define X(method, path, body, role, name) enum MHD_Result qb__##name(struct qb_request *rq);
QB_ROUTES(X)
#undef X
/* Everything that no route takes: the dashboard's files. */
enum MHD_Result qb__static_get(struct qb_request *rq);

/* The server. Starts and stops on the loop thread; stop blocks, and must not be called by it while calls may be
 * waiting for the loop. */
struct qb_http;
struct qb_connection_limits qb_http_limits(const struct qb_options *options); /* as far as descriptors go */
struct qb_http *qb_http_start(struct qb_daemon *daemon, struct qb_listeners *listeners); /* takes them */
void qb_http_stop(struct qb_http **http);

/* The row of a kind of job where a job is well formed apart from its schema, else NULL after having filled p; and everything in which
 * it is not what the schema describes, NULL: nothing (submit_api.c). */
const json_t *qb_job_type_of(struct qb_request *rq, const json_t *spec, struct qb_problem *p);
json_t *qb_job_schema_errors(const json_t *type, const json_t *spec);

/* Replies. */
enum MHD_Result qb_reply_json(struct qb_request *rq, unsigned status, json_t *take);
/* Of what depends on nothing but the path and the database: a handler begins with qb_reply_known, which answers where what it would answer is
 * known, and gives the version, read before the database, to qb_reply_known_json. */
bool qb_reply_known(struct qb_request *rq, int64_t *version, enum MHD_Result *sent);
enum MHD_Result qb_reply_known_json(struct qb_request *rq, int64_t version, json_t *take); /* 200 */
/* A page of a list: its rows, how many there are in all, and where the next page begins. */
enum MHD_Result qb_reply_page(struct qb_request *rq, const char *key, json_t *take_rows, int64_t total,
	int64_t limit);
enum MHD_Result qb_reply_created(struct qb_request *rq, unsigned status, const char *folder,
	json_t *take); /* with Location: folder/id */
enum MHD_Result qb_reply_problem(struct qb_request *rq, struct qb_problem *p); /* p is emptied */
enum MHD_Result qb_reply_unread(struct qb_request *rq); /* qb_refuse_unread as a reply */
enum MHD_Result qb_reply_refuse(struct qb_request *rq, int status, const char *code, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));
enum MHD_Result qb_reply_text(struct qb_request *rq, unsigned status, const char *type, char *take,
	size_t len);
enum MHD_Result qb_reply_empty(struct qb_request *rq, unsigned status);
/* Adds what every reply carries, counts, queues and releases. */
enum MHD_Result qb_reply_send(struct qb_request *rq, unsigned status, struct MHD_Response *take);

/* Runs fn(work) on the loop thread while the connection sleeps; after qb_reply_awaken, which fn or something that it
 * started says once, the handler is called again and finds work in the request. The work is freed with the request,
 * or now where this fails. */
enum MHD_Result qb_reply_later(struct qb_request *rq, void (*fn)(void *work), void *work, void (*free_work)(void *work));
void qb_reply_awaken(struct qb_request *rq); /* loop thread; the request may be gone then */

/* Requests. */
const char *qb_query(struct qb_request *rq, const char *name); /* NULL where it is absent */
/* The body as JSON, owned; NULL after having filled p. */
json_t *qb_body_json(struct qb_request *rq, struct qb_problem *p);
const char *qb_header(struct qb_request *rq, const char *name);
bool qb_takes_gzip(struct qb_request *rq);
/* A cookie's value, borrowed until the request ends; NULL where there is none. */
const char *qb_cookie(struct qb_request *rq, const char *name);
int qb_client(struct qb_request *rq); /* the socket of who waits; -1 where there is none */
struct qb_store *qb_reader(struct qb_request *rq);
/* Figures alone; false for anything else, and for what no int64_t holds. */
bool qb_read_number(const char *text, int64_t *n);
/* ?limit= */
bool qb_query_limit(struct qb_request *rq, int64_t *limit, struct qb_problem *p);
/* ?name= as an id with that prefix; -1 where it is absent */
bool qb_query_id(struct qb_request *rq, const char *name, char prefix, int64_t *id,
	struct qb_problem *p);
/* The job in the path. */
bool qb_path_job(struct qb_request *rq, int64_t *id, struct qb_problem *p);

/* The body of a file route (upload.c). */
struct qb_upload *qb_upload_begin(struct qb_request *rq, struct qb_problem *p);
/* false: the connection is to be cut */
bool qb_upload_data(struct qb_upload *u, const char *bytes, size_t n);
void qb_upload_end(struct qb_upload **u);

#endif
