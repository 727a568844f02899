/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/tokens.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "daemon/options.h"
#include "daemon/store.h"

static const char *const roles[] = {
#define X(name, text) text,
	QB_ROLES(X)
#undef X
};

static bool new_secret(char out[QB_SECRET_LEN])
{
	uint8_t bits[32];
	size_t got = 0;
	ssize_t n;

	while (got < sizeof(bits)) {
		n = getrandom(bits + got, sizeof(bits) - got, 0);
		if (n < 0 && errno != EINTR) {
			return false;
		}
		got += n > 0 ? (size_t)n : 0;
	}
	memcpy(out, "qb_", 3);
	qb_hex(bits, sizeof(bits), out + 3);
	return true;
}

static void hash_of(const char *secret, char out[QB_HASH_LEN])
{
	qb_hash_text(secret, strlen(secret), out);
}

/* When a lifetime that begins now ends; *out is "" for never. False where it is not understood or is over. */
static bool lifetime_end(const char *lifetime, char out[QB_TIME_LEN])
{
	static const struct {
		const char *unit;
		int64_t seconds;
	} units[] = {{"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 7 * 86400}, {"y", 365 * 86400}};
	char now[QB_TIME_LEN], *end = NULL;
	struct tm tm = {0};
	long n = strtol(lifetime, &end, 10);

	*out = '\0';
	if (!strcmp(lifetime, "never")) {
		return true;
	}
	for (size_t i = 0; isdigit((unsigned char)*lifetime) && i < sizeof(units) / sizeof(units[0]); i++) {
		if (!strcmp(end, units[i].unit) && n > 0 && n <= 100 * 365 * INT64_C(86400) / units[i].seconds) {
			qb_time_in(n * units[i].seconds, out);
			return true;
		}
	}
	end = strptime(lifetime, "%Y-%m-%d", &tm);
	if (!end || *end || tm.tm_year < 0 || tm.tm_year > 1000) {
		return false;
	}
	strftime(out, QB_TIME_LEN, "%Y-%m-%dT23:59:59.999Z", &tm); /* the whole of that day */
	qb_time_now(now);
	return strcmp(out, now) > 0;
}

const char *qb_role_name(enum qb_role role)
{
	return roles[role];
}

static bool role_named(const char *name, enum qb_role *out)
{
	for (size_t i = QB_ROLE_READ; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (!strcmp(name, roles[i])) {
			*out = (enum qb_role)i;
			return true;
		}
	}
	return false;
}

static bool usable_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._@+";
	size_t n = strlen(name);

	return n && n < QB_WHO_NAME && strspn(name, allowed) == n && strcmp(name, "local") != 0;
}

static bool check(const struct qb_token_wish *w, char expires[QB_TIME_LEN], struct qb_problem *p)
{
	enum qb_role role;

	if (!usable_name(w->name)) {
		return qb_refuse(p, 422, "bad_token", "name is \"%.80s\"; give up to %d letters, digits and . - _ @ +, such as "
			"alice or board-3 (local is everybody on the server's machine)", w->name, QB_WHO_NAME - 1);
	}
	if (!role_named(w->role, &role)) {
		return qb_refuse(p, 422, "bad_token", "role is \"%.40s\"; choose from read, submit and admin", w->role);
	}
	if (!lifetime_end(w->lifetime, expires)) {
		return qb_refuse(p, 422, "bad_token", "expires is \"%.40s\"; give a time such as 12h, 90d or 1y, a date to come such "
			"as 2031-12-31, or never", w->lifetime);
	}
	return true;
}

json_t *qb_token_create(struct qb_store *s, const struct qb_token_wish *w, char secret[QB_SECRET_LEN], struct qb_problem *p)
{
	char now[QB_TIME_LEN], expires[QB_TIME_LEN], hash[QB_HASH_LEN];
	int64_t id = 0, taken = 0;
	json_t *row = NULL;

	if (!check(w, expires, p)) {
		return NULL;
	}
	if (!new_secret(secret)) {
		qb_refuse(p, 500, "random", "the system gives no random bytes: %s", strerror(errno));
		return NULL;
	}
	hash_of(secret, hash);
	qb_time_now(now);
	qb_store_begin(s, true);
	if (qb_store_value(s, QB_SQL_TOKEN_NAMED, &taken, "s", w->name) == QB_FOUND) {
		qb_store_rollback(s);
		qb_refuse(p, 409, "name_taken", "there is a token named %.70s (t%lld); revoke it first, or choose another name",
			w->name, (long long)taken);
		return NULL;
	}
	if (qb_store_value(s, QB_SQL_TOKEN_INSERT, &id, "sssssIII", w->name, w->role, hash, now, *expires ? expires : NULL,
		    w->upload_bytes, w->queued_jobs, w->requests_per_minute) != QB_FOUND ||
		qb_store_get(s, QB_SQL_TOKEN_GET, &row, "i", id) != QB_FOUND) {
		qb_store_rollback(s);
	} else if (!qb_store_commit(s)) {
		json_decref(row);
		row = NULL;
	}
	if (!row) {
		qb_refuse(p, 507, "storage_failing", "the database did not take the token; the log says why");
	}
	return row;
}

bool qb_token_revoke(struct qb_store *s, int64_t id, struct qb_problem *p)
{
	char now[QB_TIME_LEN];
	json_t *row = NULL;
	enum qb_found found = qb_store_get(s, QB_SQL_TOKEN_GET, &row, "i", id);

	json_decref(row);
	if (found != QB_FOUND) {
		return found == QB_NONE ? qb_refuse(p, 404, "not_found", "there is no token t%lld", (long long)id)
			: qb_refuse(p, 507, "storage_failing", "the database cannot be read; the log says why");
	}
	qb_time_now(now);
	qb_store_begin(s, true);
	qb_store_exec(s, QB_SQL_TOKEN_REVOKE, "is", id, now);
	qb_store_exec(s, QB_SQL_SESSIONS_OF_TOKEN_END, "i", id);
	return qb_store_commit(s) || qb_refuse(p, 507, "storage_failing", "the database did not take the change; the log says why");
}

int64_t qb_tokens_valid(struct qb_store *s)
{
	char now[QB_TIME_LEN];
	int64_t n;

	qb_time_now(now);
	return qb_store_value(s, QB_SQL_TOKENS_VALID, &n, "s", now) == QB_FOUND ? n : -1;
}

static int64_t limit_of(const json_t *row, const char *key, int64_t of_server)
{
	const json_t *v = json_object_get(row, key);

	return json_is_integer(v) ? json_integer_value(v) : of_server;
}

static bool find(struct qb_store *s, enum qb_sql sql, const struct qb_options *o, const char *secret, struct qb_who *who,
	bool *unread)
{
	char now[QB_TIME_LEN], hash[QB_HASH_LEN];
	json_t *row = NULL;
	enum qb_found found;

	qb_time_now(now);
	hash_of(secret, hash);
	found = qb_store_get(s, sql, &row, "ss", hash, now);
	*unread = found == QB_UNREAD;
	if (found != QB_FOUND) {
		return false;
	}
	*who = (struct qb_who){
		.token = json_integer_value(json_object_get(row, "number")),
		.upload_bytes = limit_of(row, "upload_bytes", o->token_upload_bytes),
		.queued_jobs = limit_of(row, "queued_jobs", o->token_queued_jobs),
		.requests_per_minute = limit_of(row, "requests_per_minute", o->token_requests_per_minute),
	};
	snprintf(who->name, sizeof(who->name), "%s", json_string_value(json_object_get(row, "name")));
	if (!role_named(json_string_value(json_object_get(row, "role")), &who->role)) {
		who->role = QB_ROLE_OPEN;
	}
	json_decref(row);
	return true;
}

bool qb_token_find(struct qb_store *s, const struct qb_options *o, const char *secret, struct qb_who *who, bool *unread)
{
	return find(s, QB_SQL_TOKEN_BY_HASH, o, secret, who, unread);
}

bool qb_session_find(struct qb_store *s, const struct qb_options *o, const char *secret, struct qb_who *who, bool *unread)
{
	if (!find(s, QB_SQL_TOKEN_BY_SESSION, o, secret, who, unread)) {
		return false;
	}
	who->by_cookie = true;
	qb_session_csrf(secret, who->csrf);
	return true;
}

bool qb_session_begin(struct qb_store *s, int64_t token, int64_t seconds, char secret[QB_SECRET_LEN])
{
	char now[QB_TIME_LEN], expires[QB_TIME_LEN], hash[QB_HASH_LEN];

	if (!new_secret(secret)) {
		return false;
	}
	hash_of(secret, hash);
	qb_time_now(now);
	qb_time_in(seconds, expires);
	qb_store_begin(s, true);
	qb_store_exec(s, QB_SQL_SESSIONS_SWEEP, "s", now);
	qb_store_exec(s, QB_SQL_SESSION_INSERT, "siss", hash, token, now, expires);
	return qb_store_commit(s);
}

bool qb_session_end(struct qb_store *s, const char *secret)
{
	char hash[QB_HASH_LEN];

	hash_of(secret, hash);
	qb_store_begin(s, true);
	qb_store_exec(s, QB_SQL_SESSION_DELETE, "s", hash);
	return qb_store_commit(s);
}

void qb_session_csrf(const char *secret, char out[QB_HASH_LEN])
{
	char text[16 + QB_SECRET_LEN];

	snprintf(text, sizeof(text), "csrf:%.*s", QB_SECRET_LEN - 1, secret);
	hash_of(text, out);
}
