/* SPDX-License-Identifier: Apache-2.0
 *
 * One child process in its own process group: lines in, lines out, how it ended. Loop thread only.
 */
#ifndef QB_DAEMON_WORKER_H
#define QB_DAEMON_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/cgroup.h"

struct qb_worker;

struct qb_worker_end {
	int64_t status;     /* of exit() */
	int signal;         /* that killed it; 0: none */
	const char *errors; /* the end of its stderr */
	const char *output; /* all of stdout, where collect was asked for */
	size_t output_len;
	int64_t memory_over; /* the limit that all processes of the run together needed more memory than; 0: they did not */
	bool too_much;      /* the output passed its limit and was cut */
};

struct qb_worker_setup {
	char **argv;       /* borrowed for the call */
	const char *input; /* first line of stdin without its newline; NULL: none yet */
	const char *folder; /* working directory, named in the environment as well (daemon/worker_processes.h); NULL: ours */
	const char *run; /* what its cgroup is called, where there are such; NULL: it has none */
	struct qb_cgroup_limits limits; /* of all processes in that together */
	bool collect;      /* keep stdout whole instead of calling line */
	size_t limit;      /* bytes of a line, or of the whole collected output */
	/* A line without its newline, ended by a NUL; NULL for one that passed the limit. */
	void (*line)(void *arg, char *line, size_t len);
	/* Around all lines of one read, so that they share a transaction; may be NULL. */
	void (*batch)(void *arg, bool begins);
	/* The process is gone and its output was read to the end; the worker is freed after this. */
	void (*end)(void *arg, const struct qb_worker_end *end);
	void *arg;
};

/* NULL with a sentence in why when the program cannot be started; nothing is called then. */
struct qb_worker *qb_worker_start(uv_loop_t *loop, const struct qb_worker_setup *setup, char *why,
	size_t why_len);
void qb_worker_say(struct qb_worker *w, const char *line); /* newline is added */
void qb_worker_finish_input(struct qb_worker *w); /* after what was said, its standard input ends */
void qb_worker_hold(struct qb_worker *w, bool hold);        /* its output is not read meanwhile */
void qb_worker_signal(struct qb_worker *w, int signal);    /* its whole process group */
int qb_worker_pid(const struct qb_worker *w);
/* Whether it is a worker that runs, or a process of a run that goes on. */
bool qb_worker_knows(pid_t pid);

/* "launcher words" + program + more arguments (ended by NULL), ended by NULL; freed by qb_worker_argv_free. */
char **qb_worker_argv(const char *launcher, const char *program, ...);
void qb_worker_argv_free(char **argv);

#endif
