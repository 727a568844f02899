/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "daemon/loopback.h"

static const struct {
	const char *text;
	bool loopback;
} cases[] = {
	{"127.0.0.1", true}, {"127.255.1.2", true}, {"126.0.0.1", false}, {"10.0.0.127", false}, {"0.0.0.0", false}, {"::1", true},
	{"::", false}, {"::2", false}, {"fe80::1", false}, {"::ffff:127.0.0.1", true}, {"::ffff:127.9.9.9", true},
	{"::ffff:10.0.0.1", false}, {"::127.0.0.1", false}, {"::fffe:127.0.0.1", false},
};

static void address__as_figures_and_as_a_socket_has_it__is_the_same(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sockaddr_in v4 = {.sin_family = AF_INET};
		struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
		const struct sockaddr *a = inet_pton(AF_INET, cases[i].text, &v4.sin_addr) == 1 ? (const struct sockaddr *)&v4
			: (const struct sockaddr *)&v6;

		if (a->sa_family == AF_INET6) {
			assert_int_equal(inet_pton(AF_INET6, cases[i].text, &v6.sin6_addr), 1);
		}
		assert_int_equal(qb_loopback_address(a), cases[i].loopback);
		assert_int_equal(qb_loopback_name(cases[i].text), cases[i].loopback);
	}
}

static void address__of_a_unix_socket__is_ours(void **unused)
{
	const struct sockaddr_un a = {.sun_family = AF_UNIX};
	const struct sockaddr other = {.sa_family = AF_APPLETALK};

	(void)unused;
	assert_true(qb_loopback_address((const struct sockaddr *)&a));
	assert_false(qb_loopback_address(&other));
	assert_false(qb_loopback_address(NULL));
}

static void name__that_is_no_address__is_ours_only_as_localhost(void **unused)
{
	static const char *const names[] = {"", "localhost.", "127.1", "127.0.0.1.evil.com", "evil", "[::1]"};

	(void)unused;
	assert_true(qb_loopback_name("localhost"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_false(qb_loopback_name(names[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address__as_figures_and_as_a_socket_has_it__is_the_same),
		cmocka_unit_test(address__of_a_unix_socket__is_ours),
		cmocka_unit_test(name__that_is_no_address__is_ours_only_as_localhost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
