/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/engine.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lab.h"
#include "daemon/loop.h"
#include "daemon/worker.h"

enum { RETRY_MS = 5000, ANSWER_MS = 20000, OUTPUT_MAX = 32 << 20, FORMATS_KEPT = 256 };

struct qb_engine {
	struct qb_lab *lab;
	void (*ready)(struct qb_lab *lab);
	_Atomic(json_t *) info;
	pthread_mutex_t lock; /* of why */
	char why[512];
	uv_timer_t retry, slow;
	struct qb_worker *asking;
	struct ask *asks;
	json_t *formats; /* name: description */
	bool stopped;
};

/* One --format process. */
struct ask {
	struct qb_engine *engine;
	struct qb_format_question *question;
	struct qb_call *call;
	struct qb_worker *worker;
	uv_timer_t slow;
	struct ask *next;
};

static void ask_types(struct qb_engine *e);

static void retry(uv_timer_t *timer)
{
	ask_types(timer->data);
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

static void types_ended(void *arg, const struct qb_worker_end *end)
{
	struct qb_engine *e = arg;
	json_error_t error;
	json_t *info;
	char why[400];

	e->asking = NULL;
	uv_timer_stop(&e->slow);
	if (e->stopped) {
		return;
	}
	info = json_loadb(end->output, end->output_len, JSON_REJECT_DUPLICATES, &error);
	if (end->signal || end->status || !info || !normalize(info)) {
		json_decref(info);
		snprintf(why, sizeof(why), "%.150s --types ended with status %d, signal %d, and no "
			"description of its job types: %.150s", e->lab->options.worker, (int)end->status,
			end->signal, end->errors);
		not_ready(e, why);
		return;
	}
	qb_log(QB_LOG_INFO, "worker %s, engine %s, %zu kinds of job", e->lab->options.worker,
		json_string_value(json_object_get(info, "engine")),
		json_array_size(json_object_get(info, "types")));
	atomic_store(&e->info, info);
	e->ready(e->lab);
}

static void types_slow(uv_timer_t *timer)
{
	struct qb_engine *e = timer->data;

	if (e->asking) {
		qb_worker_signal(e->asking, SIGKILL);
	}
}

static void ask_types(struct qb_engine *e)
{
	char **argv = qb_worker_argv("", e->lab->options.worker, "--types", NULL), why[256];
	const struct qb_worker_setup setup = {.argv = argv, .collect = true, .limit = OUTPUT_MAX,
		.end = types_ended, .arg = e};

	e->asking = qb_worker_start(e->lab->loop, &setup, why, sizeof(why));
	qb_worker_argv_free(argv);
	if (!e->asking) {
		not_ready(e, why);
		return;
	}
	uv_timer_start(&e->slow, types_slow, ANSWER_MS, 0);
}

struct qb_engine *qb_engine_create(struct qb_lab *lab, void (*ready)(struct qb_lab *lab))
{
	struct qb_engine *e = calloc(1, sizeof(*e));

	if (!e) {
		return NULL;
	}
	e->lab = lab;
	e->ready = ready;
	e->formats = json_object();
	pthread_mutex_init(&e->lock, NULL);
	snprintf(e->why, sizeof(e->why), "the worker has not answered yet");
	uv_timer_init(lab->loop, &e->retry);
	uv_timer_init(lab->loop, &e->slow);
	e->retry.data = e->slow.data = e;
	ask_types(e);
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

static void ask_freed(uv_handle_t *handle)
{
	free(handle->data);
}

static void ask_done(struct ask *a)
{
	for (struct ask **link = &a->engine->asks; *link; link = &(*link)->next) {
		if (*link == a) {
			*link = a->next;
			break;
		}
	}
	qb_call_done(a->call);
	uv_close((uv_handle_t *)&a->slow, ask_freed);
}

/* The detail of the worker's error line, which it prints in place of the description. */
static const char *error_detail(const json_t *v)
{
	return json_string_value(json_object_get(v, "detail"));
}

static void format_ended(void *arg, const struct qb_worker_end *end)
{
	struct ask *a = arg;
	struct qb_format_question *q = a->question;
	json_t *v = json_loadb(end->output, end->output_len, 0, NULL);

	a->worker = NULL;
	if (!end->signal && !end->status && json_is_object(v)) {
		if (json_object_size(a->engine->formats) >= FORMATS_KEPT) {
			json_object_clear(a->engine->formats);
		}
		json_object_set(a->engine->formats, q->name, v);
		q->answer = json_incref(v);
	} else if (end->signal) {
		qb_refuse(&q->problem, 503, "worker_unavailable",
			"the worker was killed by signal %d while it described %.100s; try again", end->signal,
			q->name);
	} else {
		qb_refuse(&q->problem, 404, "no_such_format", "%s",
			error_detail(v) ? error_detail(v) : "there is no number format of this name");
	}
	json_decref(v);
	ask_done(a);
}

static void format_slow(uv_timer_t *timer)
{
	struct ask *a = timer->data;

	if (a->worker) {
		qb_worker_signal(a->worker, SIGKILL);
	}
}

void qb_engine_format(struct qb_call *call, void *question)
{
	struct qb_format_question *q = question;
	struct qb_engine *e = q->lab->engine;
	struct ask *a;
	char **argv, why[256];
	struct qb_worker_setup setup = {.collect = true, .limit = OUTPUT_MAX, .end = format_ended};

	q->answer = json_incref(json_object_get(e->formats, q->name));
	a = q->answer || e->stopped ? NULL : calloc(1, sizeof(*a));
	if (!a) {
		if (!q->answer) {
			qb_refuse(&q->problem, 503, "stopping", "the server is stopping; try again later");
		}
		qb_call_done(call);
		return;
	}
	a->engine = e;
	a->question = q;
	a->call = call;
	a->next = e->asks;
	e->asks = a;
	uv_timer_init(e->lab->loop, &a->slow);
	a->slow.data = a;
	argv = qb_worker_argv("", e->lab->options.worker, "--format", q->name, NULL);
	setup.argv = argv;
	setup.arg = a;
	a->worker = qb_worker_start(e->lab->loop, &setup, why, sizeof(why));
	qb_worker_argv_free(argv);
	if (!a->worker) {
		qb_refuse(&q->problem, 503, "worker_unavailable", "%s", why);
		ask_done(a);
		return;
	}
	uv_timer_start(&a->slow, format_slow, ANSWER_MS, 0);
}

void qb_engine_stop(struct qb_engine *e)
{
	e->stopped = true;
	uv_close((uv_handle_t *)&e->retry, NULL);
	uv_close((uv_handle_t *)&e->slow, NULL);
	if (e->asking) {
		qb_worker_signal(e->asking, SIGKILL);
	}
	for (struct ask *a = e->asks; a; a = a->next) {
		if (a->worker) {
			qb_worker_signal(a->worker, SIGKILL);
		}
	}
}

void qb_engine_destroy(struct qb_engine **engine)
{
	struct qb_engine *e = *engine;

	if (e) {
		json_decref(e->formats);
		json_decref(atomic_load(&e->info));
		pthread_mutex_destroy(&e->lock);
		free(e);
		*engine = NULL;
	}
}
