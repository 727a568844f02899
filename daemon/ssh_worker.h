/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a worker on a machine that ssh reaches, as the server starts it: with the job on standard input and events on standard
 * output, whose paths are of this machine. There, FOLDER/blobs keeps files by their SHA-256, each sent once; FOLDER/runs/NAME.PID
 * is the folder of a run, and FOLDER/checkpoints/NAME outlives it. The machine needs sshd, a POSIX shell with sha256sum, and the worker.
 */
#ifndef QB_DAEMON_SSH_WORKER_H
#define QB_DAEMON_SSH_WORKER_H

/* ssh-worker DESTINATION FOLDER NAME [OPTION OF SSH]... -- WORKER [OPTION]... */
int qb_ssh_worker(int argc, char **argv);

#endif
