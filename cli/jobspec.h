/* SPDX-License-Identifier: Apache-2.0
 *
 * The description of a job, from a file, from options, or from both.
 */
#ifndef QB_CLI_JOBSPEC_H
#define QB_CLI_JOBSPEC_H

#include "cli/cli.h"
#include "cli/uploads.h"

/* A field of a job that names an upload, or a list of them, and what they are on the server. */
struct cli_job_input {
	const char *field;
	const struct cli_upload_kind *kind;
};

/* Gives what is to stand in the place of a name of an upload: *out, a new reference, or NULL: it stays. */
typedef enum cli_exit cli_job_resolve_fn(void *arg, const struct cli_job_input *in, const char *value, json_t **out);
/* For every name in the job's inputs. */
enum cli_exit cli_job_resolve(json_t *job, cli_job_resolve_fn *resolve, void *arg);

/* *out is a new reference to the JSON object of a file ("-" is stdin), which is called `what`. */
enum cli_exit cli_json_read(const char *path, const char *what, json_t **out);
/* *job is a new reference: the file of the first argument ("-" is stdin), then the options, then each --set. */
enum cli_exit cli_job_read(const struct cli *cli, json_t **job);
/* The file that an input names: as it is, or beside the job's own file. NULL: no such file; freed with free(). */
char *cli_job_file(const struct cli *cli, const char *value);

/* The words of a text, parted by commas: a new list. */
json_t *cli_words(const char *text);

#endif
