/* SPDX-License-Identifier: Apache-2.0
 *
 * Which cgroup is used, and what is written into it: a tree of plain files stands for the kernel's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "daemon/cgroup.h"
#include "daemon/util.h"
#include "tests/unit/lacks.h"

static char root[] = "/tmp/qb-cgroup-XXXXXX";
static const char *const of_group[] = {"cgroup.procs", "cgroup.kill", "memory.max", "memory.oom.group", "pids.max", "cpu.max", NULL};

static void put(const char *name, const char *text)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", root, name);
	for (char *s = path + sizeof(root); (s = strchr(s, '/')) != NULL; s++) {
		*s = '\0';
		mkdir(path, 0700);
		*s = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char *text_of(const char *name)
{
	static char text[100];
	char path[300];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", root, name);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void make_group(const char *name)
{
	char path[200];

	for (int i = 0; of_group[i]; i++) {
		snprintf(path, sizeof(path), "%s/%s", name, of_group[i]);
		put(path, "");
	}
}

static int make_tree(void **unused)
{
	(void)unused;
	strcpy(strrchr(root, '-'), "-XXXXXX");
	if (!mkdtemp(root)) {
		return -1;
	}
	put("/proc/self/cgroup", "4:memory:/other\n0::/lab.service\n");
	put("/sys/fs/cgroup/lab.service/cgroup.subtree_control", "");
	make_group("/sys/fs/cgroup/lab.service/server");
	make_group("/sys/fs/cgroup/lab.service/run-j1-a");
	return 0;
}

static int clear(void **unused)
{
	(void)unused;
	qb_cgroup_begin("none", root);
	qb_remove_tree(root);
	return 0;
}

static bool mark(void)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/lab.service", root);
	return setxattr(path, "user.delegate", "1", 1, 0) == 0;
}

static void begin__group_that_is_not_delegated__is_left_alone(void **unused)
{
	(void)unused;
	assert_true(qb_cgroup_begin("auto", root));
	assert_null(qb_cgroup_folder());
	assert_string_equal(text_of("/sys/fs/cgroup/lab.service/server/cgroup.procs"), "");
	qb_cgroup_put("j1-a", 77, &(struct qb_cgroup_limits){0});
	assert_string_equal(text_of("/sys/fs/cgroup/lab.service/run-j1-a/cgroup.procs"), "");
}

static void begin__delegated_group__holds_the_server_in_a_group_of_its_own(void **unused)
{
	char pid[24];

	(void)unused;
	if (!mark()) {
		lacks("attributes", "/tmp has no user attributes of files");
	}
	assert_true(qb_cgroup_begin("auto", root));
	assert_non_null(qb_cgroup_folder());
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	assert_string_equal(text_of("/sys/fs/cgroup/lab.service/server/cgroup.procs"), pid);
	/* What an earlier server left is killed. */
	assert_string_equal(text_of("/sys/fs/cgroup/lab.service/run-j1-a/cgroup.kill"), "1");
	assert_string_equal(text_of("/sys/fs/cgroup/lab.service/server/cgroup.kill"), "");
}

static void use_named(void)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/lab.service", root);
	assert_true(qb_cgroup_begin(path, root));
}

static void put__limits__are_written_before_the_process(void **unused)
{
	(void)unused;
	use_named();
	qb_cgroup_put("j1-a", 77, &(struct qb_cgroup_limits){.memory_bytes = 5000000000, .threads = 3});
	assert_string_equal(text_of("/sys/fs/cgroup/lab.service/run-j1-a/memory.max"), "5000000000");
	assert_string_equal(text_of("/sys/fs/cgroup/lab.service/run-j1-a/memory.oom.group"), "1");
	assert_string_equal(text_of("/sys/fs/cgroup/lab.service/run-j1-a/pids.max"), "259");
	assert_string_equal(text_of("/sys/fs/cgroup/lab.service/run-j1-a/cpu.max"), "400000 100000");
	assert_string_equal(text_of("/sys/fs/cgroup/lab.service/run-j1-a/cgroup.procs"), "77");
}

static void put__no_limits__none_but_of_processes_is_written(void **unused)
{
	(void)unused;
	use_named();
	qb_cgroup_put("j1-a", 78, &(struct qb_cgroup_limits){0});
	assert_string_equal(text_of("/sys/fs/cgroup/lab.service/run-j1-a/memory.max"), "");
	assert_string_equal(text_of("/sys/fs/cgroup/lab.service/run-j1-a/cpu.max"), "");
	assert_string_equal(text_of("/sys/fs/cgroup/lab.service/run-j1-a/cgroup.procs"), "78");
}

static void begin__named_folder_that_is_no_cgroup__is_refused(void **unused)
{
	(void)unused;
	assert_false(qb_cgroup_begin("/proc/self/nothing", root));
	assert_null(qb_cgroup_folder());
}

static void oom_kills__of_the_folder__count_all_runs(void **unused)
{
	(void)unused;
	put("/sys/fs/cgroup/lab.service/memory.events", "low 0\noom 2\noom_kill 3\n");
	use_named();
	assert_int_equal(qb_cgroup_oom_kills(), 3);
}

static void memory_over__of_a_run__counts_its_own_limit_alone(void **unused)
{
	(void)unused;
	use_named();
	assert_false(qb_cgroup_memory_over("j1-a"));
	put("/sys/fs/cgroup/lab.service/run-j1-a/memory.events", "low 0\nhigh 0\nmax 9\noom 0\noom_kill 1\n");
	assert_false(qb_cgroup_memory_over("j1-a"));
	put("/sys/fs/cgroup/lab.service/run-j1-a/memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 4\n");
	assert_true(qb_cgroup_memory_over("j1-a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(begin__group_that_is_not_delegated__is_left_alone, make_tree, clear),
		cmocka_unit_test_setup_teardown(begin__delegated_group__holds_the_server_in_a_group_of_its_own, make_tree, clear),
		cmocka_unit_test_setup_teardown(put__limits__are_written_before_the_process, make_tree, clear),
		cmocka_unit_test_setup_teardown(put__no_limits__none_but_of_processes_is_written, make_tree, clear),
		cmocka_unit_test_setup_teardown(begin__named_folder_that_is_no_cgroup__is_refused, make_tree, clear),
		cmocka_unit_test_setup_teardown(oom_kills__of_the_folder__count_all_runs, make_tree, clear),
		cmocka_unit_test_setup_teardown(memory_over__of_a_run__counts_its_own_limit_alone, make_tree, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
