/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/worker_processes.h"
#include "daemon/util.h"
#include "daemon/workspace.h"
#include "tests/unit/lacks.h"

static char state[] = "/tmp/test_workspace-XXXXXX", elsewhere[] = "/dev/shm/test_workspace-XXXXXX";

/* The log is the daemon's; here it is silent. */
void qb_log(enum qb_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

static char *blob_in(const char *folder)
{
	char *path = qb_format("%s/0123", folder);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs("a network", f);
	fclose(f);
	chmod(path, 0440);
	return path;
}

static void assert_network(const char *path)
{
	char text[32] = "";
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_string_equal(text, "a network");
}

static ino_t inode(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static int prepare(void **unused)
{
	(void)unused;
	return mkdtemp(state) ? 0 : -1;
}

static int clear(void **unused)
{
	(void)unused;
	qb_remove_tree(state);
	qb_remove_tree(elsewhere);
	return 0;
}

static void place__same_file_system__is_a_link_under_its_name(void **unused)
{
	char why[200], *folder = qb_workspace_create(state, "j1", why, sizeof(why)), *blob = blob_in(state), *path;
	char *wanted = qb_format("%s/inputs/model/net v2.onnx", folder);

	(void)unused;
	assert_non_null(folder);
	assert_int_equal(qb_workspace_place(folder, "model", "net v2.onnx", blob, &path, why, sizeof(why)), QB_PLACED);
	assert_string_equal(path, wanted);
	assert_int_equal(inode(path), inode(blob));
	qb_workspace_remove(folder);
	assert_int_equal(access(folder, F_OK), -1);
	assert_network(blob);
	free(wanted);
	free(path);
	free(blob);
	free(folder);
}

static void place__other_file_system__is_a_copy(void **unused)
{
	char why[200], *folder, *blob, *path;
	struct stat here, there;

	(void)unused;
	if (!mkdtemp(elsewhere) || stat(state, &here) || stat(elsewhere, &there) || here.st_dev == there.st_dev) {
		lacks("filesystem", "/tmp and /dev/shm are one");
	}
	folder = qb_workspace_create(state, "j1", why, sizeof(why));
	blob = blob_in(elsewhere);
	assert_int_equal(qb_workspace_place(folder, "data", "a.npz", blob, &path, why, sizeof(why)), QB_PLACED);
	assert_network(path);
	free(path);
	free(blob);
	free(folder);
}

static void place__name_that_is_no_file_name__takes_the_fields(void **unused)
{
	static const char *const names[] = {"", ".", "..", "../x", "/etc/passwd", "a/b"};
	char why[200], *blob = blob_in(state), *path;

	(void)unused;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *folder = qb_workspace_create(state, "m1", why, sizeof(why));
		char *wanted = qb_format("%s/inputs/model/model", folder);

		assert_int_equal(qb_workspace_place(folder, "model", names[i], blob, &path, why, sizeof(why)), QB_PLACED);
		assert_string_equal(path, wanted);
		free(wanted);
		free(path);
		free(folder);
	}
	free(blob);
}

static void place__no_blob__is_lost(void **unused)
{
	char why[200], *folder = qb_workspace_create(state, "j1", why, sizeof(why)), *path = NULL;

	(void)unused;
	assert_int_equal(qb_workspace_place(folder, "model", "n", "/nonexistent/blob", &path, why, sizeof(why)),
		QB_INPUT_LOST);
	assert_null(path);
	assert_string_equal(why, "No such file or directory");
	/* A folder in the blob's place cannot be linked, nor copied: not a fault of the machine. */
	assert_int_equal(qb_workspace_place(folder, "data", "n", "/tmp", &path, why, sizeof(why)), QB_INPUT_LOST);
	free(folder);
}

static void create__no_room_for_a_folder__says_where(void **unused)
{
	char why[200] = "";

	(void)unused;
	assert_null(qb_workspace_create("/proc", "j1", why, sizeof(why)));
	assert_non_null(strstr(why, "/proc/work"));
}

static pid_t start_in(const char *folder)
{
	pid_t pid = fork();

	if (!pid) {
		setenv(QB_RUN_VARIABLE, folder, 1);
		setsid();
		execlp("sleep", "sleep", "60", NULL);
		_exit(1);
	}
	return pid;
}

static int killed_by(pid_t pid)
{
	int status = 0;

	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void clear__processes_of_an_earlier_server__are_ended_with_their_folders(void **unused)
{
	char why[200], *folder = qb_workspace_create(state, "j7", why, sizeof(why)), *other = qb_format("%s2/work/j7", state);
	pid_t ours = start_in(folder), others = start_in(other);

	(void)unused;
	usleep(200000); /* until both are what they are going to be */
	qb_workspaces_clear(state);
	assert_int_equal(killed_by(ours), 9);
	assert_int_equal(access(folder, F_OK), -1);
	assert_int_equal(waitpid(others, NULL, WNOHANG), 0);
	assert_int_equal(qb_worker_processes_kill(other, 1000), 1);
	assert_int_equal(killed_by(others), 9);
	assert_int_equal(qb_worker_processes_kill(other, 1000), 0);
	free(other);
	free(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(place__same_file_system__is_a_link_under_its_name),
		cmocka_unit_test(place__other_file_system__is_a_copy),
		cmocka_unit_test(place__name_that_is_no_file_name__takes_the_fields),
		cmocka_unit_test(place__no_blob__is_lost),
		cmocka_unit_test(create__no_room_for_a_folder__says_where),
		cmocka_unit_test(clear__processes_of_an_earlier_server__are_ended_with_their_folders),
	};

	return cmocka_run_group_tests(tests, prepare, clear);
}
