/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/retention.h"

#include "daemon/daemon.h"
#include "daemon/jobs.h"
#include "daemon/storage.h"
#include "daemon/store.h"
#include "daemon/uploads.h"

static const struct qb_who policy = {.name = "retention", .role = QB_ROLE_ADMIN};

/* So many days ago; NULL where that many is none. */
static const char *days_ago(int64_t days, char out[QB_TIME_LEN])
{
	if (days) {
		qb_time_in(-86400 * days, out);
	}
	return days ? out : NULL;
}

/* *more: one of them is not gone yet. */
static int64_t sweep_jobs(struct qb_daemon *d, bool *more)
{
	const struct qb_options *o = &d->options;
	char failed[QB_TIME_LEN], succeeded[QB_TIME_LEN];
	json_t *rows = NULL, *row;
	bool done, left = false;
	int64_t n = 0;
	size_t i;

	if (!qb_store_list(d->store, QB_SQL_RETAIN_JOBS, &rows, "ss", days_ago(o->keep_failed_days, failed),
		    days_ago(o->keep_jobs_days, succeeded))) {
		return 0;
	}
	json_array_foreach(rows, i, row) {
		struct qb_problem p = {0};

		n += qb_job_delete(d, json_integer_value(json_object_get(row, "id")), &done, &p) && done;
		left = left || !done;
	}
	json_decref(rows);
	*more = left;
	return n;
}

static int64_t sweep_uploads(struct qb_daemon *d)
{
	char before[QB_TIME_LEN];
	json_t *rows = NULL, *row;
	int64_t n = 0;
	size_t i;

	if (!d->options.keep_uploads_days ||
		!qb_store_list(d->store, QB_SQL_RETAIN_UPLOADS, &rows, "s", days_ago(d->options.keep_uploads_days, before))) {
		return 0;
	}
	json_array_foreach(rows, i, row) {
		struct qb_problem p = {0};

		n += qb_uploads_delete(d, json_string_value(json_object_get(row, "id")), &policy, false, &p);
	}
	json_decref(rows);
	return n;
}

bool qb_retention_sweep(struct qb_daemon *d)
{
	int64_t jobs, uploads;
	bool more = false;

	if (!qb_storage_usable(d->storage, NULL)) {
		return false;
	}
	jobs = sweep_jobs(d, &more);
	uploads = sweep_uploads(d);
	if (jobs + uploads) {
		qb_log(QB_LOG_INFO, "%lld jobs and %lld uploads were older than what is kept (keep-...-days), and are removed", (long long)jobs,
			(long long)uploads);
	}
	return more || jobs + uploads > 0;
}
