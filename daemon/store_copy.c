/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/store_copy.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sql.h"

enum { BUSY_MS = 30000 };

static bool wrong(char *why, size_t why_len, const char *path, const char *what)
{
	snprintf(why, why_len, "%s: %s", path, what);
	return false;
}

/* All pages in one read transaction of the source: its writer goes on, and what it writes is not in the copy. */
static bool copy_pages(sqlite3 *from, sqlite3 *to)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
	int rc;

	if (!b) {
		return false;
	}
	do {
		rc = sqlite3_backup_step(b, -1);
		if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED) {
			sqlite3_sleep(20);
		}
	} while (rc == SQLITE_BUSY || rc == SQLITE_LOCKED);
	return sqlite3_backup_finish(b) == SQLITE_OK && rc == SQLITE_DONE;
}

static bool is_sound(sqlite3 *db)
{
	sqlite3_stmt *stmt = NULL;
	bool ok = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &stmt, NULL) == SQLITE_OK &&
		sqlite3_step(stmt) == SQLITE_ROW && !strcmp((const char *)sqlite3_column_text(stmt, 0), "ok");

	sqlite3_finalize(stmt);
	return ok;
}

static bool reaches_disk(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0) {
		close(fd);
	}
	return ok;
}

static bool open_both(const char *from, const char *to, sqlite3 **source, sqlite3 **target, char *why, size_t why_len)
{
	if (sqlite3_open_v2(from, source, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
		return wrong(why, why_len, from, sqlite3_errmsg(*source));
	}
	if (sqlite3_open_v2(to, target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK) {
		return wrong(why, why_len, to, sqlite3_errmsg(*target));
	}
	sqlite3_busy_timeout(*source, BUSY_MS);
	return true;
}

bool qb_store_copy_public(const char *from, const char *to, char *why, size_t why_len)
{
	sqlite3 *source = NULL, *target = NULL;
	bool ok = open_both(from, to, &source, &target, why, why_len);

	/* Nobody waits for the file if it does not come about, and VACUUM leaves nothing of what was deleted in it. */
	if (ok && (!copy_pages(source, target) || sqlite3_exec(target, "PRAGMA journal_mode = OFF; " QB_PUBLIC_COPY "; VACUUM", NULL, NULL,
		NULL) != SQLITE_OK)) {
		ok = wrong(why, why_len, to, sqlite3_errmsg(target));
	}
	sqlite3_close(source);
	sqlite3_close(target);
	return ok;
}

bool qb_store_copy(const char *from, const char *to, char *why, size_t why_len)
{
	sqlite3 *source = NULL, *target = NULL;
	bool ok = open_both(from, to, &source, &target, why, why_len);

	if (ok) {
		/* One file, without a log beside it; the server makes it a database with one again. */
		if (!copy_pages(source, target) ||
			sqlite3_exec(target, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) != SQLITE_OK) {
			ok = wrong(why, why_len, to, sqlite3_errmsg(target));
		} else if (!is_sound(target)) {
			ok = wrong(why, why_len, from, "is damaged, and so is a copy of it; see docs/operations.md");
		}
	}
	sqlite3_close(source);
	sqlite3_close(target);
	if (ok && !reaches_disk(to)) {
		ok = wrong(why, why_len, to, "cannot be written to the disk");
	}
	if (!ok) {
		unlink(to);
	}
	return ok;
}
