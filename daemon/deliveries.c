/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/deliveries.h"

#include <nettle/hmac.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/beside.h"
#include "common/json_text.h"
#include "daemon/daemon.h"
#include "daemon/store.h"
#include "daemon/util.h"
#include "daemon/worker.h"

/* retry-seconds, doubled up to six hours: of half a minute the last attempt comes after three days. */
enum { LONGEST_PAUSE_S = 6 * 3600, ATTEMPTS = 21, SECRET_MAX = 1024, LOOK_AGAIN_MS = 5000 };

struct qb_deliveries {
	struct qb_daemon *daemon;
	uv_timer_t timer;
	bool busy, stopped;
	/* what is being sent */
	int64_t id, attempts;
	bool mail;
	char *address, *body, *secret;
	char why[300]; /* it was not taken; empty: it was */
	struct qb_worker *program;
};

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void look(uv_timer_t *timer);

static void look_in(struct qb_deliveries *d, uint64_t ms)
{
	if (!d->stopped && !d->busy && (!uv_is_active((uv_handle_t *)&d->timer) || uv_timer_get_due_in(&d->timer) > ms)) {
		uv_timer_start(&d->timer, look, ms, 0);
	}
}

/* A letter to one address. Nothing of it is a header's, or begins a line with a dot that sendmail would take for its end (-i). */
static char *letter(const struct qb_daemon *daemon, const char *to, const json_t *event)
{
	const char *id = text_of(event, "job"), *detail = text_of(json_object_get(event, "error"), "detail");
	const char *public = daemon->options.public;

	return qb_format("To: %s\nSubject: quantbench: %s %s\nContent-Type: text/plain; charset=utf-8\nAuto-Submitted: auto-generated\n\n"
		"%s (%s, target %s) %s at %s.\n%s%s\n%s%s%s%s", to, id, text_of(event, "state"), id, text_of(event, "type"),
		text_of(event, "target"), text_of(event, "state"), text_of(event, "finished"), detail ? detail : "", detail ? "\n" : "",
		public, *public ? "/#/jobs/" : "", *public ? id : "", *public ? "\n" : "");
}

static void add_each(struct qb_daemon *daemon, const char *kind, const char *lines, const json_t *event, const char *now)
{
	char *copy = strdup(lines), *rest = NULL;

	for (char *to = copy ? strtok_r(copy, "\n", &rest) : NULL; to; to = strtok_r(NULL, "\n", &rest)) {
		char *body = *kind == 'm' ? letter(daemon, to, event) : qb_json_text(event, JSON_COMPACT);

		qb_store_exec(daemon->store, QB_SQL_DELIVERY_INSERT, "ssss", kind, to, body, now);
		free(body);
	}
	free(copy);
}

void qb_deliveries_add(struct qb_daemon *daemon, int64_t job, const char *state, const char *finished, const json_t *error)
{
	const struct qb_options *o = &daemon->options;
	json_t *row = NULL, *event;
	char id[32];

	if ((!*o->webhook && !*o->mail) || qb_store_get(daemon->store, QB_SQL_JOB_HEADING, &row, "i", job) != QB_FOUND) {
		return;
	}
	snprintf(id, sizeof(id), "j%lld", (long long)job);
	event = json_pack("{s:s, s:s, s:s, s:s, s:O?, s:O, s:O, s:O}", "event", "job_ended", "job", id, "state", state, "finished", finished,
		"error", error, "type", json_object_get(row, "type"), "target", json_object_get(row, "target"), "submitter",
		json_object_get(row, "submitter"));
	add_each(daemon, "webhook", o->webhook, event, finished);
	add_each(daemon, "mail", o->mail, event, finished);
	json_decref(event);
	json_decref(row);
}

/* Of the file's first line; NULL where there is none to sign with. */
static char *read_secret(const char *path)
{
	char line[SECRET_MAX];
	FILE *f = *path ? fopen(path, "re") : NULL;
	char *secret = NULL;

	if (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\r\n")] = '\0';
		secret = strdup(line);
	}
	if (f) {
		fclose(f);
	}
	return secret;
}

static void forget(struct qb_deliveries *d)
{
	free(d->address);
	free(d->body);
	free(d->secret);
	d->address = d->body = d->secret = NULL;
	d->busy = false;
}

/* It is gone, or waits for its next attempt. Where that cannot be stored it is sent twice rather than never. */
static void sent(struct qb_deliveries *d)
{
	struct qb_store *s = d->daemon->store;
	int64_t pause = d->daemon->options.retry_seconds;
	char then[QB_TIME_LEN];

	for (int64_t i = 0; i < d->attempts && pause < LONGEST_PAUSE_S; i++) {
		pause *= 2;
	}
	qb_time_in(pause < LONGEST_PAUSE_S ? pause : LONGEST_PAUSE_S, then);
	qb_store_begin(s, true);
	if (!*d->why || d->attempts + 1 >= ATTEMPTS) {
		qb_store_exec(s, QB_SQL_DELIVERY_DELETE, "i", d->id);
	} else {
		qb_store_exec(s, QB_SQL_DELIVERY_LATER, "is", d->id, then);
	}
	if (*d->why) {
		qb_log(QB_LOG_WARNING, "%s to %.200s: %s; %s", d->mail ? "mail" : "webhook", d->address, d->why, d->attempts + 1 >= ATTEMPTS
			? "given up" : "tried again later");
	}
	forget(d);
	look_in(d, qb_store_commit(s) ? 0 : LOOK_AGAIN_MS);
}

/* "X-Quantbench-Signature: sha256=..." as GitHub's webhooks are signed: HMAC-SHA256 of the body. */
static void sign(const struct qb_deliveries *d, char *out, size_t size)
{
	struct hmac_sha256_ctx hmac;
	uint8_t digest[SHA256_DIGEST_SIZE];
	char hex[QB_HASH_LEN];

	hmac_sha256_set_key(&hmac, strlen(d->secret), (const uint8_t *)d->secret);
	hmac_sha256_update(&hmac, strlen(d->body), (const uint8_t *)d->body);
	hmac_sha256_digest(&hmac, sizeof(digest), digest);
	qb_hex(digest, sizeof(digest), hex);
	snprintf(out, size, "X-Quantbench-Signature: sha256=%s", hex);
}

/* What the command post takes: headers, an empty line, the body. */
static char *request(const struct qb_deliveries *d)
{
	char signature[120] = "";

	if (d->secret) {
		sign(d, signature, sizeof(signature));
	}
	return qb_format("Content-Type: application/json\nX-Quantbench-Delivery: %lld\n%s%s\n%s", (long long)d->id, signature,
		*signature ? "\n" : "", d->body);
}

/* The last line of what it said. */
static const char *last_line(const char *text)
{
	const char *line = text;

	for (const char *c; (c = strchr(line, '\n')) != NULL && c[1]; line = c + 1) {
	}
	return line;
}

static void ended(void *arg, const struct qb_worker_end *end)
{
	struct qb_deliveries *d = arg;

	if (end->status || end->signal) {
		snprintf(d->why, sizeof(d->why), "%.200s (status %d, signal %d)", last_line(end->errors), (int)end->status, end->signal);
		for (char *c = d->why; *c; c++) {
			*c = *c == '\n' ? ' ' : *c;
		}
	}
	d->program = NULL;
	if (d->stopped) { /* it is sent again after the next start */
		forget(d);
	} else {
		sent(d);
	}
}

static void start(struct qb_deliveries *d)
{
	char *client = d->mail ? NULL : qb_beside("quantbench", QB_DEFAULT_CLIENT), *input = d->mail ? strdup(d->body) : request(d);
	char **argv = d->mail ? qb_worker_argv("", d->daemon->options.sendmail, "-t", "-i", NULL)
		: qb_worker_argv("", client ? client : "quantbench", "post", "--", d->address, NULL);
	struct qb_worker_setup setup = {.argv = argv, .input = input, .collect = true, .limit = 65536, .end = ended, .arg = d};

	d->program = qb_worker_start(d->daemon->loop, &setup, d->why, sizeof(d->why));
	qb_worker_argv_free(argv);
	free(client);
	free(input);
	if (d->program) {
		qb_worker_finish_input(d->program);
	} else {
		sent(d);
	}
}

static void begin(struct qb_deliveries *d, const json_t *row)
{
	d->busy = true;
	d->id = json_integer_value(json_object_get(row, "id"));
	d->attempts = json_integer_value(json_object_get(row, "attempts"));
	d->address = strdup(text_of(row, "address"));
	d->body = strdup(text_of(row, "body"));
	d->mail = !strcmp(text_of(row, "kind"), "mail");
	d->secret = read_secret(d->daemon->options.webhook_secret);
	*d->why = '\0';
	if (d->address && d->body) {
		start(d);
	} else {
		forget(d);
	}
}

static void look(uv_timer_t *timer)
{
	struct qb_deliveries *d = timer->data;
	char now[QB_TIME_LEN];
	json_t *row = NULL;
	int64_t ms;

	qb_time_now(now);
	if (d->busy || d->stopped) {
		return;
	}
	if (qb_store_get(d->daemon->store, QB_SQL_DELIVERY_NEXT, &row, "s", now) == QB_FOUND) {
		begin(d, row);
	} else if (qb_store_value(d->daemon->store, QB_SQL_DELIVERY_NEXT_MS, &ms, "s", now) == QB_FOUND) {
		look_in(d, (uint64_t)(ms > 0 ? ms : 0) + 10);
	}
	json_decref(row);
}

struct qb_deliveries *qb_deliveries_create(struct qb_daemon *daemon)
{
	struct qb_deliveries *d = calloc(1, sizeof(*d));

	if (d) {
		d->daemon = daemon;
		uv_timer_init(daemon->loop, &d->timer);
		d->timer.data = d;
		look_in(d, 100);
	}
	return d;
}

void qb_deliveries_wake(struct qb_deliveries *d)
{
	if (d) { /* jobs end before there is one, too */
		look_in(d, 0);
	}
}

void qb_deliveries_stop(struct qb_deliveries *d)
{
	d->stopped = true;
	uv_close((uv_handle_t *)&d->timer, NULL);
	if (d->program) {
		qb_worker_signal(d->program, SIGKILL);
	}
}

void qb_deliveries_destroy(struct qb_deliveries **d)
{
	if (*d) {
		forget(*d);
		free(*d);
		*d = NULL;
	}
}
