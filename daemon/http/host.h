/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is named by a Host header and by an Origin header. Pure functions of text.
 */
#ifndef QB_DAEMON_HTTP_HOST_H
#define QB_DAEMON_HTTP_HOST_H

#include <stdbool.h>
#include <stdint.h>

struct qb_authority {
	char host[256]; /* lower case; an IPv6 address without its brackets */
	uint16_t port;
	bool loopback; /* a name or an address by which a machine calls itself */
};

/* What a browser calls the site of a page (RFC 6454 section 6.1). */
struct qb_origin {
	bool https;
	struct qb_authority at;
};

enum { QB_PORT_HTTP = 80, QB_PORT_HTTPS = 443 };

/* "host", "host:port", "[IPv6]" or "[IPv6]:port" and nothing else (RFC 9110 section 7.2). The default is the port where
 * none is named. */
bool qb_authority_parse(const char *text, uint16_t port_default, struct qb_authority *out);

/* "http://host[:port]" or "https://host[:port]" and nothing else */
bool qb_origin_parse(const char *text, struct qb_origin *out);
bool qb_origin_same(const struct qb_origin *a, const struct qb_origin *b);

#endif
