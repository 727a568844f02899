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

/* "host", "host:port", "[IPv6]" or "[IPv6]:port" and nothing else (RFC 9110 section 7.2). 80 is the port where none
 * is named. */
bool qb_authority_parse(const char *text, struct qb_authority *out);

/* "http://host[:port]" is the page's own server, which is named by a Host header. */
bool qb_origin_is(const char *origin, const struct qb_authority *own);

#endif
