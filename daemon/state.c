/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "daemon/blobs.h"
#include "daemon/options.h"
#include "daemon/storage.h"
#include "daemon/store.h"
#include "daemon/util.h"

static void make_folders(const char *path)
{
	char *first = strdup(path);

	for (char *p = first + 1; *p; p++) {
		if (*p == '/') {
			*p = '\0';
			qb_make_folder(first);
			*p = '/';
		}
	}
	qb_make_folder(first);
	free(first);
}

/* Workers run in folders of their own, so paths that they get are whole. */
static bool absolute(char **path)
{
	char *whole = realpath(*path, NULL);

	if (!whole) {
		return false;
	}
	free(*path);
	*path = whole;
	return true;
}

/* Two daemons on one state folder would empty each other's temporary files. The lock's folder must exist, and the lock
 * must be held before anything there is touched. */
enum qb_state_lock qb_state_lock(struct qb_options *o)
{
	enum qb_state_lock result = QB_STATE_LOCKED;
	char *path;
	int fd;

	make_folders(o->state);
	path = qb_format("%s/lock", o->state);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0 || (flock(fd, LOCK_EX | LOCK_NB) && errno != EWOULDBLOCK) || !absolute(&o->state)) {
		qb_log(QB_LOG_ERROR, "%s: %s", path, strerror(errno));
		result = QB_STATE_FAILED;
	} else if (flock(fd, LOCK_EX | LOCK_NB)) {
		result = QB_STATE_IN_USE;
	}
	if (result != QB_STATE_LOCKED && fd >= 0) {
		close(fd);
	}
	free(path);
	return result;
}

static void count_one(void *arg, const char *sha256)
{
	(void)sha256;
	++*(int64_t *)arg;
}

/* SQLite's log, which lies beside a database even when nobody uses it. */
static bool left_over(const char *database)
{
	char *log = qb_format("%s-wal", database);
	bool is = access(log, F_OK) == 0;

	free(log);
	return is;
}

struct qb_store *qb_state_open(const struct qb_options *o, struct qb_storage *storage, char **path, int64_t *blobs)
{
	struct qb_store *s;
	bool lost; /* if there is no database now, there was one */

	*blobs = 0;
	*path = qb_format("%s/quantbench.db", o->state);
	qb_blobs_each(o->state, count_one, blobs);
	lost = *blobs || left_over(*path);
	do { /* a full disk may lack the few pages that opening takes */
		s = qb_store_open(*path, storage, !lost || o->new_database);
	} while (!s && storage && qb_storage_release(storage));
	return s;
}
