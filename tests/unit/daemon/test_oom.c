/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/oom.h"
#include "daemon/util.h"

static char root[] = "/tmp/test_oom-XXXXXX";

static void make(const char *path)
{
	char *whole = qb_format("%s%s", root, path);

	assert_true(qb_make_folder(whole));
	free(whole);
}

static void put(const char *path, const char *text)
{
	char *whole = qb_format("%s%s", root, path);
	FILE *f = fopen(whole, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	free(whole);
}

static int prepare(void **unused)
{
	static const char *const folders[] = {"/proc", "/proc/self", "/sys", "/sys/fs", "/sys/fs/cgroup",
		"/sys/fs/cgroup/lab.slice", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/lab"};

	(void)unused;
	if (!mkdtemp(root)) {
		return -1;
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		make(folders[i]);
	}
	return 0;
}

static int clear(void **unused)
{
	(void)unused;
	qb_remove_tree(root);
	return 0;
}

static void oom_kills__nothing_to_read__is_unknown(void **unused)
{
	(void)unused;
	assert_int_equal(qb_oom_kills(root, root), -1);
}

static void oom_kills__own_group__its_count(void **unused)
{
	(void)unused;
	put("/proc/self/cgroup", "1:name=systemd:/other\n0::/lab.slice\n");
	put("/proc/vmstat", "pgfault 12\noom_kill 70\nnr_free 1\n");
	put("/sys/fs/cgroup/lab.slice/memory.events", "low 0\noom 2\noom_kill 3\noom_group_kill 0\n");
	assert_int_equal(qb_oom_kills(root, root), 3);
}

static void oom_kills__group_of_version_1__its_count(void **unused)
{
	(void)unused;
	put("/proc/self/cgroup", "9:name=systemd:/\n4:memory:/lab\n1:cpu:/\n0::/\n");
	put("/proc/vmstat", "oom_kill 70\n");
	put("/sys/fs/cgroup/memory/lab/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n");
	assert_int_equal(qb_oom_kills(root, root), 5);
}

static void oom_kills__root_group__count_of_the_machine(void **unused)
{
	(void)unused;
	put("/proc/self/cgroup", "0::/\n");
	put("/proc/vmstat", "pgfault 12\noom_kill 70\nnr_free 1\n");
	assert_int_equal(qb_oom_kills(root, root), 70);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oom_kills__nothing_to_read__is_unknown),
		cmocka_unit_test(oom_kills__own_group__its_count),
		cmocka_unit_test(oom_kills__group_of_version_1__its_count),
		cmocka_unit_test(oom_kills__root_group__count_of_the_machine),
	};

	return cmocka_run_group_tests(tests, prepare, clear);
}
