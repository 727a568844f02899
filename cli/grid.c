/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/grid.h"

#include <stdlib.h>
#include <string.h>

#include "cli/jobspec.h"
#include "cli/labels.h"
#include "cli/results.h"
#include "cli/served_job.h"

/* Where a job stands in the grid: "model m1, run.target pi". */
static void print_place(const json_t *at, FILE *out)
{
	const char *name, *separator = "";
	json_t *value;

	json_object_foreach((json_t *)at, name, value) {
		char *text = json_is_string(value) ? strdup(json_string_value(value)) : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

		fprintf(out, "%s%s %s", separator, name, text ? text : "?");
		separator = ", ";
		free(text);
	}
}

/* Follows one after the other; the code of the first that did not succeed. */
static enum cli_exit follow(struct cli_http *http, const json_t *jobs)
{
	enum cli_exit all = CLI_OK;
	const json_t *one;
	size_t i;

	json_array_foreach(jobs, i, one) {
		enum cli_exit code;

		fprintf(stderr, "job %s: ", cli_text(one, "job"));
		print_place(json_object_get(one, "at"), stderr);
		fputc('\n', stderr);
		code = cli_job_follow(http, cli_text(one, "job"));
		all = all == CLI_OK ? code : all;
	}
	return all;
}

/* Sweeps stand beside each other. */
static enum cli_exit compare(const struct cli *cli, struct cli_http *http, const json_t *grid)
{
	const json_t *jobs = json_object_get(grid, "jobs"), *one;
	const char *type = cli_text(json_object_get(json_object_get(grid, "spec"), "job"), "type");
	size_t size = 32 + 24 * json_array_size(jobs), used, i;
	char *path = strcmp(type, "ptq") ? NULL : malloc(size);
	json_t *answer = NULL;
	enum cli_exit code;

	if (!path || json_array_size(jobs) > 200) { /* as many as the server compares */
		free(path);
		return CLI_OK;
	}
	used = (size_t)snprintf(path, size, "/v1/compare?jobs=");
	json_array_foreach(jobs, i, one) {
		used += (size_t)snprintf(path + used, size - used, "%s%s", i ? "," : "", cli_text(one, "job"));
	}
	code = cli_http_call(http, "GET", path, NULL, &answer);
	if (code == CLI_OK && cli->opt['j']) {
		cli_print_json(answer);
	} else if (code == CLI_OK) {
		cli_results_compare(answer, stdout);
	}
	json_decref(answer);
	free(path);
	return code;
}

enum cli_exit cli_grid_submit(const struct cli *cli, struct cli_http *http, json_t *spec)
{
	json_t *job = json_object_get(spec, "job"), *grid = NULL, *jobs;
	enum cli_exit code = cli_job_send_inputs(cli, http, job);

	if (code == CLI_OK) {
		code = cli_job_send_inputs(cli, http, json_object_get(spec, "over"));
	}
	cli_labels_put(cli, job);
	if (code == CLI_OK && cli->opt['a']) {
		json_object_set_new(job, "fresh", json_true());
	}
	code = code == CLI_OK ? cli_http_call(http, "POST", "/v1/grids", spec, &grid) : code;
	jobs = json_object_get(grid, "jobs");
	if (code == CLI_OK && cli->opt['w']) {
		fprintf(stderr, "grid %s, %zu jobs\n", cli_text(grid, "id"), json_array_size(jobs));
		code = follow(http, jobs);
		code = code == CLI_OK ? compare(cli, http, grid) : code;
	} else if (code == CLI_OK && cli->opt['j']) {
		cli_print_json(grid);
	} else if (code == CLI_OK) {
		const json_t *one;
		size_t i;

		json_array_foreach(jobs, i, one) {
			printf("%s  ", cli_text(one, "job"));
			print_place(json_object_get(one, "at"), stdout);
			putchar('\n');
		}
	}
	json_decref(grid);
	return code;
}
