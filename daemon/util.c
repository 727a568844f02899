/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/util.h"

#include <errno.h>
#include <ftw.h>
#include <nettle/sha2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

bool qb_refuse(struct qb_problem *p, int status, const char *code, const char *fmt, ...)
{
	va_list ap;

	if (p->status) {
		return false;
	}
	p->status = status;
	snprintf(p->code, sizeof(p->code), "%s", code);
	va_start(ap, fmt);
	vsnprintf(p->detail, sizeof(p->detail), fmt, ap);
	va_end(ap);
	return false;
}

bool qb_refuse_unread(struct qb_problem *p)
{
	return qb_refuse(p, 500, "database", "the server's database cannot be read; see the server's log");
}

void qb_time_now(char out[QB_TIME_LEN])
{
	struct timespec ts;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	n = strftime(out, QB_TIME_LEN, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, QB_TIME_LEN - n, ".%03dZ", (int)(ts.tv_nsec / 1000000 % 1000));
}

void qb_time_in(int64_t seconds, char out[QB_TIME_LEN])
{
	time_t t = time(NULL) + (time_t)seconds;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, QB_TIME_LEN, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
}

double qb_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

void qb_hex(const uint8_t *digest, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++) {
		sprintf(out + 2 * i, "%02x", digest[i]);
	}
}

void qb_hash_text(const char *text, size_t len, char out[QB_HASH_LEN])
{
	struct sha256_ctx ctx;
	uint8_t digest[SHA256_DIGEST_SIZE];

	sha256_init(&ctx);
	sha256_update(&ctx, len, (const uint8_t *)text);
	sha256_digest(&ctx, sizeof(digest), digest);
	qb_hex(digest, sizeof(digest), out);
}

int64_t qb_id_number(const char *text, char prefix)
{
	int64_t n = 0;

	if (!text || text[0] != prefix || !text[1] || text[1] == '0' || strlen(text) > 18) {
		return -1;
	}
	for (const char *p = text + 1; *p; p++) {
		if (*p < '0' || *p > '9') {
			return -1;
		}
		n = n * 10 + (*p - '0');
	}
	return n;
}

char *qb_format(const char *fmt, ...)
{
	char *out = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&out, fmt, ap) < 0) {
		abort();
	}
	va_end(ap);
	return out;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	remove(path);
	return 0;
}

void qb_remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

bool qb_make_folder(const char *path)
{
	return mkdir(path, 0750) == 0 || errno == EEXIST;
}

void qb_set_input(json_t *job, const char *field, json_t *value)
{
	const char *slash = strchr(field, '/');
	char *list = slash ? strndup(field, (size_t)(slash - field)) : NULL;

	if (list) {
		json_array_set_new(json_object_get(job, list), (size_t)strtoull(slash + 1, NULL, 10), value);
	} else {
		json_object_set_new(job, field, value);
	}
	free(list);
}

bool qb_write_all(int fd, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno != EINTR) {
			return false;
		}
		at += done > 0 ? done : 0;
		n -= done > 0 ? (size_t)done : 0;
	}
	return true;
}
