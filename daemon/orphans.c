/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/orphans.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "daemon/util.h"
#include "daemon/worker.h"

void qb_orphans_adopt(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) {
		qb_log(QB_LOG_WARNING, "processes that workers leave behind cannot be adopted: %m");
	}
}

/* 1 where it was ended now. One that had ended already is taken off the list alone. */
static int end(pid_t pid)
{
	int had_ended;

	if (qb_worker_knows(pid)) {
		return 0;
	}
	had_ended = waitpid(pid, NULL, WNOHANG) == pid;
	if (!had_ended && kill(pid, SIGKILL) == 0) {
		waitpid(pid, NULL, WNOHANG);
	}
	return !had_ended;
}

/* The children of one of our threads. */
static int end_children_of(const char *thread)
{
	char path[64];
	FILE *f;
	long pid;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/children", thread);
	f = fopen(path, "re");
	while (f && fscanf(f, "%ld", &pid) == 1) {
		n += end((pid_t)pid);
	}
	if (f) {
		fclose(f);
	}
	return n;
}

void qb_orphans_end(void)
{
	DIR *threads = opendir("/proc/self/task");
	int n = 0;

	for (struct dirent *e; threads && (e = readdir(threads)) != NULL;) {
		n += *e->d_name == '.' ? 0 : end_children_of(e->d_name);
	}
	if (threads) {
		closedir(threads);
	}
	if (n) {
		qb_log(QB_LOG_WARNING, "ended %d processes that workers left behind", n);
	}
}
