/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/grids: jobs for every combination of values, as one submission. Each is checked as a job is, by schema and by the worker, one
 * after the other while the connection sleeps; they are queued together or not at all.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "daemon/engine.h"
#include "daemon/grid.h"
#include "daemon/http/http.h"
#include "daemon/jobs.h"
#include "daemon/loop.h"
#include "daemon/store.h"
#include "daemon/submission.h"

struct submission {
	struct qb_question q; /* first: checked gets its address */
	struct qb_request *rq;
	json_t *grid, *jobs;
	size_t asked; /* of the jobs, whose question is put next */
	json_t *body; /* of the question */
	json_t *object; /* the answer, or problem */
	struct qb_problem problem;
};

static void free_submission(void *work)
{
	struct submission *s = work;

	json_decref(s->grid);
	json_decref(s->jobs);
	json_decref(s->body);
	json_decref(s->q.answer);
	json_decref(s->object);
	json_decref(s->problem.errors);
	free(s);
}

/* Which of the jobs it is. */
static void name_job(struct qb_problem *p, const json_t *one)
{
	char *at = qb_json_text(json_object_get(one, "at"), JSON_COMPACT), *detail = strdup(p->detail);

	snprintf(p->detail, sizeof(p->detail), "of the job at %.300s: %.800s", at ? at : "?", detail ? detail : "");
	free(at);
	free(detail);
}

/* The next job that the worker has to be asked about; false where there is none, or one is refused. */
static bool next_question(struct submission *s)
{
	json_decref(s->body);
	s->body = NULL;
	while (!s->body && !s->problem.status && s->asked < json_array_size(s->jobs)) {
		const json_t *one = json_array_get(s->jobs, s->asked++);

		s->body = qb_submission_question(s->rq->daemon, json_object_get(one, "job"), &s->problem);
		if (s->problem.status) {
			name_job(&s->problem, one);
		}
	}
	return s->body;
}

static void go_on(struct submission *s)
{
	struct qb_daemon *d = s->rq->daemon;

	if (next_question(s)) {
		json_decref(s->q.answer);
		s->q.answer = NULL;
		s->q.body = s->body;
		qb_engine_ask(d->engine, &s->q);
		return;
	}
	if (!s->problem.status) {
		s->object = qb_submit_grid(d, s->grid, s->jobs, &s->rq->who, &s->problem);
	}
	qb_reply_awaken(s->rq);
}

static void go_on_later(void *work)
{
	go_on(work);
}

static void checked(struct qb_question *q)
{
	struct submission *s = (struct submission *)q;

	if (!qb_submission_accepted(q->answer, &s->problem)) {
		name_job(&s->problem, json_array_get(s->jobs, s->asked - 1));
		qb_reply_awaken(s->rq);
	} else if (!qb_calls_post(s->rq->daemon->calls, go_on_later, s)) { /* not from within: many jobs would be as many frames */
		qb_reply_awaken(s->rq);
	}
}

/* What each of the jobs' schema says. */
static bool are_well_formed(struct qb_request *rq, const json_t *jobs, struct qb_problem *p)
{
	const json_t *one, *type;
	size_t i;

	json_array_foreach(jobs, i, one) {
		const json_t *job = json_object_get(one, "job"), *first;
		json_t *errors = NULL;

		type = qb_job_type_of(rq, job, p);
		errors = type ? qb_job_schema_errors(type, job) : NULL;
		if (errors) {
			first = json_array_get(errors, 0);
			qb_refuse(p, 422, "bad_job", "%.200s: %.500s", json_string_value(json_object_get(first, "field")),
				json_string_value(json_object_get(first, "detail")));
			p->errors = errors;
		}
		if (p->status) {
			name_job(p, one);
			return false;
		}
	}
	return true;
}

enum MHD_Result qb__grids_submit(struct qb_request *rq)
{
	struct submission *s = rq->work;
	struct qb_problem p = {0};
	json_t *grid, *jobs;

	if (s) {
		return s->object ? qb_reply_created(rq, 201, "/v1/grids", json_incref(s->object)) : qb_reply_problem(rq, &s->problem);
	}
	grid = qb_body_json(rq, &p);
	if (!grid) {
		return qb_reply_problem(rq, &p);
	}
	jobs = qb_grid_expand(grid, &p);
	s = jobs && are_well_formed(rq, jobs, &p) ? calloc(1, sizeof(*s)) : NULL;
	if (!s) {
		json_decref(grid);
		json_decref(jobs);
		return p.status ? qb_reply_problem(rq, &p) : MHD_NO;
	}
	*s = (struct submission){.rq = rq, .grid = grid, .jobs = jobs, .q = {.ask = "check", .client = -1, .done = checked}};
	return qb_reply_later(rq, go_on_later, s, free_submission);
}

/* The number of the grid in the path; false after having filled p. */
static bool path_grid(struct qb_request *rq, int64_t *id, struct qb_problem *p)
{
	*id = qb_id_number(rq->part[0], 'g');
	return *id > 0 || qb_refuse(p, 404, "not_found", "there is no grid \"%.60s\"; ids of grids look like g12", rq->part[0]);
}

enum MHD_Result qb__grids_get(struct qb_request *rq)
{
	struct qb_problem p = {0};
	int64_t id;
	json_t *grid = path_grid(rq, &id, &p) ? qb_grid_object(qb_reader(rq), id, &p) : NULL;

	return grid ? qb_reply_json(rq, 200, grid) : qb_reply_problem(rq, &p);
}

enum MHD_Result qb__grids_list(struct qb_request *rq)
{
	struct qb_problem p = {0};
	int64_t limit, before, total;
	json_t *rows;

	if (!qb_query_limit(rq, &limit, &p) || !qb_query_id(rq, "before", 'g', &before, &p)) {
		return qb_reply_problem(rq, &p);
	}
	if (qb_store_value(qb_reader(rq), QB_SQL_GRID_COUNT, &total, "") != QB_FOUND ||
		!qb_store_list(qb_reader(rq), QB_SQL_GRID_LIST, &rows, "Ii", before, limit)) {
		return qb_reply_unread(rq);
	}
	return qb_reply_page(rq, "grids", rows, total, limit);
}

struct order {
	struct qb_request *rq;
	int64_t id;
	json_t *object;
	struct qb_problem problem;
};

static bool is_ours(struct order *o)
{
	int64_t owner = 0;

	switch (qb_store_value(o->rq->daemon->store, QB_SQL_GRID_OWNER, &owner, "i", o->id)) {
	case QB_NONE:
		return qb_refuse(&o->problem, 404, "not_found", "there is no grid g%lld here", (long long)o->id);
	case QB_UNREAD:
		return qb_refuse_unread(&o->problem);
	default:
		return qb_who_may_change(&o->rq->who, owner) || qb_refuse(&o->problem, 403, "not_yours", "grid g%lld is somebody else's; ask "
			"that one or an administrator", (long long)o->id);
	}
}

/* Those that are somebody else's, and were there before, go on. */
static void cancel_jobs(struct qb_call *call, void *arg)
{
	struct order *o = arg;
	struct qb_daemon *d = o->rq->daemon;
	json_t *rows = NULL, *row;
	size_t i;

	if (is_ours(o) && qb_store_list(d->store, QB_SQL_GRID_WAITING, &rows, "i", o->id)) {
		json_array_foreach(rows, i, row) {
			const int64_t job = json_integer_value(json_object_get(row, "id"));
			struct qb_problem ignored = {0};

			if (qb_job_is_of(d, job, &o->rq->who, &ignored)) {
				json_decref(qb_job_cancel(d, job, &ignored));
			}
		}
		o->object = qb_grid_object(d->store, o->id, &o->problem);
	} else if (!o->problem.status) {
		qb_refuse_unread(&o->problem);
	}
	json_decref(rows);
	qb_call_done(call);
}

enum MHD_Result qb__grids_cancel(struct qb_request *rq)
{
	struct order o = {.rq = rq};

	if (path_grid(rq, &o.id, &o.problem)) {
		qb_calls_run(rq->daemon->calls, cancel_jobs, &o);
	}
	return o.object ? qb_reply_json(rq, 202, o.object) : qb_reply_problem(rq, &o.problem);
}
