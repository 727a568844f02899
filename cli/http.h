/* SPDX-License-Identifier: Apache-2.0
 *
 * The API as calls. Every failure has been explained on stderr when these return: an unreachable server with its
 * address, a refusal with the detail of its problem+json.
 */
#ifndef QB_CLI_HTTP_H
#define QB_CLI_HTTP_H

#include <stdio.h>

#include "cli/cli.h"

struct cli_http;

/* NULL when memory ends. Server and token come from the options, else the environment. */
struct cli_http *cli_http_create(const struct cli *cli);
void cli_http_destroy(struct cli_http **http);
const char *cli_http_server(const struct cli_http *http);

/* Text as a part of a path or a query; freed with free(). Paths below begin with "/v1/". */
char *cli_http_escape(const char *text);

/* body may be NULL. *out (may be NULL) is a new reference, or NULL for an empty answer. */
enum cli_exit cli_http_call(struct cli_http *http, const char *method, const char *path,
	const json_t *body, json_t **out);
/* The body of the answer as it is, onto stdout as it comes. */
enum cli_exit cli_http_print(struct cli_http *http, const char *path);
/* Streams a file from its start; size in bytes. A large one shows its progress on a terminal. */
enum cli_exit cli_http_upload(struct cli_http *http, const char *path, FILE *file, long long size,
	json_t **out);

/* One Server-Sent Event: data is borrowed. Returns false to stop listening. */
typedef bool (*cli_event_fn)(void *arg, const char *id, const char *name, const json_t *data);
/* CLI_OK when the listener stopped or the server ended the stream. */
enum cli_exit cli_http_events(struct cli_http *http, const char *path, const char *last_id,
	cli_event_fn listener, void *arg);

#endif
