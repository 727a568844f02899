/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/http/host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/loopback.h"

/* "" or ":port". An empty port is the default one, as in every URL. */
static bool parse_port(const char *text, uint16_t port_default, uint16_t *port)
{
	size_t n;
	long number;

	*port = port_default;
	if (!*text) {
		return true;
	}
	n = strspn(text + 1, "0123456789");
	if (*text != ':' || text[1 + n] || n > 5) {
		return false;
	}
	number = n ? strtol(text + 1, NULL, 10) : port_default;
	*port = (uint16_t)number;
	return number > 0 && number <= UINT16_MAX;
}

static bool copy_lower(char *out, size_t size, const char *text, size_t n)
{
	if (!n || n >= size) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		out[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
	}
	out[n] = '\0';
	return true;
}

static bool parse_v6(const char *text, uint16_t port_default, struct qb_authority *a)
{
	const char *end = strchr(text, ']');
	struct in6_addr v6;

	if (!end || !copy_lower(a->host, sizeof(a->host), text + 1, (size_t)(end - text) - 1) ||
		inet_pton(AF_INET6, a->host, &v6) != 1) {
		return false;
	}
	a->loopback = qb_loopback_name(a->host);
	return parse_port(end + 1, port_default, &a->port);
}

bool qb_authority_parse(const char *text, uint16_t port_default, struct qb_authority *a)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
	size_t n = strspn(text, allowed);

	memset(a, 0, sizeof(*a));
	if (*text == '[') {
		return parse_v6(text, port_default, a);
	}
	if (!copy_lower(a->host, sizeof(a->host), text, n) || !parse_port(text + n, port_default, &a->port)) {
		return false;
	}
	a->loopback = qb_loopback_name(a->host);
	return true;
}

bool qb_origin_parse(const char *text, struct qb_origin *out)
{
	static const char http[] = "http://", https[] = "https://";

	out->https = !strncmp(text, https, sizeof(https) - 1);
	if (!out->https && strncmp(text, http, sizeof(http) - 1) != 0) {
		return false;
	}
	return qb_authority_parse(text + (out->https ? sizeof(https) : sizeof(http)) - 1, out->https ? QB_PORT_HTTPS
		: QB_PORT_HTTP, &out->at);
}

bool qb_origin_same(const struct qb_origin *a, const struct qb_origin *b)
{
	return a->https == b->https && a->at.port == b->at.port && !strcmp(a->at.host, b->at.host);
}
