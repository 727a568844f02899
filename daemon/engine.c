/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/engine.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/json_text.h"
#include "daemon/daemon.h"
#include "daemon/engine_info.h"
#include "daemon/worker.h"
#include "daemon/worker_command.h"

enum {
	RETRY_MS = 5000, TYPES_MS = 20000, ANSWER_MS = 5000, LOOK_MS = 1000, LINE_MAX_BYTES = 64 << 20,
	TRY_AGAIN_S = 5
};

/* How many questions may wait, light and heavy ones. */
static const int queue_max[2] = {256, 32};

/* Which file the worker program is. */
struct identity {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
};

struct qb_engine {
	struct qb_daemon *daemon;
	void (*ready)(struct qb_daemon *daemon);
	bool (*measuring)(struct qb_daemon *daemon);
	_Atomic(json_t *) info;
	json_t *former; /* descriptions that were replaced: HTTP threads may still read them */
	pthread_mutex_t lock; /* of why */
	char why[512];
	atomic_bool down; /* the last start failed, for the reason why */
	uv_timer_t retry, slow, look;
	struct qb_worker *worker;
	struct identity file, described_file; /* of worker, and of the one that info describes */
	double started;
	/* The first one is with the worker. Heavy ones stand behind the others. */
	struct qb_question *first;
	int queued[2]; /* light and heavy ones */
	bool asked; /* the first one's line was written */
	struct qb_question types; /* our own, asked first of every worker */
	bool outdated;  /* another one is to describe itself, whatever file it is */
	bool described; /* the worker has answered it */
	char heard[64];  /* the last version that a job reported and that was not the one described */
	char unfit[400]; /* why its answer cannot be used; empty: it can, or there is none */
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
	atomic_store(&e->down, true);
	qb_log(QB_LOG_ERROR, "the worker cannot be used: %s", why);
	if (!e->stopped) {
		uv_timer_start(&e->retry, retry, RETRY_MS, 0);
	}
}

static bool refuse_soon(struct qb_question *q, const char *code, const char *why)
{
	qb_refuse(&q->problem, 503, code, "%s", why);
	q->problem.retry_after_s = TRY_AGAIN_S;
	return false;
}

/* Behind those of its kind; what is with the worker stays in front. */
static void insert(struct qb_engine *e, struct qb_question *q)
{
	struct qb_question **link = &e->first;

	if (e->asked && *link) {
		link = &(*link)->next;
	}
	while (q != &e->types && *link && (q->heavy || !(*link)->heavy)) {
		link = &(*link)->next;
	}
	q->next = *link;
	*link = q;
	e->queued[q->heavy]++;
}

/* Takes a question out; whoever asked it goes on. */
static void take_out(struct qb_engine *e, struct qb_question **link)
{
	struct qb_question *q = *link;

	if (link == &e->first && e->asked) {
		uv_timer_stop(&e->slow);
		e->asked = false;
	}
	*link = q->next;
	e->queued[q->heavy]--;
	if (q->done) {
		q->done(q);
	}
}

static void answered(struct qb_engine *e)
{
	take_out(e, &e->first);
}

static bool client_left(const struct qb_question *q)
{
	char byte;

	return q->client >= 0 && recv(q->client, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void drop_unheard(struct qb_engine *e)
{
	struct qb_question **link = e->asked ? &e->first->next : &e->first;

	while (*link) {
		if (client_left(*link)) {
			qb_refuse(&(*link)->problem, 503, "client_left", "nobody waits for the answer");
			take_out(e, link);
		} else {
			link = &(*link)->next;
		}
	}
}

static bool look_at_file(const struct qb_engine *e, struct identity *id)
{
	struct stat st;

	memset(id, 0, sizeof(*id));
	if (stat(e->daemon->options.worker, &st)) {
		return false;
	}
	id->device = st.st_dev;
	id->inode = st.st_ino;
	id->size = st.st_size;
	id->modified = st.st_mtim;
	return true;
}

/* The program is another one now. One that is away is about to come back. */
static bool was_replaced(const struct qb_engine *e, const struct identity *then)
{
	struct identity now;

	return look_at_file(e, &now) && (now.device != then->device || now.inode != then->inode ||
		now.size != then->size || now.modified.tv_sec != then->modified.tv_sec ||
		now.modified.tv_nsec != then->modified.tv_nsec);
}

/* A worker of the former file answers what it was asked, then another one follows. */
static void renew(struct qb_engine *e)
{
	if (e->worker && !e->dying && !e->asked && (e->outdated || was_replaced(e, &e->file))) {
		qb_log(QB_LOG_INFO, "the worker program was replaced");
		e->outdated = false;
		e->dying = true;
		qb_worker_signal(e->worker, SIGKILL);
	}
}

static void look(uv_timer_t *timer)
{
	renew(timer->data);
}

static void too_slow(uv_timer_t *timer)
{
	struct qb_engine *e = timer->data;

	if (e->first != &e->types) {
		e->dying = true;
		qb_refuse(&e->first->problem, 503, "too_slow", "this took longer than %d seconds; ask for less, or "
			"submit it as a job", ANSWER_MS / 1000);
		answered(e);
	}
	qb_worker_signal(e->worker, SIGKILL);
}

/* The first question goes to the worker, unless it is there already. */
static void ask_next(struct qb_engine *e)
{
	json_t *line;
	char *text;

	drop_unheard(e);
	renew(e);
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
	json_t *known = atomic_load(&e->info);

	if (!qb_engine_info_normalize(info, e->unfit, sizeof(e->unfit))) {
		qb_worker_signal(e->worker, SIGKILL);
		return;
	}
	*e->unfit = '\0';
	e->described = true;
	e->described_file = e->file;
	atomic_store(&e->down, false);
	if (!known || !json_equal(known, info)) {
		qb_log(QB_LOG_INFO, "worker %s, engine %s, %zu kinds of job", e->daemon->options.worker,
			json_string_value(json_object_get(info, "engine")),
			json_array_size(json_object_get(info, "types")));
		atomic_store(&e->info, json_incref(info));
		if (known) {
			json_array_append_new(e->former, known);
		}
	}
	e->ready(e->daemon);
}

static void fail_first(struct qb_engine *e, const char *why)
{
	if (e->first && e->asked) {
		refuse_soon(e->first, "worker_unavailable", why);
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
		json_decref(line); /* from here on the answer is another thread's */
		line = NULL;
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
		refuse_soon(e->first, code, why);
		answered(e);
	}
}

/* What was being answered is lost; the others are asked again. A worker that ends by itself soon after its start is
 * tried again later. */
static void on_end(void *arg, const struct qb_worker_end *end)
{
	struct qb_engine *e = arg;
	bool lost = e->first && e->asked && e->first != &e->types;
	char why[400];

	e->worker = NULL;
	if (e->stopped) {
		return;
	}
	snprintf(why, sizeof(why), "%.150s --serve ended with status %d, signal %d: %.150s",
		e->daemon->options.worker, (int)end->status, end->signal, end->errors);
	if (e->dying || lost || (e->described && qb_seconds() - e->started > RETRY_MS / 1000)) {
		if (!e->dying) {
			qb_log(QB_LOG_WARNING, "%s; it starts again", why);
		}
		if (lost) {
			fail_first(e, "the worker ended while it answered; try again");
		} else if (e->first == &e->types) {
			answered(e);
		}
		start_worker(e);
		return;
	}
	not_ready(e, *e->unfit ? e->unfit : why);
	fail_all(e, "worker_unavailable", why);
}

static void start_worker(struct qb_engine *e)
{
	char why[256], **argv;
	struct qb_worker_setup setup = {.limit = LINE_MAX_BYTES, .line = on_line, .end = on_end, .arg = e};
	const struct qb_options *o = &e->daemon->options;
	const struct qb_worker_limits limits = {o->worker_threads, o->worker_memory, o->worker_cpu_seconds};

	argv = qb_worker_command("", o->worker, &limits, NULL, "--serve");
	setup.argv = argv;
	e->dying = e->described = false;
	*e->unfit = '\0';
	e->started = qb_seconds();
	look_at_file(e, &e->file);
	e->worker = qb_worker_start(e->daemon->loop, &setup, why, sizeof(why));
	qb_worker_argv_free(argv);
	if (!e->worker) {
		not_ready(e, why);
		fail_all(e, "worker_unavailable", why);
		return;
	}
	insert(e, &e->types);
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
	e->types.ask = "types";
	e->types.client = -1;
	e->former = json_array();
	pthread_mutex_init(&e->lock, NULL);
	snprintf(e->why, sizeof(e->why), "the worker has not answered yet");
	uv_timer_init(daemon->loop, &e->retry);
	uv_timer_init(daemon->loop, &e->slow);
	uv_timer_init(daemon->loop, &e->look);
	e->retry.data = e->slow.data = e->look.data = e;
	uv_timer_start(&e->look, look, LOOK_MS, LOOK_MS);
	start_worker(e);
	return e;
}

static void say_why(struct qb_engine *e, struct qb_problem *p)
{
	pthread_mutex_lock(&e->lock);
	qb_refuse(p, 503, "worker_unavailable", "the worker program cannot be used: %.400s; see the daemon's log and its "
		"option --worker", e->why);
	pthread_mutex_unlock(&e->lock);
	p->retry_after_s = TRY_AGAIN_S;
}

const json_t *qb_engine_info(struct qb_engine *e, struct qb_problem *p)
{
	const json_t *info = atomic_load(&e->info);

	if (!info && p) {
		say_why(e, p);
	}
	return info;
}

const json_t *qb_engine_ready(struct qb_engine *e, struct qb_problem *p)
{
	if (atomic_load(&e->down)) {
		if (p) {
			say_why(e, p);
		}
		return NULL;
	}
	return qb_engine_info(e, p);
}

const json_t *qb_engine_current(struct qb_engine *e)
{
	renew(e);
	return was_replaced(e, &e->described_file) ? NULL : qb_engine_info(e, NULL);
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

/* Once a version: a launcher may place workers where another one is installed. */
void qb_engine_heard(struct qb_engine *e, const char *version)
{
	const char *described = json_string_value(json_object_get(atomic_load(&e->info), "engine"));

	if (!e->stopped && described && strcmp(described, version) != 0 && strcmp(e->heard, version) != 0) {
		snprintf(e->heard, sizeof(e->heard), "%s", version);
		e->outdated = true;
		renew(e);
	}
}

static bool may_ask(struct qb_engine *e, struct qb_question *q)
{
	char text[80];

	if (e->stopped) {
		return refuse_soon(q, "stopping", "the server is stopping; try again later");
	}
	if (!e->worker || !qb_engine_info(e, &q->problem)) {
		return refuse_soon(q, "worker_unavailable", "the worker program cannot be used just now; try again in a few "
			"seconds");
	}
	if (q->heavy && e->measuring(e->daemon)) {
		return refuse_soon(q, "measuring", "a job is measuring latency, beside which nothing else may compute; try "
			"again in a few seconds");
	}
	if (e->queued[q->heavy] >= queue_max[q->heavy]) {
		snprintf(text, sizeof(text), "%d questions wait already; try again in a moment",
			queue_max[q->heavy]);
		return refuse_soon(q, "busy", text);
	}
	return true;
}

void qb_engine_ask(struct qb_engine *e, struct qb_question *q)
{
	drop_unheard(e);
	if (!may_ask(e, q)) {
		q->done(q);
		return;
	}
	insert(e, q);
	ask_next(e);
}

void qb_engine_stop(struct qb_engine *e)
{
	e->stopped = true;
	uv_close((uv_handle_t *)&e->retry, NULL);
	uv_close((uv_handle_t *)&e->slow, NULL);
	uv_close((uv_handle_t *)&e->look, NULL);
	fail_all(e, "stopping", "the server is stopping; try again later");
	if (e->worker) {
		qb_worker_signal(e->worker, SIGKILL);
	}
}

void qb_engine_destroy(struct qb_engine **engine)
{
	struct qb_engine *e = *engine;

	if (e) {
		json_decref(atomic_load(&e->info));
		json_decref(e->former);
		pthread_mutex_destroy(&e->lock);
		free(e);
		*engine = NULL;
	}
}
