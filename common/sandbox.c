/* SPDX-License-Identifier: Apache-2.0
 *
 * Landlock: https://docs.kernel.org/userspace-api/landlock.html. The headers of Debian 12 know its version 2, so what came
 * later is written down here.
 */
#define _GNU_SOURCE
#include "common/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ruleset {
	uint64_t files, net, scoped;
};

enum {
	FS_TRUNCATE = 1 << 14, /* version 3 */
	FS_IOCTL_DEV = 1 << 15, /* 5 */
	NET_TCP = 1 << 0 | 1 << 1, /* 4: bind, connect */
	SCOPED = 1 << 0 | 1 << 1, /* 6: abstract unix sockets, signals */
};

static const uint64_t read_file = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t write_file = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
	LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE;

/* Read by the C library, OpenMP and oneDNN. */
const char *const qb_sandbox_of_system[] = {"/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/proc/self", "/proc/cpuinfo",
	"/proc/meminfo", "/sys/devices/system", "/dev/null", "/dev/zero", "/dev/urandom", NULL};

int qb_sandbox_landlock(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return version > 0 ? (int)version : 0;
}

/* Everything that this version can deny. */
static struct ruleset handled(int version)
{
	struct ruleset r = {.files = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1}; /* version 1 */

	r.files |= version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
	r.files |= version >= 3 ? FS_TRUNCATE : 0;
	r.files |= version >= 5 ? FS_IOCTL_DEV : 0;
	r.net = version >= 4 ? NET_TCP : 0;
	r.scoped = version >= 6 ? SCOPED : 0;
	return r;
}

static bool allow(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = open(path, O_PATH | O_CLOEXEC)};
	struct stat st;
	bool ok = true;

	if (rule.parent_fd < 0) {
		return errno == ENOENT || errno == EACCES;
	}
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode)) {
		rule.allowed_access &= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE;
	}
	ok = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
	close(rule.parent_fd);
	return ok;
}

static bool allow_all(int ruleset, const char *const *paths, uint64_t access)
{
	bool ok = true;

	for (; ok && paths && *paths; paths++) {
		ok = allow(ruleset, *paths, access);
	}
	return ok;
}

bool qb_sandbox_folders(const struct qb_sandbox *s, int version)
{
	const struct ruleset all = handled(version);
	int fd = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	bool ok = fd >= 0 && allow_all(fd, qb_sandbox_of_system, read_file & all.files) && allow(fd, "/dev/null",
		(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE) & all.files) &&
		allow_all(fd, s->readable, read_file & all.files) &&
		allow_all(fd, s->writable, (read_file | write_file) & all.files) && syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	int error = errno;

	if (fd >= 0) {
		close(fd);
	}
	errno = error;
	return ok;
}

static void add_sentence(char *why, size_t why_len, const char *more)
{
	const size_t n = strlen(why);

	snprintf(why + n, why_len - n, "%s%s", n && *more ? "; " : "", more);
}

/* Either is enough for its part; both are taken where they are there. */
static bool keep_to_folders(const struct qb_sandbox *s, char *why, size_t why_len)
{
	const enum qb_sandbox_outcome root = qb_sandbox_root(s);
	const int error = errno, version = qb_sandbox_landlock();

	if (root == QB_SANDBOX_FAILED) {
		snprintf(why, why_len, "a root folder of its own: %s", strerror(error));
		return false;
	}
	if (version && !qb_sandbox_folders(s, version)) {
		snprintf(why, why_len, "Landlock: %s", strerror(errno));
		return false;
	}
	if (!version && root == QB_SANDBOX_LACKS) {
		snprintf(why, why_len, "this kernel lacks Landlock, and a root folder of its own (%s): a worker can reach all files of its user",
			strerror(error));
	}
	return true;
}

bool qb_sandbox_enter(const struct qb_sandbox *s, char *why, size_t why_len)
{
	char calls[200] = "";

	*why = '\0';
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		snprintf(why, why_len, "no_new_privs: %s", strerror(errno));
		return false;
	}
	if (!keep_to_folders(s, why, why_len)) {
		return false;
	}
	if (!qb_sandbox_calls(calls, sizeof(calls))) {
		snprintf(why, why_len, "%s", calls); /* what fails comes before what is lacking */
		return false;
	}
	add_sentence(why, why_len, calls);
	return true;
}
