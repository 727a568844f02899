/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/uploads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/sha256.h"
#include "cli/table.h"

/* The server looks into an upload at once; a network takes it milliseconds, a huge one seconds. */
enum { INSPECTION_SECONDS = 60 };

const struct cli_upload_kind cli_upload_model = {"/v1/models", "models", "model", 'm'};
const struct cli_upload_kind cli_upload_dataset = {"/v1/datasets", "datasets", "data set", 'd'};

/* GET kind?key=value, the first of its list; *out stays NULL when there is none. */
static enum cli_exit first_match(struct cli_http *http, const struct cli_upload_kind *kind,
	const char *query, json_t **out)
{
	json_t *answer = NULL;
	char path[256];
	enum cli_exit code;

	snprintf(path, sizeof(path), "%s?%s", kind->path, query);
	code = cli_http_call(http, "GET", path, NULL, &answer);
	if (code == CLI_OK) {
		*out = json_incref(json_array_get(json_object_get(answer, kind->list), 0));
	}
	json_decref(answer);
	return code;
}

static enum cli_exit send(struct cli_http *http, const struct cli_upload_kind *kind, FILE *file,
	long long size, const char *name, json_t **out)
{
	char *escaped = cli_http_escape(name), *path = NULL;
	enum cli_exit code;

	if (!escaped || asprintf(&path, "%s?name=%s", kind->path, escaped) < 0) {
		code = cli_fail(CLI_USAGE, "no memory for the name of an upload");
	} else {
		code = cli_http_upload(http, path, file, size, out);
	}
	free(escaped);
	free(path);
	return code;
}

enum cli_exit cli_upload_file(struct cli_http *http, const struct cli_upload_kind *kind,
	const char *path, const char *name, json_t **out)
{
	FILE *file = fopen(path, "rbe");
	const char *slash = strrchr(path, '/');
	char hex[65], query[80];
	long long size;
	enum cli_exit code;

	*out = NULL;
	if (!file) {
		return cli_fail(CLI_USAGE, "%s: %s", path, strerror(errno));
	}
	if (!cli_sha256_file(file, hex, &size)) {
		code = cli_fail(CLI_USAGE, "%s: %s", path, strerror(errno));
		goto out;
	}
	snprintf(query, sizeof(query), "sha256=%s", hex);
	code = first_match(http, kind, query, out);
	if (code == CLI_OK && !*out) {
		code = send(http, kind, file, size, name ? name : slash ? slash + 1 : path, out);
	}
	if (code == CLI_OK && !*cli_text(*out, "id")) {
		code = cli_fail(CLI_UNREACHABLE, "the server took %s but gave no id for it", path);
	}
out:
	fclose(file);
	return code;
}

static bool is_id(const struct cli_upload_kind *kind, const char *what)
{
	size_t digits = *what == kind->letter ? strspn(what + 1, "0123456789") : 0;

	return digits > 0 && !what[1 + digits];
}

static enum cli_exit find_name(struct cli_http *http, const struct cli_upload_kind *kind,
	const char *name, json_t **out)
{
	char path[256];
	json_t *page = NULL;
	const json_t *row;
	size_t i;
	enum cli_exit code;

	snprintf(path, sizeof(path), "%s?limit=1000", kind->path);
	while ((code = cli_http_call(http, "GET", path, NULL, &page)) == CLI_OK) {
		const char *next = cli_text(page, "next");

		json_array_foreach(json_object_get(page, kind->list), i, row) {
			if (!strcmp(cli_text(row, "name"), name)) {
				*out = json_incref((json_t *)row);
				json_decref(page);
				return CLI_OK;
			}
		}
		if (!*next) {
			code = cli_fail(CLI_USAGE,
				"%s: no file of that name here, and no %s of that name or id on the server; "
				"`quantbench %s list` tells what it has", name, kind->word,
				kind == &cli_upload_model ? "models" : "data");
			break;
		}
		snprintf(path, sizeof(path), "%s?limit=1000&before=%s", kind->path, next);
		json_decref(page);
		page = NULL;
	}
	json_decref(page);
	return code;
}

enum cli_exit cli_upload_find(struct cli_http *http, const struct cli_upload_kind *kind,
	const char *what, json_t **out)
{
	char path[128];

	*out = NULL;
	if (!is_id(kind, what)) {
		return find_name(http, kind, what, out);
	}
	snprintf(path, sizeof(path), "%s/%.64s", kind->path, what);
	return cli_http_call(http, "GET", path, NULL, out);
}

/* Waits until the server has looked into an upload; *upload is replaced by its latest description. */
static enum cli_exit await_inspection(struct cli_http *http, const struct cli_upload_kind *kind,
	json_t **upload)
{
	const struct timespec pause = {0, 100 * 1000 * 1000};

	for (int i = 0; i < INSPECTION_SECONDS * 10; i++) {
		const json_t *inspection = json_object_get(*upload, "inspection");
		json_t *fresh = NULL;
		char path[128];
		enum cli_exit code;

		if (strcmp(cli_text(inspection, "state"), "pending") != 0) {
			break;
		}
		nanosleep(&pause, NULL);
		snprintf(path, sizeof(path), "%s/%.64s", kind->path, cli_text(*upload, "id"));
		code = cli_http_call(http, "GET", path, NULL, &fresh);
		if (code != CLI_OK) {
			return code;
		}
		json_decref(*upload);
		*upload = fresh;
	}
	return CLI_OK;
}

static void shape_text(const json_t *shape, char *out, size_t size)
{
	const json_t *d;
	size_t i, used = 0;

	*out = '\0';
	json_array_foreach(shape, i, d) {
		const char *word = json_is_string(d) ? json_string_value(d) : "?";

		if (used >= size) {
			return;
		}
		if (json_is_integer(d)) {
			used += (size_t)snprintf(out + used, size - used, "%s%lld", i ? "x" : "",
				(long long)json_integer_value(d));
		} else {
			used += (size_t)snprintf(out + used, size - used, "%s%s", i ? "x" : "", word);
		}
	}
}

/* One line about what is inside: the network's size, the length of a text, or the arrays of a data set. */
static void holds(const json_t *upload, char *out, size_t size)
{
	const json_t *inspection = json_object_get(upload, "inspection");
	const json_t *r = json_object_get(inspection, "result"), *a;
	size_t i, used = 0;

	snprintf(out, size, "%s", cli_text(inspection, "state"));
	if (json_is_object(json_object_get(inspection, "error"))) {
		snprintf(out, size, "%s",
			cli_text(json_object_get(inspection, "error"), "detail"));
	} else if (json_object_get(r, "parameters")) {
		snprintf(out, size, "opset %lld, %lld parameters, %.4g M multiply-accumulates",
			(long long)json_integer_value(json_object_get(r, "opset")),
			(long long)json_integer_value(json_object_get(r, "parameters")),
			json_number_value(json_object_get(r, "macs")) / 1e6);
	} else if (json_object_get(r, "tokens")) {
		snprintf(out, size, "text of %lld tokens, %lld different bytes", (long long)json_integer_value(json_object_get(r, "tokens")),
			(long long)json_integer_value(json_object_get(r, "distinct")));
	} else {
		json_array_foreach(json_object_get(r, "arrays"), i, a) {
			char shape[128];

			shape_text(json_object_get(a, "shape"), shape, sizeof(shape));
			if (used < size) {
				used += (size_t)snprintf(out + used, size - used, "%s%s %s [%s]",
					i ? ", " : "", cli_text(a, "name"), cli_text(a, "type"), shape);
			}
		}
	}
}

static struct cli_table *new_table(void)
{
	return cli_table_create("id|name|>size|created|holds");
}

static void add_row(struct cli_table *t, const json_t *upload)
{
	char size[32], text[400];

	holds(upload, text, sizeof(text));
	cli_table_cell(t, "%s", cli_text(upload, "id"));
	cli_table_cell(t, "%s", cli_text(upload, "name"));
	cli_table_cell(t, "%s",
		cli_bytes(json_number_value(json_object_get(upload, "size_bytes")), size));
	cli_table_cell(t, "%.19s", cli_text(upload, "created"));
	cli_table_cell(t, "%s", text);
}

static void print_one(const struct cli *cli, const json_t *upload)
{
	struct cli_table *t;

	if (cli->opt['j']) {
		cli_print_json(upload);
		return;
	}
	t = new_table();
	add_row(t, upload);
	cli_table_print(t, stdout);
	cli_table_destroy(&t);
}

static enum cli_exit list(struct cli *cli, struct cli_http *http,
	const struct cli_upload_kind *kind)
{
	json_t *answer = NULL;
	const json_t *row;
	size_t i;
	char path[64];
	enum cli_exit code;

	snprintf(path, sizeof(path), "%s?limit=1000", kind->path);
	code = cli_http_call(http, "GET", path, NULL, &answer);
	if (code == CLI_OK && cli->opt['j']) {
		cli_print_json(answer);
	} else if (code == CLI_OK) {
		struct cli_table *t = new_table();

		json_array_foreach(json_object_get(answer, kind->list), i, row) {
			add_row(t, row);
		}
		cli_table_print(t, stdout);
		cli_table_destroy(&t);
	}
	json_decref(answer);
	return code;
}

static enum cli_exit add(struct cli *cli, struct cli_http *http,
	const struct cli_upload_kind *kind, const char *path)
{
	json_t *upload = NULL;
	enum cli_exit code = cli_upload_file(http, kind, path, cli->opt['N'], &upload);

	if (code == CLI_OK) {
		code = await_inspection(http, kind, &upload);
	}
	if (code == CLI_OK) {
		const json_t *inspection = json_object_get(upload, "inspection");

		print_one(cli, upload);
		if (!strcmp(cli_text(inspection, "state"), "failed")) {
			code = cli_fail(CLI_REFUSED, "%s is stored, but no job can use it: %s", path,
				cli_text(json_object_get(inspection, "error"), "detail"));
		}
	}
	json_decref(upload);
	return code;
}

static enum cli_exit show(struct cli *cli, struct cli_http *http,
	const struct cli_upload_kind *kind, const char *what)
{
	json_t *upload = NULL;
	enum cli_exit code = cli_upload_find(http, kind, what, &upload);

	if (code == CLI_OK) {
		print_one(cli, upload);
	}
	json_decref(upload);
	return code;
}

static enum cli_exit rm(struct cli *cli, struct cli_http *http, const struct cli_upload_kind *kind,
	const char *what)
{
	json_t *upload = NULL;
	char path[128];
	enum cli_exit code = cli_upload_find(http, kind, what, &upload);

	(void)cli;
	if (code == CLI_OK) {
		snprintf(path, sizeof(path), "%s/%.64s", kind->path, cli_text(upload, "id"));
		code = cli_http_call(http, "DELETE", path, NULL, NULL);
	}
	json_decref(upload);
	return code;
}

static enum cli_exit uploads(struct cli *cli, const struct cli_upload_kind *kind)
{
	static const struct {
		const char *name;
		enum cli_exit (*run)(struct cli *cli, struct cli_http *http,
			const struct cli_upload_kind *kind, const char *what);
	} verbs[] = {{"add", add}, {"show", show}, {"rm", rm}};
	const char *verb = cli->args ? cli->arg[0] : "list";
	struct cli_http *http = cli_http_create(cli);
	enum cli_exit code = CLI_OK;
	bool known = false;

	if (!http) {
		return cli_fail(CLI_USAGE, "no memory");
	}
	if (!strcmp(verb, "list")) {
		known = true;
		code = list(cli, http, kind);
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!strcmp(verb, verbs[i].name)) {
			known = true;
			if (cli->args < 2) {
				code = cli_fail(CLI_USAGE, "%s what? name a %s", verb, kind->word);
			}
			for (int k = 1; k < cli->args && code == CLI_OK; k++) {
				code = verbs[i].run(cli, http, kind, cli->arg[k]);
			}
		}
	}
	if (!known) {
		code = cli_fail(CLI_USAGE, "\"%s\" is none of list, add, show, rm", verb);
	}
	cli_http_destroy(&http);
	return code;
}

enum cli_exit cli_models(struct cli *cli)
{
	return uploads(cli, &cli_upload_model);
}

enum cli_exit cli_data(struct cli *cli)
{
	return uploads(cli, &cli_upload_dataset);
}
