/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs on the server: hand in, follow, list, show, stop, compare.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/grid.h"
#include "cli/http.h"
#include "cli/jobspec.h"
#include "cli/labels.h"
#include "cli/metric.h"
#include "cli/results.h"
#include "cli/served_job.h"
#include "cli/table.h"

static enum cli_exit print_results(const struct cli *cli, struct cli_http *http, const char *id)
{
	json_t *result = NULL;
	enum cli_exit code;

	if (cli->opt['c']) {
		char *path = cli_job_path(id, "/results.csv");

		code = path ? cli_http_print(http, path) : cli_fail(CLI_USAGE, "no memory");
		free(path);
		return code;
	}
	code = cli_job_call(http, "GET", id, "/results", &result);
	if (code == CLI_OK) {
		cli_print_result(cli, result);
	}
	json_decref(result);
	return code;
}

static enum cli_exit follow_and_print(const struct cli *cli, struct cli_http *http, const char *id)
{
	enum cli_exit code = cli_job_follow(http, id);

	return code == CLI_OK ? print_results(cli, http, id) : code;
}

static enum cli_exit submit(struct cli *cli, struct cli_http *http, json_t *spec)
{
	json_t *job = NULL;
	const char *id;
	enum cli_exit code;

	cli_labels_put(cli, spec);
	code = cli_job_submit(cli, http, spec, &job);
	if (code != CLI_OK) {
		return code;
	}
	id = cli_text(job, "id");
	if (cli->opt['w']) {
		cli_job_tell(job);
		code = follow_and_print(cli, http, id);
	} else if (cli->opt['j']) {
		cli_print_json(job);
	} else {
		puts(id);
	}
	json_decref(job);
	return code;
}

enum cli_exit cli_submit(struct cli *cli)
{
	struct cli_http *http = cli_http_create(cli);
	json_t *spec = NULL;
	enum cli_exit code = http ? cli_job_read(cli, &spec) : cli_fail(CLI_USAGE, "no memory");

	if (code == CLI_OK) {
		code = json_object_get(spec, "over") ? cli_grid_submit(cli, http, spec) : submit(cli, http, spec);
	}
	json_decref(spec);
	cli_http_destroy(&http);
	return code;
}

enum cli_exit cli_watch(struct cli *cli)
{
	struct cli_http *http = cli_http_create(cli);
	enum cli_exit code = http ? follow_and_print(cli, http, cli->arg[0])
				  : cli_fail(CLI_USAGE, "no memory");

	cli_http_destroy(&http);
	return code;
}

static void best_cell(struct cli_table *t, const json_t *best)
{
	const char *metric = cli_text(best, "metric");
	char value[64], change[CLI_CHANGE_MAX];

	if (!json_is_object(best)) {
		cli_table_cell(t, "%s", "");
		return;
	}
	snprintf(value, sizeof(value), cli_metric_in_per_cent(metric) ? "%.2f" : "%.5g", cli_number(best, "value"));
	cli_table_cell(t, "%s%s%s %s%s%s", cli_text(best, "scheme"), *cli_text(best, "scheme") ? " " : "", metric, value,
		isnan(cli_number(best, "delta")) ? "" : ", ",
		isnan(cli_number(best, "delta")) ? "" : cli_metric_change(metric, cli_number(best, "delta"), NAN, NAN, change));
}

static void tags_cell(struct cli_table *t, const json_t *tags)
{
	char text[200] = "";
	const json_t *tag;
	size_t used = 0, i;

	json_array_foreach(tags, i, tag) {
		if (used < sizeof(text)) {
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? "," : "", json_string_value(tag));
		}
	}
	cli_table_cell(t, "%s", text);
}

static void job_row(struct cli_table *t, const json_t *job)
{
	const json_t *progress = json_object_get(job, "progress"), *position = json_object_get(job, "position");
	const char *state = cli_text(job, "state");

	cli_table_cell(t, "%s", cli_text(job, "id"));
	cli_table_cell(t, "%s", cli_text(job, "name"));
	cli_table_cell(t, "%s", cli_text(job, "type"));
	if (!strcmp(state, "running") && progress) {
		cli_table_cell(t, "%s %.0f %%", state,
			100 * json_number_value(json_object_get(progress, "fraction")));
	} else if (json_is_integer(position)) {
		cli_table_cell(t, "%s, place %lld", state, (long long)json_integer_value(position));
	} else {
		cli_table_cell(t, "%s", state);
	}
	cli_table_cell(t, "%s", cli_text(json_object_get(job, "model"), "name"));
	cli_table_cell(t, "%s", cli_text(json_object_get(job, "data"), "name"));
	cli_table_cell(t, "%.19s", cli_text(job, "created"));
	best_cell(t, json_object_get(job, "best"));
	tags_cell(t, json_object_get(job, "tags"));
	cli_table_cell(t, "%s", cli_text(json_object_get(job, "error"), "detail"));
}

static void print_jobs(const json_t *jobs)
{
	struct cli_table *t = cli_table_create("id|name|type|state|network|data|created|best|tags|");
	const json_t *job;
	size_t i;

	json_array_foreach(jobs, i, job) {
		job_row(t, job);
	}
	cli_table_print(t, stdout);
	cli_table_destroy(&t);
}

/* GETs path and shows the answer: as JSON where that is asked for. */
static enum cli_exit show_answer(struct cli *cli, struct cli_http *http, const char *path,
	void (*print)(const json_t *answer))
{
	json_t *answer = NULL;
	enum cli_exit code = cli_http_call(http, "GET", path, NULL, &answer);

	if (code == CLI_OK && cli->opt['j']) {
		cli_print_json(answer);
	} else if (code == CLI_OK) {
		print(answer);
	}
	json_decref(answer);
	return code;
}

enum { PAGE_MAX = 1000 /* jobs that the server gives at once */ };

/* The filters of a list as a query's beginning; false where it does not fit. */
static bool list_path(const struct cli *cli, char *path, size_t size)
{
	static const struct {
		char key;
		const char *name;
	} filters[] = {{'q', "state"}, {'y', "type"}, {'V', "tag"}, {'H', "scheme"}, {'R', "sort"}};
	int used = snprintf(path, size, "/v1/jobs?");
	char *escaped;

	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		const char *value = cli->opt[(int)filters[i].key];

		escaped = value ? cli_http_escape(value) : NULL;
		if (escaped && used < (int)size) {
			used += snprintf(path + used, size - (size_t)used, "%s=%s&", filters[i].name, escaped);
		}
		free(escaped);
	}
	for (int i = 0; i < cli->args; i++) {
		escaped = cli_http_escape(cli->arg[i]);
		if (escaped && used < (int)size) {
			used += snprintf(path + used, size - (size_t)used, "%s%s%s", i ? "%20" : "q=", escaped,
				i + 1 < cli->args ? "" : "&");
		}
		free(escaped);
	}
	return used < (int)size;
}

/* Page after page, up to `limit` jobs (0: all), into one answer as the server gives it. */
static enum cli_exit list_pages(struct cli_http *http, const char *filters, long limit, json_t **all)
{
	json_t *jobs = json_array(), *page = NULL, *next = NULL, *total = NULL, *more = NULL;
	enum cli_exit code = CLI_OK;
	char path[2400];

	do {
		long left = limit ? limit - (long)json_array_size(jobs) : PAGE_MAX;
		char *before = json_is_string(next) ? cli_http_escape(json_string_value(next)) : NULL;

		snprintf(path, sizeof(path), "%slimit=%ld%s%s", filters, left < PAGE_MAX ? left : PAGE_MAX,
			before ? "&before=" : "", before ? before : "");
		free(before);
		code = cli_http_call(http, "GET", path, NULL, &page);
		json_array_extend(jobs, json_object_get(page, "jobs"));
		json_decref(next);
		next = json_incref(json_object_get(page, "next"));
		total = total ? total : json_incref(json_object_get(page, "total"));
		more = more ? more : json_incref(json_object_get(page, "more"));
		json_decref(page);
		page = NULL;
	} while (code == CLI_OK && json_is_string(next) && (!limit || (long)json_array_size(jobs) < limit));
	if (code == CLI_OK) {
		*all = json_pack("{s:O, s:O?, s:O?, s:O?}", "jobs", jobs, "total", total, "more", more, "next", next);
	}
	json_decref(jobs);
	json_decref(next);
	json_decref(total);
	json_decref(more);
	return code;
}

static void print_list(const json_t *answer)
{
	const json_t *jobs = json_object_get(answer, "jobs");
	json_int_t total = json_integer_value(json_object_get(answer, "total"));

	print_jobs(jobs);
	if (total > (json_int_t)json_array_size(jobs)) {
		printf("%zu of %s%lld jobs; --limit 0 lists all\n", json_array_size(jobs),
			json_is_true(json_object_get(answer, "more")) ? "more than " : "", (long long)total);
	}
}

enum cli_exit cli_list(struct cli *cli)
{
	struct cli_http *http = cli_http_create(cli);
	char path[1024], *end = NULL;
	const char *text = cli->opt['l'];
	long limit = text ? strtol(text, &end, 10) : 100;
	json_t *answer = NULL;
	enum cli_exit code;

	if (text && (*end || end == text || limit < 0)) {
		code = cli_fail(CLI_USAGE, "--limit: \"%.40s\" is no number of rows; 0 lists all", text);
	} else if (!list_path(cli, path, sizeof(path))) {
		code = cli_fail(CLI_USAGE, "the filters are too long");
	} else {
		code = http ? list_pages(http, path, limit, &answer) : cli_fail(CLI_USAGE, "no memory");
	}
	if (code == CLI_OK) {
		cli->opt['j'] ? cli_print_json(answer) : print_list(answer);
	}
	json_decref(answer);
	cli_http_destroy(&http);
	return code;
}

static enum cli_exit show(struct cli *cli, struct cli_http *http, const char *id)
{
	json_t *job = NULL, *list;
	enum cli_exit code = cli_job_call(http, "GET", id, "", &job);
	bool succeeded = code == CLI_OK && !strcmp(cli_text(job, "state"), "succeeded");

	if (code != CLI_OK) {
		return code;
	}
	if (cli->opt['c'] || (cli->opt['j'] && succeeded)) {
		code = print_results(cli, http, id);
	} else if (cli->opt['j']) {
		cli_print_json(job);
	} else {
		list = json_pack("[O]", job);
		print_jobs(list);
		json_decref(list);
		if (succeeded) {
			putchar('\n');
			code = print_results(cli, http, id);
		}
	}
	json_decref(job);
	return code;
}

/* A result that --json printed, in the place of a job on the server. */
static enum cli_exit show_file(const struct cli *cli)
{
	json_t *result = NULL;
	enum cli_exit code = cli_json_read(cli->arg[0], "a result", &result);

	if (code == CLI_OK && !*cli_text(result, "type")) {
		code = cli_fail(CLI_USAGE, "%s: a result has a \"type\"; --json of run, submit and show prints one", cli->arg[0]);
	}
	if (code == CLI_OK) {
		cli_print_result(cli, result);
	}
	json_decref(result);
	return code;
}

enum cli_exit cli_show(struct cli *cli)
{
	struct cli_http *http;
	enum cli_exit code;

	if (!strcmp(cli->arg[0], "-") || access(cli->arg[0], R_OK) == 0) {
		return show_file(cli);
	}
	http = cli_http_create(cli);
	code = http ? show(cli, http, cli->arg[0]) : cli_fail(CLI_USAGE, "no memory");
	cli_http_destroy(&http);
	return code;
}

static enum cli_exit change(struct cli *cli, const char *tail)
{
	struct cli_http *http = cli_http_create(cli);
	enum cli_exit code = http ? CLI_OK : cli_fail(CLI_USAGE, "no memory");

	for (int i = 0; i < cli->args && code == CLI_OK; i++) {
		json_t *job = NULL;

		code = cli_job_call(http, "POST", cli->arg[i], tail, &job);
		if (code == CLI_OK && cli->opt['j']) {
			cli_print_json(job);
		} else if (code == CLI_OK) {
			printf("%s %s\n", cli->arg[i], cli_text(job, "state"));
		}
		json_decref(job);
	}
	cli_http_destroy(&http);
	return code;
}

enum cli_exit cli_cancel(struct cli *cli)
{
	return change(cli, "/cancel");
}

enum cli_exit cli_retry(struct cli *cli)
{
	return change(cli, "/retry");
}

static void print_comparison(const json_t *answer)
{
	cli_results_compare(answer, stdout);
}

enum cli_exit cli_compare(struct cli *cli)
{
	struct cli_http *http = cli_http_create(cli);
	char path[2048] = "/v1/compare";
	size_t used = strlen(path);
	enum cli_exit code = http ? CLI_OK : cli_fail(CLI_USAGE, "no memory");

	for (int i = 0; i < cli->args; i++) {
		char *escaped = cli_http_escape(cli->arg[i]);

		if (escaped && used < sizeof(path)) {
			used += (size_t)snprintf(path + used, sizeof(path) - used, "%s%s",
				i ? "," : "?jobs=", escaped);
		}
		free(escaped);
	}
	if (code == CLI_OK) {
		code = show_answer(cli, http, path, print_comparison);
	}
	cli_http_destroy(&http);
	return code;
}

static void print_format(const json_t *answer)
{
	cli_results_print(answer, stdout);
}

static void print_formats(const json_t *answer)
{
	cli_results_rows(json_object_get(answer, "formats"), stdout);
}

static enum cli_exit formats(struct cli *cli, struct cli_http *http)
{
	char *escaped = cli->args ? cli_http_escape(cli->arg[0]) : NULL;
	char path[256];

	snprintf(path, sizeof(path), "/v1/formats%s%s", escaped ? "/" : "", escaped ? escaped : "");
	free(escaped);
	return show_answer(cli, http, path, cli->args ? print_format : print_formats);
}

enum cli_exit cli_formats(struct cli *cli)
{
	struct cli_http *http = cli_http_create(cli);
	enum cli_exit code = http ? formats(cli, http) : cli_fail(CLI_USAGE, "no memory");

	cli_http_destroy(&http);
	return code;
}
