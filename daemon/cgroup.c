/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "daemon/oom.h"
#include "daemon/util.h"

/* A worker has its threads and the one that looks after its parent; a launcher has processes of its own. */
enum { PROCESSES_BESIDE = 256, CPU_PERIOD_US = 100000 };
#define RUN "run-"

static char *folder; /* NULL: none */

/* false with errno. */
static bool put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	int error = errno;

	if (fd >= 0) {
		close(fd);
	}
	errno = error;
	return ok;
}

/* name: a group in the folder, or NULL for the folder. */
static bool put(const char *name, const char *file, const char *text)
{
	char *path = qb_format("%s/%s%s%s", folder, name ? name : "", name ? "/" : "", file);
	bool ok = put_text(path, text);
	int error = errno;

	free(path);
	errno = error;
	return ok;
}

static bool make_group(const char *name)
{
	char *path = qb_format("%s/%s", folder, name);
	bool ok = mkdir(path, 0755) == 0 || errno == EEXIST;
	int error = errno;

	free(path);
	errno = error;
	return ok;
}

static bool put_number(const char *name, const char *file, int64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)n);
	return put(name, file, text);
}

static bool marked(const char *path, const char *mark)
{
	char value = 0;

	return getxattr(path, mark, &value, 1) == 1 && value == '1';
}

/* systemd's marks of what it delegates; the second is seen by root alone. */
static bool delegated(const char *path)
{
	return marked(path, "user.delegate") || marked(path, "trusted.delegate");
}

/* The group of this process, where it is delegated. */
static char *own(const char *root)
{
	char *group = qb_own_cgroup(root, "::"), *path = group ? qb_format("%s/sys/fs/cgroup%s", root, group) : NULL;

	free(group);
	if (path && !delegated(path)) {
		free(path);
		path = NULL;
	}
	return path;
}

/* Calls what with the name of the group of each run. */
static void each_run(void (*what)(const char *name))
{
	DIR *d = folder ? opendir(folder) : NULL;

	for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
		if (!strncmp(e->d_name, RUN, strlen(RUN))) {
			what(e->d_name);
		}
	}
	if (d) {
		closedir(d);
	}
}

static void kill_group(const char *name)
{
	put(name, "cgroup.kill", "1");
}

/* The kernel refuses it where anything is inside. */
static void remove_group(const char *name)
{
	char *path = qb_format("%s/%s", folder, name);

	rmdir(path);
	free(path);
}

/* A group has either processes or groups with limits, so this process leaves it first. */
static bool move_self(void)
{
	return make_group("server") && put_number("server", "cgroup.procs", getpid());
}

bool qb_cgroup_begin(const char *wanted, const char *root)
{
	bool named = strcmp(wanted, "auto") && strcmp(wanted, "none"), memory, pids, cpu;

	free(folder);
	folder = named ? strdup(wanted) : strcmp(wanted, "none") ? own(root) : NULL;
	if (!folder) {
		return true;
	}
	if (!move_self()) {
		qb_log(named ? QB_LOG_ERROR : QB_LOG_WARNING, "%s cannot be used for the cgroups of workers: %s", folder, strerror(errno));
		free(folder);
		folder = NULL;
		return !named;
	}
	memory = put(NULL, "cgroup.subtree_control", "+memory");
	pids = put(NULL, "cgroup.subtree_control", "+pids");
	cpu = put(NULL, "cgroup.subtree_control", "+cpu");
	each_run(kill_group);
	each_run(remove_group);
	qb_log(QB_LOG_INFO, "workers run in cgroups of %s, which limit%s%s%s%s", folder, memory ? " memory" : "", pids ? " processes" : "",
		cpu ? " processors" : "", memory || pids || cpu ? "" : " nothing here");
	return true;
}

const char *qb_cgroup_folder(void)
{
	return folder;
}

static void limit(const char *name, const struct qb_cgroup_limits *l)
{
	char text[64];

	if (l->memory_bytes && put_number(name, "memory.max", l->memory_bytes)) {
		put(name, "memory.oom.group", "1");
	}
	put_number(name, "pids.max", PROCESSES_BESIDE + l->threads);
	if (l->threads) { /* one more than compute, so that a measurement is never held up */
		snprintf(text, sizeof(text), "%lld %d", (long long)(l->threads + 1) * CPU_PERIOD_US, CPU_PERIOD_US);
		put(name, "cpu.max", text);
	}
}

void qb_cgroup_put(const char *run, pid_t pid, const struct qb_cgroup_limits *limits)
{
	char *name = folder ? qb_format(RUN "%s", run) : NULL;

	if (name && make_group(name)) {
		limit(name, limits);
		if (!put_number(name, "cgroup.procs", pid)) {
			qb_log(QB_LOG_WARNING, "a worker is in no cgroup: %s/%s: %s", folder, name, strerror(errno));
		}
	}
	free(name);
}

/* The kernel counts there how often the group met its own limit and could free nothing, not what other limits cost it. */
bool qb_cgroup_memory_over(const char *run)
{
	return folder && qb_oom_events(qb_format("%s/" RUN "%s/memory.events", folder, run), "oom") > 0;
}

void qb_cgroup_kill(const char *run)
{
	char *name = folder ? qb_format(RUN "%s", run) : NULL;

	if (name) {
		kill_group(name);
	}
	free(name);
}

void qb_cgroup_sweep(void)
{
	each_run(remove_group);
}

/* Its count holds those of the groups below. */
int64_t qb_cgroup_oom_kills(void)
{
	int64_t n = folder ? qb_oom_events(qb_format("%s/memory.events", folder), "oom_kill") : -1;

	return n >= 0 ? n : qb_oom_kills("", "");
}
