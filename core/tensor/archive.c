/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tensor/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/tensor/archive_kinds.h"
#include "core/tensor/npy.h"

enum { ENTRIES_MAX = 1 << 16 };

enum qb_err qb__read_at(int fd, void *dst, size_t n, uint64_t at, const char *path,
	struct qb_errbuf *eb)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = pread(fd, (char *)dst + done, n - done, (off_t)(at + done));

		if (r < 0 && errno == EINTR) {
			continue;
		}
		if (r < 0) {
			return qb_fail(eb, QB_EIO, "%s: %s", path, strerror(errno));
		}
		if (r == 0) {
			return qb_fail(eb, QB_EFORMAT, "the file ends %zu bytes too early", n - done);
		}
		done += (size_t)r;
	}
	return QB_OK;
}

enum qb_err qb__archive_make_entries(struct qb_archive *a, size_t count, struct qb_errbuf *eb)
{
	if (count > ENTRIES_MAX) {
		return qb_fail(eb, QB_EFORMAT, "the file holds %zu arrays, more than %d", count,
			ENTRIES_MAX);
	}
	a->entry = qb_arena_alloc(a->arena, count, sizeof(*a->entry));
	a->place = qb_arena_alloc(a->arena, count, sizeof(*a->place));
	return a->entry && a->place ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for %zu arrays",
						     count);
}

size_t qb__archive_entry_bytes(const struct qb_archive_entry *e)
{
	struct qb_tensor t = {.ndim = e->ndim};

	memcpy(t.dim, e->dim, sizeof(t.dim));
	return e->unreadable ? 0 : qb_tensor_size(&t) * qb_dtype_bytes(e->dtype);
}

static enum qb_err open_npy(struct qb_archive *a, int fd, uint64_t size, struct qb_errbuf *eb)
{
	unsigned char prefix[QB_NPY_PREFIX];
	char header[QB_NPY_HEADER_MAX];
	size_t at, n;

	QB_TRY(qb__archive_make_entries(a, 1, eb));
	QB_TRY(qb__read_at(fd, prefix, sizeof(prefix), 0, a->path, eb));
	QB_TRY(qb_npy_prefix(prefix, &at, &n, eb));
	QB_TRY(qb__read_at(fd, header, n, at, a->path, eb));
	QB_TRY(qb_npy_header(header, n, &a->entry[0], a->arena, eb));
	a->entry[0].name = "x";
	a->place[0] = (struct qb_archive_place){.offset = at + n, .bytes = qb__archive_entry_bytes(&a->entry[0])};
	if (!a->entry[0].unreadable && size - at - n != a->place[0].bytes) {
		return qb_fail(eb, QB_EFORMAT,
			"the array needs %zu bytes and the file has %llu for it; it is truncated or damaged",
			a->place[0].bytes, (unsigned long long)(size - at - n));
	}
	a->count = 1;
	return QB_OK;
}

static enum qb_err open_kind(struct qb_archive *a, int fd, struct qb_errbuf *eb)
{
	struct stat st;
	unsigned char magic[9] = {0};

	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		return qb_fail(eb, QB_EIO, "%s: is not a regular file", a->path);
	}
	if (st.st_size < 12) {
		return qb_fail(eb, QB_EFORMAT,
			"the file has %lld bytes, too few for .npy, .npz or .safetensors",
			(long long)st.st_size);
	}
	QB_TRY(qb__read_at(fd, magic, sizeof(magic), 0, a->path, eb));
	if (!memcmp(magic, "\x93NUMPY", 6)) {
		a->kind = QB_ARCHIVE_NPY;
		return open_npy(a, fd, (uint64_t)st.st_size, eb);
	}
	if (!memcmp(magic, "PK\x03\x04", 4) || !memcmp(magic, "PK\x05\x06", 4)) {
		a->kind = QB_ARCHIVE_NPZ;
		return qb__npz_open(a, eb);
	}
	if (magic[8] == '{') {
		a->kind = QB_ARCHIVE_SAFETENSORS;
		return qb__safetensors_open(a, fd, (uint64_t)st.st_size, eb);
	}
	return qb_fail(eb, QB_EFORMAT,
		"the file is neither .npy, .npz nor .safetensors; save arrays with numpy.savez (a text, for jobs with tokens, has a name that ends in .txt)");
}

enum qb_err qb_archive_open(struct qb_archive **out, const char *path, struct qb_errbuf *eb)
{
	struct qb_archive *a = calloc(1, sizeof(*a));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum qb_err err;

	if (fd < 0) {
		err = qb_fail(eb, QB_EIO, "%s: %s", path, strerror(errno));
		goto out;
	}
	if (!a || !(a->arena = qb_arena_create()) || !(a->path = qb_arena_strdup(a->arena, path))) {
		err = qb_fail(eb, QB_ENOMEM, "no memory to open %s", path);
		goto out;
	}
	QB_TRY_OUT(open_kind(a, fd, eb));
	*out = a;
	a = NULL;
out:
	if (fd >= 0) {
		close(fd);
	}
	qb_archive_close(&a);
	return err;
}

void qb_archive_close(struct qb_archive **archive)
{
	if (*archive) {
		for (int i = 0; i < (*archive)->count; i++) {
			free((*archive)->place[i].transposed);
		}
		qb_arena_destroy(&(*archive)->arena);
		free(*archive);
		*archive = NULL;
	}
}

int qb_archive_count(const struct qb_archive *archive)
{
	return archive->count;
}

const struct qb_archive_entry *qb_archive_entry(const struct qb_archive *archive, int i)
{
	return &archive->entry[i];
}

int qb_archive_find(const struct qb_archive *archive, const char *name)
{
	for (int i = 0; i < archive->count; i++) {
		if (!strcmp(archive->entry[i].name, name)) {
			return i;
		}
	}
	return -1;
}

bool qb_archive_seekable(const struct qb_archive *archive)
{
	return archive->kind != QB_ARCHIVE_NPZ;
}
