/* SPDX-License-Identifier: Apache-2.0
 *
 * `quantbench help TYPE`: every field of a kind of job, from the JSON Schema that the worker here, or a server, has for it.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/http.h"
#include "cli/worker.h"

enum { WIDTH = 96, INDENT = 6, PATH = 200 };

struct help {
	const json_t *defs;
	json_t *shown; /* of definitions: where their fields have been listed */
};

/* Follows "#/$defs/part"; *name is NULL for what is no reference. */
static const json_t *resolve(const struct help *h, const json_t *schema, const char **name)
{
	const char *ref = json_string_value(json_object_get(schema, "$ref"));

	*name = ref ? strrchr(ref, '/') + 1 : NULL;
	return ref ? json_object_get(h->defs, *name) : schema;
}

static void print_value(const json_t *v, FILE *out)
{
	char *text = json_is_number(v) ? NULL : json_dumps(v, JSON_ENCODE_ANY);

	if (json_is_number(v)) {
		fprintf(out, "%.16g", json_number_value(v));
	} else {
		fputs(text ? text : "", out);
	}
	free(text);
}

/* " from 1 to 16", " of 1 to 64 entries", " of at most 8 entries". */
static void print_bounds(const json_t *schema, const char *least, const char *most, const char *from, const char *unit,
	FILE *out)
{
	const json_t *low = json_object_get(schema, least), *high = json_object_get(schema, most);
	bool range = low && high && !json_equal(low, high);

	if (!low && !high) {
		return;
	}
	fputs(range ? from : low && high ? " of " : low ? " of at least " : " of at most ", out);
	print_value(low ? low : high, out);
	if (range) {
		fputs(" to ", out);
		print_value(high, out);
	}
	fputs(unit, out);
}

static void print_type(const struct help *h, const json_t *schema, FILE *out);

static void print_all(const struct help *h, const json_t *list, const char *between, bool types, FILE *out)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v) {
		fputs(i ? between : "", out);
		if (types) {
			print_type(h, v, out);
		} else {
			print_value(v, out);
		}
	}
}

static void print_plain_type(const struct help *h, const json_t *schema, FILE *out)
{
	const json_t *type = json_object_get(schema, "type");
	const char *name = json_is_array(type) ? "file" : cli_text(schema, "type");

	if (!strcmp(name, "array")) {
		fputs("list", out);
		print_bounds(schema, "minItems", "maxItems", " of ", " entries", out);
		fputs(", each ", out);
		print_type(h, json_object_get(schema, "items"), out);
	} else if (!strcmp(name, "string")) {
		fputs("text", out);
		if (json_object_get(schema, "maxLength")) {
			print_bounds(schema, "minLength", "maxLength", " of ", " characters", out);
		}
	} else if (!strcmp(name, "boolean")) {
		fputs("true or false", out);
	} else {
		fputs(name, out);
		print_bounds(schema, "minimum", "maximum", " from ", "", out);
		fputs(json_object_get(schema, "exclusiveMinimum") ? " above 0" : "", out);
	}
}

static void print_type(const struct help *h, const json_t *schema, FILE *out)
{
	const char *name;
	const json_t *s = resolve(h, schema, &name);

	if (json_object_get(s, "enum")) {
		fputs("one of ", out);
		print_all(h, json_object_get(s, "enum"), ", ", false, out);
	} else if (json_object_get(s, "const")) {
		print_value(json_object_get(s, "const"), out);
	} else if (json_object_get(s, "anyOf")) {
		/* Objects that differ by a constant name are listed below. */
		const json_t *first = json_array_get(json_object_get(s, "anyOf"), 0);

		if (json_object_get(first, "title")) {
			fputs("object or name", out);
		} else {
			print_all(h, json_object_get(s, "anyOf"), ", or ", true, out);
		}
	} else {
		print_plain_type(h, s, out);
	}
}

/* Words, in lines of WIDTH. */
static void print_wrapped(const char *text, FILE *out)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column == 0 || column + 1 + n > WIDTH) {
			fprintf(out, "%s%*s", column ? "\n" : "", INDENT, "");
			column = INDENT;
		} else {
			putc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", (int)n, text);
		column += n;
		text += n + strspn(text + n, " ");
	}
	fputs(column ? "\n" : "", out);
}

static void print_inside(struct help *h, const json_t *schema, const char *path, FILE *out);

static void print_fields(struct help *h, const json_t *object, const char *path, FILE *out)
{
	const json_t *required = json_object_get(object, "required");
	const char *key;
	json_t *schema;

	json_object_foreach(json_object_get(object, "properties"), key, schema) {
		const json_t *usual = json_object_get(schema, "default"), *r;
		char here[PATH];
		size_t i;

		if (json_object_get(schema, "const") || (!*path && (!strcmp(key, "workdir") || !strcmp(key, "checkpoints")))) {
			continue;
		}
		snprintf(here, sizeof(here), "%.150s%s%.40s", path, *path ? "." : "", key);
		fprintf(out, "  %s: ", here);
		print_type(h, schema, out);
		if (usual) {
			fputs("; default ", out);
			print_value(usual, out);
		}
		json_array_foreach(required, i, r) {
			fputs(!strcmp(json_string_value(r), key) ? "; required" : "", out);
		}
		putc('\n', out);
		print_wrapped(cli_text(schema, "description"), out);
		print_inside(h, schema, here, out);
	}
}

/* The fields of the objects that the value at path may be or hold; those of a definition only once. */
static void print_inside(struct help *h, const json_t *schema, const char *path, FILE *out)
{
	const char *name, *title;
	const json_t *s = resolve(h, schema, &name), *alternative;
	char inside[PATH];
	size_t i;

	if (name && json_object_get(h->shown, name)) {
		if (json_object_get(s, "properties") || json_object_get(s, "items")) {
			fprintf(out, "%*sits fields are those of %s\n", INDENT, "", cli_text(h->shown, name));
		}
		return;
	}
	if (name) {
		json_object_set_new(h->shown, name, json_string(path));
	}
	title = cli_text(s, "title");
	snprintf(inside, sizeof(inside), *title ? "%.150s(%.40s)" : "%.150s", path, title);
	print_fields(h, s, inside, out);
	json_array_foreach(json_object_get(s, "anyOf"), i, alternative) {
		print_inside(h, alternative, path, out);
	}
	if (json_object_get(s, "items")) {
		snprintf(inside, sizeof(inside), "%.150s[]", path);
		print_inside(h, json_object_get(s, "items"), inside, out);
	}
	if (json_is_object(json_object_get(s, "additionalProperties"))) {
		snprintf(inside, sizeof(inside), "%.150s.NAME", path);
		print_inside(h, json_object_get(s, "additionalProperties"), inside, out);
	}
}

static enum cli_exit ask_worker(json_t **out)
{
	struct cli_worker w;
	json_t *question = json_pack("{s:s}", "ask", "types"), *line;
	enum cli_exit code = cli_worker_start(&w, (const char *const[]){"--serve", NULL});
	int status;

	if (code == CLI_OK) {
		cli_worker_send(&w, question);
		line = json_loadf(w.out, JSON_DISABLE_EOF_CHECK, NULL);
		*out = json_incref(json_object_get(line, "answer"));
		json_decref(line);
		status = cli_worker_end(&w);
		if (!*out) {
			code = WIFEXITED(status) && WEXITSTATUS(status) == 127 ? CLI_UNREACHABLE
				: cli_fail(CLI_UNREACHABLE, "the worker does not say which jobs it does");
		}
	}
	json_decref(question);
	return code;
}

static enum cli_exit ask_server(const struct cli *cli, json_t **out)
{
	struct cli_http *http = cli_http_create(cli);
	enum cli_exit code = http ? cli_http_call(http, "GET", "/v1/job-types", NULL, out)
				  : cli_fail(CLI_USAGE, "no memory");

	cli_http_destroy(&http);
	return code;
}

static enum cli_exit print_kind(const struct cli *cli, const json_t *types, const char *wanted)
{
	char names[256] = "";
	const json_t *kind;
	size_t i;

	json_array_foreach(types, i, kind) {
		const json_t *schema = json_object_get(kind, "schema");
		size_t n = strlen(names);

		if (!strcmp(cli_text(kind, "type"), wanted)) {
			struct help h = {json_object_get(schema, "$defs"), json_object()};

			if (cli->opt['j']) {
				cli_print_json(schema);
			} else {
				printf("%s\n\n", cli_text(schema, "description"));
				print_fields(&h, schema, "", stdout);
			}
			json_decref(h.shown);
			return CLI_OK;
		}
		snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "", cli_text(kind, "type"));
	}
	return cli_fail(CLI_USAGE, "\"%s\" is no kind of job; the kinds are %s", wanted, names);
}

enum cli_exit cli_job_help(struct cli *cli)
{
	json_t *answer = NULL;
	enum cli_exit code = cli->opt['S'] ? ask_server(cli, &answer) : ask_worker(&answer);

	if (code == CLI_OK) {
		code = print_kind(cli, json_object_get(answer, "types"), cli->arg[0]);
	}
	json_decref(answer);
	return code;
}
