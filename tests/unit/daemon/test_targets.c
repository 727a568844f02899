/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/targets.h"

static void targets__of_no_lines__are_this_machine(void **unused)
{
	char why[300];
	struct qb_targets *t = qb_targets_parse("", why, sizeof(why));

	(void)unused;
	assert_non_null(t);
	assert_int_equal(t->count, 1);
	assert_string_equal(t->target[0].name, "local");
	assert_true(qb_target_is_here(&t->target[0]));
	qb_targets_free(&t);
	assert_null(t);
}

static void targets__of_each_kind__have_their_words(void **unused)
{
	char why[300], names[60];
	struct qb_targets *t = qb_targets_parse("cluster slurm threads=4 -p lab memory=2G --nice\n\n"
		"pi ssh:me@[fe80::1%eth0] jobs=2 worker=/opt/w folder=/srv/q -i /key -p 22\nfast local taskset -c 1", why, sizeof(why));
	const struct qb_target *pi;

	(void)unused;
	assert_non_null(t);
	assert_int_equal(t->count, 4);
	assert_string_equal(t->target[1].words, "-p lab --nice");
	assert_int_equal(t->target[1].jobs, 16);
	assert_int_equal(t->target[1].threads, 4);
	assert_true(t->target[1].memory == INT64_C(2) << 30);
	assert_false(qb_target_is_here(&t->target[1]));
	pi = qb_targets_find(t, "pi");
	assert_non_null(pi);
	assert_string_equal(pi->destination, "me@[fe80::1%eth0]");
	assert_string_equal(pi->worker, "/opt/w");
	assert_string_equal(pi->folder, "/srv/q");
	assert_string_equal(pi->words, "-i /key -p 22");
	assert_int_equal(pi->jobs, 2);
	assert_string_equal(t->target[3].words, "taskset -c 1");
	assert_int_equal(t->target[3].jobs, 1);
	assert_null(qb_targets_find(t, "moon"));
	qb_targets_names(t, names, sizeof(names));
	assert_string_equal(names, "local, cluster, pi and fast");
	qb_targets_free(&t);
}

static void targets__with_a_mistake__are_refused_with_the_line(void **unused)
{
	static const char *const lines[][2] = {
		{"pi", "write NAME KIND"}, {"pi ssh", "needs a destination"}, {"pi ssh:", "needs a destination"}, {"pi ssh:-x", "no destination"},
		{"pi slurm:x", "for ssh alone"}, {"pi cloud", "no kind"}, {"-pi local", "a name has"}, {"local local", "already"},
		{"a local\na local", "already"}, {"a local jobs=x", "jobs is"}, {"a local threads=0", "threads is"}, {"a ssh:b folder=x", "absolute"},
	};
	char why[300];

	(void)unused;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_null(qb_targets_parse(lines[i][0], why, sizeof(why)));
		assert_non_null(strstr(why, lines[i][1]));
		assert_non_null(strstr(why, "target \""));
	}
}

static void targets__read_again__are_told_from_those_before(void **unused)
{
	uint64_t last = 0;
	char why[200];

	(void)unused;
	for (int i = 0; i < 3; i++) { /* malloc gives the same place again */
		struct qb_targets *t = qb_targets_parse("pi local", why, sizeof(why));

		assert_non_null(t);
		assert_int_not_equal(t->generation, last);
		last = t->generation;
		qb_targets_free(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets__of_no_lines__are_this_machine),
		cmocka_unit_test(targets__of_each_kind__have_their_words),
		cmocka_unit_test(targets__with_a_mistake__are_refused_with_the_line),
		cmocka_unit_test(targets__read_again__are_told_from_those_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
