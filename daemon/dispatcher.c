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
#include "daemon/targets.h"
#include "daemon/worker_run.h"

static const double AGAIN_S = 0.5; /* after what should not fail */

struct qb_dispatcher {
	struct qb_daemon *daemon;
	struct qb_worker_run *runs;
	uv_timer_t timer;
	int64_t turns; /* of exclusive runs */
	int64_t serials; /* of runs */
	struct qb_place {
		struct qb_host_pause pause;
		char why[400]; /* it failed; empty: it did not */
	} places[QB_TARGETS_MAX]; /* of the targets */
	uint64_t targets; /* generation of those that places are of */
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

/* Which of the targets has that name; -1: none any more. */
static int place_of(const struct qb_dispatcher *d, const char *target)
{
	const struct qb_target *t = qb_targets_find(d->daemon->options.targets, target);

	return t ? (int)(t - d->daemon->options.targets->target) : -1;
}

/* The machine cannot start a worker: no job's fault, and it may pass. */
static void place_failed(struct qb_dispatcher *d, int place, const char *why)
{
	if (place < 0) {
		return;
	}
	qb_host_pause_extend(&d->places[place].pause, qb_seconds());
	if (place == 0) {
		qb_health_set(d->daemon->health, QB_CONDITION_WORKERS, "%s; jobs wait, and it is tried again every few seconds", why);
	} else if (!*d->places[place].why) {
		qb_log(QB_LOG_WARNING, "target %s: %s; its jobs wait, and it is tried again every few seconds",
			d->daemon->options.targets->target[place].name, why);
	}
	snprintf(d->places[place].why, sizeof(d->places[place].why), "%s", why);
}

static void place_works(struct qb_dispatcher *d, int place)
{
	if (place < 0 || !d->places[place].pause.failures) {
		return;
	}
	d->places[place] = (struct qb_place){0};
	if (place == 0) {
		qb_health_clear(d->daemon->health, QB_CONDITION_WORKERS);
	} else {
		qb_log(QB_LOG_INFO, "target %s works again", d->daemon->options.targets->target[place].name);
	}
}

/* Settings were read again: the targets may be others, at the address of those before. */
static void look_at_targets(struct qb_dispatcher *d)
{
	if (d->targets != d->daemon->options.targets->generation) {
		memset(d->places + 1, 0, sizeof(d->places) - sizeof(d->places[0]));
		d->targets = d->daemon->options.targets->generation;
	}
}

static bool gave_up(struct qb_dispatcher *d, struct qb_worker_run *r)
{
	char text[300];

	snprintf(text, sizeof(text), "%d times the job measured latency and was stalled, while all other jobs had to "
		"wait; retry it if you think that the machine was the cause", QB_ATTEMPTS_MAX);
	return qb_job_fail(d->daemon, r->job, "gave_up", text);
}

/* What the worker itself says is wrong with a job stays wrong. It says that it was cancelled where somebody else stopped it. */
static bool may_pass(const struct qb_worker_run *r)
{
	static const char *const codes[] = {"worker_crashed", "time_limit", "memory", "out_of_memory", "io", "internal", "cancelled"};
	const char *code = text_of(r->error, "code");

	for (size_t i = 0; code && i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (!strcmp(codes[i], code)) {
			return true;
		}
	}
	return false;
}

static bool store_failure(struct qb_dispatcher *d, struct qb_worker_run *r)
{
	bool again = false;

	if (may_pass(r) && !qb_job_try_later(d->daemon, r->job, &again)) {
		return false;
	}
	return again || qb_job_finish(d->daemon, r->job, "failed", r->error, r->outcome, NULL);
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
		if (r->machine) {
			qb_job_machine(d->daemon, r->job, r->machine);
		}
		return qb_job_finish(d->daemon, r->job, "succeeded", NULL, r->outcome, r->result);
	case QB_FATE_FAILED:
		return store_failure(d, r);
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
	const int place = place_of(d, r->target);

	look_at_targets(d);
	if (r->ended && (r->host_failed || r->silent)) {
		place_failed(d, place, text_of(r->error, "detail"));
	} else if (r->active > 0 || r->ended) {
		place_works(d, place);
	}
	/* Who is elsewhere has nobody of ours beside it: a board has one job at once, Slurm gives cores to one alone. */
	if (r->exclusive == QB_EXCLUSIVE_ASKED && r->kind != QB_TARGET_LOCAL) {
		qb_worker_run_grant(r);
	} else if (r->exclusive == QB_EXCLUSIVE_ASKED && !r->turn) {
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
		place_failed(d, place_of(d, setup->target->name), why);
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
static bool start_job(struct qb_dispatcher *d, const json_t *row, const struct qb_target *target)
{
	int64_t id = json_integer_value(json_object_get(row, "id"));
	char why[512];
	json_t *inputs = job_inputs(d->daemon, id, why, sizeof(why));
	struct qb_worker_run_setup setup = {.job = id, .target = target, .limits = json_object_get(row, "limits"),
		.line = json_object_get(row, "spec"), .inputs = inputs};
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
static bool start_jobs(struct qb_dispatcher *d, const struct qb_target *target, int slots, const char *now)
{
	char since[QB_TIME_LEN];
	bool ok = true;

	qb_time_in(-3600 * d->daemon->options.fair_share_hours, since);
	while (ok && slots-- > 0) {
		json_t *row;

		if (qb_store_get(d->daemon->store, QB_SQL_JOB_NEXT, &row, "sss", target->name, now, since) != QB_FOUND) {
			return true;
		}
		ok = start_job(d, row, target);
		json_decref(row);
	}
	return ok;
}

static bool start_all_jobs(struct qb_dispatcher *d, const struct qb_sched_plan *plan, const char *now)
{
	const struct qb_targets *t = d->daemon->options.targets;
	bool ok = true;

	for (int i = 0; i < t->count; i++) {
		ok = start_jobs(d, &t->target[i], plan->jobs[i], now) && ok;
	}
	return ok;
}

/* Of those that failed and are tried again, the next one may start then. now: at which no earlier one could, or it would be
 * neither started nor waited for. */
static void wake_for_retry(struct qb_dispatcher *d, const char *now)
{
	int64_t ms;

	if (qb_store_value(d->daemon->store, QB_SQL_JOB_NEXT_MS, &ms, "s", now) == QB_FOUND) {
		decide_in(d, (double)ms / 1000 + 0.01);
	}
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
	struct qb_worker_run_setup setup = {.upload = text_of(row, "id"), .target = &d->daemon->options.targets->target[0], .line = line,
		.inputs = inputs};
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
		if (r->kind != QB_TARGET_LOCAL) {
			continue;
		}
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

/* Jobs at once: on this machine as the option says. */
static int slots_of(const struct qb_dispatcher *d, int place)
{
	return place ? d->daemon->options.targets->target[place].jobs : (int)d->daemon->options.jobs;
}

static void describe_places(const struct qb_dispatcher *d, struct qb_sched_place places[QB_PLACES_MAX])
{
	const struct qb_targets *t = d->daemon->options.targets;

	_Static_assert((int)QB_PLACES_MAX >= (int)QB_TARGETS_MAX, "each target is a place");
	for (int i = 0; i < t->count; i++) {
		places[i] = (struct qb_sched_place){.here = qb_target_is_here(&t->target[i]), .resume = d->places[i].pause.until,
			.slots = slots_of(d, i)};
	}
}

static struct qb_sched_plan make_plan(struct qb_dispatcher *d)
{
	const struct qb_options *o = &d->daemon->options;
	struct qb_sched_place places[QB_PLACES_MAX];
	struct qb_sched_state s = {.now = qb_seconds(), .open = qb_engine_current(d->daemon->engine) &&
			qb_storage_usable(d->daemon->storage, NULL),
		.places = places, .place_count = o->targets->count, .inspection_slots = (int)o->inspections,
		.stall_seconds = (double)o->stall_seconds};
	struct qb_sched_run *runs;
	struct qb_sched_plan plan;

	describe_places(d, places);
	for (struct qb_worker_run *r = d->runs; r; r = r->next) {
		s.count++;
		if (r->exclusive == QB_EXCLUSIVE_GRANTED && r->kind == QB_TARGET_LOCAL) {
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
		runs[s.count++] = (struct qb_sched_run){.inspection = !r->job, .place = place_of(d, r->target), .ended = r->ended,
			.exclusive = r->exclusive, .turn = r->turn, .active = r->held ? s.now : r->active};
	}
	plan = qb_sched_plan(&s);
	free(runs);
	return plan;
}

static bool starts_any(const struct qb_dispatcher *d, const struct qb_sched_plan *plan)
{
	bool any = plan->inspections;

	for (int i = 0; i < d->daemon->options.targets->count; i++) {
		any = any || plan->jobs[i];
	}
	return any;
}

static void decide(uv_timer_t *timer)
{
	struct qb_dispatcher *d = timer->data;
	struct qb_sched_plan plan;
	char now[QB_TIME_LEN];

	look_at_targets(d);

	qb_storage_look(d->daemon->storage);
	if (qb_storage_usable(d->daemon->storage, NULL)) { /* else it is tried again by the storage's own clock */
		qb_dispatcher_save(d);
		qb_jobs_look_again(d->daemon);
	}
	plan = make_plan(d);
	if (plan.again > 0) {
		decide_in(d, plan.again - qb_seconds());
	}
	arrange(d, &plan);
	if (!starts_any(d, &plan)) {
		return;
	}
	qb_time_now(now);
	if (!start_inspections(d, plan.inspections) || !start_all_jobs(d, &plan, now)) {
		decide_in(d, AGAIN_S);
	} else if (!d->runs && plan.jobs[0]) {
		place_works(d, 0); /* nothing waits for it any more */
	}
	wake_for_retry(d, now);
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
		if (!r->ended && r->exclusive == QB_EXCLUSIVE_GRANTED && r->kind == QB_TARGET_LOCAL) {
			return true;
		}
	}
	return false;
}

static int running_at(const struct qb_dispatcher *d, const char *target)
{
	int n = 0;

	for (const struct qb_worker_run *r = d->runs; r; r = r->next) {
		n += r->job && !r->ended && !strcmp(r->target, target);
	}
	return n;
}

json_t *qb_dispatcher_targets(const struct qb_dispatcher *d)
{
	const struct qb_targets *t = d->daemon->options.targets;
	json_t *all = json_array();

	for (int i = 0; i < t->count; i++) {
		const char *why = d->targets == t->generation && *d->places[i].why ? d->places[i].why : NULL;

		json_array_append_new(all, json_pack("{s:s, s:s, s:i, s:i, s:s?}", "name", t->target[i].name, "kind",
			qb_target_kind_name(t->target[i].kind), "slots", slots_of(d, i), "running",
			running_at(d, t->target[i].name), "problem", why));
	}
	return all;
}
