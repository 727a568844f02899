/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "config.h"

#include "daemon/blobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLUSH_BYTES = 8 << 20 };

static bool make(const char *state, const char *name)
{
	char *path = qb_format("%s%s", state, name);
	bool ok = qb_make_folder(path) && access(path, W_OK | X_OK) == 0;

	if (!ok) {
		qb_log(QB_LOG_ERROR, "the folder %s cannot be made or written to: %s", path,
			strerror(errno));
	}
	free(path);
	return ok;
}

static bool make_empty(const char *state, const char *name)
{
	char *path = qb_format("%s%s", state, name);

	qb_remove_tree(path);
	free(path);
	return make(state, name);
}

bool qb_blobs_prepare(const char *state)
{
	/* The state's parents too, as mkdir -p. */
	char *path = strdup(state);

	for (char *p = path + 1; path && *p; p++) {
		if (*p == '/') {
			*p = '\0';
			qb_make_folder(path);
			*p = '/';
		}
	}
	free(path);
	return make(state, "") && make(state, "/blobs") && make_empty(state, "/tmp") &&
		make_empty(state, "/work");
}

bool qb_blobs_each(const char *state, void (*each)(void *arg, const char *sha256), void *arg)
{
	char *path = qb_format("%s/blobs", state);
	DIR *folder = opendir(path);
	struct dirent *e;

	free(path);
	if (!folder) {
		return false;
	}
	while ((e = readdir(folder)) != NULL) {
		if (strlen(e->d_name) == QB_HASH_LEN - 1 &&
			strspn(e->d_name, "0123456789abcdef") == QB_HASH_LEN - 1) {
			each(arg, e->d_name);
		}
	}
	closedir(folder);
	return true;
}

bool qb_blobs_set_aside(const char *state)
{
	char now[QB_TIME_LEN], *from = qb_format("%s/blobs", state), *to;
	bool ok;

	qb_time_now(now);
	to = qb_format("%s/blobs-of-lost-database-%s", state, now);
	ok = rename(from, to) == 0 && qb_make_folder(from);
	qb_log(ok ? QB_LOG_WARNING : QB_LOG_ERROR, "files of the lost database: %s",
		ok ? to : strerror(errno));
	free(from);
	free(to);
	return ok;
}

static bool disk_problem(struct qb_problem *p, const char *what)
{
	int e = errno;

	if (e == ENOSPC || e == EDQUOT) {
		return qb_refuse(p, 507, "disk_full",
			"the server's disk is full, so the file was not kept; delete models, datasets or jobs "
			"that nobody needs, or give the state folder more room");
	}
	return qb_refuse(p, 500, "io", "the file could not be %s on the server: %s", what, strerror(e));
}

bool qb_blob_begin(struct qb_blob_writer *w, const char *state, struct qb_problem *p)
{
	memset(w, 0, sizeof(*w));
	sha256_init(&w->hash);
	w->temporary = qb_format("%s/tmp/blob-XXXXXX", state);
	w->fd = mkostemp(w->temporary, O_CLOEXEC);
	if (w->fd < 0) {
		disk_problem(p, "created");
		free(w->temporary);
		w->temporary = NULL;
		return false;
	}
	return true;
}

bool qb_blob_write(struct qb_blob_writer *w, const void *bytes, size_t n, struct qb_problem *p)
{
	sha256_update(&w->hash, n, bytes);
	w->size += (int64_t)n;
	if (!qb_write_all(w->fd, bytes, n)) {
		return disk_problem(p, "written");
	}
	/* The disk works while more comes, and has little left to do in the end. A file system that cannot loses nothing by that. */
	if (w->size - w->flushed >= FLUSH_BYTES) {
		sync_file_range(w->fd, w->flushed, w->size - w->flushed, SYNC_FILE_RANGE_WRITE);
		w->flushed = w->size;
	}
	return true;
}

bool qb_blob_seal(struct qb_blob_writer *w, struct qb_problem *p)
{
	uint8_t digest[SHA256_DIGEST_SIZE];

	sha256_digest(&w->hash, sizeof(digest), digest);
	qb_hex(digest, sizeof(digest), w->sha256);
	if (fchmod(w->fd, 0440) || fsync(w->fd)) {
		return disk_problem(p, "written");
	}
	close(w->fd);
	w->fd = -1;
	return true;
}

char *qb_blob_path(const char *state, const char *sha256)
{
	return qb_format("%s/blobs/%s", state, sha256);
}

static bool sync_folder(const char *state)
{
	char *path = qb_format("%s/blobs", state);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0) {
		close(fd);
	}
	free(path);
	return ok;
}

bool qb_blob_keep(struct qb_blob_writer *w, const char *state, struct qb_problem *p)
{
	char *path = qb_blob_path(state, w->sha256);
	bool ok = rename(w->temporary, path) == 0;

	if (ok) {
		free(w->temporary);
		w->temporary = NULL;
	}
	ok = (ok && sync_folder(state)) || disk_problem(p, "put in its place");
	free(path);
	return ok;
}

void qb_blob_end(struct qb_blob_writer *w)
{
	if (w->fd >= 0 && w->temporary) {
		close(w->fd);
	}
	w->fd = -1;
	if (w->temporary) {
		unlink(w->temporary);
		free(w->temporary);
		w->temporary = NULL;
	}
}

void qb_blob_remove(const char *state, const char *sha256)
{
	char *path = qb_blob_path(state, sha256);

	unlink(path);
	free(path);
}

static int open_inside(const char *folder, const char *name, struct stat *st)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;

	if (dir >= 0 && !strchr(name, '/')) {
		/* O_NONBLOCK: a pipe of that name must not stop us. */
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	}
	if (fd >= 0 && (fstat(fd, st) || !S_ISREG(st->st_mode))) {
		close(fd);
		fd = -1;
	}
	if (dir >= 0) {
		close(dir);
	}
	return fd;
}

bool qb_blob_copy(struct qb_blob_writer *w, const char *state, const char *folder, const char *name,
	struct qb_problem *p)
{
	struct stat st;
	char *block = malloc(1 << 16);
	int fd = open_inside(folder, name, &st), e = errno;
	ssize_t n = 0;
	bool ok = fd >= 0 && block;

	memset(w, 0, sizeof(*w));
	w->fd = -1;
	if (!ok) {
		e == EMFILE || e == ENFILE || e == ENOMEM
			? qb_refuse(p, 500, "io", "the artifact %.200s cannot be read: %s", name, strerror(e))
			: qb_refuse(p, 422, "bad_artifact", "the artifact %.200s is no readable file", name);
	}
	ok = ok && qb_blob_begin(w, state, p);
	while (ok && (n = read(fd, block, 1 << 16)) > 0) {
		ok = qb_blob_write(w, block, (size_t)n, p);
	}
	if (ok && n < 0) {
		ok = qb_refuse(p, 500, "io", "the artifact %.200s cannot be read: %s", name, strerror(errno));
	}
	ok = ok && qb_blob_seal(w, p);
	if (fd >= 0) {
		close(fd);
	}
	free(block);
	return ok;
}
