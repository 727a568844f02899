/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/jobs and the kinds of job.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/blobs.h"
#include "daemon/engine.h"
#include "daemon/http/gzip.h"
#include "daemon/http/http.h"
#include "daemon/job_list.h"
#include "daemon/jobs.h"
#include "daemon/labels.h"
#include "daemon/loop.h"
#include "daemon/storage.h"
#include "daemon/store.h"

static bool known_state(const char *state)
{
	static const char *const states[] = {"queued", "running", "succeeded", "failed", "cancelled"};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (!strcmp(state, states[i])) {
			return true;
		}
	}
	return false;
}

enum MHD_Result qb__jobs_list(struct qb_request *rq)
{
	struct qb_job_query query = {.words = qb_query(rq, "q"), .sort = qb_query(rq, "sort"), .before = qb_query(rq, "before")};
	const char *state = qb_query(rq, qb_job_filters[QB_FILTER_STATE]);
	struct qb_problem p = {0};
	json_t *answer;

	if (!qb_query_limit(rq, &query.limit, &p)) {
		return qb_reply_problem(rq, &p);
	}
	if (state && !known_state(state)) {
		return qb_reply_refuse(rq, 400, "bad_query", "state is \"%.40s\"; give queued, running, succeeded, "
			"failed or cancelled", state);
	}
	for (int i = 0; i < QB_FILTERS; i++) {
		query.filter[i] = qb_query(rq, qb_job_filters[i]);
	}
	answer = qb_job_list(qb_reader(rq), &query, &p);
	return answer ? qb_reply_json(rq, 200, answer) : qb_reply_problem(rq, &p);
}

enum MHD_Result qb__tags_list(struct qb_request *rq)
{
	json_t *rows = NULL;

	if (!qb_store_list(qb_reader(rq), QB_SQL_TAG_LIST, &rows, "")) {
		return qb_reply_unread(rq);
	}
	return qb_reply_json(rq, 200, json_pack("{s:o}", "tags", rows));
}

enum MHD_Result qb__jobs_get(struct qb_request *rq)
{
	struct qb_problem p = {0};
	int64_t id, version;
	json_t *job = NULL;
	enum MHD_Result sent;

	if (qb_reply_known(rq, &version, &sent)) {
		return sent;
	}
	if (!qb_path_job(rq, &id, &p)) {
		return qb_reply_problem(rq, &p);
	}
	switch (qb_store_get(qb_reader(rq), QB_SQL_JOB_GET, &job, "i", id)) {
	case QB_FOUND:
		return qb_reply_known_json(rq, version, job);
	case QB_NONE:
		return qb_reply_refuse(rq, 404, "not_found", "there is no job j%lld here", (long long)id);
	default:
		return qb_reply_unread(rq);
	}
}

struct order {
	struct qb_daemon *daemon;
	const struct qb_who *who;
	int64_t id;
	json_t *(*run)(struct qb_daemon *daemon, int64_t id, struct qb_problem *p);
	json_t *labels; /* to be written; NULL: none */
	json_t *job;
	struct qb_problem problem;
};

static void carry_out(struct qb_call *call, void *arg)
{
	struct order *o = arg;

	if (qb_job_is_of(o->daemon, o->id, o->who, &o->problem)) {
		o->job = o->labels ? qb_labels_change(o->daemon, o->id, o->labels, &o->problem) : o->run(o->daemon, o->id, &o->problem);
	}
	qb_call_done(call);
}

static enum MHD_Result order(struct qb_request *rq,
	json_t *(*run)(struct qb_daemon *daemon, int64_t id, struct qb_problem *p))
{
	struct order o = {.daemon = rq->daemon, .who = &rq->who, .run = run};

	if (qb_path_job(rq, &o.id, &o.problem)) {
		qb_calls_run(rq->daemon->calls, carry_out, &o);
	}
	return o.job ? qb_reply_json(rq, 202, o.job) : qb_reply_problem(rq, &o.problem);
}

enum MHD_Result qb__jobs_cancel(struct qb_request *rq)
{
	return order(rq, qb_job_cancel);
}

struct deletion {
	struct qb_request *rq;
	int64_t id;
	bool begun, ok;
	struct qb_problem problem;
};

/* Part by part, with whatever else the loop has to do in between; meanwhile the connection sleeps, so that its thread answers others. */
static void delete_on(void *arg)
{
	struct deletion *x = arg;
	struct qb_daemon *d = x->rq->daemon;
	bool done = true;

	if (x->begun || qb_job_is_of(d, x->id, &x->rq->who, &x->problem)) {
		x->begun = true;
		x->ok = qb_job_delete(d, x->id, &done, &x->problem);
	}
	if (x->ok && !done) {
		if (qb_calls_post(d->calls, delete_on, x)) {
			return;
		}
		x->ok = qb_refuse(&x->problem, 500, "internal", "no memory to delete all of the job; delete it again");
	}
	qb_reply_awaken(x->rq);
}

enum MHD_Result qb__jobs_delete(struct qb_request *rq)
{
	struct deletion *x = rq->work;
	struct qb_problem p = {0};
	int64_t id;

	if (x) {
		return x->ok ? qb_reply_empty(rq, 204) : qb_reply_problem(rq, &x->problem);
	}
	if (!qb_path_job(rq, &id, &p)) {
		return qb_reply_problem(rq, &p);
	}
	x = calloc(1, sizeof(*x));
	if (!x) {
		return MHD_NO;
	}
	x->rq = rq;
	x->id = id;
	return qb_reply_later(rq, delete_on, x, free);
}

enum MHD_Result qb__jobs_label(struct qb_request *rq)
{
	struct order o = {.daemon = rq->daemon, .who = &rq->who};

	o.labels = qb_body_json(rq, &o.problem);
	if (o.labels && !json_is_object(o.labels)) {
		qb_refuse(&o.problem, 400, "bad_json", "the body is not a JSON object, such as {\"name\": \"baseline\"}");
	} else if (o.labels && qb_labels_check(o.labels, true, &o.problem) && qb_path_job(rq, &o.id, &o.problem)) {
		qb_calls_run(rq->daemon->calls, carry_out, &o);
	}
	json_decref(o.labels);
	return o.job ? qb_reply_json(rq, 200, o.job) : qb_reply_problem(rq, &o.problem);
}

enum MHD_Result qb__types_list(struct qb_request *rq)
{
	struct qb_problem p = {0};
	const json_t *info = qb_engine_info(rq->daemon->engine, &p), *v;
	json_t *types;
	size_t i;

	if (!info) {
		return qb_reply_problem(rq, &p);
	}
	types = json_array();
	json_array_foreach(json_object_get(info, "types"), i, v) {
		if (!json_is_true(json_object_get(v, "internal"))) {
			json_array_append(types, (json_t *)v);
		}
	}
	return qb_reply_json(rq, 200, json_pack("{s:O, s:o, s:O*, s:O*}", "engine", json_object_get(info, "engine"),
		"types", types, "metrics", json_object_get(info, "metrics"), "methods",
		json_object_get(info, "methods")));
}

enum { GZIP_MAX_BYTES = 8 << 20 /* of a file that is read into memory for it */ };

/* A file of JSON in gzip, where that is taken and worth it; NULL: it is sent as it is. */
static struct MHD_Response *in_gzip(struct qb_request *rq, const char *type, int fd, size_t size)
{
	bool may = !strcmp(type, "application/json") && size >= QB_GZIP_FROM_BYTES && size <= GZIP_MAX_BYTES && qb_takes_gzip(rq);
	char *text = may ? malloc(size) : NULL, *less = NULL;
	struct MHD_Response *r;
	size_t n = 0;

	if (text && pread(fd, text, size, 0) == (ssize_t)size) {
		less = qb_gzip(text, size, &n);
	}
	free(text);
	r = less ? MHD_create_response_from_buffer(n, less, MHD_RESPMEM_MUST_FREE) : NULL;
	if (r) {
		MHD_add_response_header(r, "Content-Encoding", "gzip");
	} else {
		free(less);
	}
	return r;
}

enum MHD_Result qb__artifacts_get(struct qb_request *rq)
{
	struct qb_problem p = {0};
	int64_t id;
	json_t *row = NULL;
	struct MHD_Response *r = NULL;
	enum qb_found found;
	struct stat st;
	char *path, disposition[300];
	int fd;

	if (!qb_path_job(rq, &id, &p)) {
		return qb_reply_problem(rq, &p);
	}
	found = qb_store_get(qb_reader(rq), QB_SQL_ARTIFACT_GET, &row, "is", id, rq->part[1]);
	if (found == QB_UNREAD) {
		return qb_reply_unread(rq);
	}
	if (found == QB_NONE) {
		return qb_reply_refuse(rq, 404, "not_found", "job j%lld has no artifact \"%.100s\"; the job itself "
			"lists those that it has", (long long)id, rq->part[1]);
	}
	path = qb_blob_path(rq->daemon->options.state, json_string_value(json_object_get(row, "sha256")));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	free(path);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size == json_integer_value(json_object_get(row, "size"))) {
		r = in_gzip(rq, json_string_value(json_object_get(row, "content_type")), fd, (size_t)st.st_size);
		if (r) {
			close(fd);
			fd = -1;
		} else {
			r = MHD_create_response_from_fd64((uint64_t)st.st_size, fd);
		}
	}
	if (!r) {
		fd >= 0 ? close(fd) : 0;
		json_decref(row);
		return qb_reply_refuse(rq, 500, "io", "the artifact's file on the server is gone or damaged; submit the job with "
			"\"fresh\": true to make it again");
	}
	MHD_add_response_header(r, "Content-Type", json_string_value(json_object_get(row, "content_type")));
	MHD_add_response_header(r, "Vary", "Accept-Encoding");
	/* What a worker wrote must not act as a page of ours. */
	MHD_add_response_header(r, "Content-Security-Policy", "sandbox; default-src 'none'; style-src "
		"'unsafe-inline'; img-src data:");
	snprintf(disposition, sizeof(disposition), "attachment; filename=\"%s\"", rq->part[1]);
	MHD_add_response_header(r, "Content-Disposition", disposition);
	json_decref(row);
	return qb_reply_send(rq, 200, r);
}
