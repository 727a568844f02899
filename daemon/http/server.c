/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/http/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { BODY_MAX = 4 << 20, IDLE_SECONDS = 120 };

static const struct qb_route routes[] = {
#define X(method, path, body, name) {method, path, QB_BODY_##body, qb__##name},
	QB_ROUTES(X)
#undef X
};

enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

static const struct qb_route dashboard = {"GET", "", QB_BODY_NONE, qb__static_get};

struct qb_http {
	struct MHD_Daemon *mhd;
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

/* The route; else NULL, and the methods that this path does take in allow. */
static const struct qb_route *find(struct qb_request *rq, const char *method, const char *path,
	char *allow, size_t size)
{
	char part[2][256];
	size_t n = 0;

	*allow = '\0';
	for (int i = 0; i < ROUTES; i++) {
		if (!matches(routes[i].path, path, part)) {
			continue;
		}
		if (same_method(routes[i].method, method)) {
			memcpy(rq->part, part, sizeof(part));
			return &routes[i];
		}
		n += (size_t)snprintf(allow + n, size - n, "%s%s", n ? ", " : "", routes[i].method);
	}
	if (!*allow && strncmp(path, "/v1/", 4) != 0 && same_method("GET", method)) {
		return &dashboard;
	}
	return NULL;
}

/* The host of "host:port" is one by which this machine calls itself. */
static bool local_host(const char *host)
{
	size_t n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

	return (n == 9 && !strncasecmp(host, "localhost", 9)) || (n == 5 && !strncmp(host, "[::1]", 5)) ||
		(n >= 7 && !strncmp(host, "127.", 4) && strspn(host, "0123456789.") == n);
}

/* A page of some other site, open in a browser on this machine, must not use us: not by posting here (Origin), and
 * not by a name of its own that points here (Host). */
static bool allowed(struct qb_request *rq, const char *method, struct qb_problem *p)
{
	const char *host = qb_header(rq, "Host"), *origin = qb_header(rq, "Origin"), *from;

	if (host && !local_host(host)) {
		return qb_refuse(p, 403, "wrong_host", "this server answers as localhost only, not as "
			"\"%.100s\"; use http://127.0.0.1", host);
	}
	if (origin && strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		from = strstr(origin, "://");
		if (!from || !host || strcasecmp(from + 3, host) != 0) {
			return qb_refuse(p, 403, "wrong_origin", "requests from pages of %.100s are refused",
				origin);
		}
	}
	return true;
}

static enum MHD_Result no_route(struct qb_request *rq, const char *method, const char *path,
	const char *allow)
{
	if (*allow) {
		rq->extra = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
		MHD_add_response_header(rq->extra, "Allow", allow);
		return qb_reply_refuse(rq, 405, "method_not_allowed", "%.20s is not for %.200s, which takes %s",
			method, path, allow);
	}
	return qb_reply_refuse(rq, 404, "not_found",
		"there is nothing at %.200s; GET /openapi.yaml lists what there is", path);
}

/* The headers have come: choose the route, refuse early what needs no body. */
static enum MHD_Result begin(struct qb_request *rq, const char *method, const char *path)
{
	struct qb_problem p = {0};
	char allow[64];

	rq->route = find(rq, method, path, allow, sizeof(allow));
	if (!allowed(rq, method, &p)) {
		return qb_reply_problem(rq, &p);
	}
	if (!rq->route) {
		return no_route(rq, method, path, allow);
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

	(void)version;
	if (!rq) {
		rq = calloc(1, sizeof(*rq));
		if (!rq) {
			return MHD_NO;
		}
		*state = rq;
		rq->daemon = arg;
		rq->connection = connection;
		rq->path = url;
		return begin(rq, method, url);
	}
	if (!rq->route) {
		return MHD_NO;
	}
	if (*upload_data_size) {
		return take_body(rq, upload_data, upload_data_size);
	}
	if (rq->too_large) {
		return qb_reply_refuse(rq, 413, "too_large", "the body is larger than %d bytes, which no job "
			"needs; upload files to /v1/models or /v1/datasets and name them by id", BODY_MAX);
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
		if (rq->upload) {
			qb_upload_end(&rq->upload);
		}
		free(rq->body);
		free(rq);
		*state = NULL;
	}
}

static void mhd_log(void *arg, const char *fmt, va_list ap)
{
	char text[512];

	(void)arg;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	qb_log(QB_LOG_DEBUG, "http: %s", text);
}

static void address(const struct qb_options *o, struct sockaddr_storage *a)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)a;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)a;

	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, o->host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(o->port);
	} else {
		inet_pton(AF_INET6, o->host, &v6->sin6_addr);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(o->port);
	}
}

struct qb_http *qb_http_start(struct qb_daemon *daemon, uint16_t *port)
{
	struct qb_http *h = calloc(1, sizeof(*h));
	const struct qb_options *o = &daemon->options;
	struct sockaddr_storage a;
	const union MHD_DaemonInfo *info;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;

	if (!h) {
		return NULL;
	}
	address(o, &a);
	flags |= a.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0;
	h->mhd = MHD_start_daemon(flags, o->port, NULL, NULL, answer, daemon,
		MHD_OPTION_EXTERNAL_LOGGER, mhd_log, NULL, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&a,
		MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
		MHD_OPTION_THREAD_POOL_SIZE, (unsigned)(o->http_threads > 1 ? o->http_threads : 0),
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)(64 << 10), MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
	if (!h->mhd) {
		qb_log(QB_LOG_ERROR, "cannot listen on %s: %m; is another server there? choose another "
			"address with --listen", o->listen);
		free(h);
		return NULL;
	}
	info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_BIND_PORT);
	*port = info ? info->port : o->port;
	return h;
}

void qb_http_refuse_new(struct qb_http *h)
{
	MHD_socket listener = MHD_quiesce_daemon(h->mhd);

	if (listener != MHD_INVALID_SOCKET) {
		close(listener);
	}
}

void qb_http_stop(struct qb_http **http)
{
	if (*http) {
		MHD_stop_daemon((*http)->mhd);
		free(*http);
		*http = NULL;
	}
}
