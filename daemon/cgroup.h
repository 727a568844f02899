/* SPDX-License-Identifier: Apache-2.0
 *
 * A cgroup (v2) for the processes of each run, in a folder that systemd delegates to the service or the configuration names: whatever
 * a worker starts is in it, wherever it goes, is limited with it and killed at its end. Where there is none, all this does nothing, and
 * process groups, limits and daemon/orphans.h do what they can. https://docs.kernel.org/admin-guide/cgroup-v2.html. Loop thread only.
 */
#ifndef QB_DAEMON_CGROUP_H
#define QB_DAEMON_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* 0: none. */
struct qb_cgroup_limits {
	int64_t memory_bytes, threads;
};

/* wanted: auto (the one that this process is in, where it is delegated), none, or a folder. Moves this process into a group below, and
 * ends what an earlier server left in others. root: before /proc and /sys, "" but in tests. Logs what it found; false where the folder
 * that is named cannot be used. */
bool qb_cgroup_begin(const char *wanted, const char *root);
/* NULL: none. */
const char *qb_cgroup_folder(void);
/* Puts a process into the group of the run, which is made. */
void qb_cgroup_put(const char *run, pid_t pid, const struct qb_cgroup_limits *limits);
/* Whether its processes needed more memory together than they may have; while the group is there. */
bool qb_cgroup_memory_over(const char *run);
/* Kills all that is in it. */
void qb_cgroup_kill(const char *run);
/* Removes the groups that are empty; when a worker has ended, and now and then. */
void qb_cgroup_sweep(void);
/* Processes that the kernel has killed for want of memory; < 0: not known. */
int64_t qb_cgroup_oom_kills(void);

#endif
