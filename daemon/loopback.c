/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static bool is_loopback_v6(const struct in6_addr *a)
{
	return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == IN_LOOPBACKNET);
}

bool qb_loopback_address(const struct sockaddr *a)
{
	if (!a) {
		return false;
	}
	switch (a->sa_family) {
	case AF_UNIX:
		return true;
	case AF_INET:
		return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	case AF_INET6:
		return is_loopback_v6(&((const struct sockaddr_in6 *)a)->sin6_addr);
	default:
		return false;
	}
}

bool qb_loopback_name(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	return !strcmp(text, "localhost") ||
		(inet_pton(AF_INET, text, &v4.sin_addr) == 1 && qb_loopback_address((const struct sockaddr *)&v4)) ||
		(inet_pton(AF_INET6, text, &v6.sin6_addr) == 1 && qb_loopback_address((const struct sockaddr *)&v6));
}
