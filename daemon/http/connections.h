/* SPDX-License-Identifier: Apache-2.0
 *
 * Which connections there are, and which have to go: so that nobody who opens many, or is slow, keeps others out.
 *
 * A connection is idle until the headers of a request have come and after its answer has been sent. Where there are as many as
 * there may be, in all or of one address, the one that has been idle longest is closed for a new one; where none is idle, the
 * new one is refused. What has begun to send a request and does not come to its end in time is closed.
 *
 * Loopback addresses and unix sockets, behind which a proxy may stand, are limited in all alone. IPv6 addresses count by
 * their first 64 bits, which one host may choose the others of.
 *
 * Any thread. Closing is shutdown(2): the thread that serves the connection notices, and is the one that closes it.
 */
#ifndef QB_DAEMON_HTTP_CONNECTIONS_H
#define QB_DAEMON_HTTP_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct qb_connections;
struct qb_connection;

struct qb_connection_limits {
	int64_t in_all, by_address;
	double header_seconds; /* from the first byte of a request to the end of its headers */
	double body_seconds;   /* within which QB_BODY_BYTES of a body come, or its end */
	double idle_seconds;
};

enum { QB_BODY_BYTES = 16 << 10 };

/* Those that have been told to go, and have not gone yet, come on top of a limit: up to so many. */
static inline int64_t qb_connections_spare(int64_t limit)
{
	return limit / 2 + 1;
}

/* Why connections were closed by us: name for /metrics */
#define QB_CLOSED(X) X(IDLE, "idle") X(HEADERS, "slow_headers") X(BODY, "slow_body") X(ROOM, "made_room") X(REFUSED, "refused")
enum qb_closed {
#define X(name, text) QB_CLOSED_##name,
	QB_CLOSED(X)
#undef X
	QB_CLOSED_COUNT
};

struct qb_connections *qb_connections_create(const struct qb_connection_limits *limits);
void qb_connections_destroy(struct qb_connections **connections);
void qb_connections_limit(struct qb_connections *c, const struct qb_connection_limits *limits);

/* Whether another one of that address may come; makes room for it. */
bool qb_connections_admit(struct qb_connections *c, const struct sockaddr *address);
/* NULL where memory ends: it is then served, and neither counted nor closed. */
struct qb_connection *qb_connections_open(struct qb_connections *c, int fd, const struct sockaddr *address, double now);
/* Before its descriptor is closed. */
void qb_connections_close(struct qb_connections *c, struct qb_connection **connection);

/* What a connection does next. It may be NULL. */
void qb_connection_body(struct qb_connections *c, struct qb_connection *k, size_t bytes, double now); /* headers (0), then each part */
void qb_connection_answer(struct qb_connections *c, struct qb_connection *k);
void qb_connection_idle(struct qb_connections *c, struct qb_connection *k, double now);

/* Closes those that are late; about once a second. */
void qb_connections_sweep(struct qb_connections *c, double now);

struct qb_connection_counts {
	int64_t open, limit, closed[QB_CLOSED_COUNT];
};
struct qb_connection_counts qb_connections_count(struct qb_connections *c);

#endif
