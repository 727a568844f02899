/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "daemon/storage.h"
#include "daemon/util.h"
#include "daemon/worker.h"
#include "daemon/worker_command.h"

/* An event line is short, a result may hold every tensor of 64 schemes. */
enum { LINE_MAX_BYTES = 64 << 20, INVALID_LOGGED = 5, GRACE_MS = 2000 };

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
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
	} else {
		qb_record_take(&r->record, e);
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
		qb_record_warn(&r->record, line ? "the worker printed a line that is no event; it was ignored"
				: "the worker printed a line longer than 64 MiB; it was ignored");
	}
	json_decref(e);
}

static void wall_over(uv_timer_t *timer)
{
	qb_run_end(timer->data, QB_STOP_OVERTIME);
}

/* The limit of elapsed time counts while the worker may compute: not when it is paused, nor when it is not read. */
static void set_clock(struct qb_run *r)
{
	bool runs = r->begun && !r->paused && !r->held && r->daemon->options.worker_wall_seconds > 0;
	bool ran = uv_is_active((uv_handle_t *)&r->wall);

	if (ran && !runs) {
		uv_timer_stop(&r->wall);
		r->wall_left -= qb_seconds() - r->wall_since;
		r->wall_left = r->wall_left < 0 ? 0 : r->wall_left;
	} else if (!ran && runs) {
		r->wall_since = qb_seconds();
		uv_timer_start(&r->wall, wall_over, (uint64_t)(r->wall_left * 1000) + 1, 0);
	}
}

static void release(struct qb_run *r)
{
	if (r->held) {
		r->held = false;
		r->active = qb_seconds();
		if (r->worker) {
			qb_worker_hold(r->worker, false);
			set_clock(r);
		}
	}
}

/* While the database takes nothing the worker is not read, and waits when its pipe is full. */
static void on_batch(void *arg, bool begins)
{
	struct qb_run *r = arg;

	if (!begins && !qb_record_save(&r->record) && r->stop == QB_STOP_NONE) {
		r->held = true;
		qb_worker_hold(r->worker, true);
		set_clock(r);
	}
}

bool qb_run_save(struct qb_run *r)
{
	if (!qb_record_save(&r->record)) {
		return false;
	}
	release(r);
	return true;
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

void qb_run_refuse(struct qb_run *r, const char *code, const char *detail, bool host_failed)
{
	if (r->worker && r->stop == QB_STOP_NONE) {
		r->host_failed = host_failed;
		r->refused = true;
		set_error(r, code, detail);
		qb_worker_signal(r->worker, SIGKILL);
	}
}

/* Fills r->error for every end but a good one. */
static void word_end(struct qb_run *r, const struct qb_worker_end *end)
{
	char text[1000], tail[320];
	size_t n;

	snprintf(r->outcome, sizeof(r->outcome), end->signal ? "signal %d" : "exit status %d",
		end->signal ? end->signal : (int)end->status);
	if (r->refused) {
		return; /* said already */
	}
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

/* The worker's own files lie on the disk of the state folder, too. */
static bool on_full_disk(const struct qb_run *r, const struct qb_worker_end *end)
{
	const char *said = text_of(r->error, "detail"), *full = strerror(ENOSPC);

	qb_storage_look(r->daemon->storage);
	return !qb_storage_usable(r->daemon->storage, NULL) || strstr(end->errors, full) || (said && strstr(said, full));
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
	r->disk_full = r->error && on_full_disk(r, end);
	if (r->error && *end->errors) {
		qb_log(QB_LOG_WARNING, "the worker of %s%lld said: %.1500s",
			r->job ? "j" : r->upload, (long long)r->job, end->errors);
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
	release(r); /* what it says last is heard, even if it cannot be stored now */
	/* A stopped process cannot hear SIGTERM, and must not be woken into somebody's exclusive time. */
	qb_worker_signal(r->worker, deaf ? SIGKILL : SIGTERM);
	uv_timer_start(&r->grace, grace_over, GRACE_MS, 0);
}

void qb_run_pause(struct qb_run *r)
{
	if (!r->paused && r->worker) {
		r->paused = true;
		qb_worker_signal(r->worker, SIGSTOP);
		set_clock(r);
	}
}

void qb_run_resume(struct qb_run *r)
{
	if (r->paused && r->worker) {
		r->paused = false;
		qb_worker_signal(r->worker, SIGCONT);
		set_clock(r);
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
	qb_record_init(&r->record, daemon, job, r->folder);
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
		r->begun = true;
		qb_worker_say(r->worker, r->line ? r->line : "");
		set_clock(r);
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
	qb_record_fini(&r->record);
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
		if (r->folder) {
			qb_remove_tree(r->folder);
		}
		uv_close((uv_handle_t *)&r->wall, timer_closed);
		uv_close((uv_handle_t *)&r->grace, timer_closed);
		*run = NULL;
	}
}
