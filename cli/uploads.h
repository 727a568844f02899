/* SPDX-License-Identifier: Apache-2.0
 *
 * Models and data sets on the server.
 */
#ifndef QB_CLI_UPLOADS_H
#define QB_CLI_UPLOADS_H

#include "cli/http.h"

struct cli_upload_kind {
	const char *path; /* of the API: "/v1/models" */
	const char *list; /* member of its answer */
	const char *word; /* for people */
	char letter;      /* ids begin with it */
};

extern const struct cli_upload_kind cli_upload_model, cli_upload_dataset;

/* Sends the file unless the server has it; *out is a new reference to the server's description. */
enum cli_exit cli_upload_file(struct cli_http *http, const struct cli_upload_kind *kind,
	const char *path, const char *name, json_t **out);
/* What a person calls an upload: an id, or the name of the latest with that name. */
enum cli_exit cli_upload_find(struct cli_http *http, const struct cli_upload_kind *kind,
	const char *what, json_t **out);

#endif
