/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/http/connections.h"

static const struct qb_connection_limits limits = {
	.in_all = 4, .by_address = 2, .header_seconds = 10, .body_seconds = 20, .idle_seconds = 100,
};

/* One end is the server's, the other the client's. */
struct pair {
	int server, client;
	struct qb_connection *slot;
};

static struct sockaddr_storage from(const char *text)
{
	struct sockaddr_storage a = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&a;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		a.ss_family = AF_INET;
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
		a.ss_family = AF_INET6;
	}
	return a;
}

static bool admitted(struct qb_connections *c, const char *address)
{
	struct sockaddr_storage a = from(address);

	return qb_connections_admit(c, (struct sockaddr *)&a);
}

static struct pair opened(struct qb_connections *c, const char *address, double now)
{
	struct sockaddr_storage a = from(address);
	struct pair p;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	p.server = fd[0];
	p.client = fd[1];
	p.slot = qb_connections_open(c, fd[0], (struct sockaddr *)&a, now);
	assert_non_null(p.slot);
	return p;
}

/* What a client sees of its end; the descriptors stay. */
static bool is_shut(const struct pair *p)
{
	char byte;

	return recv(p->client, &byte, 1, MSG_DONTWAIT) == 0;
}

static void end(struct qb_connections *c, struct pair *p)
{
	qb_connections_close(c, &p->slot);
	close(p->server);
	close(p->client);
}

static void end_all(struct qb_connections **c, struct pair *p, int n)
{
	for (int i = 0; i < n; i++) {
		end(*c, &p[i]);
	}
	assert_int_equal(qb_connections_count(*c).open, 0);
	qb_connections_destroy(c);
}

static void connections__all_taken__longest_idle_makes_room(void **state)
{
	struct qb_connections *c = qb_connections_create(&limits);
	struct pair p[5];

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_true(admitted(c, "127.0.0.1"));
		p[i] = opened(c, "127.0.0.1", i);
	}
	qb_connection_idle(c, p[0].slot, 9); /* now the first one is the last */
	qb_connection_answer(c, p[1].slot);
	assert_true(admitted(c, "127.0.0.1"));
	p[4] = opened(c, "127.0.0.1", 10);
	assert_true(is_shut(&p[2]));
	assert_false(is_shut(&p[0]) || is_shut(&p[1]) || is_shut(&p[3]) || is_shut(&p[4]));
	assert_int_equal(qb_connections_count(c).closed[QB_CLOSED_ROOM], 1);
	end_all(&c, p, 5);
}

static void connections__all_busy__new_one_is_refused(void **state)
{
	struct qb_connections *c = qb_connections_create(&limits);
	struct pair p[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		p[i] = opened(c, "127.0.0.1", 0);
		i % 2 ? qb_connection_answer(c, p[i].slot) : qb_connection_body(c, p[i].slot, 0, 0);
	}
	assert_false(admitted(c, "127.0.0.1"));
	assert_int_equal(qb_connections_count(c).closed[QB_CLOSED_REFUSED], 1);
	qb_connection_idle(c, p[3].slot, 1);
	assert_true(admitted(c, "127.0.0.1"));
	end_all(&c, p, 4);
}

static void connections__address_has_its_share__others_come_in(void **state)
{
	struct qb_connections *c = qb_connections_create(&limits);
	struct pair p[3];

	(void)state;
	p[0] = opened(c, "192.0.2.1", 0);
	p[1] = opened(c, "::ffff:192.0.2.1", 0);
	p[2] = opened(c, "192.0.2.2", 0);
	qb_connection_answer(c, p[0].slot);
	qb_connection_answer(c, p[1].slot);
	assert_false(admitted(c, "192.0.2.1"));
	assert_true(admitted(c, "192.0.2.2"));
	qb_connection_idle(c, p[1].slot, 5);
	assert_true(admitted(c, "192.0.2.1"));
	assert_true(is_shut(&p[1]));
	assert_true(admitted(c, "192.0.2.1")); /* the one that leaves counts no more */
	assert_false(is_shut(&p[2])); /* idle for longer, but another's */
	end_all(&c, p, 3);
}

static void connections__of_one_v6_network__count_as_one_address(void **state)
{
	struct qb_connections *c = qb_connections_create(&limits);
	struct pair p[2];

	(void)state;
	p[0] = opened(c, "2001:db8::1", 0);
	p[1] = opened(c, "2001:db8::2", 0);
	qb_connection_answer(c, p[0].slot);
	qb_connection_answer(c, p[1].slot);
	assert_false(admitted(c, "2001:db8::3"));
	assert_true(admitted(c, "2001:db8:0:1::3"));
	assert_true(admitted(c, "::1"));
	end_all(&c, p, 2);
}

static void connections__late__are_closed_by_what_they_lack(void **state)
{
	struct qb_connections *c = qb_connections_create(&limits);
	struct pair p[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		p[i] = opened(c, "127.0.0.1", 0);
	}
	qb_connection_body(c, p[1].slot, 0, 0);
	qb_connection_answer(c, p[2].slot);
	qb_connection_body(c, p[1].slot, QB_BODY_BYTES - 1, 19); /* not enough to begin anew */
	qb_connections_sweep(c, 19.9);
	assert_false(is_shut(&p[1]));
	qb_connection_body(c, p[1].slot, 1, 19.9);
	qb_connections_sweep(c, 39.8);
	assert_false(is_shut(&p[1]));
	qb_connections_sweep(c, 39.9);
	assert_true(is_shut(&p[1]));
	assert_false(is_shut(&p[0]));
	qb_connections_sweep(c, 100);
	assert_true(is_shut(&p[0]));
	assert_false(is_shut(&p[2])); /* an answer may take as long as it takes */
	assert_int_equal(qb_connections_count(c).closed[QB_CLOSED_BODY], 1);
	assert_int_equal(qb_connections_count(c).closed[QB_CLOSED_IDLE], 1);
	end_all(&c, p, 3);
}

/* A pair over TCP, whose bytes are counted. */
static struct pair opened_by_tcp(struct qb_connections *c)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(a);
	struct pair p;
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&a, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &size), 0);
	p.client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(p.client, (struct sockaddr *)&a, size), 0);
	p.server = accept(listener, NULL, NULL);
	assert_true(p.server >= 0);
	close(listener);
	p.slot = qb_connections_open(c, p.server, (struct sockaddr *)&a, 0);
	return p;
}

static void connections__headers_drip__end_at_their_deadline(void **state)
{
	struct qb_connections *c = qb_connections_create(&limits);
	struct pair p[2] = {opened_by_tcp(c), opened_by_tcp(c)};

	(void)state;
	qb_connections_sweep(c, 1);
	for (int i = 2; i < 12; i++) {
		assert_int_equal(send(p[0].client, "G", 1, 0), 1);
		qb_connections_sweep(c, i);
		assert_false(is_shut(&p[0]));
	}
	qb_connections_sweep(c, 12);
	assert_true(is_shut(&p[0]));
	assert_false(is_shut(&p[1]));
	assert_int_equal(qb_connections_count(c).closed[QB_CLOSED_HEADERS], 1);
	/* Bytes of an earlier request begin no other. */
	assert_int_equal(send(p[1].client, "GET", 3, 0), 3);
	qb_connection_answer(c, p[1].slot);
	qb_connection_idle(c, p[1].slot, 13);
	qb_connections_sweep(c, 14);
	qb_connections_sweep(c, 40);
	assert_false(is_shut(&p[1]));
	assert_int_equal(send(p[1].client, "G", 1, 0), 1);
	qb_connections_sweep(c, 41);
	qb_connections_sweep(c, 51);
	assert_true(is_shut(&p[1]));
	end_all(&c, p, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections__all_taken__longest_idle_makes_room),
		cmocka_unit_test(connections__all_busy__new_one_is_refused),
		cmocka_unit_test(connections__address_has_its_share__others_come_in),
		cmocka_unit_test(connections__of_one_v6_network__count_as_one_address),
		cmocka_unit_test(connections__late__are_closed_by_what_they_lack),
		cmocka_unit_test(connections__headers_drip__end_at_their_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
