/* SPDX-License-Identifier: Apache-2.0
 *
 * A request is served only if every reader agrees where it ends and to whom it is sent (RFC 9112 sections 3.2, 5.1,
 * 6.3), and if no page of another site makes it: not by a name of its own that points here (Host), and not by a
 * request across sites (Origin, or Sec-Fetch-Site where the browser sends no Origin).
 */
#include "config.h"

#include "daemon/http/guard.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "daemon/http/host.h"

/* Header lines of one request. */
struct lines {
	int hosts, lengths, encodings;
	bool strange; /* a name that is no token, such as one with a space before its colon, or control characters */
	bool chunked;
};

static bool is_token(const char *name, size_t n)
{
	static const char allowed[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return n && strspn(name, allowed) == n;
}

static bool is_text(const char *value, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f) {
			return false;
		}
	}
	return true;
}

static enum MHD_Result count_line(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len,
	const char *value, size_t value_len)
{
	struct lines *l = arg;

	(void)kind;
	l->strange |= !is_token(name, name_len) || (value && !is_text(value, value_len));
	l->hosts += !strcasecmp(name, "Host");
	l->lengths += !strcasecmp(name, "Content-Length");
	if (!strcasecmp(name, "Transfer-Encoding")) {
		l->encodings++;
		l->chunked = value && !strcasecmp(value, "chunked");
	}
	return MHD_YES;
}

static bool framed(struct qb_request *rq, struct qb_problem *p)
{
	struct lines l = {0};

	MHD_get_connection_values_n(rq->connection, MHD_HEADER_KIND, count_line, &l);
	if (l.strange) {
		return qb_refuse(p, 400, "bad_request", "a header has a name that is no token, or control characters; write "
			"\"Name: value\", without a space before the colon");
	}
	if (l.hosts != 1) {
		return qb_refuse(p, 400, "bad_request", "the request has %d Host headers; send one", l.hosts);
	}
	if (l.lengths > 1 || l.encodings > 1 || (l.lengths && l.encodings)) {
		return qb_refuse(p, 400, "bad_request", "the length of the body is told more than once; send one "
			"Content-Length, or Transfer-Encoding: chunked");
	}
	if (l.encodings && !l.chunked) {
		return qb_refuse(p, 400, "bad_request", "the only Transfer-Encoding taken is chunked");
	}
	return true;
}

static bool changes_nothing(const char *method)
{
	return !strcmp(method, "GET") || !strcmp(method, "HEAD");
}

/* What a browser says of the page that asks. A link to us may stand anywhere; all else is for our own pages. */
static bool own_page(struct qb_request *rq, const char *method)
{
	const char *site = qb_header(rq, "Sec-Fetch-Site"), *mode = qb_header(rq, "Sec-Fetch-Mode");

	return !site || !strcasecmp(site, "same-origin") || !strcasecmp(site, "none") ||
		(mode && !strcasecmp(mode, "navigate") && changes_nothing(method));
}

static bool is_public(const struct qb_options *o, const struct qb_authority *host)
{
	return o->has_public && !strcmp(host->host, o->public_origin.at.host);
}

/* An address in figures is no name that another site could have pointed here; a machine's own name is trusted as well. */
static bool is_machine(const struct qb_authority *host)
{
	struct in6_addr address;
	char name[256] = "";

	gethostname(name, sizeof(name) - 1);
	return inet_pton(AF_INET, host->host, &address) == 1 || inet_pton(AF_INET6, host->host, &address) == 1 ||
		!strcasecmp(host->host, name);
}

static bool names_us(const struct qb_options *o, const struct qb_authority *host)
{
	return host->loopback || is_public(o, host) || (!o->on_loopback && is_machine(host));
}

/* A proxy may name the public address or us, in Host; browsers name the public one in Origin. */
static bool from_here(const struct qb_options *o, const char *origin, bool tls, const struct qb_authority *host)
{
	struct qb_origin page, own = {.https = tls, .at = *host};

	return qb_origin_parse(origin, &page) && ((o->has_public && qb_origin_same(&page, &o->public_origin)) ||
		(!is_public(o, host) && qb_origin_same(&page, &own)));
}

bool qb_guard_request(struct qb_request *rq, const char *method, struct qb_problem *p)
{
	const struct qb_options *o = &rq->daemon->options;
	const char *host = qb_header(rq, "Host"), *origin = qb_header(rq, "Origin");
	struct qb_authority own;

	if (!framed(rq, p)) {
		return false;
	}
	if (!host || !qb_authority_parse(host, rq->tls ? QB_PORT_HTTPS : QB_PORT_HTTP, &own)) {
		return qb_refuse(p, 400, "bad_request", "Host is \"%.100s\"; it must be an address and a port, such as "
			"127.0.0.1:8080", host ? host : "");
	}
	if (!names_us(o, &own)) {
		return qb_refuse(p, 403, "wrong_host", "this server answers as localhost%s%s%.250s only, not as "
			"\"%.100s\"; use one of those, or let its operator set public to the address that you use",
			o->on_loopback ? "" : ", its addresses and its name", o->has_public ? " and as " : "", o->has_public ? o->public_origin.at.host : "", host);
	}
	if (origin && !from_here(o, origin, rq->tls, &own)) {
		return qb_refuse(p, 403, "wrong_origin", "requests from pages of %.100s are refused", origin);
	}
	if (!own_page(rq, method)) {
		return qb_refuse(p, 403, "wrong_origin", "requests from pages of other sites are refused");
	}
	return true;
}
