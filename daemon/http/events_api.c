/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/jobs/ID/events: what is stored is sent, then the connection sleeps until there is more. /v1/events: the jobs that have
 * changed, as they are now.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "daemon/http/http.h"
#include "daemon/hub.h"
#include "daemon/store.h"

struct stream {
	struct qb_daemon *daemon;
	struct qb_follower *follower;
	bool (*refill)(struct stream *s); /* fills text with what is next; false when there is nothing now */
	int64_t job, after;               /* the last event, or change, that has been sent */
	char *text; /* not sent yet */
	size_t used, sent, size;
	bool over;
	bool broken; /* cut off, so that the follower comes again with the last event it has */
};

static void append(struct stream *s, const char *text)
{
	size_t n = strlen(text);
	char *grown;

	if (s->used + n + 1 > s->size) {
		s->size = 2 * (s->used + n) + 1024;
		grown = realloc(s->text, s->size);
		if (!grown) {
			s->broken = true;
			return;
		}
		s->text = grown;
	}
	memcpy(s->text + s->used, text, n + 1);
	s->used += n;
}

static bool ended(const char *state)
{
	return strcmp(state, "queued") != 0 && strcmp(state, "running") != 0;
}

static bool next_events(struct stream *s)
{
	struct qb_store *store = qb_store_reader(s->daemon->database, s->daemon->storage);
	json_t *state = NULL, *rows = NULL, *row;
	char head[96];
	size_t i;
	enum qb_found found;

	s->used = s->sent = 0;
	/* The state first: an end seen here has its events stored already. */
	found = qb_store_get(store, QB_SQL_JOB_STATE, &state, "i", s->job);
	if (found == QB_UNREAD || !qb_store_list(store, QB_SQL_EVENT_LIST, &rows, "ii", s->job, s->after)) {
		json_decref(state);
		s->broken = true;
		return false;
	}
	json_array_foreach(rows, i, row) {
		s->after = json_integer_value(json_object_get(row, "id"));
		snprintf(head, sizeof(head), "id: %lld\nevent: %.32s\ndata: ", (long long)s->after,
			json_string_value(json_object_get(row, "kind")));
		append(s, head);
		append(s, json_string_value(json_object_get(row, "data")));
		append(s, "\n\n");
	}
	if (!json_array_size(rows) &&
		(found == QB_NONE || ended(json_string_value(json_object_get(state, "state"))))) {
		s->over = true;
	}
	json_decref(rows);
	json_decref(state);
	return s->used > 0;
}

/* The job as it is now; one that is not there has been deleted. */
static void append_job(struct stream *s, struct qb_store *store, int64_t id)
{
	json_t *job = NULL;
	char *text, head[96];

	switch (qb_store_get(store, QB_SQL_JOB_GET, &job, "i", id)) {
	case QB_FOUND:
		text = qb_json_text(job, JSON_COMPACT);
		append(s, "event: job\ndata: ");
		append(s, text ? text : "null");
		append(s, "\n\n");
		s->broken = s->broken || !text;
		free(text);
		break;
	case QB_NONE:
		snprintf(head, sizeof(head), "event: deleted\ndata: {\"id\":\"j%lld\"}\n\n", (long long)id);
		append(s, head);
		break;
	default:
		s->broken = true;
	}
	json_decref(job);
}

static bool next_changes(struct stream *s)
{
	struct qb_store *store = qb_store_reader(s->daemon->database, s->daemon->storage);
	int64_t jobs[QB_HUB_CHANGES];
	uint64_t at = (uint64_t)s->after;
	int n = qb_hub_changes(s->daemon->hub, &at, jobs);
	char head[96];

	s->used = s->sent = 0;
	if (n == 0) {
		return false;
	}
	for (int i = 0; i < n && !s->broken; i++) {
		append_job(s, store, jobs[i]);
	}
	/* The number comes last: who was cut off before it gets all of them again. */
	s->after = (int64_t)at;
	snprintf(head, sizeof(head), "id: %lld\nevent: %s\ndata: {}\n\n", (long long)s->after, n < 0 ? "reset" : "told");
	append(s, head);
	return !s->broken;
}

static ssize_t read_stream(void *arg, uint64_t pos, char *out, size_t max)
{
	struct stream *s = arg;
	unsigned reasons;
	size_t n;

	(void)pos;
	while (s->sent == s->used) {
		if (s->refill(s)) {
			break;
		}
		if (s->broken) {
			return MHD_CONTENT_READER_END_WITH_ERROR;
		}
		if (s->over) {
			return MHD_CONTENT_READER_END_OF_STREAM;
		}
		reasons = qb_hub_sleep(s->daemon->hub, s->follower);
		if (!reasons) {
			return 0;
		}
		if (reasons & QB_WAKE_CLOSING) {
			return MHD_CONTENT_READER_END_OF_STREAM;
		}
		if (reasons == QB_WAKE_HEARTBEAT) {
			append(s, ": still here\n\n");
		}
	}
	n = s->used - s->sent < max ? s->used - s->sent : max;
	memcpy(out, s->text + s->sent, n);
	s->sent += n;
	return (ssize_t)n;
}

static void free_stream(void *arg)
{
	struct stream *s = arg;

	qb_hub_leave(s->daemon->hub, &s->follower);
	free(s->text);
	free(s);
}

static bool read_after(struct qb_request *rq, int64_t *after, struct qb_problem *p)
{
	const char *header = qb_header(rq, "Last-Event-ID"), *text = qb_query(rq, "after");

	*after = 0;
	if (text && !qb_read_number(text, after)) {
		return qb_refuse(p, 400, "bad_query", "after is \"%.40s\"; give the number of the last event that arrived", text);
	}
	/* A browser's first request has an empty one. */
	if (header && *header && !qb_read_number(header, after)) {
		return qb_refuse(p, 400, "bad_query", "Last-Event-ID is \"%.40s\"; give the number of the last event that arrived",
			header);
	}
	return true;
}

static enum MHD_Result follow(struct qb_request *rq, int64_t job, int64_t after, bool (*refill)(struct stream *s))
{
	struct stream *s = calloc(1, sizeof(*s));
	struct MHD_Response *r;

	if (s) {
		s->daemon = rq->daemon;
		s->refill = refill;
		s->job = job;
		s->after = after;
		s->follower = qb_hub_follow(rq->daemon->hub, rq->connection, job);
	}
	if (!s || !s->follower) {
		free(s);
		return qb_reply_refuse(rq, 500, "out_of_memory", "no memory for another stream");
	}
	append(s, "retry: 2000\n\n");
	r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 32 << 10, read_stream, s, free_stream);
	if (!r) {
		free_stream(s);
		return MHD_NO;
	}
	MHD_add_response_header(r, "Content-Type", "text/event-stream");
	MHD_add_response_header(r, "X-Accel-Buffering", "no");
	return qb_reply_send(rq, 200, r);
}

enum MHD_Result qb__events_follow(struct qb_request *rq)
{
	struct qb_problem p = {0};
	int64_t job, after;
	json_t *row = NULL;
	enum qb_found found;

	if (!qb_path_job(rq, &job, &p) || !read_after(rq, &after, &p)) {
		return qb_reply_problem(rq, &p);
	}
	found = qb_store_get(qb_reader(rq), QB_SQL_JOB_STATE, &row, "i", job);
	if (found == QB_UNREAD) {
		return qb_reply_unread(rq);
	}
	if (found == QB_NONE) {
		return qb_reply_refuse(rq, 404, "not_found", "there is no job j%lld here", (long long)job);
	}
	json_decref(row);
	return follow(rq, job, after, next_events);
}

enum MHD_Result qb__changes_follow(struct qb_request *rq)
{
	struct qb_problem p = {0};
	int64_t after;

	return read_after(rq, &after, &p) ? follow(rq, QB_HUB_ALL, after, next_changes) : qb_reply_problem(rq, &p);
}
