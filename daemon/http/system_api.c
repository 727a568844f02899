/* SPDX-License-Identifier: Apache-2.0
 *
 * The server about itself: formats that its worker knows, machine, queue, health, metrics, the API's description.
 */
#include "config.h"

#include <gnu/libc-version.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "daemon/embedded.h"
#include "daemon/engine.h"
#include "daemon/health.h"
#include "daemon/http/http.h"
#include "daemon/hub.h"
#include "daemon/storage.h"
#include "daemon/store.h"

enum MHD_Result qb__formats_list(struct qb_request *rq)
{
	struct qb_problem p = {0};
	const json_t *info = qb_engine_info(rq->daemon->engine, &p);

	return info ? qb_reply_json(rq, 200, json_pack("{s:O}", "formats", json_object_get(info, "formats")))
		    : qb_reply_problem(rq, &p);
}

/* A question of a request. */
struct asked {
	struct qb_question q; /* first: done gets its address */
	struct qb_request *rq;
	json_t *body;
};

static void free_asked(void *work)
{
	struct asked *a = work;

	json_decref(a->q.answer);
	json_decref(a->body);
	free(a);
}

static void done(struct qb_question *q)
{
	qb_reply_awaken(((struct asked *)q)->rq);
}

static void put(void *work)
{
	struct asked *a = work;

	qb_engine_ask(a->rq->daemon->engine, &a->q);
}

/* The body is taken. */
static enum MHD_Result ask(struct qb_request *rq, const char *what, json_t *body, bool heavy, int refused)
{
	struct asked *a = calloc(1, sizeof(*a));

	if (!a) {
		json_decref(body);
		return MHD_NO;
	}
	a->rq = rq;
	a->body = body;
	a->q = (struct qb_question){.ask = what, .body = body, .heavy = heavy, .refused = refused, .client = qb_client(rq),
		.done = done};
	return qb_reply_later(rq, put, a, free_asked);
}

static enum MHD_Result reply_asked(struct qb_request *rq)
{
	struct asked *a = rq->work;

	return a->q.answer ? qb_reply_json(rq, 200, json_incref(a->q.answer)) : qb_reply_problem(rq, &a->q.problem);
}

enum MHD_Result qb__formats_get(struct qb_request *rq)
{
	json_t *body;

	if (rq->work) {
		return reply_asked(rq);
	}
	body = json_pack("{s:s}", "name", rq->part[0]);
	if (!body) {
		return qb_reply_refuse(rq, 404, "no_such_format", "a number format's name is text in UTF-8");
	}
	return ask(rq, "format", body, false, 404);
}

/* Numbers for a page that waits. */
enum MHD_Result qb__compute_ask(struct qb_request *rq)
{
	static const struct {
		const char *name;
		bool heavy;
	} known[] = {{"sqnr", true}, {"hwcost", true}, {"round", false}, {"toy", false}};
	struct qb_problem p = {0};
	json_t *body;

	if (rq->work) {
		return reply_asked(rq);
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, rq->part[0]) != 0) {
			continue;
		}
		body = qb_body_json(rq, &p);
		if (!body) {
			return qb_reply_problem(rq, &p);
		}
		if (!json_is_object(body)) {
			json_decref(body);
			return qb_reply_refuse(rq, 400, "bad_json", "the body is not a JSON object, which a question is");
		}
		return ask(rq, known[i].name, body, known[i].heavy, 0);
	}
	return qb_reply_refuse(rq, 404, "not_found", "\"%.60s\" is not computed at once; ask for sqnr, hwcost, toy or round",
		rq->part[0]);
}

/* The first "key : value" line of a file in /proc; freed with free(). */
static char *proc_value(const char *path, const char *key)
{
	char line[512], *value = NULL;
	FILE *f = fopen(path, "re");

	while (f && !value && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (colon && !strncmp(line, key, strlen(key))) {
			colon += 1 + strspn(colon + 1, " \t");
			colon[strcspn(colon, "\n")] = '\0';
			value = strdup(colon);
		}
	}
	if (f) {
		fclose(f);
	}
	return value;
}

static json_t *machine(const json_t *info)
{
	char *cpu = proc_value("/proc/cpuinfo", "model name");
	char *available = proc_value("/proc/meminfo", "MemAvailable");
	const json_t *isa = json_object_get(info, "isa");
	struct utsname u;
	struct sysinfo s;
	json_t *v;

	uname(&u);
	sysinfo(&s);
	v = json_pack("{s:s, s:O?, s:I, s:I, s:I, s:s, s:s}", "cpu", cpu ? cpu : u.machine, "isa", isa,
		"cores", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "memory_bytes",
		(json_int_t)((uint64_t)s.totalram * s.mem_unit), "memory_available_bytes",
		(json_int_t)(available ? strtoll(available, NULL, 10) * 1024 : 0), "hostname", u.nodename,
		"kernel", u.release);
	free(cpu);
	free(available);
	return v;
}

static json_t *or_null(int64_t n)
{
	return n ? json_integer(n) : json_null();
}

static json_t *storage(struct qb_request *rq)
{
	struct statvfs v = {0};
	int64_t used;

	if (qb_store_value(qb_reader(rq), QB_SQL_BLOB_BYTES, &used, "") != QB_FOUND) {
		return NULL;
	}
	statvfs(rq->daemon->options.state, &v);
	return json_pack("{s:I, s:I}", "free_bytes", (json_int_t)((uint64_t)v.f_bavail * v.f_frsize),
		"used_bytes", (json_int_t)used);
}

/* What keeps the service from its work now. */
static json_t *conditions(struct qb_daemon *daemon)
{
	json_t *list = qb_health_list(daemon->health);
	struct qb_problem p = {0};

	if (!qb_storage_ready(daemon->storage, &p)) {
		json_array_append_new(list, json_pack("{s:s, s:s}", "code", p.code, "detail", p.detail));
	}
	return list;
}

enum MHD_Result qb__system_get(struct qb_request *rq)
{
	const struct qb_options *o = &rq->daemon->options;
	const json_t *info = qb_engine_info(rq->daemon->engine, NULL);
	json_t *queue = NULL, *kept = storage(rq);

	if (!kept || qb_store_get(qb_reader(rq), QB_SQL_JOB_CENSUS, &queue, "") != QB_FOUND) {
		json_decref(kept);
		return qb_reply_unread(rq);
	}
	json_object_set_new(queue, "slots", json_integer(o->jobs));
	return qb_reply_json(rq, 200, json_pack("{s:s, s:O?, s:f, s:s, s:o, s:{s:s, s:s, s:s, s:s, s:s}, s:o, "
		"s:o, s:o, s:{s:I, s:o, s:o, s:o, s:I}}", "version", PACKAGE_VERSION, "engine",
		json_object_get(info, "engine"), "uptime_seconds", qb_seconds() - rq->daemon->started, "started",
		rq->daemon->started_at, "machine", machine(info), "versions", "libmicrohttpd", MHD_get_version(),
		"libuv", uv_version_string(), "sqlite", sqlite3_libversion(), "jansson", jansson_version_str(),
		"glibc", gnu_get_libc_version(), "storage", kept, "conditions", conditions(rq->daemon), "queue", queue, "limits",
		"upload_bytes", (json_int_t)o->max_upload, "job_memory_bytes", or_null(o->worker_memory),
		"job_wall_seconds", or_null(o->worker_wall_seconds), "job_cpu_seconds",
		or_null(o->worker_cpu_seconds), "job_threads", (json_int_t)o->worker_threads));
}

enum MHD_Result qb__health_live(struct qb_request *rq)
{
	return qb_reply_json(rq, 200, json_pack("{s:s}", "status", "ok"));
}

enum MHD_Result qb__health_ready(struct qb_request *rq)
{
	struct qb_problem p = {0};
	json_t *census = NULL;

	if (atomic_load(&rq->daemon->stopping)) {
		return qb_reply_refuse(rq, 503, "stopping", "the server is stopping; try again later");
	}
	if (!qb_engine_ready(rq->daemon->engine, &p) || !qb_health_check(rq->daemon->health, &p)) {
		return qb_reply_problem(rq, &p);
	}
	if (!qb_storage_ready(rq->daemon->storage, &p)) {
		p.status = 503;
		return qb_reply_problem(rq, &p);
	}
	if (qb_store_get(qb_reader(rq), QB_SQL_JOB_CENSUS, &census, "") != QB_FOUND) {
		return qb_reply_refuse(rq, 503, "database", "the database cannot be read; see the daemon's log");
	}
	json_decref(census);
	return qb__health_live(rq);
}

static void gauge(FILE *f, const char *name, const char *type, const char *help, double value)
{
	fprintf(f, "# HELP quantbench_%s %s\n# TYPE quantbench_%s %s\nquantbench_%s %.17g\n", name, help, name,
		type, name, value);
}

/* What cannot be read is left out, as Prometheus wants it; storage_ok says why. */
static void write_stored(FILE *f, struct qb_request *rq)
{
	json_t *census = NULL, *n;
	const char *state;
	int64_t bytes;

	if (qb_store_get(qb_reader(rq), QB_SQL_JOB_CENSUS, &census, "") != QB_FOUND ||
		qb_store_value(qb_reader(rq), QB_SQL_BLOB_BYTES, &bytes, "") != QB_FOUND) {
		json_decref(census);
		return;
	}
	fputs("# HELP quantbench_jobs Jobs by state.\n# TYPE quantbench_jobs gauge\n", f);
	json_object_foreach(census, state, n) {
		fprintf(f, "quantbench_jobs{state=\"%s\"} %lld\n", state, (long long)json_integer_value(n));
	}
	json_decref(census);
	gauge(f, "stored_bytes", "gauge", "Bytes of uploads and artifacts kept.", (double)bytes);
}

static void write_connections(FILE *f, struct qb_connection_counts n)
{
	static const char *const why[] = {
#define X(name, text) text,
		QB_CLOSED(X)
#undef X
	};

	gauge(f, "http_connections", "gauge", "Open connections.", (double)n.open);
	gauge(f, "http_connections_limit", "gauge", "Connections that may be open at once.", (double)n.limit);
	fputs("# HELP quantbench_http_connections_closed_total Connections that the server closed, by reason.\n"
	      "# TYPE quantbench_http_connections_closed_total counter\n", f);
	for (int i = 0; i < QB_CLOSED_COUNT; i++) {
		fprintf(f, "quantbench_http_connections_closed_total{reason=\"%s\"} %lld\n", why[i], (long long)n.closed[i]);
	}
}

static void write_metrics(FILE *f, struct qb_request *rq)
{
	struct qb_daemon *daemon = rq->daemon;

	write_stored(f, rq);
	gauge(f, "storage_ok", "gauge", "1 while the state folder can be written to.",
		qb_storage_usable(daemon->storage, NULL) ? 1 : 0);
	fputs("# HELP quantbench_http_requests_total Answers by class of status.\n"
	      "# TYPE quantbench_http_requests_total counter\n", f);
	for (int i = 2; i < 6; i++) {
		fprintf(f, "quantbench_http_requests_total{status=\"%dxx\"} %lld\n", i,
			atomic_load(&daemon->requests[i]));
	}
	gauge(f, "upload_bytes_total", "counter", "Bytes of uploads received.",
		(double)atomic_load(&daemon->upload_bytes));
	gauge(f, "events_total", "counter", "Events stored.", (double)atomic_load(&daemon->events));
	gauge(f, "event_streams", "gauge", "Open event streams.", qb_hub_followers(daemon->hub));
	write_connections(f, qb_connections_count(daemon->connections));
	gauge(f, "workers_started_total", "counter", "Worker processes started.",
		(double)atomic_load(&daemon->workers_started));
	gauge(f, "workers_crashed_total", "counter", "Worker processes that crashed.",
		(double)atomic_load(&daemon->workers_crashed));
	gauge(f, "uptime_seconds", "gauge", "Seconds since the start.", qb_seconds() - daemon->started);
	gauge(f, "worker_ready", "gauge", "1 when the worker program answers.",
		qb_engine_ready(daemon->engine, NULL) ? 1 : 0);
}

enum MHD_Result qb__metrics_get(struct qb_request *rq)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f) {
		return MHD_NO;
	}
	write_metrics(f, rq);
	fclose(f);
	return qb_reply_text(rq, 200, "text/plain; version=0.0.4", text, len);
}

enum MHD_Result qb__openapi_get(struct qb_request *rq)
{
	return qb_reply_text(rq, 200, "application/yaml", strdup(qb_openapi), sizeof(qb_openapi) - 1);
}
