/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/oom.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/util.h"

/* The number behind the first word of a line that is this word; -1 where there is none. */
static int64_t count_in(char *take_path, const char *word)
{
	FILE *f = fopen(take_path, "re");
	char line[256], name[64];
	int64_t n, found = -1;

	while (f && found < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %" SCNd64, name, &n) == 2 && !strcmp(name, word)) {
			found = n;
		}
	}
	if (f) {
		fclose(f);
	}
	free(take_path);
	return found;
}

char *qb_own_cgroup(const char *proc_root, const char *hierarchy)
{
	char *path = qb_format("%s/proc/self/cgroup", proc_root), line[1024], *found = NULL;
	FILE *f = fopen(path, "re");

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *at = strstr(line, hierarchy);

		if (at && strchr(line, ':') == at) {
			line[strcspn(line, "\n")] = '\0';
			found = strdup(at + strlen(hierarchy));
		}
	}
	if (f) {
		fclose(f);
	}
	free(path);
	return found;
}

static int64_t count_of_group(const char *proc_root, const char *cgroup_root, const char *hierarchy, const char *folder,
	const char *file)
{
	char *own = qb_own_cgroup(proc_root, hierarchy);
	int64_t n = own ? count_in(qb_format("%s/sys/fs/cgroup%s%s/%s", cgroup_root, folder, own, file), "oom_kill") : -1;

	free(own);
	return n;
}

int64_t qb_oom_events(char *take_path, const char *name)
{
	return count_in(take_path, name);
}

int64_t qb_oom_kills(const char *proc_root, const char *cgroup_root)
{
	int64_t n = count_of_group(proc_root, cgroup_root, "::", "", "memory.events");

	if (n < 0) {
		n = count_of_group(proc_root, cgroup_root, ":memory:", "/memory", "memory.oom_control");
	}
	return n >= 0 ? n : count_in(qb_format("%s/proc/vmstat", proc_root), "oom_kill");
}
