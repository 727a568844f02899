/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/dispatcher.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon.h"
#include "daemon/engine.h"
#include "daemon/health.h"
#include "daemon/inputs.h"
#include "daemon/jobs.h"
#include "daemon/scheduler.h"
#include "daemon/storage.h"
#include "daemon/store.h"
#include "daemon/worker_run.h"

static const double AGAIN_S = 0.5; /* after what should not fail */

struct qb_dispatcher {
	struct qb_daemon *daemon;
	struct qb_worker_run *runs;
	uv_timer_t timer;
	int64_t turns; /* of exclusive runs */
	int64_t serials; /* of runs */
	struct qb_host_pause pause;
	void (*stopped)(struct qb_daemon *daemon);
};

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void decide(uv_timer_t *timer);

static void decide_in(struct qb_dispatcher *d, double seconds)
{
	uint64_t ms = seconds > 0 ? (uint64_t)ceil(seconds * 1000) : 0;

	if (!d->stopped && (!uv_is_active((uv_handle_t *)&d->timer) || uv_timer_get_due_in(&d->timer) > ms)) {
		uv_timer_start(&d->timer, decide, ms, 0);
	}
}

void qb_dispatcher_wake(struct qb_dispatcher *d)
{
	decide_in(d, 0);
}

/* The machine cannot start a worker: no job's fault, and it may pass. */
static void host_failed(struct qb_dispatcher *d, const char *why)
{
	qb_host_pause_extend(&d->pause, qb_seconds());
	qb_health_set(d->daemon->health, QB_CONDITION_WORKERS, "%s; jobs wait, and it is tried again every few seconds",
		why);
}

static void host_works(struct qb_dispatcher *d)
{
	if (d->pause.failures) {
		d->pause = (struct qb_host_pause){0};
		qb_health_clear(d->daemon->health, QB_CONDITION_WORKERS);
	}
}

static bool gave_up(struct qb_dispatcher *d, struct qb_worker_run *r)
{
	char text[300];

	snprintf(text, sizeof(text), "%d times the job measured latency and was stalled, while all other jobs had to "
		"wait; retry it if you think that the machine was the cause", QB_ATTEMPTS_MAX);
	return qb_job_fail(d->daemon, r->job, "gave_up", text);
}

static bool store_job(struct qb_dispatcher *d, struct qb_worker_run *r)
{
	struct qb_worker_run_end end = {.stop = r->stop, .good = !r->error, .started = !r->host_failed, .host_suspected = r->host_suspected,
		.crashed = r->crashed, .attempts = r->attempts};
	bool counts;

	end.resumable = qb_worker_run_resumable(r, &end.progressed);
	switch (qb_sched_fate(&end, &counts)) {
	case QB_FATE_SUCCEEDED:
		if (*r->engine) {
			qb_job_engine(d->daemon, r->job, r->engine);
			qb_engine_heard(d->daemon->engine, r->engine);
		}
		return qb_job_finish(d->daemon, r->job, "succeeded", NULL, r->outcome, r->result);
	case QB_FATE_FAILED:
		return qb_job_finish(d->daemon, r->job, "failed", r->error, r->outcome, NULL);
	case QB_FATE_CANCELLED:
		return qb_job_finish(d->daemon, r->job, "cancelled", r->error, r->outcome, NULL);
	case QB_FATE_QUEUED:
		return qb_job_requeue(d->daemon, r->job, counts);
	case QB_FATE_GAVE_UP:
		return gave_up(d, r);
	default:
		return true;
	}
}

/* Attempts are counted before they begin, so that a file that takes the server down is not tried for ever. */
static bool count_inspection(struct qb_dispatcher *d, const char *upload, int64_t change)
{
	qb_store_begin(d->daemon->store, true);
	qb_store_exec(d->daemon->store, QB_SQL_UPLOAD_INSPECTING, "si", upload, change);
	return qb_store_commit(d->daemon->store);
}

/* One that was ended by us, or never began, is inspected another time. */
static bool store_inspection(struct qb_dispatcher *d, struct qb_worker_run *r)
{
	struct qb_store *s = d->daemon->store;

	if (r->stop == QB_STOP_ABANDONED) {
		return true;
	}
	if (r->host_failed || (r->stop != QB_STOP_NONE && r->stop != QB_STOP_OVERTIME)) {
		return count_inspection(d, r->upload, -1);
	}
	qb_store_begin(s, true);
	qb_store_exec(s, QB_SQL_UPLOAD_INSPECTED, "ssjj", r->upload, r->error ? "failed" : "ok",
		r->error ? NULL : r->result, r->error);
	return qb_store_commit(s);
}

static bool save_run(struct qb_dispatcher *d, struct qb_worker_run *r)
{
	if (qb_worker_run_save(r) && (!r->ended || (r->job ? store_job(d, r) : store_inspection(d, r)))) {
		return true;
	}
	/* Not the storage's fault but ours: trying again would not help. */
	return r->ended && r->job && qb_storage_usable(d->daemon->storage, NULL) &&
		qb_job_fail(d->daemon, r->job, "internal", "what the job said could not be stored, which is a fault of the "
			"server: please report it with the server's log");
}

/* What workers said, and what became of those that are gone. Whatever cannot be stored stays, and is tried again. */
bool qb_dispatcher_save(struct qb_dispatcher *d)
{
	bool all = true;

	for (struct qb_worker_run **link = &d->runs, *r; (r = *link) != NULL;) {
		bool saved = save_run(d, r);

		all = all && saved;
		if (saved && r->ended) {
			*link = r->next;
			qb_worker_run_free(&r);
		} else {
			link = &r->next;
		}
	}
	return all;
}

/* The daemon ends, so this is what the reserve is for. */
static void save_last(struct qb_dispatcher *d)
{
	while (!qb_dispatcher_save(d) && qb_storage_release(d->daemon->storage)) {
	}
}

/* What could not be stored is computed again by the next daemon. */
static void stop_if_idle(struct qb_dispatcher *d)
{
	for (const struct qb_worker_run *r = d->runs; r; r = r->next) {
		if (!r->ended) {
			return;
		}
	}
	for (struct qb_worker_run *r; (r = d->runs) != NULL;) {
		d->runs = r->next;
		qb_worker_run_free(&r);
	}
	d->stopped(d->daemon);
}

static void run_changed(void *arg, struct qb_worker_run *r)
{
	struct qb_dispatcher *d = arg;

	if (r->ended && (r->host_failed || r->silent)) {
		host_failed(d, text_of(r->error, "detail"));
	} else if (r->active > 0 || r->ended) {
		host_works(d);
	}
	if (r->exclusive == QB_EXCLUSIVE_ASKED && !r->turn) {
		r->turn = ++d->turns;
	}
	if (!d->stopped) {
		qb_dispatcher_wake(d);
	} else if (r->ended) {
		save_last(d);
		stop_if_idle(d);
	}
}

/* The inputs of a job; NULL where one is gone, as why says, or the database cannot be read. */
static json_t *job_inputs(struct qb_daemon *daemon, int64_t id, char *why, size_t why_len)
{
	json_t *inputs = NULL, *in;
	size_t i;

	*why = '\0';
	if (!qb_store_list(daemon->store, QB_SQL_JOB_INPUTS, &inputs, "i", id)) {
		return NULL;
	}
	json_array_foreach(inputs, i, in) {
		if (!json_is_true(json_object_get(in, "exists"))) {
			snprintf(why, why_len, "%s: %s (%s) was deleted; upload it again and submit a new job",
				text_of(in, "field"), text_of(in, "upload"), text_of(in, "name"));
			json_decref(inputs);
			return NULL;
		}
	}
	return inputs;
}

static enum qb_worker_run_started start_run(struct qb_dispatcher *d, struct qb_worker_run_setup *setup, struct qb_worker_run **run, char *why,
	size_t why_len)
{
	enum qb_worker_run_started started;

	setup->changed = run_changed;
	setup->arg = d;
	started = qb_worker_run_start(d->daemon, setup, run, why, why_len);
	if (started == QB_RUN_HOST_FAILED) {
		host_failed(d, why);
	} else if (started == QB_RUN_STARTED) {
		(*run)->next = d->runs;
		d->runs = *run;
	}
	return started;
}

struct check {
	struct qb_dispatcher *dispatcher;
	int64_t serial;
};

static void checked(void *arg, enum qb_inputs found, const char *why)
{
	struct check *c = arg;
	struct qb_worker_run *r = c->dispatcher->runs;

	while (r && r->serial != c->serial) {
		r = r->next;
	}
	free(c);
	if (!r) {
		return; /* it was ended meanwhile */
	}
	if (found == QB_INPUTS_SOUND) {
		qb_worker_run_begin(r);
	} else {
		qb_worker_run_refuse(r, found == QB_INPUTS_DAMAGED ? "input_damaged" : "worker_unavailable", why,
			found != QB_INPUTS_DAMAGED);
	}
}

/* The worker gets its job when the files that it reads are known to be those that were uploaded. */
static void begin(struct qb_dispatcher *d, struct qb_worker_run *r, const json_t *inputs)
{
	struct check *c = malloc(sizeof(*c));

	if (!c) {
		qb_worker_run_refuse(r, "worker_unavailable", "no memory to start a worker", true);
		return;
	}
	r->serial = ++d->serials;
	*c = (struct check){.dispatcher = d, .serial = r->serial};
	qb_inputs_check(d->daemon, inputs, checked, c);
}

/* The worker is there before the job is said to run, and gets its job after that: a start that fails, and one that
 * cannot be stored, leave the job in the queue. False where it makes no sense to start another. */
static bool start_job(struct qb_dispatcher *d, const json_t *row)
{
	int64_t id = json_integer_value(json_object_get(row, "id"));
	char why[512];
	json_t *inputs = job_inputs(d->daemon, id, why, sizeof(why));
	struct qb_worker_run_setup setup = {.job = id, .line = json_object_get(row, "spec"), .inputs = inputs};
	enum qb_worker_run_started started;
	struct qb_worker_run *r;
	bool ok = false;

	if (!inputs) {
		return *why && qb_job_fail(d->daemon, id, "input_deleted", why);
	}
	started = start_run(d, &setup, &r, why, sizeof(why));
	if (started == QB_RUN_INPUT_LOST) {
		ok = qb_job_fail(d->daemon, id, "input_damaged", why);
	} else if (started == QB_RUN_STARTED) {
		r->attempts = (int)json_integer_value(json_object_get(row, "attempts")) + 1;
		ok = qb_job_start(d->daemon, id);
		ok ? begin(d, r, inputs) : qb_worker_run_end(r, QB_STOP_ABANDONED);
	}
	json_decref(inputs);
	return ok;
}

/* false after a failure, with which the others would meet as well. */
static bool start_jobs(struct qb_dispatcher *d, int slots)
{
	bool ok = true;

	while (ok && slots-- > 0) {
		json_t *row;

		if (qb_store_get(d->daemon->store, QB_SQL_JOB_NEXT, &row, "") != QB_FOUND) {
			return true;
		}
		ok = start_job(d, row);
		json_decref(row);
	}
	return ok;
}

static bool inspected_now(const struct qb_dispatcher *d, const char *upload)
{
	for (const struct qb_worker_run *r = d->runs; r; r = r->next) {
		if (!r->job && !strcmp(r->upload, upload)) {
			return true;
		}
	}
	return false;
}

static bool store_lost(struct qb_dispatcher *d, const char *upload, const char *why)
{
	json_t *error = json_pack("{s:s, s:s}", "code", "input_damaged", "detail", why);

	qb_store_begin(d->daemon->store, true);
	qb_store_exec(d->daemon->store, QB_SQL_UPLOAD_INSPECTED, "ssjj", upload, "failed", NULL, error);
	json_decref(error);
	return qb_store_commit(d->daemon->store);
}

/* row: {id, kind, name, sha256} */
static bool start_inspection(struct qb_dispatcher *d, json_t *row)
{
	json_t *line = json_pack("{s:s}", "type", "inspect");
	json_t *inputs = json_pack("[{s:s, s:O, s:O, s:O}]", "field", *text_of(row, "kind") == 'm' ? "model" : "data",
		"upload", json_object_get(row, "id"), "name", json_object_get(row, "name"), "sha256",
		json_object_get(row, "sha256"));
	struct qb_worker_run_setup setup = {.upload = text_of(row, "id"), .line = line, .inputs = inputs};
	char why[512];
	struct qb_worker_run *r;
	enum qb_worker_run_started started = start_run(d, &setup, &r, why, sizeof(why));
	bool ok = false;

	if (started == QB_RUN_INPUT_LOST) {
		ok = store_lost(d, text_of(row, "id"), why);
	} else if (started == QB_RUN_STARTED) {
		ok = count_inspection(d, r->upload, 1);
		ok ? begin(d, r, inputs) : qb_worker_run_end(r, QB_STOP_ABANDONED);
	}
	json_decref(line);
	json_decref(inputs);
	return ok;
}

static bool start_inspections(struct qb_dispatcher *d, int slots)
{
	json_t *pending = NULL, *row;
	bool ok = true;
	size_t i;

	if (slots <= 0 || !qb_store_list(d->daemon->store, QB_SQL_UPLOAD_PENDING, &pending, "")) {
		return true;
	}
	json_array_foreach(pending, i, row) {
		if (ok && slots > 0 && !inspected_now(d, text_of(row, "id"))) {
			ok = start_inspection(d, row);
			slots--;
		}
	}
	json_decref(pending);
	return ok;
}

static void tell_silence(struct qb_dispatcher *d, const struct qb_sched_plan *plan)
{
	const struct qb_worker_run *r = d->runs;

	if (!plan->silent) {
		qb_health_clear(d->daemon->health, QB_CONDITION_EXCLUSIVE);
		return;
	}
	for (int i = 0; i < plan->exclusive; i++) {
		r = r->next;
	}
	qb_health_set(d->daemon->health, QB_CONDITION_EXCLUSIVE, "j%lld, for %.0f s now. It is ended and queued again "
		"after %lld s (stall-seconds); its process may have been stopped", (long long)r->job,
		qb_seconds() - r->active, (long long)d->daemon->options.stall_seconds);
}

/* The run beside which all others are paused, as the plan says. */
static void arrange(struct qb_dispatcher *d, const struct qb_sched_plan *plan)
{
	struct qb_worker_run *r = d->runs;

	for (int i = 0; r; r = r->next, i++) {
		if (plan->exclusive >= 0 && i != plan->exclusive) {
			qb_worker_run_pause(r);
			continue;
		}
		qb_worker_run_resume(r);
		if (i == plan->exclusive && plan->stalled) {
			qb_worker_run_end(r, QB_STOP_STALLED);
		} else if (i == plan->exclusive && plan->grant) {
			qb_worker_run_grant(r);
			qb_dispatcher_wake(d); /* its time runs from now */
		}
	}
	tell_silence(d, plan);
}

static struct qb_sched_plan make_plan(struct qb_dispatcher *d)
{
	const struct qb_options *o = &d->daemon->options;
	struct qb_sched_state s = {.now = qb_seconds(), .open = qb_engine_current(d->daemon->engine) &&
			qb_storage_usable(d->daemon->storage, NULL),
		.resume = d->pause.until, .job_slots = (int)o->jobs, .inspection_slots = (int)o->inspections,
		.stall_seconds = (double)o->stall_seconds};
	struct qb_sched_run *runs;
	struct qb_sched_plan plan;

	for (struct qb_worker_run *r = d->runs; r; r = r->next) {
		s.count++;
		if (r->exclusive == QB_EXCLUSIVE_GRANTED) {
			qb_worker_run_look(r);
		}
	}
	runs = calloc((size_t)s.count + 1, sizeof(*runs));
	if (!runs) {
		return (struct qb_sched_plan){.exclusive = -1, .again = s.now + AGAIN_S};
	}
	s.runs = runs;
	s.count = 0;
	for (const struct qb_worker_run *r = d->runs; r; r = r->next) {
		runs[s.count++] = (struct qb_sched_run){.inspection = !r->job, .ended = r->ended,
			.exclusive = r->exclusive, .turn = r->turn, .active = r->held ? s.now : r->active};
	}
	plan = qb_sched_plan(&s);
	free(runs);
	return plan;
}

static void decide(uv_timer_t *timer)
{
	struct qb_dispatcher *d = timer->data;
	struct qb_sched_plan plan;

	qb_storage_look(d->daemon->storage);
	if (qb_storage_usable(d->daemon->storage, NULL)) { /* else it is tried again by the storage's own clock */
		qb_dispatcher_save(d);
	}
	plan = make_plan(d);
	if (plan.again > 0) {
		decide_in(d, plan.again - qb_seconds());
	}
	arrange(d, &plan);
	if (plan.inspections + plan.jobs == 0) {
		return;
	}
	if (!start_inspections(d, plan.inspections) || !start_jobs(d, plan.jobs)) {
		decide_in(d, fmax(d->pause.until - qb_seconds(), AGAIN_S));
	} else if (!d->runs) {
		host_works(d); /* nothing waits for it any more */
	}
}

struct qb_dispatcher *qb_dispatcher_create(struct qb_daemon *daemon)
{
	struct qb_dispatcher *d = calloc(1, sizeof(*d));

	if (d) {
		d->daemon = daemon;
		uv_timer_init(daemon->loop, &d->timer);
		d->timer.data = d;
	}
	return d;
}

bool qb_dispatcher_cancel(struct qb_dispatcher *d, int64_t job)
{
	for (struct qb_worker_run *r = d->runs; r; r = r->next) {
		if (r->job == job && r->stop != QB_STOP_ABANDONED) {
			qb_worker_run_end(r, QB_STOP_CANCELLED);
			return true;
		}
	}
	return false;
}

void qb_dispatcher_stop(struct qb_dispatcher *d, void (*done)(struct qb_daemon *daemon))
{
	d->stopped = done;
	uv_close((uv_handle_t *)&d->timer, NULL);
	save_last(d);
	for (struct qb_worker_run *r = d->runs; r; r = r->next) {
		qb_worker_run_end(r, QB_STOP_STOPPING);
	}
	stop_if_idle(d);
}

void qb_dispatcher_destroy(struct qb_dispatcher **dispatcher)
{
	free(*dispatcher);
	*dispatcher = NULL;
}

bool qb_dispatcher_measuring(const struct qb_dispatcher *d)
{
	for (const struct qb_worker_run *r = d->runs; r; r = r->next) {
		if (!r->ended && r->exclusive == QB_EXCLUSIVE_GRANTED) {
			return true;
		}
	}
	return false;
}
