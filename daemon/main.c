/* SPDX-License-Identifier: Apache-2.0
 *
 * quantbenchd: starts the parts, runs the loop, stops the parts in the reverse order.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "common/sandbox.h"
#include "daemon/audit.h"
#include "daemon/backup_command.h"
#include "daemon/blobs.h"
#include "daemon/cgroup.h"
#include "daemon/config_command.h"
#include "daemon/deliveries.h"
#include "daemon/dispatcher.h"
#include "daemon/engine.h"
#include "daemon/health.h"
#include "daemon/http/cache.h"
#include "daemon/http/http.h"
#include "daemon/http/rate.h"
#include "daemon/http/tls.h"
#include "daemon/hub.h"
#include "daemon/jobs.h"
#include "daemon/daemon.h"
#include "daemon/loop.h"
#include "daemon/orphans.h"
#include "daemon/retention.h"
#include "daemon/ssh_worker.h"
#include "daemon/state.h"
#include "daemon/storage.h"
#include "daemon/store.h"
#include "daemon/token_command.h"
#include "daemon/tokens.h"
#include "daemon/uploads.h"
#include "daemon/util.h"
#include "daemon/worker_command.h"
#include "daemon/workspace.h"

enum { DESCRIPTORS = 8192, SWEEP_MS = 1000, TELL_MS = 250, RETENTION_FIRST_MS = 2000, RETENTION_MS = 600000, RETENTION_NEXT_MS = 200 };

struct server {
	struct qb_daemon daemon;
	struct qb_http *http;
	uv_loop_t loop;
	uv_signal_t term, interrupt, hangup;
	uv_timer_t heartbeat, watchdog, sweep, retention, tell;
	uv_work_t stopping;
	int argc; /* for SIGHUP */
	char **argv;
	bool recovered; /* what an earlier daemon left unfinished was taken up */
	struct qb_listeners listeners;
};

static bool open_database(struct server *s)
{
	struct qb_options *o = &s->daemon.options;
	int64_t blobs;

	s->daemon.storage = qb_storage_create(o->state);
	s->daemon.store = s->daemon.storage ? qb_state_open(o, s->daemon.storage, &s->daemon.database, &blobs) : NULL;
	if (!s->daemon.store) {
		return false;
	}
	if (blobs && qb_store_is_new(s->daemon.store) && !qb_blobs_set_aside(o->state)) {
		return false;
	}
	qb_uploads_sweep(&s->daemon);
	return true;
}

/* Whoever is let in by nothing but a token cannot be let in without one. */
static bool has_tokens(struct server *s)
{
	const struct qb_options *o = &s->daemon.options;
	int64_t n = o->on_loopback && strcmp(o->tokens, "all") != 0 ? 1 : qb_tokens_valid(s->daemon.store);

	if (n == 0) {
		qb_log(QB_LOG_ERROR, "%s is for those who have an access token, and there is no valid one. Make one with: quantbenchd "
			"token create NAME --role admin --state %s; or listen on 127.0.0.1, where none is needed", o->listen, o->state);
	}
	return n > 0;
}

static bool open_state(struct server *s)
{
	struct qb_options *o = &s->daemon.options;

	/* To check a large database takes a while; the service manager waits. */
	sd_notify(0, "STATUS=Checking the database\nEXTEND_TIMEOUT_USEC=1800000000");
	switch (qb_state_lock(o)) {
	case QB_STATE_LOCKED:
		break;
	case QB_STATE_IN_USE:
		qb_log(QB_LOG_ERROR, "%s is in use; is another quantbenchd running on this state folder?", o->state);
		return false;
	default:
		return false;
	}
	qb_workspaces_clear(o->state);
	if (!qb_blobs_prepare(o->state)) {
		return false;
	}
	o->worker = qb_program_path(o->worker); /* one that is not there yet is reported when it is asked */
	return open_database(s) && has_tokens(s);
}

static bool measuring(struct qb_daemon *daemon)
{
	return qb_dispatcher_measuring(daemon->dispatcher);
}

static void worker_ready(struct qb_daemon *daemon)
{
	qb_dispatcher_wake(daemon->dispatcher);
}

static void beat(uv_timer_t *timer)
{
	struct server *s = timer->data;

	qb_hub_heartbeat(s->daemon.hub);
}

static void tell(uv_timer_t *timer)
{
	struct server *s = timer->data;

	qb_hub_tell(s->daemon.hub);
}

static void pat_watchdog(uv_timer_t *timer)
{
	(void)timer;
	sd_notify(0, "WATCHDOG=1");
}

static void sweep(uv_timer_t *timer)
{
	struct server *s = timer->data;

	qb_connections_sweep(s->daemon.connections, qb_seconds());
	qb_audit_store(s->daemon.audit, s->daemon.store);
	qb_orphans_end();
	qb_cgroup_sweep();
}

/* A few at a time, so that the loop is not held. */
static void retain(uv_timer_t *timer)
{
	struct server *s = timer->data;

	uv_timer_start(timer, retain, qb_retention_sweep(&s->daemon) ? RETENTION_NEXT_MS : RETENTION_MS, 0);
}

/* Everything of the loop closes; uv_run then returns. */
static void close_rest(struct server *s)
{
	uv_close((uv_handle_t *)&s->term, NULL);
	uv_close((uv_handle_t *)&s->interrupt, NULL);
	uv_close((uv_handle_t *)&s->hangup, NULL);
	uv_close((uv_handle_t *)&s->heartbeat, NULL);
	uv_close((uv_handle_t *)&s->watchdog, NULL);
	uv_close((uv_handle_t *)&s->sweep, NULL);
	uv_close((uv_handle_t *)&s->retention, NULL);
	qb_deliveries_stop(s->daemon.deliveries);
	uv_close((uv_handle_t *)&s->tell, NULL);
	qb_storage_unwatch(s->daemon.storage);
	qb_calls_destroy(&s->daemon.calls);
}

/* A thread of the pool: requests that are being answered may still call the loop. */
static void stop_http(uv_work_t *work)
{
	struct server *s = work->data;

	qb_http_stop(&s->http);
}

static void http_stopped(uv_work_t *work, int status)
{
	(void)status;
	close_rest(work->data);
}

static void jobs_stopped(struct qb_daemon *daemon)
{
	struct server *s = (struct server *)daemon; /* its first member */

	qb_engine_stop(daemon->engine);
	qb_hub_close(daemon->hub);
	s->stopping.data = s;
	uv_queue_work(&s->loop, &s->stopping, stop_http, http_stopped);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct server *s = handle->data;

	if (atomic_exchange(&s->daemon.stopping, true)) {
		return;
	}
	qb_log(QB_LOG_INFO, "stopping on %s", signum == SIGTERM ? "SIGTERM" : "SIGINT");
	sd_notify(0, "STOPPING=1\nSTATUS=Ending workers");
	qb_dispatcher_stop(s->daemon.dispatcher, jobs_stopped);
}

static bool save(void *arg)
{
	struct server *s = arg;

	/* Where this fails, so does storage, and nothing is started before it is repaired. */
	s->recovered = s->recovered || (qb_jobs_recover(&s->daemon) && qb_uploads_recover(&s->daemon));
	return s->recovered && qb_dispatcher_save(s->daemon.dispatcher) && qb_uploads_release_rest(&s->daemon);
}

static void resume(void *arg)
{
	struct server *s = arg;

	qb_dispatcher_wake(s->daemon.dispatcher);
}

static bool load_tls(const struct qb_options *o)
{
	char why[300];

	if (*o->tls_cert && !qb_tls_load(o->tls_cert, o->tls_key, why, sizeof(why))) {
		qb_log(QB_LOG_ERROR, "TLS: %s", why);
		return false;
	}
	return true;
}

/* The service manager waits until READY=1 comes again (sd_notify(3), RELOADING=1). */
static void say_reloading(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
}

static void on_hangup(uv_signal_t *handle, int signum)
{
	struct server *s = handle->data;
	struct qb_options *o = &s->daemon.options;
	struct qb_connection_limits limits;
	bool ok;

	(void)signum;
	say_reloading();
	ok = qb_options_reload(o, s->argc, s->argv);
	ok = load_tls(o) && ok;
	limits = qb_http_limits(o);
	qb_connections_limit(s->daemon.connections, &limits);
	uv_timer_set_repeat(&s->heartbeat, (uint64_t)o->heartbeat_ms);
	qb_dispatcher_wake(s->daemon.dispatcher);
	qb_log(ok ? QB_LOG_INFO : QB_LOG_ERROR, "SIGHUP: %s", ok ? "settings and certificates are read again"
		: "what is wrong stays as it was; quantbenchd check-config tells the same");
	sd_notify(0, "READY=1");
}

static void say_sandbox(void)
{
	const int version = qb_sandbox_landlock();
	const bool rooted = qb_sandbox_root_works();
	char landlock[30] = "";

	if (version) {
		snprintf(landlock, sizeof(landlock), "Landlock %d", version);
	}
	if (version || rooted) {
		qb_log(QB_LOG_INFO, "workers are kept to their folders by %s%s%s, and to computing by seccomp", landlock,
			version && rooted ? " and " : "", rooted ? "a root folder of their own" : "");
	} else {
		qb_log(QB_LOG_WARNING, "this kernel lacks Landlock, and namespaces for this user: workers are kept to computing by seccomp, but can "
			"reach all files of this user; Linux 5.13 and later have both (CONFIG_SECURITY_LANDLOCK, lsm=landlock, CONFIG_USER_NS)");
	}
}

static void start_timers(struct server *s)
{
	uint64_t usec = 0;

	uv_signal_init(&s->loop, &s->term);
	uv_signal_init(&s->loop, &s->interrupt);
	uv_signal_init(&s->loop, &s->hangup);
	uv_timer_init(&s->loop, &s->heartbeat);
	uv_timer_init(&s->loop, &s->watchdog);
	uv_timer_init(&s->loop, &s->sweep);
	uv_timer_init(&s->loop, &s->retention);
	uv_timer_init(&s->loop, &s->tell);
	s->term.data = s->interrupt.data = s->hangup.data = s->heartbeat.data = s->sweep.data = s->retention.data = s->tell.data = s;
	uv_signal_start(&s->term, on_signal, SIGTERM);
	uv_signal_start(&s->interrupt, on_signal, SIGINT);
	uv_signal_start(&s->hangup, on_hangup, SIGHUP);
	uv_timer_start(&s->heartbeat, beat, (uint64_t)s->daemon.options.heartbeat_ms,
		(uint64_t)s->daemon.options.heartbeat_ms);
	uv_timer_start(&s->sweep, sweep, SWEEP_MS, SWEEP_MS);
	uv_timer_start(&s->retention, retain, RETENTION_FIRST_MS, 0);
	uv_timer_start(&s->tell, tell, TELL_MS, TELL_MS);
	if (sd_watchdog_enabled(0, &usec) > 0) {
		uv_timer_start(&s->watchdog, pat_watchdog, 0, usec / 2000 ? usec / 2000 : 1);
	}
}

static void say_where(const struct server *s)
{
	const struct qb_options *o = &s->daemon.options;
	const char *host = o->host ? o->host : "";
	char local[150] = "", address[400] = "";

	if (s->listeners.port) {
		snprintf(address, sizeof(address), "%s://%s%s%s:%u%s", *o->tls_cert ? "https" : "http", strchr(host, ':') ? "[" : "", host,
			strchr(host, ':') ? "]" : "", (unsigned)s->listeners.port, s->listeners.has_local ? " and " : "");
	}
	if (s->listeners.has_local) {
		snprintf(local, sizeof(local), "unix:%s", s->listeners.given ? "" : o->socket);
	}
	qb_log(QB_LOG_INFO, "quantbench " PACKAGE_VERSION " listens on %s%s (state in %s)", address, local, o->state);
	sd_notifyf(0, "READY=1\nSTATUS=Listening on %s%s", address, local);
}

/* The parts that the HTTP threads use exist before there are any. */
static bool start(struct server *s)
{
	const struct qb_connection_limits limits = qb_http_limits(&s->daemon.options);
	uv_loop_init(&s->loop);
	s->daemon.loop = &s->loop;
	s->daemon.started = qb_seconds();
	qb_time_now(s->daemon.started_at);
	s->daemon.calls = qb_calls_create(&s->loop);
	s->daemon.sound_files = json_object();
	s->daemon.unreleased = json_object();
	s->daemon.hub = qb_hub_create();
	s->daemon.connections = qb_connections_create(&limits);
	s->daemon.cache = qb_cache_create();
	s->daemon.audit = qb_audit_create();
	s->daemon.rates = qb_rates_create();
	s->daemon.health = qb_health_create();
	s->daemon.dispatcher = qb_dispatcher_create(&s->daemon);
	s->daemon.deliveries = qb_deliveries_create(&s->daemon);
	if (!s->daemon.calls || !s->daemon.hub || !s->daemon.connections || !s->daemon.cache || !s->daemon.audit ||
		!s->daemon.rates || !s->daemon.health || !s->daemon.dispatcher || !s->daemon.deliveries) {
		return false;
	}
	qb_storage_watch(s->daemon.storage, &s->loop, s->daemon.store, save, resume, s);
	save(s);
	s->daemon.engine = qb_engine_create(&s->daemon, worker_ready, measuring);
	start_timers(s);
	s->http = s->daemon.engine ? qb_http_start(&s->daemon, &s->listeners) : NULL;
	if (!s->http) {
		return false;
	}
	say_where(s);
	say_sandbox();
	return true;
}

static void finish(struct server *s)
{
	qb_orphans_end();
	qb_dispatcher_destroy(&s->daemon.dispatcher);
	qb_deliveries_destroy(&s->daemon.deliveries);
	qb_health_destroy(&s->daemon.health);
	qb_engine_destroy(&s->daemon.engine);
	qb_hub_destroy(&s->daemon.hub);
	qb_connections_destroy(&s->daemon.connections);
	qb_audit_store(s->daemon.audit, s->daemon.store);
	qb_audit_destroy(&s->daemon.audit);
	qb_cache_destroy(&s->daemon.cache);
	qb_rates_destroy(&s->daemon.rates);
	uv_loop_close(&s->loop);
}

/* The soft limit is there for programs that use select(), which we do not. */
static void raise_descriptors(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < DESCRIPTORS) {
		files.rlim_cur = files.rlim_max < DESCRIPTORS ? files.rlim_max : DESCRIPTORS;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static bool listening(struct server *s)
{
	if (!qb_listen(&s->daemon.options, &s->listeners)) {
		return false;
	}
	s->daemon.options.on_loopback = s->listeners.on_loopback;
	if (!s->listeners.on_loopback && !strcmp(s->daemon.options.tokens, "none")) { /* a socket of systemd's */
		qb_log(QB_LOG_ERROR, "tokens is none, and the address is not a loopback address: anybody who reaches it could use this "
			"server. Leave tokens at auto, or let systemd listen on 127.0.0.1");
		qb_listen_end(&s->daemon.options, &s->listeners);
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	static struct server s;
	bool exit_now;
	int code = 1;

	if (argc > 1 && !strcmp(argv[1], "token")) {
		return qb_token_command(argc - 1, argv + 1);
	}
	if (argc > 1 && !strcmp(argv[1], "backup")) {
		return qb_backup_command(argc - 1, argv + 1);
	}
	if (argc > 1 && !strcmp(argv[1], "check-config")) {
		return qb_check_config(argc - 1, argv + 1);
	}
	if (argc > 1 && !strcmp(argv[1], "print-config")) {
		return qb_print_config();
	}
	if (argc > 1 && !strcmp(argv[1], "ssh-worker")) { /* daemon/launcher.c */
		return qb_ssh_worker(argc - 1, argv + 1);
	}
	s.listeners.tcp = s.listeners.local = -1;
	s.argc = argc;
	s.argv = argv;
	if (!qb_options_read(&s.daemon.options, argc, argv, &exit_now)) {
		return 2;
	}
	if (exit_now) {
		qb_options_fini(&s.daemon.options);
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a write past a limit of file sizes fails, and is reported */
	setvbuf(stderr, NULL, _IOLBF, 0);
	umask(0027);
	raise_descriptors();
	qb_orphans_adopt();
	/* First of all: a taken address is no reason to touch the state. */
	if (load_tls(&s.daemon.options) && listening(&s) && open_state(&s) && qb_cgroup_begin(s.daemon.options.cgroup, "")) {
		if (start(&s)) {
			uv_run(&s.loop, UV_RUN_DEFAULT);
			finish(&s);
			code = 0;
			qb_log(QB_LOG_INFO, "stopped");
		}
	}
	qb_listen_end(&s.daemon.options, &s.listeners);
	qb_tls_unload();
	qb_store_close(&s.daemon.store);
	qb_storage_destroy(&s.daemon.storage);
	json_decref(s.daemon.sound_files);
	json_decref(s.daemon.unreleased);
	free(s.daemon.database);
	qb_options_fini(&s.daemon.options);
	return code;
}
