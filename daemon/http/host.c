/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/http/host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_DEFAULT = 80 };

/* "" or ":port". An empty port is the default one, as in every URL. */
static bool parse_port(const char *text, uint16_t *port)
{
	size_t n;
	long number;

	*port = PORT_DEFAULT;
	if (!*text) {
		return true;
	}
	n = strspn(text + 1, "0123456789");
	if (*text != ':' || text[1 + n] || n > 5) {
		return false;
	}
	number = n ? strtol(text + 1, NULL, 10) : PORT_DEFAULT;
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

static bool parse_v6(const char *text, struct qb_authority *a)
{
	const char *end = strchr(text, ']');
	struct in6_addr v6;

	if (!end || !copy_lower(a->host, sizeof(a->host), text + 1, (size_t)(end - text) - 1) ||
		inet_pton(AF_INET6, a->host, &v6) != 1) {
		return false;
	}
	a->loopback = IN6_IS_ADDR_LOOPBACK(&v6);
	return parse_port(end + 1, &a->port);
}

static bool known_as_loopback(const char *host)
{
	struct in_addr v4;

	return !strcmp(host, "localhost") ||
		(inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET);
}

bool qb_authority_parse(const char *text, struct qb_authority *a)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
	size_t n = strspn(text, allowed);

	memset(a, 0, sizeof(*a));
	if (*text == '[') {
		return parse_v6(text, a);
	}
	if (!copy_lower(a->host, sizeof(a->host), text, n) || !parse_port(text + n, &a->port)) {
		return false;
	}
	a->loopback = known_as_loopback(a->host);
	return true;
}

bool qb_origin_is(const char *origin, const struct qb_authority *own)
{
	static const char scheme[] = "http://";
	struct qb_authority page;

	return !strncmp(origin, scheme, sizeof(scheme) - 1) &&
		qb_authority_parse(origin + sizeof(scheme) - 1, &page) && page.port == own->port &&
		!strcmp(page.host, own->host);
}
