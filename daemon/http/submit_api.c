/* SPDX-License-Identifier: Apache-2.0
 *
 * How jobs come into the queue: POST /v1/jobs, and retry; with ?check=true a job is not queued. Before that, a job is validated by the schema of its kind, and
 * the worker is asked whether it would carry it out. Where the worker cannot be asked just now, the job is queued: it
 * will say itself what is wrong with it.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine.h"
#include "daemon/http/http.h"
#include "daemon/jobs.h"
#include "daemon/labels.h"
#include "daemon/submission.h"
#include "daemon/validate.h"
#include "daemon/wish.h"

struct submission {
	struct qb_question q; /* first: checked gets its address */
	struct qb_request *rq;
	json_t *spec;   /* to be submitted; NULL: job id is to be queued again */
	int64_t id;
	bool only_check;
	json_t *errors; /* of the schema; NULL: none */
	json_t *body;   /* of the question */
	json_t *job;    /* the answer, or problem */
	bool created;
	struct qb_problem problem;
};

static void free_submission(void *work)
{
	struct submission *s = work;

	json_decref(s->spec);
	json_decref(s->errors);
	json_decref(s->body);
	json_decref(s->q.answer);
	json_decref(s->job);
	json_decref(s->problem.errors);
	free(s);
}

static bool no_such_type(const json_t *info, const char *given, struct qb_problem *p)
{
	char list[400] = "";
	size_t i, n = 0;
	const json_t *v;

	json_array_foreach(json_object_get(info, "types"), i, v) {
		if (!json_is_true(json_object_get(v, "internal")) && n < sizeof(list)) {
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "",
				json_string_value(json_object_get(v, "type")));
		}
	}
	if (given) {
		return qb_refuse(p, 422, "bad_job", "type: \"%.60s\" is no kind of job here; choose from: %s", given,
			list);
	}
	return qb_refuse(p, 422, "bad_job", "type: is missing; choose from: %s", list);
}

/* What can be said without the schema; the row of its kind where nothing is wrong. */
const json_t *qb_job_type_of(struct qb_request *rq, const json_t *spec, struct qb_problem *p)
{
	const json_t *info = qb_engine_info(rq->daemon->engine, p), *type;
	const char *name = json_string_value(json_object_get(spec, "type"));
	struct qb_wish wish;

	if (!info) {
		return NULL;
	}
	type = name ? qb_engine_type(info, name) : NULL;
	if (!type || json_is_true(json_object_get(type, "internal"))) {
		no_such_type(info, name, p);
	} else if (json_object_get(spec, "workdir") || json_object_get(spec, "checkpoints")) {
		qb_refuse(p, 422, "bad_job", "%s: is the server's to choose; leave it out", json_object_get(spec, "workdir") ? "workdir"
			: "checkpoints");
	} else if (qb_wish_read(spec, &wish, p)) {
		qb_labels_check(spec, false, p);
	}
	return p->status ? NULL : type;
}

/* Everything in which a job is not what its schema describes; NULL: nothing. */
json_t *qb_job_schema_errors(const json_t *type, const json_t *spec)
{
	json_t *bare = qb_wish_bare(spec), *errors = json_array();

	if (qb_validate(json_object_get(type, "schema"), bare, errors)) {
		json_decref(errors);
		errors = NULL;
	}
	json_decref(bare);
	return errors;
}

/* The detail is that of the first error; all of them go along. */
static void refuse_by_schema(struct submission *s)
{
	const json_t *first = json_array_get(s->errors, 0);

	qb_refuse(&s->problem, 422, "bad_job", "%.300s: %.600s", json_string_value(json_object_get(first, "field")),
		json_string_value(json_object_get(first, "detail")));
	s->problem.errors = json_incref(s->errors);
}

static void queue(struct submission *s)
{
	struct qb_daemon *d = s->rq->daemon;

	if (s->errors) {
		refuse_by_schema(s);
	} else if (s->only_check) {
		s->job = json_pack("{s:b}", "ok", 1);
	} else if (s->spec) {
		s->job = qb_submit(d, s->spec, &s->rq->who, &s->created, &s->problem);
	} else {
		s->job = qb_job_retry(d, s->id, &s->problem);
	}
}

/* What the schema knows of other fields than the first. */
static void add_others(json_t *errors, const json_t *schema_errors)
{
	const json_t *known = json_object_get(json_array_get(errors, 0), "pointer");
	json_t *e;
	size_t i;

	json_array_foreach(schema_errors, i, e) {
		if (!json_equal(known, json_object_get(e, "pointer"))) {
			json_array_append(errors, e);
		}
	}
}

/* The worker's sentence is the one that the job would fail with; what else the schema knows goes along. */
static void checked(struct qb_question *q)
{
	struct submission *s = (struct submission *)q;

	if (qb_submission_accepted(q->answer, &s->problem)) {
		queue(s);
	} else if (s->problem.errors) {
		add_others(s->problem.errors, s->errors);
	}
	qb_reply_awaken(s->rq);
}

static void begin(void *work)
{
	struct submission *s = work;
	struct qb_daemon *d = s->rq->daemon;

	if (!s->spec && !qb_job_is_of(d, s->id, &s->rq->who, &s->problem)) {
		/* said */
	} else if (s->errors) {
		s->body = json_pack("{s:o}", "job", qb_wish_bare(s->spec));
	} else {
		s->body = s->spec ? qb_submission_question(d, s->spec, &s->problem) : qb_retry_question(d, s->id, &s->problem);
	}
	if (s->body) {
		s->q.body = s->body;
		qb_engine_ask(d->engine, &s->q);
		return;
	}
	if (!s->problem.status) {
		queue(s);
	}
	qb_reply_awaken(s->rq);
}

static struct submission *create(struct qb_request *rq)
{
	struct submission *s = calloc(1, sizeof(*s));

	if (s) {
		s->rq = rq;
		s->q = (struct qb_question){.ask = "check", .client = -1, .done = checked};
	}
	return s;
}

static enum MHD_Result submit_body(struct qb_request *rq, struct submission *s)
{
	struct qb_problem p = {0};
	const json_t *type;

	s->spec = qb_body_json(rq, &p);
	if (s->spec && !json_is_object(s->spec)) {
		qb_refuse(&p, 422, "bad_job", "a job is a JSON object, such as {\"type\": \"ptq\", ...}");
	} else if (s->spec && (type = qb_job_type_of(rq, s->spec, &p)) != NULL) {
		s->errors = qb_job_schema_errors(type, s->spec);
		return qb_reply_later(rq, begin, s, free_submission);
	}
	free_submission(s);
	return qb_reply_problem(rq, &p);
}

enum MHD_Result qb__jobs_submit(struct qb_request *rq)
{
	struct submission *s = rq->work;
	const char *check = qb_query(rq, "check");

	if (!s && check && strcmp(check, "true") != 0 && strcmp(check, "false") != 0) {
		return qb_reply_refuse(rq, 400, "bad_query", "check is \"%.40s\"; give true or false", check);
	}
	if (!s) {
		s = create(rq);
		if (!s) {
			return MHD_NO;
		}
		s->only_check = check && !strcmp(check, "true");
		return submit_body(rq, s);
	}
	if (s->job && s->only_check) {
		return qb_reply_json(rq, 200, json_incref(s->job));
	}
	return s->job ? qb_reply_created(rq, s->created ? 201 : 200, "/v1/jobs", json_incref(s->job))
		      : qb_reply_problem(rq, &s->problem);
}

enum MHD_Result qb__jobs_retry(struct qb_request *rq)
{
	struct submission *s = rq->work;
	struct qb_problem p = {0};
	int64_t id;

	if (s) {
		return s->job ? qb_reply_json(rq, 202, json_incref(s->job)) : qb_reply_problem(rq, &s->problem);
	}
	if (!qb_path_job(rq, &id, &p)) {
		return qb_reply_problem(rq, &p);
	}
	s = create(rq);
	if (!s) {
		return MHD_NO;
	}
	s->id = id;
	return qb_reply_later(rq, begin, s, free_submission);
}
