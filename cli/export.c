/* SPDX-License-Identifier: Apache-2.0
 *
 * `quantbench export`: everything that the server knows of jobs, for whoever goes on with other tools.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/http.h"

enum cli_exit cli_export(struct cli *cli)
{
	const char *form = cli->args ? cli->arg[0] : "json";
	struct cli_http *http;
	enum cli_exit code;
	char path[40];

	if (strcmp(form, "json") != 0 && strcmp(form, "csv") != 0 && strcmp(form, "sqlite") != 0) {
		return cli_fail(CLI_USAGE, "export gives json, csv or sqlite, not \"%s\"", form);
	}
	if (!strcmp(form, "sqlite") && isatty(STDOUT_FILENO)) {
		return cli_fail(CLI_USAGE, "a database is no text for a terminal; send it to a file: quantbench export sqlite > lab.db");
	}
	http = cli_http_create(cli);
	if (!http) {
		return cli_fail(CLI_USAGE, "no memory");
	}
	snprintf(path, sizeof(path), "/v1/export?format=%s", form);
	code = cli_http_print(http, path);
	cli_http_destroy(&http);
	return code;
}
