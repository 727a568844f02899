/* SPDX-License-Identifier: Apache-2.0
 *
 * `quantbench check`: whether a job's schemes lose more than they may, as an exit status and a summary.
 */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/drop.h"
#include "cli/jobspec.h"
#include "cli/run.h"
#include "cli/served_job.h"

/* j12, where no file of that name is here. */
static bool is_job_id(const char *what)
{
	size_t digits = *what == 'j' ? strspn(what + 1, "0123456789") : 0;

	return digits > 0 && !what[1 + digits] && access(what, F_OK) != 0;
}

static bool is_result(const json_t *object)
{
	return json_is_object(json_object_get(object, "float")) && json_object_get(object, "metric_name");
}

/* The result of a job on the server, which may still run. */
static enum cli_exit served_result(struct cli_http *http, const char *id, json_t **result)
{
	enum cli_exit code = cli_job_follow(http, id);

	return code == CLI_OK ? cli_job_call(http, "GET", id, "/results", result) : code;
}

static enum cli_exit submit(const struct cli *cli, struct cli_http *http, json_t *spec, json_t **result)
{
	json_t *job = NULL;
	enum cli_exit code = cli_job_submit(cli, http, spec, &job);

	if (code == CLI_OK) {
		cli_job_tell(job);
		code = served_result(http, cli_text(job, "id"), result);
	}
	json_decref(job);
	return code;
}

static enum cli_exit get_result(struct cli *cli, struct cli_http *http, json_t **result)
{
	const char *url = getenv("QUANTBENCH_URL"), *baseline = cli->opt['b'];
	bool served = cli->opt['S'] || (url && *url) || (baseline && is_job_id(baseline));
	json_t *job = NULL;
	enum cli_exit code;

	if (cli->args && is_job_id(cli->arg[0])) {
		return served_result(http, cli->arg[0], result);
	}
	code = cli_job_read(cli, &job);
	if (code == CLI_OK && is_result(job)) {
		*result = json_incref(job);
	} else if (code == CLI_OK) {
		code = served ? submit(cli, http, job, result) : cli_run_job(cli, job, result);
	}
	json_decref(job);
	return code;
}

static enum cli_exit get_baseline(const struct cli *cli, struct cli_http *http, json_t **baseline)
{
	const char *what = cli->opt['b'];

	if (!what) {
		return CLI_OK;
	}
	if (is_job_id(what)) {
		return served_result(http, what, baseline);
	}
	if (access(what, R_OK)) {
		return cli_fail(CLI_USAGE, "--baseline %s: %s; name a job's id, such as j12, or a file with a result", what,
			strerror(errno));
	}
	return cli_json_read(what, "a result", baseline);
}

static enum cli_exit read_limit(const struct cli *cli, double *limit)
{
	const char *text = cli->opt['D'];
	char *end = NULL;

	if (!text) {
		return cli_fail(CLI_USAGE, "--max-drop is missing: what may a scheme's metric lose? 1.0 is one point of a metric "
			"in per cent");
	}
	*limit = strtod(text, &end);
	if (end == text || *end || !isfinite(*limit) || *limit < 0) {
		return cli_fail(CLI_USAGE, "--max-drop %.40s: must be a number, 0 or more", text);
	}
	return CLI_OK;
}

static enum cli_exit write_markdown(const char *path, const json_t *drops)
{
	FILE *out = fopen(path, "we");
	bool failed;

	if (!out) {
		return cli_fail(CLI_USAGE, "--markdown %s: %s", path, strerror(errno));
	}
	cli_drop_markdown(drops, out);
	failed = ferror(out);
	failed |= fclose(out) != 0;
	return failed ? cli_fail(CLI_USAGE, "--markdown %s: %s", path, strerror(errno)) : CLI_OK;
}

static enum cli_exit print(const struct cli *cli, const json_t *drops)
{
	const char *markdown = cli->opt['K'];
	bool to_stdout = markdown && !strcmp(markdown, "-");

	if (to_stdout) {
		cli_drop_markdown(drops, stdout);
	} else if (cli->opt['j']) {
		cli_print_json(drops);
	} else {
		cli_drop_print(drops, stdout);
	}
	return markdown && !to_stdout ? write_markdown(markdown, drops) : CLI_OK;
}

static enum cli_exit check(struct cli *cli, struct cli_http *http, double limit)
{
	json_t *result = NULL, *baseline = NULL, *drops = NULL;
	enum cli_exit code;

	/* The baseline first: a job that takes an hour is not begun for one that is not there. */
	code = get_baseline(cli, http, &baseline);
	if (code == CLI_OK) {
		code = get_result(cli, http, &result);
	}
	if (code == CLI_OK) {
		code = cli_drop_compare(result, baseline, baseline ? cli->opt['b'] : "float", limit, &drops);
	}
	if (code == CLI_OK) {
		code = print(cli, drops);
	}
	if (code == CLI_OK && !json_is_true(json_object_get(drops, "within"))) {
		code = CLI_BEYOND;
	}
	json_decref(result);
	json_decref(baseline);
	json_decref(drops);
	return code;
}

enum cli_exit cli_check(struct cli *cli)
{
	double limit = 0;
	enum cli_exit code = read_limit(cli, &limit);
	struct cli_http *http;

	if (code != CLI_OK) {
		return code;
	}
	http = cli_http_create(cli);
	code = http ? check(cli, http, limit) : cli_fail(CLI_USAGE, "no memory");
	cli_http_destroy(&http);
	return code;
}
