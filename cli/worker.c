/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/beside.h"
#include "common/json_text.h"

enum { OPTIONS_MAX = 160 };

/* QUANTBENCH_WORKER, the one beside this program (a build folder), or the installed one; freed with free(). */
static char *find_worker(void)
{
	const char *chosen = getenv("QUANTBENCH_WORKER");

	return chosen && *chosen ? strdup(chosen)
				 : qb_beside("quantbench-worker", PKGLIBEXECDIR "/quantbench-worker");
}

static void start_child(int to[2], int from[2], const char *path, const char *const *options)
{
	char *argv[OPTIONS_MAX + 2] = {(char *)path};

	for (int i = 0; options[i] && i < OPTIONS_MAX; i++) {
		argv[i + 1] = (char *)options[i];
	}
	dup2(to[0], STDIN_FILENO);
	dup2(from[1], STDOUT_FILENO);
	signal(SIGPIPE, SIG_DFL);
	/* Ctrl-C reaches us alone; the worker hears it from us, as SIGTERM. */
	setpgid(0, 0);
	execv(path, argv);
	fprintf(stderr, "quantbench: the worker %s could not be started: %s; QUANTBENCH_WORKER can "
		"name it\n", path, strerror(errno));
	_exit(127);
}

enum cli_exit cli_worker_start(struct cli_worker *w, const char *const *options)
{
	char *path = find_worker();
	int to[2], from[2];

	if (!path) {
		return cli_fail(CLI_USAGE, "no memory");
	}
	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC)) {
		free(path);
		return cli_fail(CLI_UNREACHABLE, "no pipe to a worker: %s", strerror(errno));
	}
	w->pid = fork();
	if (w->pid == 0) {
		start_child(to, from, path, options);
	}
	free(path);
	close(to[0]);
	close(from[1]);
	w->in = fdopen(to[1], "w");
	w->out = fdopen(from[0], "r");
	if (w->pid < 0 || !w->in || !w->out) {
		return cli_fail(CLI_UNREACHABLE, "no worker could be started: %s", strerror(errno));
	}
	return CLI_OK;
}

void cli_worker_send(struct cli_worker *w, const json_t *line)
{
	char *text = qb_json_text(line, JSON_COMPACT);

	fprintf(w->in, "%s\n", text ? text : "{}");
	fflush(w->in);
	free(text);
}

int cli_worker_end(struct cli_worker *w)
{
	int status = 0;

	fclose(w->in);
	fclose(w->out);
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR) {
	}
	return status;
}
