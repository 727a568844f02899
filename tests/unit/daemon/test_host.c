/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/http/host.h"

static void authority__written_well__gives_its_parts(void **state)
{
	static const struct {
		const char *text, *host;
		unsigned port;
		bool loopback;
	} cases[] = {
		{"localhost", "localhost", 80, true}, {"LocalHost:8080", "localhost", 8080, true},
		{"localhost:", "localhost", 80, true}, {"127.0.0.1:1", "127.0.0.1", 1, true},
		{"127.9.8.7:65535", "127.9.8.7", 65535, true}, {"[::1]", "::1", 80, true},
		{"[::1]:8080", "::1", 8080, true}, {"[0:0:0:0:0:0:0:1]:80", "0:0:0:0:0:0:0:1", 80, true},
		{"[0::0001]", "0::0001", 80, true}, {"evil.com", "evil.com", 80, false},
		{"localhost.evil.com:80", "localhost.evil.com", 80, false},
		{"127.0.0.1.evil.com", "127.0.0.1.evil.com", 80, false}, {"127.evil.com", "127.evil.com", 80, false},
		{"127.1", "127.1", 80, false}, {"127.0.0.256", "127.0.0.256", 80, false},
		{"127.0.0.1.2", "127.0.0.1.2", 80, false}, {"127...", "127...", 80, false},
		{"1270.0.0.1", "1270.0.0.1", 80, false}, {"0.0.0.0", "0.0.0.0", 80, false},
		{"10.0.0.1", "10.0.0.1", 80, false}, {"localhost.", "localhost.", 80, false},
		{"xlocalhost", "xlocalhost", 80, false}, {"evil.localhost", "evil.localhost", 80, false},
		{"[::2]", "::2", 80, false}, {"[::]", "::", 80, false}, {"[::ffff:127.0.0.1]", "::ffff:127.0.0.1", 80, true},
		{"[fe80::1]:8080", "fe80::1", 8080, false}, {"lab_3-a.example:9", "lab_3-a.example", 9, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qb_authority a;

		print_message("%s\n", cases[i].text);
		assert_true(qb_authority_parse(cases[i].text, 80, &a));
		assert_string_equal(a.host, cases[i].host);
		assert_int_equal(a.port, cases[i].port);
		assert_int_equal(a.loopback, cases[i].loopback);
	}
}

static void authority__written_badly__is_refused(void **state)
{
	static const char *const cases[] = {"", ":", ":80", "[::1].evil.com", "[::1]evil.com", "[::1", "::1", "::1:80",
		"[]", "[localhost]", "[127.0.0.1]", "[::1%25lo]", "[::1]]", "[[::1]]", "[::1]:x", "localhost:x",
		"localhost:80x", "localhost:0", "localhost:65536", "localhost:123456", "localhost:-1", "localhost:+1",
		"localhost: 80", "localhost:80:80", "localhost ", " localhost", "localhost,evil.com", "localhost@evil.com",
		"user@localhost", "localhost/", "localhost#", "localhost?x", "http://localhost", "local\thost", "l\xc3\xb6" "calhost",
		"localhost\\evil.com", "127.0.0.1;evil.com", "%6cocalhost"};
	char longest[300];
	struct qb_authority a;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i]);
		assert_false(qb_authority_parse(cases[i], 80, &a));
	}
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_false(qb_authority_parse(longest, 80, &a));
}

static void origin__of_another_scheme_host_or_port__is_not_ours(void **state)
{
	static const struct {
		const char *host, *origin;
		bool ours;
	} cases[] = {
		{"localhost:8080", "http://localhost:8080", true}, {"LOCALHOST:8080", "http://localhost:8080", true},
		{"localhost", "http://localhost", true}, {"localhost:80", "http://localhost", true},
		{"[::1]:8080", "http://[::1]:8080", true}, {"localhost:8080", "https://localhost:8080", false},
		{"localhost:8080", "evil://localhost:8080", false}, {"localhost:8080", "HTTP://localhost:8080", false},
		{"localhost:8080", "chrome-extension://localhost:8080", false}, {"localhost:8080", "//localhost:8080", false},
		{"localhost:8080", "localhost:8080", false}, {"localhost:8080", "null", false}, {"localhost:8080", "", false},
		{"localhost:8080", "http://localhost:8081", false}, {"localhost:8080", "http://localhost", false},
		{"localhost:8080", "http://127.0.0.1:8080", false}, {"localhost:8080", "http://localhost:8080/", false},
		{"localhost:8080", "http://localhost:8080.evil.com", false},
		{"localhost:8080", "http://localhost:8080@evil.com", false},
		{"localhost:8080", "http://evil.com/://localhost:8080", false},
		{"localhost:8080", "http://localhost:8080 http://evil.com", false},
	};
	struct qb_origin own = {0}, page;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s at %s\n", cases[i].origin, cases[i].host);
		assert_true(qb_authority_parse(cases[i].host, 80, &own.at));
		assert_int_equal(qb_origin_parse(cases[i].origin, &page) && qb_origin_same(&page, &own), cases[i].ours);
	}
}

static void origin__without_a_port__has_that_of_its_scheme(void **state)
{
	struct qb_origin a, b;

	(void)state;
	assert_true(qb_origin_parse("https://bench.example", &a));
	assert_true(a.https);
	assert_int_equal(a.at.port, 443);
	assert_true(qb_origin_parse("https://BENCH.example:443", &b));
	assert_true(qb_origin_same(&a, &b));
	assert_true(qb_origin_parse("http://bench.example:443", &b));
	assert_false(qb_origin_same(&a, &b));
	assert_true(qb_origin_parse("http://[::1]", &b));
	assert_int_equal(b.at.port, 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(authority__written_well__gives_its_parts),
		cmocka_unit_test(authority__written_badly__is_refused),
		cmocka_unit_test(origin__of_another_scheme_host_or_port__is_not_ours),
		cmocka_unit_test(origin__without_a_port__has_that_of_its_scheme),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
