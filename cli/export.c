/* SPDX-License-Identifier: Apache-2.0
 *
 * `quantbench export`: everything that the server knows of jobs, for whoever goes on with other tools.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/http.h"
#include "cli/served_job.h"
#include "common/result_csv.h"

enum { PAGE = 1000 };

/* Page after page of a list, the latest first: each of its entries to one(). */
static enum cli_exit each(struct cli_http *http, const char *list, const char *key,
	enum cli_exit (*one)(struct cli_http *http, const json_t *entry, void *arg), void *arg)
{
	char path[200], before[40] = "";
	enum cli_exit code = CLI_OK;
	bool more = true;

	while (more && code == CLI_OK) {
		json_t *page = NULL, *entry, *next;
		size_t i;

		snprintf(path, sizeof(path), "/v1/%s?limit=%d%s%s", list, PAGE, *before ? "&before=" : "", before);
		code = cli_http_call(http, "GET", path, NULL, &page);
		json_array_foreach(json_object_get(page, key), i, entry) {
			code = code == CLI_OK ? one(http, entry, arg) : code;
		}
		next = json_object_get(page, "next");
		more = json_is_string(next) || json_is_integer(next);
		if (json_is_string(next)) {
			snprintf(before, sizeof(before), "%s", json_string_value(next));
		} else {
			snprintf(before, sizeof(before), "%lld", (long long)json_integer_value(next));
		}
		json_decref(page);
	}
	return code;
}

/* A job with its result in it, on a line. */
static enum cli_exit print_job(struct cli_http *http, const json_t *job, void *arg)
{
	json_t *whole = json_copy((json_t *)job), *result = NULL;
	enum cli_exit code = CLI_OK;

	(void)arg;
	if (!strcmp(cli_text(job, "state"), "succeeded")) {
		code = cli_job_call(http, "GET", cli_text(job, "id"), "/results", &result);
	}
	if (code == CLI_OK) {
		json_object_set_new(whole, "result", result ? result : json_null());
		json_dumpf(whole, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		json_decref(result);
	}
	json_decref(whole);
	return code;
}

static const char *const columns[] = {"job", "type", "model", "data", "scope", "scheme", "tensor", "step", "name", "value", "unit", "time"};

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

static enum cli_exit print_row(struct cli_http *http, const json_t *row, void *arg)
{
	(void)http;
	(void)arg;
	for (int i = 0; i < COLUMNS; i++) {
		const json_t *v = json_object_get(row, columns[i]);

		qb_csv_value(stdout, json_is_object(v) ? json_object_get(v, "name") : v);
		fputs(i + 1 == COLUMNS ? "\r\n" : ",", stdout);
	}
	return CLI_OK;
}

enum cli_exit cli_export(struct cli *cli)
{
	struct cli_http *http = cli_http_create(cli);
	enum cli_exit code;

	if (!http) {
		return cli_fail(CLI_USAGE, "no memory");
	}
	if (cli->opt['c']) {
		for (int i = 0; i < COLUMNS; i++) {
			printf("%s%s", columns[i], i + 1 == COLUMNS ? "\r\n" : ",");
		}
		code = each(http, "results", "results", print_row, NULL);
	} else {
		code = each(http, "jobs", "jobs", print_job, NULL);
	}
	cli_http_destroy(&http);
	return code == CLI_OK && fflush(stdout) ? cli_fail(CLI_USAGE, "what is exported cannot be written") : code;
}
