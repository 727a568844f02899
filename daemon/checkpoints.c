/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/checkpoints.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "daemon/sql.h"
#include "daemon/store.h"
#include "daemon/util.h"

static char *path_of(const char *state, int64_t job)
{
	return qb_format("%s/checkpoints/j%lld", state, (long long)job);
}

char *qb_checkpoints_folder(const char *state, int64_t job, char *why, size_t why_len)
{
	char *all = qb_format("%s/checkpoints", state), *own = path_of(state, job);

	if (!qb_make_folder(all) || !qb_make_folder(own)) {
		snprintf(why, why_len, "a worker needs the folder %s: %s", own, strerror(errno));
		free(own);
		own = NULL;
	}
	free(all);
	return own;
}

static uint64_t stamp_of(const char *folder)
{
	char *path = qb_format("%s/checkpoint", folder);
	struct stat st;
	uint64_t stamp = 0;

	if (!lstat(path, &st) && S_ISREG(st.st_mode)) {
		stamp = (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec + (uint64_t)st.st_ino + (uint64_t)st.st_size + 1;
	}
	free(path);
	return stamp;
}

int64_t qb_checkpoints_stamp(const char *folder)
{
	uint64_t stamp = stamp_of(folder);
	DIR *d = opendir(folder);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char *own = *e->d_name == '.' ? NULL : qb_format("%s/%s", folder, e->d_name);

		stamp += own ? stamp_of(own) : 0;
		free(own);
	}
	if (d) {
		closedir(d);
	}
	return (int64_t)stamp;
}

void qb_checkpoints_remove(const char *state, int64_t job)
{
	char *own = path_of(state, job);

	qb_remove_tree(own);
	free(own);
}

static bool may_go_on(const char *job_state)
{
	return strcmp(job_state, "succeeded") != 0 && strcmp(job_state, "cancelled") != 0;
}

void qb_checkpoints_end(const char *state, int64_t job, const char *job_state)
{
	char *own = path_of(state, job);

	may_go_on(job_state) ? (void)rmdir(own) : qb_remove_tree(own);
	free(own);
}

/* Where the database does not tell, it stays. */
static bool is_wanted(struct qb_daemon *d, int64_t job)
{
	json_t *row = NULL;
	enum qb_found found = qb_store_get(d->store, QB_SQL_JOB_STATE, &row, "i", job);
	const char *state = json_string_value(json_object_get(row, "state"));
	bool wanted = found == QB_UNREAD || (state && may_go_on(state));

	json_decref(row);
	return wanted;
}

void qb_checkpoints_clear(struct qb_daemon *d)
{
	char *all = qb_format("%s/checkpoints", d->options.state);
	DIR *dir = opendir(all);
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		int64_t job = qb_id_number(e->d_name, 'j');

		if (job >= 0 && !is_wanted(d, job)) {
			qb_checkpoints_remove(d->options.state, job);
		}
	}
	if (dir) {
		closedir(dir);
	}
	free(all);
}
