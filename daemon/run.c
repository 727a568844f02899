/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "daemon/blobs.h"
#include "daemon/hub.h"
#include "daemon/store.h"
#include "daemon/uploads.h"
#include "daemon/util.h"
#include "daemon/worker.h"
#include "daemon/worker_command.h"

/* An event line is short, a result may hold every tensor of 64 schemes. */
enum { LINE_MAX_BYTES = 64 << 20, EVENTS_MAX = 200000, INVALID_LOGGED = 5, GRACE_MS = 2000 };
static const double PROGRESS_PAUSE_S = 0.1;

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

void qb_run_event(struct qb_daemon *daemon, int64_t job, json_t *event)
{
	char now[QB_TIME_LEN];

	qb_time_now(now);
	json_object_set_new(event, "time", json_string(now));
	if (qb_store_exec(daemon->store, QB_SQL_EVENT_INSERT, "isj", job, text_of(event, "event"), event)) {
		atomic_fetch_add(&daemon->events, 1);
	}
}

static void warn(struct qb_run *r, const char *text)
{
	if (r->job) {
		json_t *e = json_pack("{s:s, s:s, s:s}", "event", "log", "level", "warning", "text", text);

		qb_run_event(r->daemon, r->job, e);
		json_decref(e);
		r->events_stored = true;
	}
}

/* Nobody can print events without end onto our disk. */
static bool may_keep(struct qb_run *r)
{
	if (r->kept == EVENTS_MAX) {
		warn(r, "this job has sent 200000 events; the rest are not kept");
	}
	return r->kept++ < EVENTS_MAX;
}

static void on_progress(struct qb_run *r, json_t *e)
{
	const char *stage = text_of(e, "stage"), *text = text_of(e, "text");
	const json_t *fraction = json_object_get(e, "fraction");
	double now = qb_seconds(), f = json_number_value(fraction);
	json_t *progress;

	if (!json_is_number(fraction)) {
		return;
	}
	stage = stage ? stage : "";
	if (f < 1 && !strcmp(stage, r->stage) && now - r->progress_at < PROGRESS_PAUSE_S) {
		return;
	}
	r->progress_at = now;
	snprintf(r->stage, sizeof(r->stage), "%s", stage);
	progress = json_pack("{s:s, s:f, s:s}", "stage", stage, "fraction", f < 0 ? 0 : f > 1 ? 1 : f,
		"text", text ? text : "");
	qb_store_exec(r->daemon->store, QB_SQL_JOB_PROGRESS, "ij", r->job, progress);
	json_object_set_new(progress, "event", json_string("progress"));
	if (may_keep(r)) {
		qb_run_event(r->daemon, r->job, progress);
	}
	json_decref(progress);
}

static bool known_scope(const char *scope)
{
	return scope && (!strcmp(scope, "model") || !strcmp(scope, "layer") ||
		!strcmp(scope, "tensor") || !strcmp(scope, "step"));
}

static void on_metric(struct qb_run *r, json_t *e)
{
	const json_t *value = json_object_get(e, "value"), *step = json_object_get(e, "step");
	double number = json_number_value(value);
	char now[QB_TIME_LEN];

	if (!known_scope(text_of(e, "scope")) || !text_of(e, "name") || !may_keep(r)) {
		return;
	}
	qb_time_now(now);
	qb_store_exec(r->daemon->store, QB_SQL_METRIC_INSERT, "isssIsfss", r->job, text_of(e, "scope"),
		text_of(e, "scheme"), text_of(e, "tensor"),
		(int64_t)(json_is_integer(step) ? json_integer_value(step) : -1), text_of(e, "name"),
		json_is_number(value) ? &number : NULL, text_of(e, "unit"), now);
	qb_run_event(r->daemon, r->job, e);
}

static void on_log(struct qb_run *r, json_t *e)
{
	const char *level = text_of(e, "level");

	if (!text_of(e, "text") || !may_keep(r)) {
		return;
	}
	if (!level || (strcmp(level, "debug") && strcmp(level, "warning") && strcmp(level, "error"))) {
		json_object_set_new(e, "level", json_string("info"));
	}
	qb_run_event(r->daemon, r->job, e);
}

static bool plain_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return name && *name && *name != '.' && strlen(name) < 128 &&
		name[strspn(name, allowed)] == '\0';
}

/* Only the name is believed; the file must lie in the job's own folder. */
static void on_artifact(struct qb_run *r, json_t *e)
{
	const char *name = text_of(e, "name"), *type = text_of(e, "content_type");
	struct qb_blob_writer blob;
	struct qb_problem p = {0};
	bool ok;

	if (!plain_name(name)) {
		warn(r, "an artifact was dropped: its name has characters other than letters, digits, . _ -");
		return;
	}
	ok = qb_blob_copy(&blob, r->daemon->options.state, r->folder, name, &p) &&
		qb_blob_keep(&blob, r->daemon->options.state, &p) &&
		qb_store_exec(r->daemon->store, QB_SQL_ARTIFACT_INSERT, "isssi", r->job, name,
			type ? type : "application/octet-stream", blob.sha256, blob.size);
	qb_blob_end(&blob);
	if (!ok) {
		warn(r, p.detail);
	} else if (may_keep(r)) {
		json_object_del(e, "path");
		qb_run_event(r->daemon, r->job, e);
	}
}

/* The protocol calls exclusive time a section. */
static void on_section(struct qb_run *r, const json_t *e)
{
	const char *state = text_of(e, "state"), *name = text_of(e, "name");

	if (!state || !name || strcmp(name, "latency") != 0) {
		return;
	}
	r->exclusive = !strcmp(state, "begin") ? QB_EXCLUSIVE_ASKED : QB_EXCLUSIVE_NO;
	r->turn = 0;
	r->changed(r->arg, r);
}

static void on_error(struct qb_run *r, const json_t *e)
{
	const char *code = text_of(e, "code"), *detail = text_of(e, "detail");

	json_decref(r->error);
	r->error = json_pack("{s:s, s:s}", "code", code ? code : "internal", "detail",
		detail ? detail : "the worker gave no reason");
}

static void on_result(struct qb_run *r, json_t *e)
{
	json_t *result = json_object_get(e, "result");
	const char *engine = text_of(e, "engine");

	if (json_is_object(result)) {
		snprintf(r->engine, sizeof(r->engine), "%s", engine ? engine : "");
		json_decref(r->result);
		r->result = json_incref(result);
	}
}

static void take_event(struct qb_run *r, json_t *e)
{
	static const struct {
		const char *name;
		void (*take)(struct qb_run *r, json_t *e);
	} takers[] = {{"progress", on_progress}, {"metric", on_metric}, {"log", on_log},
		{"artifact", on_artifact}};
	const char *kind = text_of(e, "event");

	if (!kind) {
		return;
	}
	if (!strcmp(kind, "section")) {
		on_section(r, e);
	} else if (!strcmp(kind, "result")) {
		on_result(r, e);
	} else if (!strcmp(kind, "error")) {
		on_error(r, e);
	}
	for (size_t i = 0; r->job && i < sizeof(takers) / sizeof(takers[0]); i++) {
		if (!strcmp(kind, takers[i].name)) {
			takers[i].take(r, e);
			r->events_stored = true;
		}
	}
}

static void on_line(void *arg, char *line, size_t len)
{
	struct qb_run *r = arg;
	json_t *e = line ? json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL) : NULL;

	r->active = qb_seconds();
	if (json_is_object(e)) {
		take_event(r, e);
	} else if (r->invalid++ < INVALID_LOGGED) {
		qb_log(QB_LOG_WARNING, "%s%s: the worker printed a line that is no event: %.80s",
			r->job ? "a job" : "inspection of ", r->upload, line ? line : "(too long)");
		warn(r, line ? "the worker printed a line that is no event; it was ignored"
			     : "the worker printed a line longer than 64 MiB; it was ignored");
	}
	json_decref(e);
}

static void on_batch(void *arg, bool begins)
{
	struct qb_run *r = arg;

	if (begins) {
		r->events_stored = false;
		qb_store_begin(r->daemon->store, false);
		return;
	}
	qb_store_end(r->daemon->store, true);
	if (r->events_stored) {
		qb_hub_publish(r->daemon->hub, r->job);
	}
}

/* The last line of stderr often names the reason. */
static const char *last_line(const char *errors, char *out, size_t size)
{
	size_t end = strlen(errors), begin;

	while (end && (errors[end - 1] == '\n' || errors[end - 1] == ' ')) {
		end--;
	}
	begin = end;
	while (begin && errors[begin - 1] != '\n') {
		begin--;
	}
	snprintf(out, size, "%.*s", (int)(end - begin > 300 ? 300 : end - begin), errors + begin);
	return out;
}

static void word_signal(const struct qb_run *r, int sig, char *out, size_t size)
{
	const struct qb_options *o = &r->daemon->options;
	int n = snprintf(out, size, "the worker was killed by signal %d (SIG%s)", sig,
		sigabbrev_np(sig) ? sigabbrev_np(sig) : "?");

	out += n;
	size -= (size_t)n;
	if (sig == SIGXCPU || (sig == SIGKILL && o->worker_cpu_seconds && !o->worker_memory)) {
		snprintf(out, size, ", most likely at its limit of processor time: the limit is %lld s",
			(long long)o->worker_cpu_seconds);
	} else if (sig == SIGKILL && o->worker_memory) {
		snprintf(out, size, ", most likely out of memory: the limit was %lld MiB",
			(long long)(o->worker_memory >> 20));
	} else if (sig == SIGKILL) {
		snprintf(out, size, ", most likely because the machine ran out of memory; use a smaller model "
			"or fewer threads, or a machine with more memory");
	} else {
		snprintf(out, size, ", which is a fault of the program: please report it with the model");
	}
}

static void set_error(struct qb_run *r, const char *code, const char *detail)
{
	json_t *text = json_string(detail);

	json_decref(r->error);
	r->error = json_pack("{s:s, s:o}", "code", code, "detail",
		text ? text : json_string("the worker failed, and its reason is no valid text"));
}

/* A launcher, a shell or the dynamic linker says in this way that there is no worker to run. */
static bool was_never_there(const struct qb_run *r, const struct qb_worker_end *end)
{
	return (end->status == 126 || end->status == 127) && !r->active && r->stop == QB_STOP_NONE;
}

/* Fills r->error for every end but a good one. */
static void word_end(struct qb_run *r, const struct qb_worker_end *end)
{
	char text[1000], tail[320];
	size_t n;

	snprintf(r->outcome, sizeof(r->outcome), end->signal ? "signal %d" : "exit status %d",
		end->signal ? end->signal : (int)end->status);
	if (r->stop == QB_STOP_OVERTIME) {
		snprintf(text, sizeof(text), "the job took longer than its limit of %lld s and was stopped; "
			"give it less to do, or raise worker-wall-seconds",
			(long long)r->daemon->options.worker_wall_seconds);
		set_error(r, "time_limit", text);
	} else if (r->stop == QB_STOP_CANCELLED) {
		set_error(r, "cancelled", "the job was cancelled");
	} else if (r->stop == QB_STOP_STALLED || r->stop == QB_STOP_ABANDONED) {
		set_error(r, "internal", "the worker was ended by the server");
	} else if (was_never_there(r, end)) {
		r->host_failed = true;
		snprintf(text, sizeof(text), "the worker could not be started (exit status %d): %s", (int)end->status,
			last_line(end->errors, tail, sizeof(tail)));
		set_error(r, "worker_unavailable", text);
	} else if (end->signal) {
		word_signal(r, end->signal, text, sizeof(text));
		last_line(end->errors, tail, sizeof(tail));
		n = strlen(text);
		if (*tail) {
			snprintf(text + n, sizeof(text) - n, "; it last said: %s", tail);
		}
		set_error(r, "worker_crashed", text);
		atomic_fetch_add(&r->daemon->workers_crashed, 1);
	} else if (end->status || !r->result) {
		if (!r->error) {
			last_line(end->errors, tail, sizeof(tail));
			snprintf(text, sizeof(text), "the worker ended with status %d and without a result%s%s",
				(int)end->status, *tail ? "; it last said: " : "", tail);
			set_error(r, "worker_crashed", text);
			atomic_fetch_add(&r->daemon->workers_crashed, 1);
		}
	} else {
		json_decref(r->error); /* a good result outweighs what came before it */
		r->error = NULL;
	}
}

static void on_end(void *arg, const struct qb_worker_end *end)
{
	struct qb_run *r = arg;

	r->worker = NULL;
	r->ended = true;
	r->exclusive = QB_EXCLUSIVE_NO;
	uv_timer_stop(&r->wall);
	uv_timer_stop(&r->grace);
	word_end(r, end);
	if (r->error && *end->errors) {
		qb_log(QB_LOG_WARNING, "the worker of %s%lld said: %.1500s",
			r->job ? "j" : r->upload, (long long)r->job, end->errors);
	}
	if (r->folder) {
		qb_remove_tree(r->folder);
	}
	r->changed(r->arg, r);
}

static void grace_over(uv_timer_t *timer)
{
	struct qb_run *r = timer->data;

	if (r->worker) {
		qb_worker_signal(r->worker, SIGKILL);
	}
}

void qb_run_end(struct qb_run *r, enum qb_run_stop reason)
{
	bool deaf = r->paused || reason == QB_STOP_STALLED || reason == QB_STOP_ABANDONED;

	if (!r->worker || (r->stop != QB_STOP_NONE && reason != QB_STOP_STOPPING)) {
		return;
	}
	if (r->stop == QB_STOP_NONE) {
		r->stop = reason;
	}
	/* A stopped process cannot hear SIGTERM, and must not be woken into somebody's exclusive time. */
	qb_worker_signal(r->worker, deaf ? SIGKILL : SIGTERM);
	uv_timer_start(&r->grace, grace_over, GRACE_MS, 0);
}

static void wall_over(uv_timer_t *timer)
{
	qb_run_end(timer->data, QB_STOP_OVERTIME);
}

static void start_wall(struct qb_run *r)
{
	if (r->daemon->options.worker_wall_seconds > 0) {
		r->wall_since = qb_seconds();
		uv_timer_start(&r->wall, wall_over, (uint64_t)(r->wall_left * 1000) + 1, 0);
	}
}

void qb_run_pause(struct qb_run *r)
{
	if (!r->paused && r->worker) {
		r->paused = true;
		qb_worker_signal(r->worker, SIGSTOP);
		uv_timer_stop(&r->wall);
		r->wall_left -= qb_seconds() - r->wall_since;
		r->wall_left = r->wall_left < 0 ? 0 : r->wall_left;
	}
}

void qb_run_resume(struct qb_run *r)
{
	if (r->paused && r->worker) {
		r->paused = false;
		qb_worker_signal(r->worker, SIGCONT);
		start_wall(r);
	}
}

void qb_run_grant(struct qb_run *r)
{
	r->exclusive = QB_EXCLUSIVE_GRANTED;
	r->active = qb_seconds();
	if (r->worker) {
		qb_worker_say(r->worker, "{\"go\": \"latency\"}");
	}
}

struct qb_run *qb_run_start(struct qb_daemon *daemon, int64_t job, const char *upload, json_t *line,
	void (*changed)(void *arg, struct qb_run *run), void *arg, char *why, size_t why_len)
{
	struct qb_run *r = calloc(1, sizeof(*r));
	struct qb_worker_setup setup = {.limit = LINE_MAX_BYTES, .line = on_line, .batch = on_batch,
		.end = on_end, .arg = r};

	if (!r) {
		snprintf(why, why_len, "no memory to start a worker");
		return NULL;
	}
	r->daemon = daemon;
	r->job = job;
	snprintf(r->upload, sizeof(r->upload), "%s", upload ? upload : "");
	r->changed = changed;
	r->arg = arg;
	r->wall_left = (double)daemon->options.worker_wall_seconds;
	uv_timer_init(daemon->loop, &r->wall);
	uv_timer_init(daemon->loop, &r->grace);
	r->wall.data = r->grace.data = r;
	r->folder = job ? qb_format("%s/work/j%lld", daemon->options.state, (long long)job)
			: qb_format("%s/work/%s", daemon->options.state, upload);
	qb_make_folder(r->folder);
	json_object_set_new(line, "workdir", json_string(r->folder));
	r->line = qb_json_text(line, JSON_COMPACT);
	setup.folder = r->folder;
	/* An inspection needs no cluster. */
	setup.argv = qb_worker_command(&daemon->options, job ? daemon->options.launcher : "", NULL);
	r->worker = qb_worker_start(daemon->loop, &setup, why, why_len);
	qb_worker_argv_free(setup.argv);
	if (!r->worker) {
		qb_run_free(&r);
		return NULL;
	}
	atomic_fetch_add(&daemon->workers_started, 1);
	return r;
}

void qb_run_begin(struct qb_run *r)
{
	if (r->worker) {
		qb_worker_say(r->worker, r->line ? r->line : "");
		start_wall(r);
	}
	free(r->line);
	r->line = NULL;
}

static void timer_closed(uv_handle_t *handle)
{
	struct qb_run *r = handle->data;

	if (++r->closed < 2) {
		return;
	}
	json_decref(r->result);
	json_decref(r->error);
	free(r->folder);
	free(r->line);
	free(r);
}

void qb_run_free(struct qb_run **run)
{
	struct qb_run *r = *run;

	if (r) {
		uv_close((uv_handle_t *)&r->wall, timer_closed);
		uv_close((uv_handle_t *)&r->grace, timer_closed);
		*run = NULL;
	}
}
