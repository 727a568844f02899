/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/worker_run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "daemon/blobs.h"
#include "daemon/checkpoints.h"
#include "daemon/launcher.h"
#include "daemon/worker_processes.h"
#include "daemon/storage.h"
#include "daemon/util.h"
#include "daemon/worker.h"
#include "daemon/worker_command.h"
#include "daemon/workspace.h"

/* An event line is short, a result may hold every tensor of 64 schemes. */
/* An srun that is killed before Slurm has given the job up leaves it in Slurm's queue; one that is just starting its task
 * loses a signal. So it hears SIGTERM again after each grace, and has 15 of them. */
enum { LINE_MAX_BYTES = 64 << 20, INVALID_LOGGED = 5, GRACE_MS = 2000, SLURM_GRACES = 15, OOM_LOOK_S = 5 };

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* The protocol calls exclusive time a section. */
static void on_section(struct qb_worker_run *r, const json_t *e)
{
	const char *state = text_of(e, "state"), *name = text_of(e, "name");

	if (!state || !name || strcmp(name, "latency") != 0) {
		return;
	}
	r->exclusive = !strcmp(state, "begin") ? QB_EXCLUSIVE_ASKED : QB_EXCLUSIVE_NO;
	r->turn = 0;
	r->changed(r->arg, r);
}

static bool is_list_of_texts(const json_t *v)
{
	const json_t *element;
	size_t i;

	json_array_foreach(v, i, element) {
		if (!json_is_string(element)) {
			return false;
		}
	}
	return json_is_array(v);
}

/* What is not of the type that clients are promised is left out. */
static void on_error(struct qb_worker_run *r, const json_t *e)
{
	const char *code = text_of(e, "code"), *detail = text_of(e, "detail");
	json_t *near = json_object_get(e, "near");

	json_decref(r->error);
	r->error = json_pack("{s:s, s:s, s:s*, s:O*}", "code", code ? code : "internal", "detail",
		detail ? detail : "the worker gave no reason", "field", text_of(e, "field"), "near",
		is_list_of_texts(near) ? near : NULL);
}

static void on_result(struct qb_worker_run *r, json_t *e)
{
	json_t *result = json_object_get(e, "result");
	const char *engine = text_of(e, "engine");

	if (json_is_object(result)) {
		snprintf(r->engine, sizeof(r->engine), "%s", engine ? engine : "");
		json_decref(r->result);
		r->result = json_incref(result);
		json_decref(r->machine);
		r->machine = json_is_object(json_object_get(e, "machine")) ? json_incref(json_object_get(e, "machine")) : NULL;
	}
}

/* Of this machine the server says it at its start. */
static void on_sandbox(struct qb_worker_run *r, const json_t *e)
{
	char text[300];

	if (r->kind == QB_TARGET_SSH && text_of(e, "lacks")) {
		snprintf(text, sizeof(text), "the sandbox on %s: %s", r->target, text_of(e, "lacks"));
		qb_record_warn(&r->record, text);
	}
}

static void take_event(struct qb_worker_run *r, json_t *e)
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
	} else if (!strcmp(kind, "sandbox")) {
		on_sandbox(r, e);
	} else {
		qb_record_take(&r->record, e);
	}
}

/* Kills that the kernel counted long before a worker dies were others'. */
static void look_at_memory(struct qb_worker_run *r)
{
	double now = qb_seconds();

	if (now - r->oom_looked >= OOM_LOOK_S) {
		r->oom_kills = qb_cgroup_oom_kills();
		r->oom_looked = now;
	}
}

static void on_line(void *arg, char *line, size_t len)
{
	struct qb_worker_run *r = arg;
	json_t *e = line ? json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	bool first = r->active == 0;

	r->active = qb_seconds();
	look_at_memory(r);
	if (first) {
		r->changed(r->arg, r);
	}
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
	qb_worker_run_end(timer->data, QB_STOP_OVERTIME);
}

/* The limit of elapsed time counts while the worker may compute: not when it is paused, nor when it is not read. */
static void set_clock(struct qb_worker_run *r)
{
	bool runs = r->begun && !r->paused && !r->held && qb__run_wall_seconds(r) > 0;
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

static void release(struct qb_worker_run *r)
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
	struct qb_worker_run *r = arg;

	if (begins || qb_record_save(&r->record) || r->stop != QB_STOP_NONE) {
		return;
	}
	if (qb_storage_usable(r->daemon->storage, NULL)) { /* it is not the storage: what it says cannot be stored at all */
		qb_worker_run_refuse(r, "internal", "what the job said could not be stored", false);
	} else {
		r->held = true;
		qb_worker_hold(r->worker, true);
		set_clock(r);
	}
}

bool qb_worker_run_save(struct qb_worker_run *r)
{
	if (!qb_record_save(&r->record)) {
		return false;
	}
	release(r);
	return true;
}

static void signal_all(struct qb_worker_run *r, int signal)
{
	qb_worker_signal(r->worker, signal);
	if (r->launched) { /* the worker may have left the process group */
		qb_worker_processes_signal(r->folder, signal);
	}
}

/* The worker's own files lie on the disk of the state folder, too. */
static bool on_full_disk(const struct qb_worker_run *r, const struct qb_worker_end *end)
{
	const char *said = text_of(r->error, "detail"), *full = strerror(ENOSPC);

	return qb_storage_look(r->daemon->storage) || strstr(end->errors, full) || (said && strstr(said, full));
}

static void on_end(void *arg, const struct qb_worker_end *end)
{
	struct qb_worker_run *r = arg;

	if (r->launched) {
		qb_worker_processes_signal(r->folder, SIGKILL); /* what it left behind */
	}
	r->worker = NULL;
	r->ended = true;
	r->exclusive = QB_EXCLUSIVE_NO;
	uv_timer_stop(&r->wall);
	uv_timer_stop(&r->grace);
	qb__run_explain(r, end);
	r->host_suspected = r->silent || (r->kind == QB_TARGET_SSH && end->status == QB_SSH_LOST) ||
		(r->error && on_full_disk(r, end));
	if (r->error && *end->errors) {
		qb_log(QB_LOG_WARNING, "the worker of %s%lld said: %.1500s",
			r->job ? "j" : r->upload, (long long)r->job, end->errors);
	}
	r->changed(r->arg, r);
}

static void grace_over(uv_timer_t *timer)
{
	struct qb_worker_run *r = timer->data;

	if (!r->worker) {
		return;
	}
	if (--r->graces > 0) {
		signal_all(r, SIGTERM);
		uv_timer_start(&r->grace, grace_over, GRACE_MS, 0);
	} else {
		signal_all(r, SIGKILL);
	}
}

void qb_worker_run_end(struct qb_worker_run *r, enum qb_worker_run_stop reason)
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
	signal_all(r, deaf ? SIGKILL : SIGTERM);
	r->graces = r->kind == QB_TARGET_SLURM && !deaf ? SLURM_GRACES : 1;
	uv_timer_start(&r->grace, grace_over, GRACE_MS, 0);
}

void qb_worker_run_pause(struct qb_worker_run *r)
{
	if (!r->paused && r->worker) {
		r->paused = true;
		signal_all(r, SIGSTOP);
		set_clock(r);
	}
}

void qb_worker_run_resume(struct qb_worker_run *r)
{
	if (r->paused && r->worker) {
		r->paused = false;
		signal_all(r, SIGCONT);
		set_clock(r);
	}
}

void qb_worker_run_grant(struct qb_worker_run *r)
{
	r->exclusive = QB_EXCLUSIVE_GRANTED;
	r->active = qb_seconds();
	if (r->worker) {
		qb_worker_say(r->worker, "{\"go\": \"latency\"}");
	}
}

/* Ids become files in the run's own folder. */
static enum qb_worker_run_started place_inputs(struct qb_worker_run *r, json_t *line, const json_t *inputs, char *why, size_t why_len)
{
	enum qb_placed placed = QB_PLACED;
	const json_t *in;
	size_t i;

	json_array_foreach(inputs, i, in) {
		const char *field = text_of(in, "field"), *name = text_of(in, "name"), *sha256 = text_of(in, "sha256");
		char *blob = qb_blob_path(r->daemon->options.state, sha256), *path = NULL;

		placed = qb_workspace_place(r->folder, field, name, blob, &path, why, why_len);
		free(blob);
		if (placed == QB_INPUT_LOST) {
			char *lost = qb_format("%s: the file of %s (%.200s) cannot be read on the server: %s; upload the same file "
				"again, which puts it back, then retry", field, text_of(in, "upload"), name, why);

			snprintf(why, why_len, "%s", lost);
			free(lost);
		}
		if (placed != QB_PLACED) {
			break;
		}
		/* Results that hold a job to submit name uploads as this one did. */
		qb_set_input(line, field, json_pack("{s:s, s:s, s:s, s:O?}", "path", path, "name", name, "sha256",
			sha256, "id", json_object_get(in, "upload")));
		free(path);
	}
	return placed == QB_PLACED ? QB_RUN_STARTED : placed == QB_INPUT_LOST ? QB_RUN_INPUT_LOST : QB_RUN_HOST_FAILED;
}

static struct qb_worker_run *create(struct qb_daemon *daemon, const struct qb_worker_run_setup *setup)
{
	struct qb_worker_run *r = calloc(1, sizeof(*r));

	if (r) {
		r->daemon = daemon;
		r->job = setup->job;
		snprintf(r->upload, sizeof(r->upload), "%s", setup->upload ? setup->upload : "");
		snprintf(r->target, sizeof(r->target), "%s", setup->target->name);
		r->kind = setup->target->kind;
		r->wall_limit = json_integer_value(json_object_get(setup->limits, "wall_seconds"));
		r->changed = setup->changed;
		r->arg = setup->arg;
		r->wall_left = (double)qb__run_wall_seconds(r);
		uv_timer_init(daemon->loop, &r->wall);
		uv_timer_init(daemon->loop, &r->grace);
		r->wall.data = r->grace.data = r;
	}
	return r;
}

static char *make_folder(const struct qb_worker_run *r, char *why, size_t why_len)
{
	char job[32];

	snprintf(job, sizeof(job), "j%lld", (long long)r->job);
	return qb_workspace_create(r->daemon->options.state, r->job ? job : r->upload, why, why_len);
}

static bool place_checkpoints(struct qb_worker_run *r, json_t *line, char *why, size_t why_len)
{
	if (!r->job) {
		return true;
	}
	r->checkpoints = qb_checkpoints_folder(r->daemon->options.state, r->job, why, why_len);
	if (r->checkpoints) {
		r->checkpoint = qb_checkpoints_stamp(r->checkpoints);
		json_object_set_new(line, "checkpoints", json_string(r->checkpoints));
	}
	return r->checkpoints;
}

bool qb_worker_run_resumable(const struct qb_worker_run *r, bool *progressed)
{
	int64_t stamp = r->checkpoints ? qb_checkpoints_stamp(r->checkpoints) : 0;

	*progressed = stamp && stamp != r->checkpoint;
	return stamp;
}

/* A job's own limit, which is at most the target's; else that, else on this machine the server's. */
static int64_t limit(const struct qb_worker_run *r, int64_t own, int64_t of_target, int64_t of_server)
{
	return own ? own : of_target ? of_target : r->kind == QB_TARGET_LOCAL ? of_server : 0;
}

/* An inspection needs no cluster. */
static char **command(struct qb_worker_run *r, const struct qb_worker_run_setup *setup, struct qb_cgroup_limits *of_all)
{
	const struct qb_options *o = &r->daemon->options;
	const struct qb_target *t = setup->target;
	const struct qb_worker_limits limits = {
		.threads = limit(r, json_integer_value(json_object_get(setup->limits, "threads")), t->threads, o->worker_threads),
		.memory_bytes = limit(r, json_integer_value(json_object_get(setup->limits, "memory_bytes")), t->memory, o->worker_memory),
		.cpu_seconds = qb__run_cpu_seconds(r),
	};
	char *launcher = r->job ? qb_launcher(o, t, r->job, &limits) : qb_format("%s", ""), **argv;
	const bool there = t->kind == QB_TARGET_SSH; /* where checkpoints lie elsewhere, too */

	r->launched = *launcher;
	if (t->kind == QB_TARGET_LOCAL) {
		*of_all = (struct qb_cgroup_limits){.memory_bytes = limits.memory_bytes, .threads = limits.threads};
	}
	argv = qb_worker_command(launcher, there ? t->worker : o->worker, &limits, there ? NULL : r->checkpoints, "--end-with-input");
	free(launcher);
	return argv;
}

/* What the job's report says of the run. */
static void tell_about(const struct qb_worker_run *r, json_t *line)
{
	char id[32], now[QB_TIME_LEN];

	if (r->job) {
		snprintf(id, sizeof(id), "j%lld", (long long)r->job);
		qb_time_now(now);
		json_object_set_new(line, "about", json_pack("{s:s, s:s}", "job", id, "started", now));
	}
}

static enum qb_worker_run_started start(struct qb_worker_run *r, json_t *line, const struct qb_worker_run_setup *of, char *why, size_t why_len)
{
	struct qb_worker_setup setup = {.limit = LINE_MAX_BYTES, .line = on_line, .batch = on_batch,
		.end = on_end, .arg = r};
	enum qb_worker_run_started started;

	r->folder = make_folder(r, why, why_len);
	started = r->folder && place_checkpoints(r, line, why, why_len) ? place_inputs(r, line, of->inputs, why, why_len)
		: QB_RUN_HOST_FAILED;
	if (started != QB_RUN_STARTED) {
		return started;
	}
	r->scratch = qb_workspace_scratch(r->folder, why, why_len);
	if (!r->scratch) {
		return QB_RUN_HOST_FAILED;
	}
	qb_record_init(&r->record, r->daemon, r->job, r->scratch);
	json_object_set_new(line, "workdir", json_string(r->scratch));
	tell_about(r, line);
	r->line = qb_json_text(line, JSON_COMPACT);
	setup.folder = r->scratch;
	setup.run = strrchr(r->folder, '/') + 1;
	setup.argv = command(r, of, &setup.limits);
	r->worker = qb_worker_start(r->daemon->loop, &setup, why, why_len);
	qb_worker_argv_free(setup.argv);
	return r->worker ? QB_RUN_STARTED : QB_RUN_HOST_FAILED;
}

enum qb_worker_run_started qb_worker_run_start(struct qb_daemon *daemon, const struct qb_worker_run_setup *setup, struct qb_worker_run **run,
	char *why, size_t why_len)
{
	struct qb_worker_run *r = create(daemon, setup);
	json_t *line = json_deep_copy(setup->line);
	enum qb_worker_run_started started = QB_RUN_HOST_FAILED;

	if (!r || !line) {
		snprintf(why, why_len, "no memory to start a worker");
	} else {
		started = start(r, line, setup, why, why_len);
	}
	json_decref(line);
	if (started == QB_RUN_STARTED) {
		atomic_fetch_add(&daemon->workers_started, 1);
		*run = r;
		return started;
	}
	qb_worker_run_free(&r);
	return started;
}

void qb_worker_run_begin(struct qb_worker_run *r)
{
	if (r->worker) {
		r->begun = true;
		qb_worker_say(r->worker, r->line ? r->line : "");
		set_clock(r);
	}
	look_at_memory(r);
	free(r->line);
	r->line = NULL;
}

/* Processor time that its process has used, in ticks; -1 where that is not known. */
static int64_t ticks(int pid)
{
	char path[64], text[1024], *after;
	long long user, system;
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	after = strrchr(text, ')'); /* behind the name, which may hold anything */
	return after && sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld", &user, &system) == 2
		? user + system : -1;
}

void qb_worker_run_look(struct qb_worker_run *r)
{
	int64_t now = r->worker ? ticks(qb_worker_pid(r->worker)) : -1;

	if (now > r->ticks) {
		r->active = qb_seconds();
	}
	r->ticks = now;
}

static void timer_closed(uv_handle_t *handle)
{
	struct qb_worker_run *r = handle->data;

	if (++r->closed < 2) {
		return;
	}
	qb_record_fini(&r->record);
	json_decref(r->result);
	json_decref(r->error);
	json_decref(r->machine);
	free(r->folder);
	free(r->scratch);
	free(r->checkpoints);
	free(r->line);
	free(r);
}

void qb_worker_run_free(struct qb_worker_run **run)
{
	struct qb_worker_run *r = *run;

	if (r) {
		if (r->folder) {
			qb_workspace_remove(r->folder);
		}
		uv_close((uv_handle_t *)&r->wall, timer_closed);
		uv_close((uv_handle_t *)&r->grace, timer_closed);
		*run = NULL;
	}
}
