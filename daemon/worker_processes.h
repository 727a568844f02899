/* SPDX-License-Identifier: Apache-2.0
 *
 * The processes of a run, wherever a launcher put them: into a session of its own, where no signal to the process group
 * reaches them, or beyond the death of the daemon. They are known by a variable of their environment, which children
 * inherit.
 */
#ifndef QB_DAEMON_WORKER_PROCESSES_H
#define QB_DAEMON_WORKER_PROCESSES_H

#include <stdbool.h>

/* The variable, which holds the folder of the run. */
#define QB_RUN_VARIABLE "QUANTBENCH_RUN"

/* Whether the run of that process (a number as text) lies in folder, or is it. */
bool qb_worker_process_belongs(const char *pid, const char *folder);
/* Sends the signal to all processes whose run lies in folder, or is it; returns their number. */
int qb_worker_processes_signal(const char *folder, int signal);
/* Kills the processes whose run lies in folder, or is it; returns their number, or -1 when some are still there after
 * wait_ms. */
int qb_worker_processes_kill(const char *folder, int wait_ms);

#endif
