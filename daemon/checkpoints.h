/* SPDX-License-Identifier: Apache-2.0
 *
 * The folder state/checkpoints/jN of a job: what its worker leaves there outlives the worker, so that a job that is queued
 * again goes on where it was. It goes when the job has succeeded, was cancelled or is deleted; after a failure it
 * stays, for the job may be retried, unless it is empty.
 */
#ifndef QB_DAEMON_CHECKPOINTS_H
#define QB_DAEMON_CHECKPOINTS_H

#include <stddef.h>
#include <stdint.h>

struct qb_daemon;

/* The path of the job's folder, which exists then; NULL with a sentence in why. Freed with free(). */
char *qb_checkpoints_folder(const char *state, int64_t job, char *why, size_t why_len);
/* Changes whenever the file "checkpoint" of the folder does, or of a folder in it (of a job with several trainings); 0: there is none.
 * What else lies there is the worker's own. */
int64_t qb_checkpoints_stamp(const char *folder);
void qb_checkpoints_remove(const char *state, int64_t job);
/* The job has ended; job_state is the state it has now. */
void qb_checkpoints_end(const char *state, int64_t job, const char *job_state);
/* Of jobs that are no more, or need none. Once, before jobs are started. */
void qb_checkpoints_clear(struct qb_daemon *d);

#endif
