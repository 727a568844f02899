/* SPDX-License-Identifier: Apache-2.0
 *
 * One job on the server: handed in, followed until it is over.
 */
#ifndef QB_CLI_SERVED_JOB_H
#define QB_CLI_SERVED_JOB_H

#include "cli/http.h"

/* "/v1/jobs/ID" and a tail; freed with free(). */
char *cli_job_path(const char *id, const char *tail);
/* *out (may be NULL) is a new reference. */
enum cli_exit cli_job_call(struct cli_http *http, const char *method, const char *id, const char *tail, json_t **out);

/* Sends the files that a job names, and puts ids in their places. */
enum cli_exit cli_job_send_inputs(const struct cli *cli, struct cli_http *http, json_t *spec);
/* Sends the files that the job names, puts ids in their places, and hands it in; *job is the server's description. */
enum cli_exit cli_job_submit(const struct cli *cli, struct cli_http *http, json_t *spec, json_t **job);
/* Shows its events until it is over; CLI_OK where it succeeded. */
enum cli_exit cli_job_follow(struct cli_http *http, const char *id);
/* A job that was handed in, on stderr. */
void cli_job_tell(const json_t *job);

#endif
