/* SPDX-License-Identifier: Apache-2.0
 *
 * `quantbench verify`: does a job again, and says whether its result has the same bytes.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "cli/http.h"
#include "cli/served_job.h"
#include "common/json_text.h"

/* What a clock or the server says, and no computation. */
static bool is_measured(const char *key)
{
	static const char *const keys[] = {"latency", "machine", "job", "run_target", "seconds", "seconds_per_step", "samples_per_second",
		"sweep_cost", "threads"};
	const size_t n = strlen(key);

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!strcmp(keys[i], key)) {
			return true;
		}
	}
	return (n > 3 && !strcmp(key + n - 3, "_ns")) || (n > 8 && !strcmp(key + n - 8, "_seconds"));
}

/* Without it. */
static void strip(json_t *v)
{
	json_t *member;
	const char *key;
	void *next;
	size_t i;

	json_object_foreach_safe(v, next, key, member) {
		if (is_measured(key)) {
			json_object_del(v, key);
		} else {
			strip(member);
		}
	}
	json_array_foreach(v, i, member) {
		strip(member);
	}
}

static char *text_of(const json_t *v)
{
	return v ? qb_json_text(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;
}

static bool same(const json_t *a, const json_t *b)
{
	char *one = text_of(a), *other = text_of(b);
	bool is = one && other && !strcmp(one, other);

	free(one);
	free(other);
	return is;
}

/* Where the two differ first: a JSON Pointer, appended to path. *a and *b become what is there. */
static void find(const json_t **a, const json_t **b, char *path, size_t size)
{
	const size_t used = strlen(path);
	const char *key;
	json_t *v;
	size_t i;

	if (json_is_object(*a) && json_is_object(*b)) {
		json_object_foreach((json_t *)*a, key, v) {
			const json_t *other = json_object_get(*b, key);

			if (!same(v, other)) {
				snprintf(path + used, size - used, "/%s", key);
				*a = v;
				*b = other;
				find(a, b, path, size);
				return;
			}
		}
	} else if (json_is_array(*a) && json_is_array(*b) && json_array_size(*a) == json_array_size(*b)) {
		json_array_foreach(*a, i, v) {
			if (!same(v, json_array_get(*b, i))) {
				snprintf(path + used, size - used, "/%zu", i);
				*b = json_array_get(*b, i);
				*a = v;
				find(a, b, path, size);
				return;
			}
		}
	}
}

static enum cli_exit judge(const struct cli *cli, const char *id, const char *again, json_t *first, json_t *second)
{
	char path[1000] = "", *text, *a, *b;
	const json_t *x = first, *y = second;
	bool equal;

	strip(first);
	strip(second);
	equal = same(first, second);
	text = text_of(first);
	find(&x, &y, path, sizeof(path));
	if (cli->opt['j']) {
		json_t *said = json_pack("{s:s, s:s, s:b, s:s*}", "job", id, "again", again, "same", equal, "differs", equal ? NULL : path);

		cli_print_json(said);
		json_decref(said);
	} else if (equal) {
		printf("%s and %s have the same result: %zu bytes of JSON, measured times apart\n", id, again, text ? strlen(text) : 0);
	} else {
		a = text_of(x);
		b = text_of(y);
		printf("%s and %s differ at %s: %.60s and %.60s\n", id, again, path, a ? a : "nothing", b ? b : "nothing");
		free(a);
		free(b);
	}
	free(text);
	return equal ? CLI_OK : CLI_BEYOND;
}

/* The same job on the same target, whatever results there are. */
static json_t *asked_again(const json_t *job)
{
	json_t *spec = json_deep_copy(json_object_get(job, "spec"));

	spec = spec ? spec : json_object(); /* the server says what is missing */
	json_object_set_new(spec, "fresh", json_true());
	if (*cli_text(job, "target")) {
		json_object_set_new(spec, "run", json_pack("{s:s}", "target", cli_text(job, "target")));
	}
	return spec;
}

static enum cli_exit verify(const struct cli *cli, struct cli_http *http, const char *id)
{
	json_t *job = NULL, *first = NULL, *second = NULL, *again = NULL, *spec = NULL;
	enum cli_exit code = cli_job_call(http, "GET", id, "", &job);

	code = code == CLI_OK ? cli_job_call(http, "GET", id, "/results", &first) : code;
	if (code == CLI_OK) {
		spec = asked_again(job);
		code = cli_http_call(http, "POST", "/v1/jobs", spec, &again);
	}
	if (code == CLI_OK) {
		cli_job_tell(again);
		code = cli_job_follow(http, cli_text(again, "id"));
	}
	code = code == CLI_OK ? cli_job_call(http, "GET", cli_text(again, "id"), "/results", &second) : code;
	code = code == CLI_OK ? judge(cli, id, cli_text(again, "id"), first, second) : code;
	json_decref(job);
	json_decref(first);
	json_decref(second);
	json_decref(again);
	json_decref(spec);
	return code;
}

enum cli_exit cli_verify(struct cli *cli)
{
	struct cli_http *http = cli_http_create(cli);
	enum cli_exit code = http ? verify(cli, http, cli->arg[0]) : cli_fail(CLI_USAGE, "no memory");

	cli_http_destroy(&http);
	return code;
}
