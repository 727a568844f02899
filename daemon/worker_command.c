/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/worker_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/util.h"
#include "daemon/worker.h"

enum { WORDS_MAX = 11, NUMBER_LEN = 24 };

char **qb_worker_command(const char *launcher, const char *worker, const struct qb_worker_limits *l, const char *writable,
	const char *mode)
{
	const struct {
		const char *option;
		int64_t value;
	} limits[] = {{"--threads", l->threads}, {"--memory-bytes", l->memory_bytes}, {"--cpu-seconds", l->cpu_seconds}};
	char number[3][NUMBER_LEN];
	const char *word[WORDS_MAX] = {NULL};
	int n = 0;

	for (int i = 0; i < 3; i++) {
		if (limits[i].value) {
			snprintf(number[i], NUMBER_LEN, "%lld", (long long)limits[i].value);
			word[n++] = limits[i].option;
			word[n++] = number[i];
		}
	}
	word[n++] = "--sandbox";
	if (writable) {
		word[n++] = "--writable";
		word[n++] = writable;
	}
	word[n] = mode;
	return qb_worker_argv(launcher, worker, word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7], word[8],
		word[9], NULL);
}

static char *find_in_path(const char *name)
{
	const char *path = getenv("PATH");
	char *folders = strdup(path ? path : ""), *rest = NULL, *found = NULL;

	for (char *f = strtok_r(folders, ":", &rest); f && !found; f = strtok_r(NULL, ":", &rest)) {
		found = qb_format("%s/%s", f, name);
		if (access(found, X_OK)) {
			free(found);
			found = NULL;
		}
	}
	free(folders);
	return found;
}

char *qb_program_path(char *name)
{
	char *path = strchr(name, '/') ? strdup(name) : find_in_path(name), *here, *whole;

	if (path) {
		free(name);
		name = path;
	}
	here = *name != '/' && strchr(name, '/') ? getcwd(NULL, 0) : NULL;
	if (here) {
		whole = qb_format("%s/%s", here, name);
		free(name);
		name = whole;
	}
	free(here);
	return name;
}
