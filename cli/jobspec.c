/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/jobspec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct cli_job_input inputs[] = {
	{"model", &cli_upload_model},
	{"data", &cli_upload_dataset},
	{"train", &cli_upload_dataset},
	{"teacher", &cli_upload_model},
	{"models", &cli_upload_model},
	{NULL, NULL},
};

enum cli_exit cli_json_read(const char *path, const char *what, json_t **out)
{
	bool is_stdin = !strcmp(path, "-");
	FILE *file = is_stdin ? stdin : fopen(path, "re");
	json_error_t why;

	if (!file) {
		return cli_fail(CLI_USAGE, "%s: %s", path, strerror(errno));
	}
	*out = json_loadf(file, JSON_REJECT_DUPLICATES, &why);
	if (!is_stdin) {
		fclose(file);
	}
	if (!*out) {
		return cli_fail(CLI_USAGE, "%s:%d:%d: %s", path, why.line, why.column, why.text);
	}
	if (!json_is_object(*out)) {
		json_decref(*out);
		*out = NULL;
		return cli_fail(CLI_USAGE, "%s: %s is a JSON object", path, what);
	}
	return CLI_OK;
}

/* Puts value (stolen) at "a.b.c", making the objects on the way. */
static enum cli_exit put(json_t *job, const char *path, json_t *value)
{
	const char *dot;
	char key[128];

	while ((dot = strchr(path, '.')) != NULL) {
		json_t *inner;

		snprintf(key, sizeof(key), "%.*s", (int)(dot - path), path);
		inner = json_object_get(job, key);
		if (!json_is_object(inner)) {
			inner = json_object();
			json_object_set_new(job, key, inner);
		}
		job = inner;
		path = dot + 1;
	}
	if (!*path || json_object_set_new(job, path, value)) {
		return cli_fail(CLI_USAGE, "--set: write PATH=JSON, such as calibration.samples=200");
	}
	return CLI_OK;
}

static enum cli_exit put_set(json_t *job, const char *text)
{
	const char *equals = strchr(text, '=');
	json_t *value;
	char path[256];

	if (!equals || equals == text || equals - text >= (int)sizeof(path)) {
		return cli_fail(CLI_USAGE, "--set %s: write PATH=JSON, such as calibration.samples=200",
			text);
	}
	snprintf(path, sizeof(path), "%.*s", (int)(equals - text), text);
	value = json_loads(equals + 1, JSON_DECODE_ANY, NULL);
	/* What is no JSON is a word, so that nobody quotes twice for the shell. */
	return put(job, path, value ? value : json_string(equals + 1));
}

json_t *cli_words(const char *text)
{
	json_t *list = json_array();

	while (*text) {
		size_t n = strcspn(text, ",");

		if (n) {
			json_array_append_new(list, json_stringn(text, n));
		}
		text += n + (text[n] == ',');
	}
	return list;
}

static enum cli_exit put_number(json_t *job, const char *path, const char *option,
	const char *text)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || end == text || *end) {
		return cli_fail(CLI_USAGE, "--%s %s: must be a whole number", option, text);
	}
	return put(job, path, json_integer(n));
}

static enum cli_exit put_options(const struct cli *cli, json_t *job)
{
	static const struct {
		char key;
		const char *path;
	} texts[] = {{'y', "type"}, {'m', "model"}, {'d', "data"}, {'M', "metric"},
		{'g', "weights.granularity"}, {'r', "weights.range"}, {'r', "activations.range"}};
	enum cli_exit code = CLI_OK;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (cli->opt[(int)texts[i].key]) {
			put(job, texts[i].path, json_string(cli->opt[(int)texts[i].key]));
		}
	}
	if (cli->opt['s']) {
		put(job, "schemes", cli_words(cli->opt['s']));
	}
	if (cli->opt['L']) {
		put(job, "latency", json_false());
	}
	if (cli->opt['n']) {
		code = put_number(job, "calibration.samples", "calibration", cli->opt['n']);
	}
	if (code == CLI_OK && cli->opt['e']) {
		code = put_number(job, "seed", "seed", cli->opt['e']);
	}
	if (cli->opt['G']) {
		put(job, "run.target", json_string(cli->opt['G']));
	}
	if (cli->opt['A']) {
		put(job, "run.after", cli_words(cli->opt['A']));
	}
	if (code == CLI_OK && cli->opt['P']) {
		code = put_number(job, "run.priority", "priority", cli->opt['P']);
	}
	for (int i = 0; i < cli->sets.count && code == CLI_OK; i++) {
		code = put_set(job, cli->sets.text[i]);
	}
	return code;
}

enum cli_exit cli_job_read(const struct cli *cli, json_t **job)
{
	enum cli_exit code = CLI_OK;

	*job = NULL;
	if (cli->args) {
		code = cli_json_read(cli->arg[0], "a job", job);
	} else {
		*job = json_object();
	}
	if (code == CLI_OK) {
		code = put_options(cli, json_object_get(*job, "over") ? json_object_get(*job, "job") : *job);
	}
	if (code == CLI_OK && !json_object_size(*job)) {
		code = cli_fail(CLI_USAGE, "which job? name a JOB.json (or - for stdin), or give --model, "
			"--data and --schemes");
	}
	if (code == CLI_OK && !json_object_get(*job, "type") && !json_object_get(*job, "over")) {
		json_object_set_new(*job, "type", json_string("ptq"));
	}
	if (code != CLI_OK) {
		json_decref(*job);
		*job = NULL;
	}
	return code;
}

/* Entry i of a list, or the job's own field (list NULL). */
static enum cli_exit resolve_one(json_t *job, json_t *list, size_t i, const struct cli_job_input *in, cli_job_resolve_fn *resolve, void *arg)
{
	const char *value = json_string_value(list ? json_array_get(list, i) : json_object_get(job, in->field));
	json_t *found = NULL;
	enum cli_exit code = value ? resolve(arg, in, value, &found) : CLI_OK;

	if (found && list) {
		json_array_set(list, i, found);
	} else if (found) {
		json_object_set(job, in->field, found);
	}
	json_decref(found);
	return code;
}

enum cli_exit cli_job_resolve(json_t *job, cli_job_resolve_fn *resolve, void *arg)
{
	enum cli_exit code = CLI_OK;

	for (const struct cli_job_input *in = inputs; in->field && code == CLI_OK; in++) {
		json_t *v = json_object_get(job, in->field), *list = json_is_array(v) ? v : NULL;
		size_t count = list ? json_array_size(list) : 1;

		for (size_t i = 0; i < count && code == CLI_OK; i++) {
			code = resolve_one(job, list, i, in, resolve, arg);
		}
	}
	return code;
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

char *cli_job_file(const struct cli *cli, const char *value)
{
	const char *slash = cli->args ? strrchr(cli->arg[0], '/') : NULL;
	char *beside = NULL;

	if (is_file(value)) {
		return strdup(value);
	}
	if (slash && *value != '/' &&
		asprintf(&beside, "%.*s/%s", (int)(slash - cli->arg[0]), cli->arg[0], value) >= 0 &&
		is_file(beside)) {
		return beside;
	}
	free(beside);
	return NULL;
}
