/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/engine.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "daemon/daemon.h"
#include "daemon/loop.h"
#include "daemon/worker.h"

enum { RETRY_MS = 5000, TYPES_MS = 20000, ANSWER_MS = 5000, LINE_MAX_BYTES = 64 << 20, QUEUE_MAX = 64 };

struct qb_engine {
	struct qb_daemon *daemon;
	void (*ready)(struct qb_daemon *daemon);
	bool (*measuring)(struct qb_daemon *daemon);
	_Atomic(json_t *) info;
	pthread_mutex_t lock; /* of why */
	char why[512];
	uv_timer_t retry, slow;
	struct qb_worker *worker;
	/* The first one is with the worker. */
	struct qb_question *first, **last;
	int queued;
	bool asked; /* the first one's line was written */
	struct qb_question types; /* our own, asked whenever a worker starts before info is there */
	bool dying; /* we killed the worker: nothing it still says counts, and another follows */
	bool stopped;
};

static void start_worker(struct qb_engine *e);

static void retry(uv_timer_t *timer)
{
	start_worker(timer->data);
}

static void not_ready(struct qb_engine *e, const char *why)
{
	pthread_mutex_lock(&e->lock);
	snprintf(e->why, sizeof(e->why), "%s", why);
	pthread_mutex_unlock(&e->lock);
	qb_log(QB_LOG_ERROR, "the worker cannot be used: %s", why);
	if (!e->stopped) {
		uv_timer_start(&e->retry, retry, RETRY_MS, 0);
	}
}

/* "model data" and ["model", "data"] both become the latter; a schema given as text is read. */
static void normalize_type(json_t *type)
{
	json_t *inputs = json_object_get(type, "inputs"), *schema = json_object_get(type, "schema");

	if (!json_is_array(inputs)) {
		char *words = strdup(json_is_string(inputs) ? json_string_value(inputs) : "");
		char *rest = NULL;
		json_t *list = json_array();

		for (char *w = strtok_r(words, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
			json_array_append_new(list, json_string(w));
		}
		free(words);
		json_object_set_new(type, "inputs", list);
	}
	if (json_is_string(schema)) {
		schema = json_loads(json_string_value(schema), 0, NULL);
		json_object_set_new(type, "schema", schema ? schema : json_object());
	} else if (!schema) {
		json_object_set_new(type, "schema", json_object());
	}
}

static bool normalize(json_t *info)
{
	json_t *types = json_object_get(info, "types"), *formats = json_object_get(info, "formats"), *v;
	size_t i;

	if (!json_is_string(json_object_get(info, "engine")) || !json_is_array(types)) {
		return false;
	}
	json_array_foreach(types, i, v) {
		if (!json_is_string(json_object_get(v, "type"))) {
			return false;
		}
		normalize_type(v);
	}
	if (!json_is_array(formats)) {
		json_object_set_new(info, "formats", json_array());
		return true;
	}
	json_array_foreach(formats, i, v) {
		if (json_is_string(v)) {
			json_array_set_new(formats, i, json_pack("{s:O}", "name", v));
		}
	}
	return true;
}

static void append(struct qb_engine *e, struct qb_question *q)
{
	q->next = NULL;
	*e->last = q;
	e->last = &q->next;
	e->queued++;
}

/* Takes the first question out; whoever asked it wakes up. */
static void answered(struct qb_engine *e)
{
	struct qb_question *q = e->first;

	uv_timer_stop(&e->slow);
	e->first = q->next;
	e->last = e->first ? e->last : &e->first;
	e->queued--;
	e->asked = false;
	if (q->call) {
		qb_call_done(q->call);
	}
}

static void too_slow(uv_timer_t *timer)
{
	struct qb_engine *e = timer->data;

	if (e->first != &e->types) {
		qb_refuse(&e->first->problem, 503, "too_slow", "this took longer than %d seconds; ask for less, or "
			"submit it as a job", ANSWER_MS / 1000);
		answered(e);
		e->dying = true;
	}
	qb_worker_signal(e->worker, SIGKILL);
}

/* The first question goes to the worker, unless it is there already. */
static void ask_next(struct qb_engine *e)
{
	json_t *line;
	char *text;

	if (!e->first || !e->worker || e->asked || e->dying) {
		return;
	}
	line = e->first->body ? json_copy((json_t *)e->first->body) : json_object();
	json_object_set_new(line, "ask", json_string(e->first->ask));
	text = qb_json_text(line, JSON_COMPACT);
	json_decref(line);
	e->asked = true;
	qb_worker_say(e->worker, text ? text : "{}");
	free(text);
	uv_timer_start(&e->slow, too_slow, e->first == &e->types ? TYPES_MS : ANSWER_MS, 0);
}

static void take_info(struct qb_engine *e, json_t *info)
{
	if (!normalize(info)) {
		qb_log(QB_LOG_ERROR, "the worker's description of its kinds of job is not understood");
		qb_worker_signal(e->worker, SIGKILL);
		return;
	}
	qb_log(QB_LOG_INFO, "worker %s, engine %s, %zu kinds of job", e->daemon->options.worker,
		json_string_value(json_object_get(info, "engine")),
		json_array_size(json_object_get(info, "types")));
	atomic_store(&e->info, json_incref(info));
	e->ready(e->daemon);
}

static void fail_first(struct qb_engine *e, const char *why)
{
	if (e->first && e->asked) {
		qb_refuse(&e->first->problem, 503, "worker_unavailable", "%s", why);
		answered(e);
	}
}

/* {"answer": ...} or the error event that a job would end with. */
static void on_line(void *arg, char *text, size_t len)
{
	struct qb_engine *e = arg;
	struct qb_question *q = e->first;
	json_t *line = text ? json_loadb(text, len, JSON_DECODE_ANY, NULL) : NULL;
	json_t *answer = json_object_get(line, "answer");
	const char *code = json_string_value(json_object_get(line, "code"));
	const char *detail = json_string_value(json_object_get(line, "detail"));

	if (e->dying) {
		json_decref(line);
		return;
	}
	if (q && e->asked && answer && q == &e->types) {
		answered(e);
		take_info(e, answer);
	} else if (q && e->asked && answer) {
		q->answer = json_incref(answer);
		answered(e);
	} else if (q && e->asked && code && detail) {
		qb_refuse(&q->problem, q->refused ? q->refused : 422, code, "%s", detail);
		answered(e);
	} else {
		/* Which answer belongs to which question is lost. One that never described itself gets a pause. */
		e->dying = q != &e->types;
		qb_worker_signal(e->worker, SIGKILL);
		fail_first(e, "the worker's answer is not understood; see the daemon's option --worker");
	}
	json_decref(line);
	ask_next(e);
}

static void fail_all(struct qb_engine *e, const char *code, const char *why)
{
	while (e->first) {
		qb_refuse(&e->first->problem, 503, code, "%s", why);
		answered(e);
	}
}

/* What was being answered is lost; the others are asked again. A worker that has never answered is tried again later. */
static void on_end(void *arg, const struct qb_worker_end *end)
{
	struct qb_engine *e = arg;
	bool lost = e->first && e->asked && e->first != &e->types;
	char why[400];

	e->worker = NULL;
	if (e->stopped) {
		fail_all(e, "stopping", "the server is stopping; try again later");
		return;
	}
	snprintf(why, sizeof(why), "%.150s --serve ended with status %d, signal %d: %.150s",
		e->daemon->options.worker, (int)end->status, end->signal, end->errors);
	if (e->dying || lost) {
		qb_log(QB_LOG_WARNING, "%s; it starts again", why);
		if (lost) {
			fail_first(e, "the worker ended while it answered; try again");
		}
		start_worker(e);
		return;
	}
	not_ready(e, why);
	fail_all(e, "worker_unavailable", why);
}

static void start_worker(struct qb_engine *e)
{
	char threads[24], why[256], **argv;
	struct qb_worker_setup setup = {.limit = LINE_MAX_BYTES, .line = on_line, .end = on_end, .arg = e};

	snprintf(threads, sizeof(threads), "%lld", (long long)e->daemon->options.worker_threads);
	argv = qb_worker_argv("", e->daemon->options.worker, "--serve", "--threads", threads, NULL);
	setup.argv = argv;
	e->dying = false;
	e->worker = qb_worker_start(e->daemon->loop, &setup, why, sizeof(why));
	qb_worker_argv_free(argv);
	if (!e->worker) {
		not_ready(e, why);
		fail_all(e, "worker_unavailable", why);
		return;
	}
	if (!atomic_load(&e->info)) {
		append(e, &e->types);
	}
	ask_next(e);
}

struct qb_engine *qb_engine_create(struct qb_daemon *daemon, void (*ready)(struct qb_daemon *daemon),
	bool (*measuring)(struct qb_daemon *daemon))
{
	struct qb_engine *e = calloc(1, sizeof(*e));

	if (!e) {
		return NULL;
	}
	e->daemon = daemon;
	e->ready = ready;
	e->measuring = measuring;
	e->last = &e->first;
	e->types.ask = "types";
	pthread_mutex_init(&e->lock, NULL);
	snprintf(e->why, sizeof(e->why), "the worker has not answered yet");
	uv_timer_init(daemon->loop, &e->retry);
	uv_timer_init(daemon->loop, &e->slow);
	e->retry.data = e->slow.data = e;
	start_worker(e);
	return e;
}

const json_t *qb_engine_info(struct qb_engine *e, struct qb_problem *p)
{
	const json_t *info = atomic_load(&e->info);

	if (!info && p) {
		pthread_mutex_lock(&e->lock);
		qb_refuse(p, 503, "worker_unavailable", "the worker program cannot be used: %.400s; "
			"see the daemon's log and its option --worker", e->why);
		pthread_mutex_unlock(&e->lock);
	}
	return info;
}

const json_t *qb_engine_type(const json_t *info, const char *type)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(info, "types"), i, v) {
		if (!strcmp(json_string_value(json_object_get(v, "type")), type)) {
			return v;
		}
	}
	return NULL;
}

void qb_engine_ask(struct qb_call *call, void *question)
{
	struct qb_question *q = question;
	struct qb_engine *e = q->daemon->engine;

	if (e->stopped) {
		qb_refuse(&q->problem, 503, "stopping", "the server is stopping; try again later");
	} else if (!e->worker || !qb_engine_info(e, &q->problem)) {
		qb_refuse(&q->problem, 503, "worker_unavailable", "the worker program cannot be used just now; try "
			"again in a few seconds");
	} else if (q->heavy && e->measuring(q->daemon)) {
		qb_refuse(&q->problem, 503, "measuring", "a job is measuring latency, beside which nothing else may "
			"compute; try again in a few seconds");
	} else if (e->queued >= QUEUE_MAX) {
		qb_refuse(&q->problem, 503, "busy", "%d questions wait already; try again in a moment", QUEUE_MAX);
	} else {
		q->call = call;
		append(e, q);
		ask_next(e);
		return;
	}
	qb_call_done(call);
}

void qb_engine_stop(struct qb_engine *e)
{
	e->stopped = true;
	uv_close((uv_handle_t *)&e->retry, NULL);
	uv_close((uv_handle_t *)&e->slow, NULL);
	if (e->worker) {
		qb_worker_signal(e->worker, SIGKILL);
	}
}

void qb_engine_destroy(struct qb_engine **engine)
{
	struct qb_engine *e = *engine;

	if (e) {
		json_decref(atomic_load(&e->info));
		pthread_mutex_destroy(&e->lock);
		free(e);
		*engine = NULL;
	}
}
