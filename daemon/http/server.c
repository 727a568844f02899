/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <time.h>

#include "daemon/http/access.h"
#include "daemon/http/guard.h"
#include "daemon/http/later.h"
#include "daemon/http/tls.h"

/* CALM_SECONDS: after which libmicrohttpd closes what neither sends nor takes anything; connections.h is for the rest. */
enum { BODY_MAX = 4 << 20, CALM_SECONDS = 120, LOG_LINES_MAX = 10, DESCRIPTORS_KEPT = 64 };

static const struct qb_route routes[] = {
#define X(method, path, body, role, name) {method, path, QB_BODY_##body, QB_ROLE_##role, qb__##name},
	QB_ROUTES(X)
#undef X
};

enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

static const struct qb_route dashboard = {"GET", "", QB_BODY_NONE, QB_ROLE_OPEN, qb__static_get};

/* One for each socket that is listened on. */
struct front {
	struct qb_http *http;
	struct MHD_Daemon *mhd; /* NULL: there is none */
	bool tls;
};

enum { TCP, LOCAL, FRONTS };

struct qb_http {
	struct front fronts[FRONTS];
	struct qb_daemon *daemon;
	struct qb_later *later;
};

static bool matches(const char *pattern, const char *path, char part[2][256])
{
	int parts = 0;

	while (*pattern && *path) {
		if (*pattern == ':') {
			size_t n = strcspn(path, "/");

			if (parts == 2 || !n || n >= 256) {
				return false;
			}
			memcpy(part[parts], path, n);
			part[parts++][n] = '\0';
			pattern += strcspn(pattern, "/");
			path += n;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return !*pattern && !*path;
}

static bool same_method(const char *wanted, const char *given)
{
	return !strcmp(wanted, given) || (!strcmp(wanted, "GET") && !strcmp(given, "HEAD"));
}

/* The route; else NULL, and the methods that this path does take in rq->allow. */
static const struct qb_route *find(struct qb_request *rq, const char *method, const char *path)
{
	char part[2][256], allow[sizeof(rq->allow)] = "";
	size_t n = 0;

	for (int i = 0; i < ROUTES; i++) {
		if (!matches(routes[i].path, path, part)) {
			continue;
		}
		if (same_method(routes[i].method, method)) {
			memcpy(rq->part, part, sizeof(part));
			return &routes[i];
		}
		n += (size_t)snprintf(allow + n, sizeof(allow) - n, "%s%s", n ? ", " : "", routes[i].method);
	}
	if (!*allow && strncmp(path, "/v1/", 4) != 0 && same_method("GET", method)) {
		return &dashboard;
	}
	memcpy(rq->allow, allow, sizeof(allow));
	return NULL;
}

static enum MHD_Result no_route(struct qb_request *rq, const char *method, const char *path)
{
	if (*rq->allow) {
		return qb_reply_refuse(rq, 405, "method_not_allowed", "%.20s is not for %.200s, which takes %s",
			method, path, rq->allow);
	}
	return qb_reply_refuse(rq, 404, "not_found",
		"there is nothing at %.200s; GET /openapi.yaml lists what there is", path);
}

/* The headers have come: choose the route, refuse early what needs no body. */
static enum MHD_Result begin(struct qb_request *rq, const char *method, const char *path)
{
	struct qb_problem p = {0};

	if (!qb_guard_request(rq, method, &p)) {
		rq->close = p.status == 400; /* what follows may be the rest of this request */
		return qb_reply_problem(rq, &p);
	}
	rq->route = find(rq, method, path);
	if (!rq->route) {
		return no_route(rq, method, path);
	}
	if (!qb_access_check(rq, method, &p)) {
		return qb_reply_problem(rq, &p);
	}
	if (rq->route->body == QB_BODY_FILE) {
		rq->upload = qb_upload_begin(rq, &p);
		if (!rq->upload) {
			return qb_reply_problem(rq, &p);
		}
	}
	return MHD_YES;
}

static enum MHD_Result take_body(struct qb_request *rq, const char *bytes, size_t *n)
{
	size_t len = *n;
	char *grown;

	*n = 0;
	if (rq->route->body == QB_BODY_FILE) {
		return qb_upload_data(rq->upload, bytes, len) ? MHD_YES : MHD_NO;
	}
	if (rq->too_large || rq->body_len + len > BODY_MAX) {
		rq->too_large = true;
		rq->body_len += len;
		return rq->body_len > 64 * (size_t)BODY_MAX ? MHD_NO : MHD_YES;
	}
	grown = realloc(rq->body, rq->body_len + len + 1);
	if (!grown) {
		return MHD_NO;
	}
	memcpy(grown + rq->body_len, bytes, len);
	rq->body = grown;
	rq->body_len += len;
	rq->body[rq->body_len] = '\0';
	return MHD_YES;
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload_data, size_t *upload_data_size,
	void **state)
{
	struct qb_request *rq = *state;
	const struct front *front = arg;
	const struct qb_http *http = front->http;
	const union MHD_ConnectionInfo *slot;

	(void)version;
	if (!rq) {
		rq = calloc(1, sizeof(*rq));
		if (!rq) {
			return MHD_NO;
		}
		*state = rq;
		rq->daemon = http->daemon;
		rq->later = http->later;
		rq->tls = front->tls;
		rq->connection = connection;
		slot = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
		rq->slot = slot ? slot->socket_context : NULL;
		rq->path = url;
		qb_connection_body(http->daemon->connections, rq->slot, 0, qb_seconds());
		return begin(rq, method, url);
	}
	if (!rq->route) {
		return MHD_NO;
	}
	if (*upload_data_size) {
		qb_connection_body(http->daemon->connections, rq->slot, *upload_data_size, qb_seconds());
		return take_body(rq, upload_data, upload_data_size);
	}
	qb_connection_answer(http->daemon->connections, rq->slot);
	if (rq->too_large) {
		return qb_reply_refuse(rq, 413, "too_large", "the body is larger than %d bytes, which no job "
			"needs; upload files first and name them by id", BODY_MAX);
	}
	return rq->route->handle(rq);
}

static void completed(void *arg, struct MHD_Connection *connection, void **state,
	enum MHD_RequestTerminationCode code)
{
	struct qb_request *rq = *state;

	(void)arg;
	(void)connection;
	(void)code;
	if (rq) {
		qb_connection_idle(rq->daemon->connections, rq->slot, qb_seconds());
		if (rq->upload) {
			qb_upload_end(&rq->upload);
		}
		if (rq->work) {
			rq->free_work(rq->work);
		}
		free(rq->body);
		free(rq);
		*state = NULL;
	}
}

/* Without a free descriptor, libmicrohttpd's threads call accept() again at once, for ever, and say so each time:
 * whoever says much waits here. */
static void mhd_log(void *arg, const char *fmt, va_list ap)
{
	static const struct timespec pause = {.tv_nsec = 50000000};
	static atomic_llong second, lines;
	long long now = (long long)qb_seconds();
	char text[512];

	(void)arg;
	if (atomic_exchange(&second, now) != now) {
		atomic_store(&lines, 0);
	}
	if (atomic_fetch_add(&lines, 1) >= LOG_LINES_MAX) {
		nanosleep(&pause, NULL);
	}
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	qb_log(QB_LOG_DEBUG, "http: %s", text);
}

/* Workers, inspections and the database have their descriptors; and each connection one for the file that it brings or
 * takes. */
static int64_t connection_limit(const struct qb_options *o)
{
	const int64_t kept = DESCRIPTORS_KEPT + 8 * (o->jobs + o->inspections) + 4 * o->http_threads;
	struct rlimit files = {0};
	int64_t most;

	getrlimit(RLIMIT_NOFILE, &files);
	most = ((int64_t)files.rlim_cur - kept) * 2 / 5; /* a file each, and half as many that leave */
	most = most < o->http_threads ? o->http_threads : most;
	if (most < o->connections) {
		qb_log(QB_LOG_WARNING, "%lld connections at once, not %lld: the limit of descriptors is %lld (ulimit -n, "
			"LimitNOFILE=)", (long long)most, (long long)o->connections, (long long)files.rlim_cur);
	}
	return most < o->connections ? most : o->connections;
}

struct qb_connection_limits qb_http_limits(const struct qb_options *o)
{
	return (struct qb_connection_limits){
		.in_all = connection_limit(o),
		.by_address = o->connections_per_address,
		.header_seconds = (double)o->header_seconds,
		.body_seconds = (double)o->body_seconds,
		.idle_seconds = (double)o->idle_seconds,
	};
}

static void destroy(struct qb_http **http)
{
	if (*http) {
		qb_later_destroy(&(*http)->later);
		free(*http);
		*http = NULL;
	}
}

/* Nobody new while the server stops. The listening socket stays open for so long: MHD_quiesce_daemon, which takes it away,
 * aborts when one of the threads does so at the same time (libmicrohttpd 0.9.75). */
static enum MHD_Result accept_new(void *arg, const struct sockaddr *address, socklen_t len)
{
	const struct qb_http *h = ((struct front *)arg)->http;

	(void)len;
	return !atomic_load(&h->daemon->stopping) && qb_connections_admit(h->daemon->connections, address) ? MHD_YES : MHD_NO;
}

static void opened_or_closed(void *arg, struct MHD_Connection *connection, void **slot,
	enum MHD_ConnectionNotificationCode code)
{
	struct qb_connections *all = ((struct front *)arg)->http->daemon->connections;
	struct qb_connection *one = *slot;
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *from = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		one = qb_connections_open(all, fd->connect_fd, from->client_addr, qb_seconds());
	} else {
		qb_connections_close(all, &one);
	}
	*slot = one;
}

/* libmicrohttpd takes the socket. Which of its threads takes a connection is chance, so each may have all of them. */
static bool start_front(struct qb_http *h, struct front *f, int listener, unsigned threads)
{
	const int64_t limit = qb_connections_count(h->daemon->connections).limit;
	const unsigned connections = (unsigned)(limit + qb_connections_spare(limit) + threads) * threads;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (f->tls ? MHD_USE_TLS : 0);
	const struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)qb_tls_retrieve},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
		{MHD_OPTION_END, 0, NULL},
	};

	f->http = h;
	f->mhd = MHD_start_daemon(flags, 0, accept_new, f, answer, f, MHD_OPTION_EXTERNAL_LOGGER, mhd_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_NOTIFY_CONNECTION,
		opened_or_closed, f, MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)CALM_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(64 << 10), MHD_OPTION_CONNECTION_LIMIT, connections,
		MHD_OPTION_ARRAY, f->tls ? tls : tls + 2, MHD_OPTION_END);
	return f->mhd != NULL;
}

struct qb_http *qb_http_start(struct qb_daemon *daemon, struct qb_listeners *l)
{
	struct qb_http *h = calloc(1, sizeof(*h));
	const unsigned threads = (unsigned)daemon->options.http_threads;
	bool ok = h != NULL;

	if (h) {
		h->daemon = daemon;
		h->later = qb_later_create();
		h->fronts[TCP].tls = *daemon->options.tls_cert;
		ok = h->later != NULL;
	}
	if (ok && l->tcp >= 0) {
		ok = start_front(h, &h->fronts[TCP], l->tcp, threads);
		l->tcp = ok ? -1 : l->tcp;
	}
	if (ok && l->local >= 0) {
		ok = start_front(h, &h->fronts[LOCAL], l->local, h->fronts[TCP].mhd ? 1 : threads);
		l->local = ok ? -1 : l->local;
	}
	if (!ok) {
		qb_log(QB_LOG_ERROR, "the HTTP server cannot start: %m");
		qb_http_stop(&h);
	}
	return h;
}

/* What was answered last is still to be sent, as MHD_stop_daemon closes connections whatever they have to say: waits till they
 * have gone, a fifth of a second at most, for some are idle. */
static void let_answers_out(const struct qb_http *h)
{
	enum { STEPS = 20 };
	const struct timespec step = {.tv_nsec = 10000000};
	unsigned open = 1;

	for (int i = 0; i < STEPS && open; i++) {
		nanosleep(&step, NULL);
		open = 0;
		for (int f = 0; f < FRONTS; f++) {
			const union MHD_DaemonInfo *info = h->fronts[f].mhd
				? MHD_get_daemon_info(h->fronts[f].mhd, MHD_DAEMON_INFO_CURRENT_CONNECTIONS) : NULL;

			open += info ? info->num_connections : 0;
		}
	}
}

void qb_http_stop(struct qb_http **http)
{
	struct qb_http *h = *http;

	if (!h) {
		return;
	}
	if (h->later) {
		qb_later_close(h->later);
	}
	let_answers_out(h);
	for (int i = 0; i < FRONTS; i++) {
		if (h->fronts[i].mhd) {
			MHD_stop_daemon(h->fronts[i].mhd);
		}
	}
	destroy(http);
}
