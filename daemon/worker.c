/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/worker.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "daemon/orphans.h"
#include "daemon/worker_processes.h"
#include "daemon/util.h"

enum { STDERR_TAIL = 8192, ARGV_MAX = 64, LINGER_MS = 1000 };

struct qb_worker {
	struct qb_worker *next; /* in running */
	char *folder;           /* of the run; NULL: none */
	char *run;              /* what its cgroup is called */
	uv_process_t process;
	uv_pipe_t in, out, err;
	uv_timer_t linger; /* a grandchild may keep the pipes open for ever */
	struct qb_worker_setup setup;
	struct qb_worker_end end;
	struct qb_bytes got; /* of stdout: an unfinished line, or everything */
	bool skipping; /* the rest of a line that was too long */
	char tail[STDERR_TAIL + 1];
	size_t tail_used;
	char block[65536];
	bool exited, out_done, err_done, closing;
	bool held; /* nothing is read from its stdout */
	int handles; /* still to be closed */
};

static struct qb_worker *running; /* those whose process has not been seen to end */

static void forget(struct qb_worker *w)
{
	struct qb_worker **at = &running;

	while (*at && *at != w) {
		at = &(*at)->next;
	}
	*at = *at ? w->next : NULL;
}

bool qb_worker_knows(pid_t pid)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", (long)pid);
	for (struct qb_worker *w = running; w; w = w->next) {
		if (w->process.pid == pid || (w->folder && qb_worker_process_belongs(text, w->folder))) {
			return true;
		}
	}
	return false;
}

static void handle_closed(uv_handle_t *handle)
{
	struct qb_worker *w = handle->data;

	if (--w->handles > 0) {
		return;
	}
	free(w->got.at);
	free(w->folder);
	free(w->run);
	free(w);
}

static void close_all(struct qb_worker *w)
{
	uv_handle_t *all[] = {(uv_handle_t *)&w->process, (uv_handle_t *)&w->in,
		(uv_handle_t *)&w->out, (uv_handle_t *)&w->err, (uv_handle_t *)&w->linger};

	w->closing = true;
	w->handles = 5;
	for (int i = 0; i < 5; i++) {
		uv_close(all[i], handle_closed);
	}
}

static void finish_if_done(struct qb_worker *w)
{
	if (w->closing || !w->exited || !w->out_done || !w->err_done) {
		return;
	}
	w->tail[w->tail_used] = '\0';
	w->end.errors = w->tail;
	w->end.output = w->got.at ? w->got.at : "";
	w->end.output_len = w->got.used;
	close_all(w);
	w->setup.end(w->setup.arg, &w->end);
}

static void lingered(uv_timer_t *timer)
{
	struct qb_worker *w = timer->data;

	w->out_done = w->err_done = true;
	finish_if_done(w);
}

static void exited(uv_process_t *process, int64_t status, int signal)
{
	struct qb_worker *w = process->data;

	w->exited = true;
	w->end.status = status;
	w->end.signal = signal;
	kill(-process->pid, SIGKILL); /* what it left behind */
	if (w->run) {
		w->end.memory_over = qb_cgroup_memory_over(w->run) ? w->setup.limits.memory_bytes : 0;
		qb_cgroup_kill(w->run);
	}
	forget(w);
	qb_orphans_end();
	qb_cgroup_sweep();
	if (!w->held) {
		uv_timer_start(&w->linger, lingered, LINGER_MS, 0);
	}
	finish_if_done(w);
}

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct qb_worker *w = handle->data;

	(void)suggested;
	*buf = uv_buf_init(w->block, sizeof(w->block));
}

static void read_err(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct qb_worker *w = stream->data;
	size_t len = n > 0 ? (size_t)n : 0, drop;
	const char *from = buf->base;

	if (n < 0) {
		uv_read_stop(stream);
		w->err_done = true;
		finish_if_done(w);
		return;
	}
	if (len > STDERR_TAIL) {
		from += len - STDERR_TAIL;
		len = STDERR_TAIL;
	}
	drop = w->tail_used + len > STDERR_TAIL ? w->tail_used + len - STDERR_TAIL : 0;
	memmove(w->tail, w->tail + drop, w->tail_used - drop);
	w->tail_used -= drop;
	memcpy(w->tail + w->tail_used, from, len);
	w->tail_used += len;
}

/* false when memory ends, which is treated as a line (or an output) that is too long. */
static bool append(struct qb_worker *w, const char *bytes, size_t n)
{
	return w->got.used + n <= w->setup.limit && qb_bytes_add(&w->got, bytes, n);
}

static void take_line(struct qb_worker *w)
{
	if (w->skipping) {
		w->skipping = false;
		w->setup.line(w->setup.arg, NULL, 0);
	} else if (w->got.used) {
		w->setup.line(w->setup.arg, w->got.at, w->got.used);
	}
	w->got.used = 0;
	if (w->got.size > (1u << 20)) { /* one long line need not keep its memory */
		free(w->got.at);
		w->got = (struct qb_bytes){0};
	}
}

static void split(struct qb_worker *w, const char *bytes, size_t n)
{
	while (n) {
		const char *newline = memchr(bytes, '\n', n);
		size_t part = newline ? (size_t)(newline - bytes) : n;

		if (!w->skipping && !append(w, bytes, part)) {
			w->skipping = true;
			w->got.used = 0;
		}
		if (!newline) {
			return;
		}
		take_line(w);
		bytes += part + 1;
		n -= part + 1;
	}
}

static void read_out(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct qb_worker *w = stream->data;

	if (n < 0) {
		uv_read_stop(stream);
		if (!w->setup.collect) {
			take_line(w);
		}
		w->out_done = true;
		finish_if_done(w);
		return;
	}
	if (w->setup.collect) {
		if (!append(w, buf->base, (size_t)n) && !w->end.too_much) {
			w->end.too_much = true;
			qb_worker_signal(w, SIGKILL);
		}
		return;
	}
	if (w->setup.batch) {
		w->setup.batch(w->setup.arg, true);
	}
	split(w, buf->base, (size_t)n);
	if (w->setup.batch) {
		w->setup.batch(w->setup.arg, false);
	}
}

void qb_worker_hold(struct qb_worker *w, bool hold)
{
	if (w->closing || w->held == hold || w->out_done) {
		return;
	}
	w->held = hold;
	if (hold) {
		uv_read_stop((uv_stream_t *)&w->out);
		uv_timer_stop(&w->linger);
		return;
	}
	uv_read_start((uv_stream_t *)&w->out, allocate, read_out);
	if (w->exited) {
		uv_timer_start(&w->linger, lingered, LINGER_MS, 0);
	}
}

struct message {
	uv_write_t write;
	char text[];
};

static void said(uv_write_t *write, int status)
{
	(void)status; /* a worker that is gone is noticed by its end */
	free(write->data);
}

void qb_worker_say(struct qb_worker *w, const char *line)
{
	size_t n = strlen(line);
	struct message *m;
	uv_buf_t buf;

	if (w->closing || uv_is_closing((uv_handle_t *)&w->in)) {
		return;
	}
	m = malloc(sizeof(*m) + n + 2);
	if (!m) {
		return;
	}
	m->write.data = m;
	memcpy(m->text, line, n);
	m->text[n] = '\n';
	buf = uv_buf_init(m->text, (unsigned)n + 1);
	if (uv_write(&m->write, (uv_stream_t *)&w->in, &buf, 1, said)) {
		free(m);
	}
}

static void input_finished(uv_shutdown_t *request, int status)
{
	(void)status;
	free(request);
}

void qb_worker_finish_input(struct qb_worker *w)
{
	uv_shutdown_t *request = w->closing ? NULL : malloc(sizeof(*request));

	if (request && uv_shutdown(request, (uv_stream_t *)&w->in, input_finished)) {
		free(request);
	}
}

void qb_worker_signal(struct qb_worker *w, int signal)
{
	if (!w->exited && w->process.pid > 1) {
		kill(-w->process.pid, signal);
	}
}

static void init_handles(uv_loop_t *loop, struct qb_worker *w)
{
	uv_pipe_init(loop, &w->in, 0);
	uv_pipe_init(loop, &w->out, 0);
	uv_pipe_init(loop, &w->err, 0);
	uv_timer_init(loop, &w->linger);
	w->process.data = w->in.data = w->out.data = w->err.data = w->linger.data = w;
}

int qb_worker_pid(const struct qb_worker *w)
{
	return w->process.pid;
}

/* Our environment and the variable by which a run's processes are known; freed by free_environment. */
static char **environment(const char *folder)
{
	size_t n = 0, kept = 0, name = strlen(QB_RUN_VARIABLE);
	char **env;

	while (environ[n]) {
		n++;
	}
	env = calloc(n + 2, sizeof(*env));
	for (size_t i = 0; env && i < n; i++) {
		if (strncmp(environ[i], QB_RUN_VARIABLE "=", name + 1) != 0) {
			env[++kept] = environ[i];
		}
	}
	if (env) {
		env[0] = qb_format(QB_RUN_VARIABLE "=%s", folder);
	}
	return env;
}

static void free_environment(char **env)
{
	if (env) {
		free(env[0]);
		free(env);
	}
}

struct qb_worker *qb_worker_start(uv_loop_t *loop, const struct qb_worker_setup *setup, char *why,
	size_t why_len)
{
	struct qb_worker *w = calloc(1, sizeof(*w));
	uv_stdio_container_t stdio[3];
	uv_process_options_t o = {.exit_cb = exited, .file = setup->argv[0], .args = setup->argv,
		.flags = UV_PROCESS_DETACHED, .stdio_count = 3, .stdio = stdio, .cwd = setup->folder};
	int rc;

	if (!w) {
		snprintf(why, why_len, "no memory to start a worker");
		return NULL;
	}
	w->setup = *setup;
	init_handles(loop, w);
	stdio[0].flags = UV_CREATE_PIPE | UV_READABLE_PIPE;
	stdio[0].data.stream = (uv_stream_t *)&w->in;
	stdio[1].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
	stdio[1].data.stream = (uv_stream_t *)&w->out;
	stdio[2].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
	stdio[2].data.stream = (uv_stream_t *)&w->err;
	o.env = setup->folder ? environment(setup->folder) : NULL;
	rc = uv_spawn(loop, &w->process, &o);
	free_environment(o.env);
	if (rc) {
		snprintf(why, why_len, "%s cannot be started: %s", setup->argv[0], uv_strerror(rc));
		close_all(w);
		return NULL;
	}
	w->folder = setup->folder ? strdup(setup->folder) : NULL;
	w->next = running;
	running = w;
	w->run = setup->run ? strdup(setup->run) : NULL;
	if (w->run) { /* before it has heard of its job */
		qb_cgroup_put(w->run, w->process.pid, &setup->limits);
	}
	uv_read_start((uv_stream_t *)&w->out, allocate, read_out);
	uv_read_start((uv_stream_t *)&w->err, allocate, read_err);
	if (setup->input) {
		qb_worker_say(w, setup->input);
	}
	return w;
}

char **qb_worker_argv(const char *launcher, const char *program, ...)
{
	char **argv = calloc(ARGV_MAX + 1, sizeof(*argv));
	char *words = strdup(launcher ? launcher : ""), *rest = NULL;
	const char *more;
	int n = 0;
	va_list ap;

	if (!argv || !words) {
		abort();
	}
	for (char *w = strtok_r(words, " \t", &rest); w && n < ARGV_MAX / 2;
		w = strtok_r(NULL, " \t", &rest)) {
		argv[n++] = strdup(w);
	}
	free(words);
	argv[n++] = strdup(program);
	va_start(ap, program);
	while ((more = va_arg(ap, const char *)) != NULL && n < ARGV_MAX) {
		argv[n++] = strdup(more);
	}
	va_end(ap);
	return argv;
}

void qb_worker_argv_free(char **argv)
{
	for (int i = 0; argv && argv[i]; i++) {
		free(argv[i]);
	}
	free(argv);
}
