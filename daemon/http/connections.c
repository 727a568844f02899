/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/http/connections.h"

#include <linux/tcp.h> /* netinet/tcp.h has a shorter struct tcp_info */
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/loopback.h"

enum { BUCKETS = 1024, PAUSES = 10 };
enum phase { IDLE, BODY, ANSWER };
#define NOT_SEEN UINT64_MAX

struct address {
	struct address *next;
	unsigned char key[16];
	int64_t open, leaving;
};

struct qb_connection {
	struct qb_connection *before, *after; /* in the list of its phase, the longest there first */
	struct address *address;              /* NULL: limited in all alone */
	enum phase phase;
	int fd;
	bool leaving;          /* shut down, and counted so */
	double since;          /* IDLE: idle since then; BODY: when the present QB_BODY_BYTES began */
	double header_since;   /* IDLE: when a request was seen to begin; 0: none has */
	uint64_t received;     /* IDLE: bytes that came before; NOT_SEEN until the next sweep */
	size_t body;           /* BODY: bytes since then */
};

struct list {
	struct qb_connection *first, *last;
};

struct qb_connections {
	pthread_mutex_t lock;
	struct qb_connection_limits limits;
	struct list lists[3];
	struct address *addresses[BUCKETS];
	int64_t open, leaving, closed[QB_CLOSED_COUNT];
};

/* What an address is counted as; false where it is not. */
static bool key_of(const struct sockaddr *a, unsigned char key[16])
{
	const struct in6_addr *v6 = &((const struct sockaddr_in6 *)a)->sin6_addr;
	in_addr_t v4;

	memset(key, 0, 16);
	if (!a || qb_loopback_address(a) || (a->sa_family != AF_INET && a->sa_family != AF_INET6)) {
		return false;
	}
	if (a->sa_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(v6)) {
		memcpy(key, v6, 8);
		return true;
	}
	if (a->sa_family == AF_INET) {
		v4 = ((const struct sockaddr_in *)a)->sin_addr.s_addr;
	} else {
		memcpy(&v4, v6->s6_addr + 12, sizeof(v4));
	}
	key[10] = key[11] = 0xff;
	memcpy(key + 12, &v4, sizeof(v4));
	return true;
}

static struct address **slot_of(struct qb_connections *c, const unsigned char key[16])
{
	uint32_t h = 2166136261u; /* FNV-1a */
	struct address **at;

	for (int i = 0; i < 16; i++) {
		h = (h ^ key[i]) * 16777619u;
	}
	for (at = &c->addresses[h % BUCKETS]; *at && memcmp((*at)->key, key, 16) != 0; at = &(*at)->next) {
	}
	return at;
}

static void unlink_one(struct qb_connections *c, struct qb_connection *k)
{
	struct list *l = &c->lists[k->phase];

	*(k->before ? &k->before->after : &l->first) = k->after;
	*(k->after ? &k->after->before : &l->last) = k->before;
}

static void append(struct qb_connections *c, struct qb_connection *k, enum phase phase)
{
	struct list *l = &c->lists[phase];

	k->phase = phase;
	k->before = l->last;
	k->after = NULL;
	*(l->last ? &l->last->after : &l->first) = k;
	l->last = k;
}

static void move(struct qb_connections *c, struct qb_connection *k, enum phase phase)
{
	unlink_one(c, k);
	append(c, k, phase);
}

/* 0 of a unix socket */
static uint64_t bytes_received(int fd)
{
	struct tcp_info t = {0};
	socklen_t n = sizeof(t);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &t, &n) ? 0 : t.tcpi_bytes_received;
}

static void leave(struct qb_connections *c, struct qb_connection *k, enum qb_closed why)
{
	k->leaving = true;
	c->leaving++;
	k->address ? k->address->leaving++ : 0;
	c->closed[why]++;
	shutdown(k->fd, SHUT_RDWR);
}

/* Of one address, or (NULL) of all. */
static bool close_longest_idle(struct qb_connections *c, const struct address *of)
{
	for (struct qb_connection *k = c->lists[IDLE].first; k; k = k->after) {
		if (!k->leaving && (!of || k->address == of)) {
			leave(c, k, QB_CLOSED_ROOM);
			return true;
		}
	}
	return false;
}

struct qb_connections *qb_connections_create(const struct qb_connection_limits *limits)
{
	struct qb_connections *c = calloc(1, sizeof(*c));

	if (c) {
		pthread_mutex_init(&c->lock, NULL);
		c->limits = *limits;
	}
	return c;
}

void qb_connections_destroy(struct qb_connections **connections)
{
	struct qb_connections *c = *connections;

	if (c) {
		pthread_mutex_destroy(&c->lock);
		free(c);
		*connections = NULL;
	}
}

void qb_connections_limit(struct qb_connections *c, const struct qb_connection_limits *limits)
{
	pthread_mutex_lock(&c->lock);
	c->limits = *limits;
	pthread_mutex_unlock(&c->lock);
}

static bool room_at(struct qb_connections *c, const struct address *of)
{
	const int64_t limit = c->limits.by_address;

	return !of || of->open - of->leaving < limit ||
		(of->open < limit + qb_connections_spare(limit) && close_longest_idle(c, of));
}

static bool room_in_all(struct qb_connections *c)
{
	return c->open - c->leaving < c->limits.in_all || close_longest_idle(c, NULL);
}

/* Whoever opens many at once may be faster than the threads that let the old ones go. */
static void wait_for_leaving(struct qb_connections *c)
{
	static const struct timespec pause = {.tv_nsec = 1000000};
	const int64_t most = c->limits.in_all + qb_connections_spare(c->limits.in_all);

	for (int i = 0; i < PAUSES && c->open >= most && c->leaving; i++) {
		pthread_mutex_unlock(&c->lock);
		nanosleep(&pause, NULL);
		pthread_mutex_lock(&c->lock);
	}
}

bool qb_connections_admit(struct qb_connections *c, const struct sockaddr *a)
{
	unsigned char key[16];
	bool room;

	pthread_mutex_lock(&c->lock);
	wait_for_leaving(c);
	room = c->open < c->limits.in_all + qb_connections_spare(c->limits.in_all) &&
		room_at(c, key_of(a, key) ? *slot_of(c, key) : NULL) && room_in_all(c);
	c->closed[QB_CLOSED_REFUSED] += !room;
	pthread_mutex_unlock(&c->lock);
	return room;
}

struct qb_connection *qb_connections_open(struct qb_connections *c, int fd, const struct sockaddr *a, double now)
{
	struct qb_connection *k = calloc(1, sizeof(*k));
	unsigned char key[16];
	struct address **at;

	if (!k) {
		return NULL;
	}
	k->fd = fd;
	k->since = now;
	pthread_mutex_lock(&c->lock);
	if (key_of(a, key)) {
		at = slot_of(c, key);
		*at = *at ? *at : calloc(1, sizeof(**at));
		k->address = *at;
	}
	if (k->address) {
		memcpy(k->address->key, key, sizeof(key));
		k->address->open++;
	}
	append(c, k, IDLE);
	c->open++;
	pthread_mutex_unlock(&c->lock);
	return k;
}

void qb_connections_close(struct qb_connections *c, struct qb_connection **connection)
{
	struct qb_connection *k = *connection;
	struct address **at;

	if (!k) {
		return;
	}
	pthread_mutex_lock(&c->lock);
	unlink_one(c, k);
	c->open--;
	c->leaving -= k->leaving;
	k->address ? k->address->leaving -= k->leaving : 0;
	if (k->address && --k->address->open == 0) {
		at = slot_of(c, k->address->key);
		*at = k->address->next;
		free(k->address);
	}
	pthread_mutex_unlock(&c->lock);
	free(k);
	*connection = NULL;
}

void qb_connection_body(struct qb_connections *c, struct qb_connection *k, size_t bytes, double now)
{
	if (!k) {
		return;
	}
	pthread_mutex_lock(&c->lock);
	k->body += bytes;
	if (k->phase != BODY || k->body >= QB_BODY_BYTES) {
		move(c, k, BODY);
		k->since = now;
		k->body = 0;
	}
	pthread_mutex_unlock(&c->lock);
}

void qb_connection_answer(struct qb_connections *c, struct qb_connection *k)
{
	if (k) {
		pthread_mutex_lock(&c->lock);
		move(c, k, ANSWER);
		pthread_mutex_unlock(&c->lock);
	}
}

void qb_connection_idle(struct qb_connections *c, struct qb_connection *k, double now)
{
	if (!k) {
		return;
	}
	pthread_mutex_lock(&c->lock);
	move(c, k, IDLE);
	k->since = now;
	k->header_since = 0;
	k->received = NOT_SEEN;
	pthread_mutex_unlock(&c->lock);
}

static void look_at_idle(struct qb_connections *c, struct qb_connection *k, double now)
{
	uint64_t received = bytes_received(k->fd);

	if (k->received == NOT_SEEN) {
		k->received = received;
	}
	if (!k->header_since && received > k->received) {
		k->header_since = now;
	}
	if (k->header_since && now - k->header_since >= c->limits.header_seconds) {
		leave(c, k, QB_CLOSED_HEADERS);
	} else if (!k->header_since && now - k->since >= c->limits.idle_seconds) {
		leave(c, k, QB_CLOSED_IDLE);
	}
}

void qb_connections_sweep(struct qb_connections *c, double now)
{
	pthread_mutex_lock(&c->lock);
	for (struct qb_connection *k = c->lists[IDLE].first; k; k = k->after) {
		if (!k->leaving) {
			look_at_idle(c, k, now);
		}
	}
	for (struct qb_connection *k = c->lists[BODY].first; k; k = k->after) {
		if (!k->leaving && now - k->since >= c->limits.body_seconds) {
			leave(c, k, QB_CLOSED_BODY);
		}
	}
	pthread_mutex_unlock(&c->lock);
}

struct qb_connection_counts qb_connections_count(struct qb_connections *c)
{
	struct qb_connection_counts n;

	pthread_mutex_lock(&c->lock);
	n.open = c->open;
	n.limit = c->limits.in_all;
	memcpy(n.closed, c->closed, sizeof(n.closed));
	pthread_mutex_unlock(&c->lock);
	return n;
}
