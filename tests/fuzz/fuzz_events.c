/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as what a worker prints: through the daemon's reader of events, into its database, and the wording of the
 * worker's end; each event once more for each of its members, with an unusual value in its place. daemon/worker_run.c is compiled in
 * here, for its reader is its own.
 */
#include "daemon/worker_run.c"

#include <unistd.h>

#include "daemon/hub.h"
#include "daemon/store.h"
#include "tests/fuzz/change_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char state[] = "/tmp/quantbench-fuzz-XXXXXX", worker[] = "quantbench-worker";
static struct qb_daemon server;
static struct qb_worker_run run;

/* The log is the daemon's; here it is silent. */
void qb_log(enum qb_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

static void remove_state(void)
{
	qb_store_close(&server.store);
	qb_storage_destroy(&server.storage);
	qb_hub_destroy(&server.hub);
	free(server.database);
	qb_workspace_remove(state);
}

static void start_server(void)
{
	if (!mkdtemp(state)) {
		abort();
	}
	atexit(remove_state);
	server.options.state = state;
	server.options.worker = worker;
	server.options.launcher = worker + sizeof(worker) - 1;
	server.database = qb_format("%s/quantbench.db", state);
	server.storage = qb_storage_create(state);
	server.store = qb_store_open(server.database, server.storage, true);
	server.hub = qb_hub_create();
	if (!server.store || !qb_blobs_prepare(state)) {
		abort();
	}
}

static void heard(void *arg, struct qb_worker_run *r)
{
	(void)arg;
	(void)r;
}

/* Why a job failed, as the API describes it. */
static void check_error(const json_t *error)
{
	const json_t *field = json_object_get(error, "field"), *near = json_object_get(error, "near"), *name;
	size_t i;

	if (!text_of(error, "code") || !text_of(error, "detail") || (field && !json_is_string(field)) ||
		(near && !json_is_array(near))) {
		abort();
	}
	json_array_foreach(near, i, name) {
		if (!json_is_string(name)) {
			abort();
		}
	}
}

static void print_line(const char *text, size_t n)
{
	char *line = malloc(n + 1); /* ended by a NUL, and not one byte more */

	memcpy(line, text, n);
	line[n] = '\0';
	on_line(&run, line, n);
	free(line);
}

static void print_event(const json_t *event)
{
	char *text = json_dumps(event, JSON_COMPACT);

	print_line(text, strlen(text));
	free(text);
	if (run.error) {
		check_error(run.error);
	}
}

static void print_lines(const char *text, size_t size)
{
	while (size) {
		const char *newline = memchr(text, '\n', size);
		size_t n = newline ? (size_t)(newline - text) : size;
		json_t *event = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);

		print_line(text, n);
		if (event) {
			change_json(event, n, print_event);
			json_decref(event);
		}
		n += newline != NULL;
		text += n;
		size -= n;
	}
}

static int64_t begin_job(void)
{
	int64_t job = 0;

	qb_store_begin(server.store, false);
	if (qb_store_value(server.store, QB_SQL_JOB_INSERT, &job, "ssssssIsii", "ptq", "{}", "", "", "", "local", (int64_t)-1, "local",
		    (int64_t)0, (int64_t)0) != QB_FOUND ||
		!qb_store_commit(server.store)) {
		abort();
	}
	return job;
}

/* What is stored of it is JSON that clients can read: one of the kinds of event, in one line. */
static void read_back(int64_t job)
{
	json_t *rows = NULL;
	const json_t *row;
	size_t i;

	if (!qb_store_list(server.store, QB_SQL_EVENT_LIST, &rows, "ii", job, (int64_t)0)) {
		abort();
	}
	json_array_foreach(rows, i, row) {
		const char *text = text_of(row, "data");
		json_t *data = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

		if (!json_is_object(data) || strchr(text, '\n') || !text_of(data, "time") ||
			strcmp(text_of(data, "event"), text_of(row, "kind")) != 0) {
			abort();
		}
		json_decref(data);
	}
	json_decref(rows);
	qb_store_begin(server.store, false);
	qb_store_exec(server.store, QB_SQL_JOB_DELETE, "i", job);
	if (!qb_store_commit(server.store)) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qb_worker_end end = {.errors = "", .status = size % 3, .signal = size % 5 ? 0 : SIGKILL};

	if (!server.store) {
		start_server();
	}
	run = (struct qb_worker_run){.daemon = &server, .job = begin_job(), .folder = state, .changed = heard, .oom_kills = -1};
	qb_record_init(&run.record, &server, run.job, state);
	print_lines((const char *)data, size);
	if (!qb_record_save(&run.record)) {
		abort();
	}
	read_back(run.job);
	qb__run_explain(&run, &end);
	if (run.error) {
		check_error(run.error);
	}
	qb_record_fini(&run.record);
	json_decref(run.result);
	json_decref(run.error);
	return 0;
}
