/* SPDX-License-Identifier: Apache-2.0
 *
 * Why a run ended, in words.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/worker_run.h"
#include "daemon/util.h"
#include "daemon/worker.h"

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

int64_t qb__run_wall_seconds(const struct qb_worker_run *r)
{
	return r->wall_limit ? r->wall_limit : r->job ? r->daemon->options.worker_wall_seconds
		: r->daemon->options.inspection_wall_seconds;
}

int64_t qb__run_cpu_seconds(const struct qb_worker_run *r)
{
	return r->job ? r->daemon->options.worker_cpu_seconds : r->daemon->options.inspection_cpu_seconds;
}

/* Says where a SIGKILL came from as far as the kernel tells. */
static void word_kill(const struct qb_worker_run *r, const struct qb_worker_end *end, char *out, size_t size)
{
	int64_t kills = qb_cgroup_oom_kills();

	if (end->memory_over) {
		snprintf(out, size, " because its processes needed more than their %lld MiB of memory together; use a smaller model or fewer "
			"threads, or raise worker-memory", (long long)(end->memory_over >> 20));
		return;
	}
	if (kills > r->oom_kills && r->oom_kills >= 0) {
		snprintf(out, size, " because memory ran out, as the kernel counted; use a smaller model or fewer threads, "
			"or give the server more memory");
		return;
	}
	snprintf(out, size, " from outside: %s; retry it", kills < 0 ? "the kernel does not tell by whom"
		: "not by the kernel, so somebody sent it");
}

static void word_signal(const struct qb_worker_run *r, const struct qb_worker_end *end, char *out, size_t size)
{
	const int sig = end->signal;
	int n = snprintf(out, size, "the worker was killed by signal %d (SIG%s)", sig,
		sigabbrev_np(sig) ? sigabbrev_np(sig) : "?");

	out += n;
	size -= (size_t)n;
	if (sig == SIGKILL) {
		word_kill(r, end, out, size);
	} else if (sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGQUIT) {
		snprintf(out, size, " from outside: somebody sent it; retry it");
	} else {
		snprintf(out, size, ", which is a fault of the program: please report it with the model");
	}
}

static void set_error(struct qb_worker_run *r, const char *code, const char *detail)
{
	json_t *text = json_string(detail);

	json_decref(r->error);
	r->error = json_pack("{s:s, s:o}", "code", code, "detail",
		text ? text : json_string("the worker failed, and its reason is no valid text"));
}

/* A launcher, a shell or the dynamic linker says by 126 and 127 that there is no worker to run. An interpreter has
 * statuses of its own for a program that went away, so it is looked for. */
static bool was_never_there(const struct qb_worker_run *r, const struct qb_worker_end *end)
{
	const char *worker = r->daemon->options.worker;

	return r->silent && (end->status == 126 || end->status == 127 ||
		(r->kind != QB_TARGET_SSH && strchr(worker, '/') && access(worker, X_OK)));
}

void qb_worker_run_refuse(struct qb_worker_run *r, const char *code, const char *detail, bool host_failed)
{
	if (r->worker && r->stop == QB_STOP_NONE) {
		r->host_failed = host_failed;
		r->refused = true;
		set_error(r, code, detail);
		qb_worker_signal(r->worker, SIGKILL);
	}
}

/* The limits of an inspection have options of their own. */
static void word_limit(struct qb_worker_run *r, const char *kind, int64_t seconds)
{
	char text[300];

	snprintf(text, sizeof(text), "the %s took longer than its limit of %lld s of %s time and was stopped; give it "
		"less to do, or raise %s-%s-seconds", r->job ? "job" : "inspection", (long long)seconds,
		*kind == 'c' ? "processor" : "elapsed", r->job ? "worker" : "inspection", kind);
	set_error(r, "time_limit", text);
}

/* The worker may have said what it keeps of the job. */
static void word_cancel(struct qb_worker_run *r)
{
	const char *code = json_string_value(json_object_get(r->error, "code"));

	if (!code || strcmp(code, "cancelled") != 0) {
		set_error(r, "cancelled", "the job was cancelled");
	}
}

/* Whoever follows the job learns why it is queued again. */
static void warn_of_end(struct qb_worker_run *r)
{
	const char *detail = json_string_value(json_object_get(r->error, "detail"));

	if (r->job) {
		qb_log(QB_LOG_WARNING, "j%lld: %s", (long long)r->job, detail);
		qb_record_warn(&r->record, detail);
	}
}

static void word_crash(struct qb_worker_run *r, const struct qb_worker_end *end)
{
	char text[1000], tail[320];
	bool progressed;
	size_t n;

	if (end->signal) {
		word_signal(r, end, text, sizeof(text));
	} else {
		snprintf(text, sizeof(text), "the worker ended with status %d and without a result", (int)end->status);
	}
	n = strlen(text);
	if (*last_line(end->errors, tail, sizeof(tail))) {
		snprintf(text + n, sizeof(text) - n, "; it last said: %s", tail);
	}
	set_error(r, "worker_crashed", text);
	r->crashed = true;
	atomic_fetch_add(&r->daemon->workers_crashed, 1);
	if (qb_worker_run_resumable(r, &progressed)) {
		warn_of_end(r);
	}
}

static void word_host(struct qb_worker_run *r, const struct qb_worker_end *end)
{
	char text[400], tail[320];

	snprintf(text, sizeof(text), "the worker ended at once (exit status %d): %s", (int)end->status,
		last_line(end->errors, tail, sizeof(tail)));
	set_error(r, "worker_unavailable", text);
	r->host_failed = true;
	warn_of_end(r);
}

void qb__run_explain(struct qb_worker_run *r, const struct qb_worker_end *end)
{
	snprintf(r->outcome, sizeof(r->outcome), end->signal ? "signal %d" : "exit status %d",
		end->signal ? end->signal : (int)end->status);
	if (r->refused) {
		return; /* said already */
	}
	r->silent = end->status && !end->signal && !r->active && r->stop == QB_STOP_NONE;
	if (r->stop == QB_STOP_OVERTIME) {
		word_limit(r, "wall", qb__run_wall_seconds(r));
	} else if (r->stop == QB_STOP_CANCELLED) {
		word_cancel(r);
	} else if (r->stop == QB_STOP_STALLED) {
		set_error(r, "stalled", "the job measured latency, beside which nothing else may run, and showed no sign of "
			"life; it was ended");
		warn_of_end(r);
	} else if (r->stop == QB_STOP_ABANDONED) {
		set_error(r, "internal", "the worker was ended by the server");
	} else if (was_never_there(r, end)) {
		word_host(r, end);
	} else if (end->signal == SIGXCPU) {
		word_limit(r, "cpu", qb__run_cpu_seconds(r));
	} else if (end->signal || (!r->error && (end->status || !r->result))) {
		word_crash(r, end);
	} else if (!end->status && r->result) {
		json_decref(r->error); /* a good result outweighs what came before it */
		r->error = NULL;
	}
}
