/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/worker_processes.h"
#include "daemon/util.h"

enum { STRAYS_WAIT_MS = 5000, COPY_BYTES = 1 << 30 };

void qb_workspaces_clear(const char *state)
{
	char *work = qb_format("%s/work", state);
	int n = qb_worker_processes_kill(work, STRAYS_WAIT_MS);

	if (n) {
		qb_log(QB_LOG_WARNING, n > 0 ? "%d processes of workers that an earlier server started were ended"
					     : "processes of workers that an earlier server started do not end", n);
	}
	qb_remove_tree(work);
	free(work);
}

static bool failed(char *why, size_t why_len, const char *what, const char *path)
{
	snprintf(why, why_len, "%s %s: %s", what, path, strerror(errno));
	return false;
}

static bool make(const char *path, char *why, size_t why_len)
{
	return qb_make_folder(path) || failed(why, why_len, "a worker needs the folder", path);
}

char *qb_workspace_create(const char *state, const char *name, char *why, size_t why_len)
{
	char *work = qb_format("%s/work", state), *path = qb_format("%s/%s-XXXXXX", work, name);

	if (!make(work, why, why_len) || (!mkdtemp(path) && !failed(why, why_len, "a worker needs the folder", path))) {
		free(path);
		path = NULL;
	}
	free(work);
	return path;
}

char *qb_workspace_scratch(const char *folder, char *why, size_t why_len)
{
	char *path = qb_format("%s/scratch", folder);

	if (!make(path, why, why_len)) {
		free(path);
		path = NULL;
	}
	return path;
}

static bool plain(const char *name)
{
	return *name && strlen(name) <= NAME_MAX && !strchr(name, '/') && strcmp(name, ".") != 0 &&
		strcmp(name, "..") != 0;
}

static bool copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out = -1, error;
	ssize_t n = -1;

	if (in >= 0) {
		out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0440);
	}
	while (out >= 0 && (n = sendfile(out, in, NULL, COPY_BYTES)) > 0) {
	}
	error = errno;
	if (in >= 0) {
		close(in);
	}
	if (out >= 0) {
		close(out);
	}
	errno = error;
	return n == 0;
}

/* Another run would meet with the same; all else is wrong with this blob. */
static bool host_error(int e)
{
	return e == ENOSPC || e == EDQUOT || e == EROFS || e == EMFILE || e == ENFILE || e == ENOMEM || e == EAGAIN;
}

enum qb_placed qb_workspace_place(const char *folder, const char *field, const char *name, const char *blob,
	char **path, char *why, size_t why_len)
{
	const char *slash = strchr(field, '/'); /* of an entry of a list */
	char *inputs = qb_format("%s/inputs", folder), *own = slash ? qb_format("%s/%.*s.%s", inputs, (int)(slash - field), field, slash + 1)
		: qb_format("%s/%s", inputs, field);
	char *to = qb_format("%s/%s", own, plain(name) ? name : slash ? slash + 1 : field);
	enum qb_placed placed = QB_NO_PLACE;

	if (make(inputs, why, why_len) && make(own, why, why_len)) {
		if (link(blob, to) == 0 || (errno != ENOENT && copy(blob, to))) {
			placed = QB_PLACED;
		} else if (host_error(errno)) {
			failed(why, why_len, "an input cannot be put at", to);
		} else {
			placed = QB_INPUT_LOST;
			snprintf(why, why_len, "%s", strerror(errno));
		}
	}
	if (placed == QB_PLACED) {
		*path = to;
		to = NULL;
	}
	free(to);
	free(own);
	free(inputs);
	return placed;
}

void qb_workspace_remove(const char *folder)
{
	qb_remove_tree(folder);
}
