/* SPDX-License-Identifier: Apache-2.0
 *
 * `quantbench run`: a job with no server. Starts the worker as the daemon does, feeds it the job and shows its events.
 */
#include "config.h"

#include "cli/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/jobspec.h"
#include "cli/labels.h"
#include "cli/progress.h"
#include "cli/results.h"
#include "cli/worker.h"

/* What the worker has after SIGTERM. */
enum { GRACE_SECONDS = 2 };

static volatile sig_atomic_t stop_signal;
static volatile sig_atomic_t worker_pid;

static void on_signal(int sig)
{
	if (sig != SIGALRM) {
		stop_signal = sig;
		alarm(GRACE_SECONDS);
	}
	if (worker_pid > 0) {
		kill(worker_pid, sig == SIGALRM ? SIGKILL : SIGTERM);
	}
}

static void catch_signals(void)
{
	/* No SA_RESTART: a read that waits for the worker returns. */
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
}

/* What came of the job. */
struct outcome {
	json_t *result;
	char *error, *code;
};

static void take_event(struct cli_worker *w, const json_t *event, struct cli_progress *progress,
	struct outcome *o)
{
	const char *kind = cli_text(event, "event");

	if (!strcmp(kind, "result")) {
		json_decref(o->result);
		o->result = json_incref(json_object_get(event, "result"));
	} else if (!strcmp(kind, "error")) {
		free(o->error);
		free(o->code);
		o->error = strdup(cli_text(event, "detail"));
		o->code = strdup(cli_text(event, "code"));
	} else if (!strcmp(kind, "section") && !strcmp(cli_text(event, "state"), "begin")) {
		/* Nobody else shares this machine's cores with us, as far as we know. */
		json_t *go = json_pack("{s:s}", "go", cli_text(event, "name"));

		cli_worker_send(w, go);
		json_decref(go);
	} else {
		cli_progress_event(progress, event);
	}
}

static void listen_to(struct cli_worker *w, struct outcome *o)
{
	struct cli_progress progress;
	char *line = NULL;
	size_t size = 0;

	cli_progress_init(&progress);
	for (;;) {
		ssize_t n;
		json_t *event;

		errno = 0;
		n = getline(&line, &size, w->out);
		if (n < 0 && errno == EINTR) {
			clearerr(w->out);
			continue;
		}
		if (n < 0) {
			break;
		}
		event = json_loadb(line, (size_t)n, 0, NULL);
		take_event(w, event, &progress, o);
		json_decref(event);
	}
	cli_progress_clear(&progress);
	free(line);
}

/* What a server refuses to queue, or to take as an upload. */
static bool is_refusal(const char *code)
{
	static const char *const codes[] = {"bad_job", "bad_file", "bad_model", "bad_shape", "unsupported"};

	for (size_t i = 0; code && i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (!strcmp(code, codes[i])) {
			return true;
		}
	}
	return false;
}

static enum cli_exit verdict(int status, const struct outcome *o)
{
	if (stop_signal) {
		return cli_fail(CLI_JOB_FAILED, "stopped");
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		return CLI_UNREACHABLE; /* the child has said why */
	}
	if (o->error) {
		return cli_fail(is_refusal(o->code) ? CLI_REFUSED : CLI_JOB_FAILED, "%s", o->error);
	}
	if (WIFSIGNALED(status)) {
		return cli_fail(CLI_JOB_FAILED, "the worker crashed: %s", strsignal(WTERMSIG(status)));
	}
	if (!o->result) {
		return cli_fail(CLI_JOB_FAILED, "the worker ended without a result (exit status %d)",
			WEXITSTATUS(status));
	}
	return CLI_OK;
}

/* A file as {"path", "name"}, so that the worker finds it and results name it as people do. */
static enum cli_exit resolve_input(void *arg, const struct cli_job_input *in, const char *value, json_t **out)
{
	struct cli *cli = arg;
	char *path = cli_job_file(cli, value);
	const char *slash = path ? strrchr(path, '/') : NULL;

	if (!path) {
		return cli_fail(CLI_USAGE, "%s: no file %s here%s", in->field, value, cli->args ? " or beside the job's file" : "");
	}
	*out = json_pack("{s:s, s:s}", "path", path, "name", slash ? slash + 1 : path);
	free(path);
	return CLI_OK;
}

/* The folder of an option, which exists then, as a field of the job. */
static enum cli_exit make_folder(const struct cli *cli, int option, json_t *job, const char *field)
{
	if (cli->opt[option]) {
		if (mkdir(cli->opt[option], 0777) && errno != EEXIST) {
			return cli_fail(CLI_USAGE, "%s: %s", cli->opt[option], strerror(errno));
		}
		json_object_set_new(job, field, json_string(cli->opt[option]));
	}
	return CLI_OK;
}

enum { READABLE_MAX = 60, WORDS_MAX = 2 * READABLE_MAX + 16 };

/* What the worker is called with. */
struct words {
	const char *word[WORDS_MAX + 1];
	char *folder[READABLE_MAX]; /* of the words, to be freed */
	int words, folders;
};

static void add(struct words *w, const char *option, const char *value)
{
	if (w->words + 2 <= WORDS_MAX) {
		w->word[w->words++] = option;
		w->word[w->words++] = value;
	}
}

/* The folder of a file: external data of a network lies beside it. */
static void add_folder_of(struct words *w, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash == path ? strdup("/") : slash ? strndup(path, (size_t)(slash - path)) : strdup(".");

	for (int i = 0; folder && i < w->folders; i++) {
		if (!strcmp(w->folder[i], folder)) {
			free(folder);
			return;
		}
	}
	if (folder && w->folders < READABLE_MAX) {
		w->folder[w->folders++] = folder;
		add(w, "--readable", folder);
	} else {
		free(folder);
	}
}

/* Whatever of the job has a path. */
static void add_inputs(struct words *w, const json_t *v)
{
	const char *path = json_string_value(json_object_get(v, "path")), *key;
	json_t *member;
	size_t i;

	if (path) {
		add_folder_of(w, path);
	}
	json_object_foreach((json_t *)v, key, member) {
		add_inputs(w, member);
	}
	json_array_foreach(v, i, member) {
		add_inputs(w, member);
	}
}

/* A file that one was sent may be hostile: the worker reaches the folders of its inputs, to read, and those that it writes to. */
static void add_sandbox(const struct cli *cli, const json_t *job, struct words *w)
{
	const char *off = getenv("QUANTBENCH_SANDBOX");

	if (off && !strcmp(off, "off")) {
		return;
	}
	w->word[w->words++] = "--sandbox";
	add(w, "--readable", "/dev/null"); /* not the current folder */
	add_inputs(w, job);
	if (cli->opt['o']) {
		add(w, "--writable", cli->opt['o']);
	}
	if (cli->opt['k']) {
		add(w, "--writable", cli->opt['k']);
	}
}

static enum cli_exit run(const struct cli *cli, json_t *job, json_t **result)
{
	struct words words = {.words = 0};
	struct cli_worker w = {0};
	struct outcome o = {0};
	int status = 0;
	enum cli_exit code;

	catch_signals();
	if (cli->opt['t']) {
		add(&words, "--threads", cli->opt['t']);
	}
	add_sandbox(cli, job, &words);
	code = cli_worker_start(&w, words.word);
	if (code == CLI_OK) {
		worker_pid = w.pid;
		cli_worker_send(&w, job);
		listen_to(&w, &o);
		status = cli_worker_end(&w);
		code = verdict(status, &o);
	}
	if (code == CLI_OK) {
		*result = json_incref(o.result);
	}
	json_decref(o.result);
	free(o.error);
	free(o.code);
	while (words.folders) {
		free(words.folder[--words.folders]);
	}
	return code;
}

/* What the job's report says of the run. */
static void tell_about(json_t *job)
{
	time_t now = time(NULL);
	struct tm utc;
	char text[32];

	gmtime_r(&now, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	json_object_set_new(job, "about", json_pack("{s:s}", "started", text));
}

enum cli_exit cli_run_job(struct cli *cli, json_t *job, json_t **result)
{
	enum cli_exit code = cli_job_resolve(job, resolve_input, cli);

	cli_labels_strip(job);
	if (code == CLI_OK) {
		code = make_folder(cli, 'o', job, "workdir");
	}
	if (code == CLI_OK) {
		code = make_folder(cli, 'k', job, "checkpoints");
	}
	tell_about(job);
	return code == CLI_OK ? run(cli, job, result) : code;
}

enum cli_exit cli_run(struct cli *cli)
{
	json_t *job = NULL, *result = NULL;
	enum cli_exit code = cli_job_read(cli, &job);

	if (code == CLI_OK) {
		code = cli_run_job(cli, job, &result);
	}
	if (code == CLI_OK) {
		cli_print_result(cli, result);
	}
	json_decref(job);
	json_decref(result);
	return code;
}
