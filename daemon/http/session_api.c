/* SPDX-License-Identifier: Apache-2.0
 *
 * Logging in with a browser: a page that takes a token and gives a session, in a cookie that scripts do not see.
 */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http/access.h"
#include "daemon/http/http.h"
#include "daemon/loop.h"
#include "daemon/storage.h"
#include "daemon/tokens.h"

enum { SESSION_SECONDS = 7 * 86400 };

static const char page_policy[] = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; "
	"base-uri 'none'";

static const char page[] =
	"<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
	"<title>quantbench: log in</title><style>"
	":root{color-scheme:light dark}body{font:16px system-ui,sans-serif;max-width:26rem;margin:15vh auto;padding:0 1rem}"
	"input,button{font:inherit;padding:.5rem;width:100%%;box-sizing:border-box;margin:.3rem 0}"
	"</style><h1>quantbench</h1><p>%s</p>"
	"<form method=\"post\" action=\"/login\"><label>Access token"
	"<input name=\"token\" type=\"password\" autocomplete=\"current-password\" required autofocus></label>"
	"<button>Log in</button></form></html>\n";

static enum MHD_Result send_page(struct qb_request *rq, unsigned status, const char *sentence)
{
	char *text = qb_format(page, sentence);
	struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);

	if (!r) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(r, "Content-Type", "text/html; charset=utf-8");
	MHD_add_response_header(r, "Content-Security-Policy", page_policy);
	/* Without it browsers would send Origin: null with the form. */
	MHD_add_response_header(r, "Referrer-Policy", "same-origin");
	return qb_reply_send(rq, status, r);
}

enum MHD_Result qb__login_page(struct qb_request *rq)
{
	return send_page(rq, 200, "This server asks for an access token. Who runs it makes them: quantbenchd token create NAME.");
}

/* The value of a field of an urlencoded form, decoded; empty where it is absent or too long. */
static void form_field(const char *body, const char *name, char *out, size_t size)
{
	const size_t len = strlen(name);
	size_t n = 0;

	for (; body && *body; body += strcspn(body, "&"), body += *body == '&') {
		if (!strncmp(body, name, len) && body[len] == '=') {
			for (body += len + 1; *body && *body != '&' && n + 1 < size; body++) {
				char hex[3] = {body[1], *body == '%' && body[1] ? body[2] : '\0', '\0'};

				if (*body == '%' && isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1])) {
					out[n++] = (char)strtol(hex, NULL, 16);
					body += 2;
				} else {
					out[n++] = *body == '+' ? ' ' : *body;
				}
			}
			break;
		}
	}
	out[n] = '\0';
}

struct login {
	struct qb_request *rq;
	char session[QB_SECRET_LEN]; /* begun, or to be ended */
	bool ok;
};

static void begin_session(struct qb_call *call, void *arg)
{
	struct login *l = arg;

	l->ok = qb_session_begin(l->rq->daemon->store, l->rq->who.token, SESSION_SECONDS, l->session);
	qb_call_done(call);
}

static void end_session(struct qb_call *call, void *arg)
{
	struct login *l = arg;

	l->ok = qb_session_end(l->rq->daemon->store, l->session);
	qb_call_done(call);
}

/* Empty values end cookies. */
static void add_cookies(struct qb_request *rq, struct MHD_Response *r, const char *session, const char *csrf)
{
	const bool secure = rq->tls || (rq->daemon->options.has_public && rq->daemon->options.public_origin.https);
	const char *more = secure ? "; Secure" : "";
	char text[300];

	snprintf(text, sizeof(text), QB_COOKIE_SESSION "=%s; Path=/; SameSite=Strict; HttpOnly; Max-Age=%d%s", session,
		*session ? SESSION_SECONDS : 0, more);
	MHD_add_response_header(r, "Set-Cookie", text);
	snprintf(text, sizeof(text), QB_COOKIE_CSRF "=%s; Path=/; SameSite=Strict; Max-Age=%d%s", csrf, *csrf ? SESSION_SECONDS : 0,
		more);
	MHD_add_response_header(r, "Set-Cookie", text);
}

static enum MHD_Result go_to(struct qb_request *rq, const char *where, const char *session, const char *csrf)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);

	if (!r) {
		return MHD_NO;
	}
	MHD_add_response_header(r, "Location", where);
	add_cookies(rq, r, session, csrf);
	return qb_reply_send(rq, 303, r);
}

enum MHD_Result qb__login_begin(struct qb_request *rq)
{
	struct qb_problem p = {0};
	struct login l = {.rq = rq};
	char token[QB_SECRET_LEN + 8], csrf[QB_HASH_LEN];
	bool unread;

	form_field(rq->body, "token", token, sizeof(token));
	rq->known = qb_token_find(qb_reader(rq), &rq->daemon->options, token, &rq->who, &unread);
	if (unread) {
		return qb_reply_unread(rq);
	}
	if (!rq->known) {
		rq->failed = true;
		return qb_access_failed(rq, &p)
			? send_page(rq, 401, "That token is not valid: it was mistyped, has expired or was revoked.")
			: qb_reply_problem(rq, &p);
	}
	if (!qb_storage_usable(rq->daemon->storage, &p)) {
		return qb_reply_problem(rq, &p);
	}
	qb_calls_run(rq->daemon->calls, begin_session, &l);
	if (!l.ok) {
		qb_storage_problem(rq->daemon->storage, &p);
		return qb_reply_problem(rq, &p);
	}
	qb_session_csrf(l.session, csrf);
	return go_to(rq, "/", l.session, csrf);
}

enum MHD_Result qb__login_end(struct qb_request *rq)
{
	const char *session = qb_cookie(rq, QB_COOKIE_SESSION);
	struct login l = {.rq = rq};

	if (session) {
		snprintf(l.session, sizeof(l.session), "%s", session);
		qb_calls_run(rq->daemon->calls, end_session, &l);
	}
	if (session && !l.ok) {
		struct qb_problem p = {0};

		qb_storage_problem(rq->daemon->storage, &p);
		return qb_reply_problem(rq, &p);
	}
	return go_to(rq, "/login", "", "");
}

enum MHD_Result qb__session_get(struct qb_request *rq)
{
	struct qb_problem p = {0};

	if (!qb_access_identify(rq, &p)) {
		return qb_reply_problem(rq, &p);
	}
	return qb_reply_json(rq, 200, json_pack("{s:s?, s:s, s:b}", "name", rq->known ? rq->who.name : NULL, "role",
		qb_role_name(rq->known ? rq->who.role : QB_ROLE_OPEN), "session", rq->known && rq->who.by_cookie));
}
