/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/worker_processes.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_MS = 10 };

/* The value is folder, or a path inside it. */
static bool names_folder(const char *entry, const char *folder)
{
	size_t name = strlen(QB_RUN_VARIABLE), n = strlen(folder);

	return !strncmp(entry, QB_RUN_VARIABLE "=", name + 1) && !strncmp(entry + name + 1, folder, n) &&
		(entry[name + 1 + n] == '\0' || entry[name + 1 + n] == '/');
}

bool qb_worker_process_belongs(const char *pid, const char *folder)
{
	char path[64], *entry = NULL;
	size_t size = 0;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/environ", pid);
	f = fopen(path, "re"); /* other people's cannot be read */
	while (f && !found && getdelim(&entry, &size, '\0', f) > 0) {
		found = names_folder(entry, folder);
	}
	free(entry);
	if (f) {
		fclose(f);
	}
	return found;
}

int qb_worker_processes_signal(const char *folder, int signal)
{
	DIR *proc = opendir("/proc");
	int n = 0;

	for (struct dirent *e; proc && (e = readdir(proc)) != NULL;) {
		long pid = strtol(e->d_name, NULL, 10);

		if (pid > 1 && pid != getpid() && qb_worker_process_belongs(e->d_name, folder) && kill((pid_t)pid, signal) == 0) {
			n++;
		}
	}
	if (proc) {
		closedir(proc);
	}
	return n;
}

/* A process that ended has no environment any more, so the killed ones disappear. */
int qb_worker_processes_kill(const char *folder, int wait_ms)
{
	struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
	int first = qb_worker_processes_signal(folder, SIGKILL), left = first;

	for (int waited = 0; left; waited += PAUSE_MS) {
		if (waited >= wait_ms) {
			return -1;
		}
		nanosleep(&pause, NULL);
		left = qb_worker_processes_signal(folder, SIGKILL);
	}
	return first;
}
