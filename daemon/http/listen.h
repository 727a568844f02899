/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the server listens: an address, a unix socket, or what systemd has opened for it.
 */
#ifndef QB_DAEMON_HTTP_LISTEN_H
#define QB_DAEMON_HTTP_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

struct qb_options;

struct qb_listeners {
	int tcp, local; /* -1: none, or taken by who serves it */
	uint16_t port;    /* 0: no address */
	bool has_local;
	bool made_local;  /* to be removed in the end */
	bool given;       /* opened by systemd */
	bool on_loopback; /* nobody else reaches the address */
};

/* false after having said on the log why. */
bool qb_listen(const struct qb_options *o, struct qb_listeners *l);
/* Closes what is left to close, and removes the socket that it made. */
void qb_listen_end(const struct qb_options *o, struct qb_listeners *l);

#endif
