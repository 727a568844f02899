/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's own count of processes that it killed for want of memory: what a SIGKILL came from is not guessed.
 */
#ifndef QB_DAEMON_OOM_H
#define QB_DAEMON_OOM_H

#include <stdint.h>

/* Of our control group (memory.events, or memory.oom_control of version 1: both count kills by any kind of shortage), or
 * where there is none of the whole machine (/proc/vmstat). -1 where the kernel does not tell. Both arguments are "" except in tests. */
int64_t qb_oom_kills(const char *proc_root, const char *cgroup_root);
/* What the file memory.events of a group counts under this name; -1: nothing. */
int64_t qb_oom_events(char *take_path, const char *name);
/* The path of our group in the hierarchy that its line of /proc/self/cgroup names, such as ":memory:"; version 2 is "::". To be
 * freed; NULL: none. */
char *qb_own_cgroup(const char *proc_root, const char *hierarchy);

#endif
