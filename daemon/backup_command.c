/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/backup_command.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <nettle/sha2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/blobs.h"
#include "daemon/options.h"
#include "daemon/store.h"
#include "daemon/store_copy.h"

/* While files are copied the server may delete some of them; then the database is copied anew. */
enum { ATTEMPTS = 5, BLOCK = 1 << 20 };

static const char help[] =
	"usage: quantbenchd backup FILE [--with-blobs DIR] [--state DIR] [--config FILE]\n"
	"Copies the database to FILE while the server runs or not, checks the copy, and puts it in the place of an earlier\n"
	"one. With --with-blobs, the files that it refers to as well: those that are in DIR already are not copied again,\n"
	"and none is removed there. To restore, put FILE back as quantbench.db and the files of DIR into blobs/.\n";

struct backup {
	const char *file, *folder; /* folder may be NULL */
	struct qb_options_words server;
	struct qb_options options;
	int64_t copied, bytes, kept, gone, damaged;
};

static bool wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static bool wrong(const char *fmt, ...)
{
	va_list ap;

	fputs("quantbenchd backup: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
	return false;
}

static bool read_line(struct backup *b, int argc, char **argv)
{
	static const struct option table[] = {{"with-blobs", 1, NULL, 'b'}, {"state", 1, NULL, 's'}, {"config", 1, NULL, 'c'},
		{"help", 0, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "h", table, NULL)) != -1) {
		if (option == 'b') {
			b->folder = optarg;
		} else if ((option != 's' && option != 'c') ||
			!qb_options_words_add(&b->server, option == 's' ? "--state" : "--config", optarg)) {
			return false;
		}
	}
	b->file = optind + 1 == argc ? argv[optind] : NULL;
	return b->file != NULL;
}

/* Copies and hashes; 1, 0 where the content is not what sha256 says, -1 with errno. */
static int copy_bytes(int from, int to, const char *sha256)
{
	uint8_t *block = malloc(BLOCK), digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx hash;
	char hex[QB_HASH_LEN];
	ssize_t n = block ? 1 : -1;

	sha256_init(&hash);
	while (n > 0) {
		n = read(from, block, BLOCK);
		if (n > 0) {
			sha256_update(&hash, (size_t)n, block);
			n = qb_write_all(to, block, (size_t)n) ? n : -1;
		}
	}
	free(block);
	if (n < 0 || fsync(to)) {
		return -1;
	}
	sha256_digest(&hash, sizeof(digest), digest);
	qb_hex(digest, sizeof(digest), hex);
	return !strcmp(hex, sha256);
}

static bool is_there(const char *path, int64_t size)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == size;
}

/* false where the backup cannot go on. */
static bool copy_blob(struct backup *b, const char *sha256, int64_t size)
{
	char *from = qb_blob_path(b->options.state, sha256), *to = qb_format("%s/%s", b->folder, sha256);
	char *temporary = qb_format("%s.tmp", to);
	bool ok = true;
	int in = -1, out = -1, whole = 1;

	if (is_there(to, size)) {
		b->kept++;
	} else if ((in = open(from, O_RDONLY | O_CLOEXEC)) < 0) {
		b->gone++;
		ok = errno == ENOENT || wrong("%s: %s", from, strerror(errno));
	} else {
		out = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
		whole = out < 0 ? -1 : copy_bytes(in, out, sha256);
		if (whole < 0 || (whole && rename(temporary, to))) {
			ok = wrong("%s: %s", to, strerror(errno));
		} else if (!whole) {
			b->damaged++;
			wrong("%s is damaged: its content has another hash; upload the file again", from);
		} else {
			b->copied++;
			b->bytes += size;
		}
		out >= 0 && (!ok || !whole) ? unlink(temporary) : 0;
	}
	in >= 0 ? close(in) : 0;
	out >= 0 ? close(out) : 0;
	free(from);
	free(to);
	free(temporary);
	return ok;
}

/* All that the copied database refers to. */
static bool copy_blobs(struct backup *b, const char *database)
{
	struct qb_store *s = qb_store_look(database);
	json_t *rows = NULL, *row;
	size_t i;
	bool ok = s && qb_store_list(s, QB_SQL_BLOB_LIST, &rows, "");

	b->gone = b->damaged = 0;
	json_array_foreach(rows, i, row) {
		ok = ok && copy_blob(b, json_string_value(json_object_get(row, "sha256")),
			json_integer_value(json_object_get(row, "size")));
	}
	json_decref(rows);
	qb_store_close(&s);
	return ok;
}

static bool back_up(struct backup *b)
{
	char *database = qb_format("%s/quantbench.db", b->options.state), *temporary = qb_format("%s.tmp", b->file), why[500];
	bool ok = true;

	if (access(database, F_OK)) {
		ok = wrong("%s: %s; is --state the folder of the server?", database, strerror(errno));
	}
	for (int i = 0; ok && i < ATTEMPTS && (i == 0 || b->gone); i++) {
		unlink(temporary); /* what an interrupted backup left */
		ok = qb_store_copy(database, temporary, why, sizeof(why)) || wrong("%s", why);
		ok = ok && (!b->folder || copy_blobs(b, temporary));
	}
	if (ok && rename(temporary, b->file)) {
		ok = wrong("%s: %s", b->file, strerror(errno));
	}
	if (ok && b->gone) {
		wrong("%lld files are missing in %s/blobs; the backup has all others", (long long)b->gone, b->options.state);
	}
	unlink(temporary);
	free(temporary);
	free(database);
	return ok && !b->gone && !b->damaged;
}

int qb_backup_command(int argc, char **argv)
{
	struct backup b = {0};
	bool ok;

	if (!read_line(&b, argc, argv)) {
		fputs(help, stderr);
		return 2;
	}
	if (!qb_options_words_read(&b.server, &b.options)) {
		return 2;
	}
	umask(0027);
	ok = !b.folder || qb_make_folder(b.folder) || wrong("%s: %s", b.folder, strerror(errno));
	ok = ok && back_up(&b);
	if (ok && b.folder) {
		printf("%s, and %lld files of %lld bytes in %s beside %lld that were there\n", b.file, (long long)b.copied,
			(long long)b.bytes, b.folder, (long long)b.kept);
	} else if (ok) {
		puts(b.file);
	}
	qb_options_fini(&b.options);
	return ok ? 0 : 1;
}
