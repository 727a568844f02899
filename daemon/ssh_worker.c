/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/ssh_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/json_text.h"
#include "daemon/launcher.h"
#include "daemon/util.h"

/* NOT_STARTED is what the server takes for a worker that was never there. */
enum { NOT_STARTED = 126, SSH_FAILED = 255, SSH_WORDS_MAX = 40, BLOCK = 65536, LINE_MAX_BYTES = 64 << 20 };

struct there {
	const char *destination, *folder, *name;
	char **option; /* of ssh */
	int options;
	char **worker; /* its path and options, ended by NULL */
	char *run;     /* the folder of this run there */
	char *workdir; /* and here */
	json_t *inputs; /* array of {sha256, path, name} */
	char *job;     /* what it is told */
};

static void say(struct qb_bytes *b, const char *text)
{
	if (!qb_bytes_add(b, text, strlen(text))) {
		abort();
	}
}

/* As one word of a shell. */
static void quote(struct qb_bytes *b, const char *text)
{
	say(b, "'");
	for (const char *c; (c = strchr(text, '\'')) != NULL; text = c + 1) {
		if (!qb_bytes_add(b, text, (size_t)(c - text))) {
			abort();
		}
		say(b, "'\\''");
	}
	say(b, text);
	say(b, "'");
}

/* ssh with a command for the shell there; -1 where it cannot be started. */
static pid_t start(const struct there *t, const char *command, int in, int out)
{
	static const char *const fixed[] = {"ssh", "-T", "-oBatchMode=yes", "-oConnectTimeout=15", "-oServerAliveInterval=15",
		"-oServerAliveCountMax=4"};
	char *argv[SSH_WORDS_MAX + 10] = {NULL};
	int n = 0;
	pid_t pid;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		argv[n++] = (char *)fixed[i];
	}
	for (int i = 0; i < t->options; i++) {
		argv[n++] = t->option[i];
	}
	argv[n++] = (char *)t->destination;
	argv[n++] = (char *)command;
	pid = fork();
	if (pid == 0) {
		dup2(in, STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		signal(SIGPIPE, SIG_DFL);
		execvp(argv[0], argv);
		fprintf(stderr, "ssh cannot be started: %s\n", strerror(errno));
		_exit(NOT_STARTED);
	}
	return pid;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			return SSH_FAILED;
		}
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : SSH_FAILED;
}

/* What a command says, with nothing to read; its exit status. */
static int ask(const struct there *t, const char *command, struct qb_bytes *answer)
{
	int from[2], nothing = open("/dev/null", O_RDONLY | O_CLOEXEC), status;
	char block[4096];
	ssize_t n;
	pid_t pid;

	if (nothing < 0 || pipe2(from, O_CLOEXEC)) {
		return SSH_FAILED;
	}
	pid = start(t, command, nothing, from[1]);
	close(from[1]);
	close(nothing);
	while (pid > 0 && ((n = read(from[0], block, sizeof(block))) > 0 || (n < 0 && errno == EINTR))) {
		if (n > 0 && !qb_bytes_add(answer, block, (size_t)n)) {
			abort();
		}
	}
	close(from[0]);
	status = pid > 0 ? wait_for(pid) : SSH_FAILED;
	return status;
}

/* A command that reads one file and writes another. */
static int pass(const struct there *t, const char *command, int in, int out)
{
	pid_t pid = start(t, command, in, out);

	return pid > 0 ? wait_for(pid) : SSH_FAILED;
}

/* {path, name, sha256} becomes a path there. */
static void take_input(struct there *t, json_t *file)
{
	const char *name = json_string_value(json_object_get(file, "name"));
	const bool plain = name && *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
	char *path;

	json_array_append_new(t->inputs, json_pack("{s:O, s:O, s:s}", "sha256", json_object_get(file, "sha256"), "path",
		json_object_get(file, "path"), "name", plain ? name : "file"));
	path = qb_format("%s/inputs/%zu/%s", t->run, json_array_size(t->inputs) - 1, plain ? name : "file");
	json_object_set_new(file, "path", json_string(path));
	free(path);
}

static void take_inputs(struct there *t, json_t *v)
{
	json_t *member;
	const char *key;
	size_t i;

	if (json_is_string(json_object_get(v, "path")) && json_is_string(json_object_get(v, "sha256"))) {
		take_input(t, v);
		return;
	}
	json_object_foreach(v, key, member) {
		take_inputs(t, member);
	}
	json_array_foreach(v, i, member) {
		take_inputs(t, member);
	}
}

static bool set_path(json_t *job, const char *key, const char *folder, const char *name)
{
	char *path = qb_format("%s/%s", folder, name);
	bool ok = json_object_set_new(job, key, json_string(path)) == 0;

	free(path);
	return ok;
}

static bool read_job(struct there *t, const char *line)
{
	json_t *job = json_loads(line, 0, NULL);
	const char *workdir = json_string_value(json_object_get(job, "workdir"));
	char *checkpoints = qb_format("%s/checkpoints", t->folder);
	bool ok = workdir != NULL;

	if (ok) {
		t->workdir = strdup(workdir);
		take_inputs(t, job);
		ok = set_path(job, "workdir", t->run, "scratch") && set_path(job, "checkpoints", checkpoints, t->name);
		t->job = qb_json_text(job, JSON_COMPACT);
	}
	free(checkpoints);
	json_decref(job);
	return ok && t->job && t->workdir;
}

/* Folders there; what runs that are no more, and jobs of long ago, left; the hashes of files that it lacks. */
static void write_preparation(const struct there *t, struct qb_bytes *b)
{
	const json_t *in;
	size_t i;

	say(b, "set -u; umask 077; f=");
	quote(b, t->folder);
	say(b, "; mkdir -p \"$f/blobs\" \"$f/runs\" \"$f/checkpoints\" || exit 1; "
		"for r in \"$f\"/runs/*; do [ -f \"$r/pid\" ] && ! kill -0 \"$(cat \"$r/pid\")\" 2>/dev/null && rm -rf \"$r\"; done; "
		"find \"$f/checkpoints\" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} + 2>/dev/null; "
		"for h in");
	json_array_foreach(t->inputs, i, in) {
		say(b, " ");
		quote(b, json_string_value(json_object_get(in, "sha256")));
	}
	say(b, "; do [ -f \"$f/blobs/$h\" ] || echo \"lacks $h\"; done; echo ready");
}

static int send_file(const struct there *t, const json_t *in)
{
	const char *sha256 = json_string_value(json_object_get(in, "sha256")), *path = json_string_value(json_object_get(in, "path"));
	int fd = open(path, O_RDONLY | O_CLOEXEC), nothing = open("/dev/null", O_WRONLY | O_CLOEXEC), status = NOT_STARTED;
	struct qb_bytes b = {0};

	say(&b, "umask 077; cd ");
	quote(&b, t->folder);
	say(&b, "/blobs && h=");
	quote(&b, sha256);
	say(&b, " && cat > \"$h.$$\" && [ \"$(sha256sum < \"$h.$$\" | cut -c1-64)\" = \"$h\" ] && mv \"$h.$$\" \"$h\" || { rm -f \"$h.$$\"; "
		"echo \"a file does not arrive whole in $PWD\" >&2; exit 1; }");
	if (fd >= 0 && nothing >= 0) {
		status = pass(t, b.at, fd, nothing);
	} else {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	}
	if (fd >= 0) {
		close(fd);
	}
	if (nothing >= 0) {
		close(nothing);
	}
	free(b.at);
	return status;
}

static bool prepare(const struct there *t)
{
	struct qb_bytes command = {0}, answer = {0};
	const json_t *in;
	size_t i;
	bool ok;

	write_preparation(t, &command);
	say(&answer, "");
	ok = ask(t, command.at, &answer) == 0 && strstr(answer.at, "ready");
	json_array_foreach(t->inputs, i, in) {
		if (ok && strstr(answer.at, json_string_value(json_object_get(in, "sha256")))) {
			ok = send_file(t, in) == 0;
		}
	}
	free(command.at);
	free(answer.at);
	return ok;
}

/* The shell stays, and says how the worker ended: of a signal ssh would tell no more than that it failed. */
static void write_run(const struct there *t, struct qb_bytes *b)
{
	const json_t *in;
	char number[32];
	size_t i;

	say(b, "set -e; umask 077; f=");
	quote(b, t->folder);
	say(b, "; r=");
	quote(b, t->run);
	say(b, "; c=\"$f\"/checkpoints/");
	quote(b, t->name);
	say(b, "; mkdir -p \"$r/scratch\" \"$c\"; echo $$ > \"$r/pid\"; ");
	json_array_foreach(t->inputs, i, in) {
		snprintf(number, sizeof(number), "%zu", i);
		say(b, "mkdir -p \"$r\"/inputs/");
		say(b, number);
		say(b, "; ln \"$f\"/blobs/");
		quote(b, json_string_value(json_object_get(in, "sha256")));
		say(b, " \"$r\"/inputs/");
		say(b, number);
		say(b, "/");
		quote(b, json_string_value(json_object_get(in, "name")));
		say(b, "; ");
	}
	say(b, "cd \"$r/scratch\"; set +e; ");
	for (int i_word = 0; t->worker[i_word]; i_word++) {
		quote(b, t->worker[i_word]);
		say(b, " ");
	}
	say(b, "--writable \"$c\"; s=$?; [ $s = 0 ] && rm -rf \"$c\"; exit $s");
}

static bool plain_name(const char *name)
{
	return name && *name && *name != '.' && !strchr(name, '/');
}

/* The file that the worker made comes here before the server hears of it. */
static bool fetch(const struct there *t, const json_t *event)
{
	const char *name = json_string_value(json_object_get(event, "name"));
	struct qb_bytes command = {0};
	int nothing, file, status = SSH_FAILED;
	char *path;

	if (!plain_name(name)) {
		return true; /* the server says what it thinks of it */
	}
	path = qb_format("%s/%s", t->workdir, name);
	nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	say(&command, "cat ");
	quote(&command, t->run);
	say(&command, "/scratch/");
	quote(&command, name);
	if (nothing >= 0 && file >= 0) {
		status = pass(t, command.at, nothing, file);
	}
	if (nothing >= 0) {
		close(nothing);
	}
	if (file >= 0) {
		close(file);
	}
	free(command.at);
	free(path);
	return status == 0;
}

static void forward(const struct there *t, const char *line, size_t n)
{
	json_t *event = memmem(line, n, "\"artifact\"", 10) ? json_loadb(line, n, 0, NULL) : NULL;
	const char *kind = json_string_value(json_object_get(event, "event"));
	const char *text = "{\"event\":\"log\",\"level\":\"warning\",\"text\":\"an artifact could not be fetched\"}\n";

	if (kind && !strcmp(kind, "artifact") && !fetch(t, event)) {
		qb_write_all(STDOUT_FILENO, text, strlen(text));
	} else {
		qb_write_all(STDOUT_FILENO, line, n);
	}
	json_decref(event);
}

/* Whole lines, as far as they have come. false after too long a one. */
static bool forward_lines(const struct there *t, struct qb_bytes *b)
{
	char *newline, *at = b->at;

	while (b->used && (newline = memchr(at, '\n', b->used)) != NULL) {
		const size_t n = (size_t)(newline - at) + 1;

		forward(t, at, n);
		at += n;
		b->used -= n;
	}
	memmove(b->at, at, b->used);
	return b->used <= LINE_MAX_BYTES;
}

/* From the server to the worker; false at the end. */
static bool copy_down(int to)
{
	char block[BLOCK];
	ssize_t n = read(STDIN_FILENO, block, sizeof(block));

	return (n < 0 && errno == EINTR) || (n > 0 && qb_write_all(to, block, (size_t)n));
}

/* Until the worker's output ends; *heard: it said something. */
static void converse(const struct there *t, int to, int from, bool *heard)
{
	struct pollfd fds[] = {{.fd = from, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	struct qb_bytes lines = {0};
	char block[BLOCK];
	ssize_t n = 1;

	while (n > 0) {
		if (poll(fds, 2, -1) < 0) {
			continue;
		}
		if (fds[1].fd >= 0 && fds[1].revents && !copy_down(to)) {
			close(to); /* the worker ends with its input */
			to = fds[1].fd = -1;
		}
		if (fds[0].revents) {
			n = read(from, block, sizeof(block));
			n = n < 0 && errno == EINTR ? 1 : n > 0 && !qb_bytes_add(&lines, block, (size_t)n) ? 0 : n;
			*heard = *heard || n > 0;
			n = n > 0 && !forward_lines(t, &lines) ? 0 : n;
		}
	}
	if (to >= 0) {
		close(to);
	}
	free(lines.at);
}

static int run(const struct there *t, bool *heard)
{
	struct qb_bytes command = {0};
	int to[2], from[2], status;
	pid_t pid;

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC)) {
		return SSH_FAILED;
	}
	write_run(t, &command);
	pid = start(t, command.at, to[0], from[1]);
	free(command.at);
	close(to[0]);
	close(from[1]);
	if (pid > 0 && qb_write_all(to[1], t->job, strlen(t->job)) && qb_write_all(to[1], "\n", 1)) {
		converse(t, to[1], from[0], heard);
	}
	close(from[0]);
	status = pid > 0 ? wait_for(pid) : SSH_FAILED;
	return status;
}

static void clean_up(const struct there *t)
{
	struct qb_bytes command = {0}, answer = {0};

	say(&command, "rm -rf ");
	quote(&command, t->run);
	ask(t, command.at, &answer);
	free(command.at);
	free(answer.at);
}

/* The first line of standard input, and no byte more; NULL where it ends before. */
static char *read_first_line(void)
{
	struct qb_bytes b = {0};
	char c = '\0';
	ssize_t n;

	while (c != '\n' && (n = read(STDIN_FILENO, &c, 1)) != 0 && (n > 0 || errno == EINTR)) {
		if (n > 0 && !qb_bytes_add(&b, &c, 1)) {
			abort();
		}
	}
	if (c != '\n') {
		free(b.at);
		return NULL;
	}
	return b.at;
}

static int carry_out(struct there *t)
{
	char *line = read_first_line();
	bool heard = false;
	int status = NOT_STARTED;

	if (line && read_job(t, line) && prepare(t)) {
		status = run(t, &heard);
		if (status == SSH_FAILED) {
			fprintf(stderr, "the connection to %s was lost\n", t->destination);
			status = heard ? QB_SSH_LOST : NOT_STARTED;
		} else {
			clean_up(t);
		}
	}
	free(line);
	return status;
}

int qb_ssh_worker(int argc, char **argv)
{
	struct there t = {.inputs = json_array()};
	int status = 2, dashes = 4;

	while (dashes < argc && strcmp(argv[dashes], "--") != 0) {
		dashes++;
	}
	if (dashes + 1 >= argc || dashes - 4 > SSH_WORDS_MAX) {
		fputs("usage: quantbenchd ssh-worker DESTINATION FOLDER NAME [OPTION OF SSH]... -- WORKER [OPTION]...\n", stderr);
	} else {
		t.destination = argv[1];
		t.folder = argv[2];
		t.name = argv[3];
		t.option = argv + 4;
		t.options = dashes - 4;
		t.worker = argv + dashes + 1;
		t.run = qb_format("%s/runs/%s.%ld", t.folder, t.name, (long)getpid());
		signal(SIGPIPE, SIG_IGN);
		status = carry_out(&t);
	}
	json_decref(t.inputs);
	free(t.run);
	free(t.workdir);
	free(t.job);
	return status;
}
