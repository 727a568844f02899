/* SPDX-License-Identifier: Apache-2.0
 *
 * A root folder of its own, in which nothing is but what the process may reach: mount_namespaces(7), user_namespaces(7),
 * pivot_root(2). What Landlock refuses is not there at all; kernels have the one, the other, both or neither.
 */
#define _GNU_SOURCE
#include "common/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TREES_MAX = 100, LINKS_DEEP = 8 };
enum namespaces { NONE, OF_MOUNTS, OF_USERS };

/* A copy of what is mounted at path, and below, that is mounted nowhere yet. */
struct tree {
	char path[PATH_MAX]; /* absolute, without links */
	int fd;
};

struct trees {
	struct tree tree[TREES_MAX];
	int n;
};

static bool write_file(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	const bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0) {
		close(fd);
	}
	return ok;
}

/* Root needs no namespace of users, and could not read the files of others in one. */
static enum namespaces enter_namespaces(void)
{
	if (unshare(CLONE_NEWNS) == 0) {
		return OF_MOUNTS;
	}
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 ? OF_USERS : NONE;
}

static bool keep_ids(unsigned uid, unsigned gid)
{
	char users[40], groups[40];

	snprintf(users, sizeof(users), "%u %u 1", uid, uid);
	snprintf(groups, sizeof(groups), "%u %u 1", gid, gid);
	return write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/uid_map", users) &&
		write_file("/proc/self/gid_map", groups);
}

/* Those of root that are left let it read and write the files of others, as far as they are there. */
static bool drop_capabilities(enum namespaces of)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2], none[2] = {{0}};

	if (syscall(SYS_capget, &head, data)) {
		return false;
	}
	none[0].permitted = none[0].effective = of == OF_MOUNTS
		? data[0].permitted & (1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH) : 0;
	return syscall(SYS_capset, &head, none) == 0;
}

/* path (absolute, without links) and the folders above it, in the new root. */
static bool make_folders(int root, const char *path)
{
	char part[PATH_MAX];
	struct stat st;

	for (const char *end = path; *end;) {
		end += strspn(end, "/");
		end += strcspn(end, "/");
		snprintf(part, sizeof(part), "%.*s", (int)(end - path - 1), path + 1);
		if (*part && mkdirat(root, part, 0755) && fstatat(root, part, &st, AT_SYMLINK_NOFOLLOW)) {
			return false;
		}
	}
	return true;
}

/* Each link on the way to path is one in the new root too, so that the names by which files are called lead there. */
static void copy_links(int root, const char *path, int deep)
{
	for (const char *end = path + strspn(path, "/"); deep < LINKS_DEEP && *end; end += strspn(end, "/")) {
		char prefix[PATH_MAX], above[PATH_MAX], target[PATH_MAX], name[2 * PATH_MAX];
		const char *last = end;
		ssize_t n;

		snprintf(prefix, sizeof(prefix), "%.*s", (int)(last - path), path);
		if (!realpath(prefix, above) || !make_folders(root, above)) {
			return;
		}
		end += strcspn(end, "/");
		snprintf(prefix, sizeof(prefix), "%.*s", (int)(end - path), path);
		n = readlink(prefix, target, sizeof(target) - 1);
		if (n <= 0) {
			continue;
		}
		target[n] = '\0';
		snprintf(name, sizeof(name), "%s/%.*s", above, (int)(end - last), last);
		if (symlinkat(target, root, name + strspn(name, "/")) == 0) {
			snprintf(name, sizeof(name), "%s%s%s", *target == '/' ? "" : above, *target == '/' ? "" : "/", target);
			copy_links(root, name, deep + 1);
		}
	}
}

/* The place in the new root where the tree will be mounted. */
static bool make_place(int root, const struct tree *t)
{
	char above[PATH_MAX];
	struct stat st;
	int fd;

	if (fstat(t->fd, &st)) {
		return false;
	}
	if (S_ISDIR(st.st_mode)) {
		return make_folders(root, t->path);
	}
	snprintf(above, sizeof(above), "%.*s", (int)(strrchr(t->path, '/') - t->path), t->path);
	fd = make_folders(root, above) ? openat(root, t->path + 1, O_CREAT | O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0444) : -1;
	if (fd >= 0) {
		close(fd);
	}
	return fd >= 0;
}

/* What is not there, or not for this user, is left out, as it is by Landlock. The old root itself would hide the new one. */
static bool copy_tree(int root, const char *cwd, struct trees *t, const char *name, uint64_t attributes)
{
	struct mount_attr attr = {.attr_set = attributes};
	struct tree *tree = &t->tree[t->n];
	char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s%s%s", *name == '/' ? "" : cwd, *name == '/' ? "" : "/", name);
	if (t->n == TREES_MAX) {
		return false;
	}
	tree->fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree->fd < 0) {
		return errno == ENOENT || errno == EACCES;
	}
	t->n++;
	copy_links(root, path, 0);
	return realpath(path, tree->path) && tree->path[1] && make_place(root, tree) &&
		syscall(SYS_mount_setattr, tree->fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) == 0;
}

static bool copy_trees(int root, const char *cwd, struct trees *t, const char *const *names, uint64_t attributes)
{
	bool ok = true;

	for (; ok && names && *names; names++) {
		ok = copy_tree(root, cwd, t, *names, attributes);
	}
	return ok;
}

/* An empty folder in memory, mounted nowhere yet; -1 with errno. */
static int make_root(void)
{
	const int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	int root = -1, error;

	if (fs >= 0 && syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "mode", "755", 0) == 0 &&
		syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "size", "1M", 0) == 0 &&
		syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0) {
		root = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	}
	error = errno;
	if (fs >= 0) {
		close(fs);
	}
	errno = error;
	return root;
}

/* Each in its place; what may be written to comes last, on top. */
static bool mount_trees(int root, const struct trees *t)
{
	bool ok = true;

	for (int i = 0; ok && i < t->n; i++) {
		ok = syscall(SYS_move_mount, t->tree[i].fd, "", root, t->tree[i].path + 1, MOVE_MOUNT_F_EMPTY_PATH) == 0;
	}
	return ok;
}

/* The old root comes to lie over the new one, and is taken off. */
static enum qb_sandbox_outcome change_root(int root, const char *cwd)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};

	if (fchdir(root) || syscall(SYS_pivot_root, ".", ".")) {
		return QB_SANDBOX_LACKS;
	}
	return umount2(".", MNT_DETACH) == 0 && chdir(cwd) == 0 && syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attr, sizeof(attr)) == 0
		? QB_SANDBOX_HOLDS : QB_SANDBOX_FAILED;
}

static enum qb_sandbox_outcome enter_root(const struct qb_sandbox *s, const char *cwd, struct trees *t)
{
	const uint64_t read_only = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
	const int root = make_root();
	enum qb_sandbox_outcome outcome = QB_SANDBOX_LACKS;
	bool placed;
	int error;

	if (root < 0) {
		return QB_SANDBOX_LACKS;
	}
	placed = make_folders(root, cwd) && copy_trees(root, cwd, t, qb_sandbox_of_system, read_only) &&
		copy_trees(root, cwd, t, s->readable, read_only) && copy_trees(root, cwd, t, s->writable, MOUNT_ATTR_NOSUID) &&
		syscall(SYS_move_mount, root, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) == 0; /* for a moment, on a folder that is there */
	if (placed && mount_trees(root, t)) {
		outcome = change_root(root, cwd);
	}
	error = errno;
	if (placed && outcome == QB_SANDBOX_LACKS && (chdir(cwd) || umount2("/proc", MNT_DETACH))) {
		outcome = QB_SANDBOX_FAILED;
	}
	close(root);
	errno = error;
	return outcome;
}

enum qb_sandbox_outcome qb_sandbox_root(const struct qb_sandbox *s)
{
	const unsigned uid = geteuid(), gid = getegid();
	struct mount_attr private = {.propagation = MS_PRIVATE};
	struct trees *t = calloc(1, sizeof(*t));
	char cwd[PATH_MAX];
	enum qb_sandbox_outcome outcome = QB_SANDBOX_LACKS;
	enum namespaces of = t && getcwd(cwd, sizeof(cwd)) && *cwd == '/' ? enter_namespaces() : NONE;
	int error;

	if (of == NONE) {
		free(t);
		return QB_SANDBOX_LACKS;
	}
	if ((of == OF_MOUNTS || keep_ids(uid, gid)) &&
		syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof(private)) == 0) {
		outcome = enter_root(s, cwd, t);
	}
	error = errno;
	for (int i = 0; i < t->n; i++) {
		close(t->tree[i].fd);
	}
	free(t);
	outcome = drop_capabilities(of) ? outcome : QB_SANDBOX_FAILED;
	errno = error;
	return outcome;
}

bool qb_sandbox_root_works(void)
{
	const struct qb_sandbox s = {.readable = NULL};
	const pid_t child = fork();
	int status;

	if (child == 0) {
		_exit(qb_sandbox_root(&s) != QB_SANDBOX_HOLDS);
	}
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
