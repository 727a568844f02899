/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon/store.h"

enum { PAUSE_MIN_MS = 100, PAUSE_MAX_MS = 5000 };
/* A deletion writes the pages of the rows that go: far less than this. Small file systems give an eighth. */
static const uint64_t RESERVE_BYTES = 8 << 20;

struct qb_storage {
	pthread_mutex_t lock; /* of state and why */
	enum qb_storage_state state;
	char why[300];
	char *state_folder, *reserve; /* paths */
	bool watching;
	uv_timer_t timer;
	uint64_t pause_ms;
	struct qb_store *store;
	bool (*save)(void *arg);
	void (*resume)(void *arg);
	void *arg;
};

/* Bytes that can be written now, and those that the reserve is to hold. */
static void measure(const struct qb_storage *g, uint64_t *available, uint64_t *reserved)
{
	struct statvfs v;

	*available = UINT64_MAX;
	*reserved = RESERVE_BYTES;
	if (statvfs(g->state_folder, &v) == 0 && v.f_blocks) { /* some file systems know no such numbers */
		uint64_t eighth = (uint64_t)v.f_blocks * v.f_frsize / 8;

		*available = (uint64_t)(geteuid() ? v.f_bavail : v.f_bfree) * v.f_frsize;
		*reserved = eighth < RESERVE_BYTES ? eighth : RESERVE_BYTES;
	}
}

/* False where the disk has no space for the reserve. One that cannot be made for another reason is done without. */
static bool reserve(struct qb_storage *g)
{
	uint64_t available, size;
	int fd = open(g->reserve, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	int e = fd < 0 ? errno : 0;

	measure(g, &available, &size);
	if (fd >= 0) {
		e = posix_fallocate(fd, 0, (off_t)size);
		close(fd);
	}
	if (e) { /* half of it would only be in the way */
		unlink(g->reserve);
	}
	if (e && e != ENOSPC && e != EDQUOT) {
		qb_log(QB_LOG_WARNING, "%s cannot be made (%s): a full disk may keep people from deleting", g->reserve,
			strerror(e));
		return true;
	}
	return !e;
}

struct qb_storage *qb_storage_create(const char *state)
{
	struct qb_storage *g = calloc(1, sizeof(*g));

	if (g) {
		pthread_mutex_init(&g->lock, NULL);
		g->pause_ms = PAUSE_MIN_MS;
		g->state_folder = qb_format("%s", state);
		g->reserve = qb_format("%s/reserve", state);
		if (!reserve(g)) {
			qb_storage_trouble(g, QB_STORAGE_FULL, "no room for the reserve file");
		}
	}
	return g;
}

void qb_storage_destroy(struct qb_storage **storage)
{
	struct qb_storage *g = *storage;

	if (g) {
		pthread_mutex_destroy(&g->lock);
		free(g->state_folder);
		free(g->reserve);
		free(g);
		*storage = NULL;
	}
}

static void attempt(uv_timer_t *timer);

static void schedule(struct qb_storage *g)
{
	if (g->watching && !uv_is_active((uv_handle_t *)&g->timer)) {
		uv_timer_start(&g->timer, attempt, g->pause_ms, 0);
	}
}

void qb_storage_trouble(struct qb_storage *g, enum qb_storage_state what, const char *why)
{
	bool worse;

	pthread_mutex_lock(&g->lock);
	worse = what > g->state;
	if (worse) {
		g->state = what;
		snprintf(g->why, sizeof(g->why), "%s", why);
	}
	pthread_mutex_unlock(&g->lock);
	if (worse && what != QB_STORAGE_DAMAGED) {
		qb_log(QB_LOG_ERROR, "%s (%s); nothing is started until it can be written to again",
			what == QB_STORAGE_FULL ? "the disk of the state folder is full"
						: "the state folder cannot be written to", why);
	} else if (worse) {
		qb_log(QB_LOG_ERROR, "the database is damaged (%s); nothing is started any more: stop the server and "
			"restore quantbench.db from a backup", why);
	}
	if (what != QB_STORAGE_DAMAGED) {
		schedule(g);
	}
}

/* Full before the last byte: a worker needs space for its files. */
static const char nearly_full[] = "hardly any room is left";

static bool is_nearly_full(const struct qb_storage *g)
{
	uint64_t available, reserved;

	measure(g, &available, &reserved);
	return available < reserved / 8;
}

bool qb_storage_look(struct qb_storage *g)
{
	bool is = is_nearly_full(g);

	if (is) {
		qb_storage_trouble(g, QB_STORAGE_FULL, nearly_full);
	}
	return is;
}

/* Enough to go on for a while, so that it does not go back and forth. */
static bool has_room(const struct qb_storage *g, uint64_t bytes)
{
	uint64_t available, reserved;

	measure(g, &available, &reserved);
	return available >= reserved / 4 && available - reserved / 4 >= bytes;
}

bool qb_storage_has_room(struct qb_storage *g, int64_t bytes, struct qb_problem *p)
{
	return has_room(g, bytes > 0 ? (uint64_t)bytes : 0) ||
		qb_refuse(p, 507, "disk_full", "the server's disk has no room for this file; delete models, datasets or jobs "
			"that nobody needs, or give the state folder more room");
}

static bool word(enum qb_storage_state state, const char *why, struct qb_problem *p)
{
	switch (state) {
	case QB_STORAGE_OK:
		return true;
	case QB_STORAGE_FULL:
		return qb_refuse(p, 507, "disk_full", "the server's disk is full (%s); delete models, datasets or jobs that "
			"nobody needs, or give the state folder more room. Jobs go on by themselves when there is some", why);
	case QB_STORAGE_FAILING:
		return qb_refuse(p, 507, "storage_failing", "the server cannot write to its state folder (%s) and tries again "
			"by itself; see its log, and the disk", why);
	default:
		return qb_refuse(p, 500, "database", "the server's database is damaged (%s); its operator has to stop it and "
			"restore quantbench.db from a backup", why);
	}
}

bool qb_storage_usable(struct qb_storage *g, struct qb_problem *p)
{
	struct qb_problem none = {0};
	bool ok;

	pthread_mutex_lock(&g->lock);
	ok = word(g->state, g->why, p ? p : &none);
	pthread_mutex_unlock(&g->lock);
	return ok;
}

bool qb_storage_ready(struct qb_storage *g, struct qb_problem *p)
{
	return qb_storage_usable(g, p) && (!is_nearly_full(g) || word(QB_STORAGE_FULL, nearly_full, p));
}

bool qb_storage_problem(struct qb_storage *g, struct qb_problem *p)
{
	if (qb_storage_usable(g, p)) {
		qb_refuse(p, 500, "database", "the server's database could not carry this out; see the server's log");
	}
	return false;
}

bool qb_storage_release(struct qb_storage *g)
{
	bool full;

	pthread_mutex_lock(&g->lock);
	full = g->state == QB_STORAGE_FULL;
	pthread_mutex_unlock(&g->lock);
	return full && unlink(g->reserve) == 0;
}

/* One write that reaches the disk. The log of SQLite is folded into the database first: where it could not be before,
 * it would only grow. */
static bool probe(struct qb_storage *g)
{
	qb_store_checkpoint(g->store);
	qb_store_begin(g->store, true);
	qb_store_exec(g->store, QB_SQL_STORAGE_PROBE, "");
	return qb_store_commit(g->store);
}

static void attempt(uv_timer_t *timer)
{
	struct qb_storage *g = timer->data;
	bool ok;

	g->pause_ms = 2 * g->pause_ms < PAUSE_MAX_MS ? 2 * g->pause_ms : PAUSE_MAX_MS;
	ok = probe(g) && g->save(g->arg) && reserve(g) && has_room(g, 0);
	pthread_mutex_lock(&g->lock);
	ok = ok && g->state != QB_STORAGE_DAMAGED;
	if (ok) {
		g->state = QB_STORAGE_OK;
	}
	pthread_mutex_unlock(&g->lock);
	if (ok) {
		g->pause_ms = PAUSE_MIN_MS;
		qb_log(QB_LOG_INFO, "the state folder can be written to again");
		g->resume(g->arg);
	} else {
		schedule(g);
	}
}

void qb_storage_watch(struct qb_storage *g, uv_loop_t *loop, struct qb_store *store, bool (*save)(void *arg),
	void (*resume)(void *arg), void *arg)
{
	uv_timer_init(loop, &g->timer);
	g->timer.data = g;
	g->store = store;
	g->save = save;
	g->resume = resume;
	g->arg = arg;
	g->watching = true;
	if (!qb_storage_usable(g, NULL)) {
		schedule(g);
	}
}

void qb_storage_retry(struct qb_storage *g)
{
	if (g->watching && !qb_storage_usable(g, NULL)) {
		g->pause_ms = PAUSE_MIN_MS;
		uv_timer_start(&g->timer, attempt, 0, 0);
	}
}

void qb_storage_unwatch(struct qb_storage *g)
{
	if (g->watching) {
		g->watching = false;
		uv_close((uv_handle_t *)&g->timer, NULL);
	}
}
