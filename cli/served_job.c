/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/served_job.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/jobspec.h"
#include "cli/progress.h"

static bool is_over(const char *state)
{
	return !strcmp(state, "succeeded") || !strcmp(state, "failed") || !strcmp(state, "cancelled");
}

char *cli_job_path(const char *id, const char *tail)
{
	char *escaped = cli_http_escape(id), *path = NULL;

	if (escaped && asprintf(&path, "/v1/jobs/%s%s", escaped, tail) < 0) {
		path = NULL;
	}
	free(escaped);
	return path;
}

enum cli_exit cli_job_call(struct cli_http *http, const char *method, const char *id, const char *tail, json_t **out)
{
	char *path = cli_job_path(id, tail);
	enum cli_exit code = path ? cli_http_call(http, method, path, NULL, out)
				  : cli_fail(CLI_USAGE, "no memory");

	free(path);
	return code;
}

struct follower {
	struct cli_progress progress;
	char last_id[64], state[32];
	bool heard;
};

static bool on_event(void *arg, const char *id, const char *name, const json_t *data)
{
	struct follower *f = arg;

	snprintf(f->last_id, sizeof(f->last_id), "%s", id);
	f->heard = true;
	if (!strcmp(name, "state") || !strcmp(cli_text(data, "event"), "state")) {
		snprintf(f->state, sizeof(f->state), "%s", cli_text(data, "state"));
		if (!f->progress.terminal) {
			fprintf(stderr, "%s\n", f->state);
		}
		return !is_over(f->state);
	}
	cli_progress_event(&f->progress, data);
	return true;
}

/* Listens until the job is over, again and again if the line breaks; *job is its last description. */
static enum cli_exit follow(struct cli_http *http, const char *id, json_t **job)
{
	const struct timespec pause = {1, 0};
	struct follower f = {.last_id = ""};
	char *path = cli_job_path(id, "/events");
	enum cli_exit code = CLI_OK;
	int silent = 0;

	cli_progress_init(&f.progress);
	while (path && !is_over(f.state)) {
		f.heard = false;
		code = cli_http_events(http, path, f.last_id, on_event, &f);
		silent = f.heard ? 0 : silent + 1;
		/* A server that restarts is given half a minute. */
		if (code == CLI_REFUSED || (code != CLI_OK && (!*f.last_id || silent > 30))) {
			break;
		}
		if (!is_over(f.state)) {
			nanosleep(&pause, NULL);
		}
	}
	cli_progress_clear(&f.progress);
	free(path);
	return is_over(f.state) ? cli_job_call(http, "GET", id, "", job) : code;
}

/* Exit code of a job that is over, and its reason on stderr. */
static enum cli_exit outcome(const json_t *job)
{
	const json_t *error = json_object_get(job, "error");
	const char *id = cli_text(job, "id"), *state = cli_text(job, "state");

	if (!strcmp(state, "succeeded")) {
		return CLI_OK;
	}
	if (*cli_text(error, "detail")) {
		return cli_fail(CLI_JOB_FAILED, "job %s %s: %s", id, state, cli_text(error, "detail"));
	}
	return cli_fail(CLI_JOB_FAILED, "job %s is %s", id, state);
}

enum cli_exit cli_job_follow(struct cli_http *http, const char *id)
{
	json_t *job = NULL;
	enum cli_exit code = follow(http, id, &job);

	if (code == CLI_OK) {
		code = outcome(job);
	}
	json_decref(job);
	return code;
}

struct server {
	const struct cli *cli;
	struct cli_http *http;
};

/* An id in the place of a file name, after sending what the server lacks. */
static enum cli_exit resolve_input(void *arg, const struct cli_job_input *in, const char *value, json_t **out)
{
	const struct server *s = arg;
	char *path = cli_job_file(s->cli, value);
	json_t *upload = NULL;
	enum cli_exit code = path ? cli_upload_file(s->http, in->kind, path, NULL, &upload)
		: cli_upload_find(s->http, in->kind, value, &upload);

	free(path);
	*out = code == CLI_OK ? json_incref(json_object_get(upload, "id")) : NULL;
	json_decref(upload);
	return code;
}

enum cli_exit cli_job_send_inputs(const struct cli *cli, struct cli_http *http, json_t *spec)
{
	struct server server = {cli, http};

	return cli_job_resolve(spec, resolve_input, &server);
}

enum cli_exit cli_job_submit(const struct cli *cli, struct cli_http *http, json_t *spec, json_t **job)
{
	enum cli_exit code = cli_job_send_inputs(cli, http, spec);

	if (cli->opt['a']) {
		json_object_set_new(spec, "fresh", json_true());
	}
	return code == CLI_OK ? cli_http_call(http, "POST", "/v1/jobs", spec, job) : code;
}

void cli_job_tell(const json_t *job)
{
	fprintf(stderr, "job %s%s\n", cli_text(job, "id"),
		json_is_true(json_object_get(job, "cached")) ? ", known already (--fresh computes it again)" : "");
}
