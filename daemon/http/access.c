/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/http/access.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "daemon/audit.h"
#include "daemon/http/rate.h"
#include "daemon/loopback.h"
#include "daemon/tokens.h"

enum { FAILURES_PER_MINUTE = 20, ADDRESS_LEN = 64 };

static const struct qb_who local = {.name = "local", .role = QB_ROLE_ADMIN};

static const struct sockaddr *peer(struct qb_request *rq)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(rq->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	return info ? info->client_addr : NULL;
}

/* Where a request comes from; behind our proxy, what that says. */
static void address_of(struct qb_request *rq, char out[ADDRESS_LEN])
{
	const struct sockaddr *a = peer(rq);
	struct ucred peer_of;
	socklen_t size = sizeof(peer_of);
	const char *through = qb_header(rq, "X-Forwarded-For"), *comma = through ? strrchr(through, ',') : NULL;

	snprintf(out, ADDRESS_LEN, "unknown");
	if (rq->daemon->options.has_public && through && qb_loopback_address(a)) { /* the last one is what our proxy has seen */
		through = comma ? comma + 1 : through;
		snprintf(out, ADDRESS_LEN, "%s", through + strspn(through, " "));
		for (char *c = out; *c; c++) {
			*c = *c > ' ' && *c < 0x7f ? *c : '?';
		}
	} else if (a && a->sa_family == AF_UNIX) {
		if (getsockopt(qb_client(rq), SOL_SOCKET, SO_PEERCRED, &peer_of, &size) == 0) {
			snprintf(out, ADDRESS_LEN, "uid %u", (unsigned)peer_of.uid);
		}
	} else if (a) {
		getnameinfo(a, a->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in), out,
			ADDRESS_LEN, NULL, 0, NI_NUMERICHOST);
	}
}

/* Through a proxy everybody comes from loopback, so where there is one nobody is local. */
static bool needs_token(struct qb_request *rq)
{
	const struct qb_options *o = &rq->daemon->options;

	if (!strcmp(o->tokens, "none")) {
		return false;
	}
	return !strcmp(o->tokens, "all") || o->has_public || !qb_loopback_address(peer(rq));
}

bool qb_access_failed(struct qb_request *rq, struct qb_problem *p)
{
	char address[ADDRESS_LEN];
	int wait;

	address_of(rq, address);
	if (!qb_rate_take(rq->daemon->rates, address, FAILURES_PER_MINUTE, qb_seconds(), &wait)) {
		p->retry_after_s = wait;
		return qb_refuse(p, 429, "too_many_failures", "too many attempts from %s with tokens that are not valid; try "
			"again in %d s", address, wait);
	}
	return true;
}

bool qb_access_identify(struct qb_request *rq, struct qb_problem *p)
{
	static const char scheme[] = "Bearer ";
	const struct qb_options *o = &rq->daemon->options;
	const char *header = qb_header(rq, "Authorization"), *cookie = qb_cookie(rq, QB_COOKIE_SESSION);
	bool unread = false;

	/* Another scheme is that of a proxy before us. */
	if (header && !strncasecmp(header, scheme, sizeof(scheme) - 1)) {
		header += sizeof(scheme) - 1;
		rq->known = qb_token_find(qb_reader(rq), o, header + strspn(header, " "), &rq->who, &unread);
		if (!rq->known && !unread && qb_access_failed(rq, p)) {
			rq->ask_for_token = rq->failed = true;
			qb_refuse(p, 401, "bad_token", "the token is not valid: it was mistyped, has expired or was revoked; ask for "
				"another one");
		}
	} else if (cookie) {
		rq->known = qb_session_find(qb_reader(rq), o, cookie, &rq->who, &unread);
	}
	if (unread) {
		qb_refuse_unread(p);
	}
	if (!rq->known && !p->status && !needs_token(rq)) {
		rq->who = local;
		rq->known = true;
	}
	return !p->status;
}

static bool may(struct qb_request *rq, struct qb_problem *p)
{
	if (!rq->known) {
		rq->ask_for_token = true;
		return qb_refuse(p, 401, "token_needed", "this server asks for a token: send Authorization: Bearer TOKEN (quantbench "
			"--token, QUANTBENCH_TOKEN), or log in at /login");
	}
	if (rq->who.role < rq->route->role) {
		return qb_refuse(p, 403, "role", "%s has the role %s, and this takes %s; ask for a token with that role",
			rq->who.name, qb_role_name(rq->who.role), qb_role_name(rq->route->role));
	}
	return true;
}

/* A browser sends cookies along whoever asks it to; what a script of ours reads and sends back is our pages' alone. */
static bool meant(struct qb_request *rq, const char *method, struct qb_problem *p)
{
	const char *proof = qb_header(rq, "X-CSRF-Token");

	if (!rq->who.by_cookie || !strcmp(method, "GET") || !strcmp(method, "HEAD") || (proof && !strcmp(proof, rq->who.csrf))) {
		return true;
	}
	return qb_refuse(p, 403, "csrf", "the request comes by a browser's session and lacks its X-CSRF-Token (the cookie "
		QB_COOKIE_CSRF " holds it); load the page again");
}

static bool in_time(struct qb_request *rq, struct qb_problem *p)
{
	char name[32];
	int wait;

	snprintf(name, sizeof(name), "t%lld", (long long)rq->who.token);
	if (!rq->who.token || !rq->who.requests_per_minute ||
		qb_rate_take(rq->daemon->rates, name, rq->who.requests_per_minute, qb_seconds(), &wait)) {
		return true;
	}
	p->retry_after_s = wait;
	return qb_refuse(p, 429, "rate", "%s may make %lld requests a minute; try again in %d s", rq->who.name,
		(long long)rq->who.requests_per_minute, wait);
}

bool qb_access_check(struct qb_request *rq, const char *method, struct qb_problem *p)
{
	if (rq->route->role == QB_ROLE_OPEN) {
		return true;
	}
	return qb_access_identify(rq, p) && may(rq, p) && meant(rq, method, p) && in_time(rq, p);
}

void qb_access_note(struct qb_request *rq, unsigned status)
{
	char address[ADDRESS_LEN];

	if (!rq->route || (!rq->failed && (rq->route->role < QB_ROLE_SUBMIT || !strcmp(rq->route->method, "GET")))) {
		return;
	}
	address_of(rq, address);
	qb_audit_add(rq->daemon->audit, &(struct qb_audit_entry){.who = rq->known ? &rq->who : NULL, .address = address,
		.method = rq->route->method, .path = rq->path, .object = *rq->object ? rq->object : NULL, .status = status});
}
