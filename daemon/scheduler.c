/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/scheduler.h"

static const double LOOK_S = 1, SILENT_S = 5;
static const double FIRST_PAUSE_S = 0.25, LONGEST_PAUSE_S = 30;

static bool is_here(const struct qb_sched_state *s, const struct qb_sched_run *r)
{
	return r->inspection || (r->place >= 0 && s->places[r->place].here);
}

/* The one that has it, else the one that asked first. */
static int exclusive_run(const struct qb_sched_state *s)
{
	int first = -1;

	for (int i = 0; i < s->count; i++) {
		const struct qb_sched_run *r = &s->runs[i];

		if (r->ended || r->exclusive == QB_EXCLUSIVE_NO || !is_here(s, r)) {
			continue;
		}
		if (r->exclusive == QB_EXCLUSIVE_GRANTED) {
			return i;
		}
		if (first < 0 || r->turn < s->runs[first].turn) {
			first = i;
		}
	}
	return first;
}

/* Slots without a run. One whose end is not stored yet keeps its slot: what cannot be stored need not be computed. */
static int vacant(const struct qb_sched_state *s, bool inspections, int place, int slots)
{
	for (int i = 0; i < s->count; i++) {
		slots -= s->runs[i].inspection == inspections && (inspections || s->runs[i].place == place);
	}
	return slots > 0 ? slots : 0;
}

static void decide_again(struct qb_sched_plan *plan, double when)
{
	plan->again = plan->again == 0 || when < plan->again ? when : plan->again;
}

static void fill_places(const struct qb_sched_state *s, struct qb_sched_plan *plan)
{
	for (int i = 0; i < s->place_count; i++) {
		const struct qb_sched_place *place = &s->places[i];

		if (place->here && plan->exclusive >= 0) {
			continue;
		}
		if (s->now < place->resume) {
			decide_again(plan, place->resume);
			continue;
		}
		plan->jobs[i] = vacant(s, false, i, place->slots);
		plan->inspections = i == 0 ? vacant(s, true, 0, s->inspection_slots) : plan->inspections;
	}
}

struct qb_sched_plan qb_sched_plan(const struct qb_sched_state *s)
{
	struct qb_sched_plan plan = {.exclusive = exclusive_run(s)};

	if (plan.exclusive >= 0) {
		const struct qb_sched_run *r = &s->runs[plan.exclusive];

		plan.grant = r->exclusive == QB_EXCLUSIVE_ASKED;
		if (!plan.grant) {
			plan.silent = s->now - r->active >= SILENT_S;
			plan.stalled = s->stall_seconds > 0 && s->now - r->active >= s->stall_seconds;
			plan.again = s->now + LOOK_S;
		}
	}
	if (s->open) {
		fill_places(s, &plan);
	}
	return plan;
}

void qb_host_pause_extend(struct qb_host_pause *p, double now)
{
	double pause = FIRST_PAUSE_S;

	for (int i = 0; i < p->failures && pause < LONGEST_PAUSE_S; i++) {
		pause *= 2;
	}
	p->failures++;
	p->until = now + (pause < LONGEST_PAUSE_S ? pause : LONGEST_PAUSE_S);
}

enum qb_worker_run_fate qb_sched_fate(const struct qb_worker_run_end *e, bool *counts)
{
	bool again = e->crashed && e->resumable && (e->progressed || e->attempts < QB_ATTEMPTS_MAX);

	/* A start that came further costs no attempt: those that a job has are for crashes at one place. */
	*counts = e->started && e->stop != QB_STOP_STOPPING && !(again && e->progressed);
	switch (e->stop) {
	case QB_STOP_ABANDONED:
		return QB_FATE_NOTHING;
	case QB_STOP_CANCELLED:
		return QB_FATE_CANCELLED;
	case QB_STOP_STALLED:
		return e->attempts >= QB_ATTEMPTS_MAX ? QB_FATE_GAVE_UP : QB_FATE_QUEUED;
	case QB_STOP_STOPPING:
		return e->good ? QB_FATE_SUCCEEDED : QB_FATE_QUEUED;
	case QB_STOP_OVERTIME:
		return e->good ? QB_FATE_SUCCEEDED : QB_FATE_FAILED;
	default:
		return e->good ? QB_FATE_SUCCEEDED
			: again || !e->started || (e->host_suspected && e->attempts < QB_ATTEMPTS_MAX) ? QB_FATE_QUEUED : QB_FATE_FAILED;
	}
}
