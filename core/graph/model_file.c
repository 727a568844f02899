/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/model_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "core/base/size.h"
#include "core/tensor/archive.h"

/* Protocol buffers end at 2 GiB; larger networks keep their weights in external data. */
#define MODEL_MAX_BYTES ((uint64_t)INT32_MAX)
enum { CACHED = 4 };

/* A data file seen last: networks read theirs tensor by tensor, in order. */
struct data_file {
	char *location;
	int fd;               /* of a plain file, or -1 */
	struct zip_file *zip; /* of an archive: a stream at `at` */
	uint64_t at, size;
};

struct qb_model_file {
	const uint8_t *bytes;
	size_t size;
	void *map;            /* mmap of the .onnx, or NULL */
	uint8_t *heap;        /* the .onnx out of an archive, or NULL */
	struct zip *zip;
	char *folder;         /* real path of the model's folder; in an archive its prefix, "" or ending in / */
	struct data_file cached[CACHED];
	int turn;
};

static void data_close(struct data_file *d)
{
	free(d->location);
	if (d->zip) {
		zip_fclose(d->zip);
	}
	if (d->fd >= 0) {
		close(d->fd);
	}
	*d = (struct data_file){ .fd = -1 };
}

void qb__model_close(struct qb_model_file **file)
{
	struct qb_model_file *f = *file;

	if (!f) {
		return;
	}
	for (int i = 0; i < CACHED; i++) {
		data_close(&f->cached[i]);
	}
	if (f->map) {
		munmap(f->map, f->size);
	}
	if (f->zip) {
		zip_discard(f->zip);
	}
	free(f->heap);
	free(f->folder);
	free(f);
	*file = NULL;
}

const uint8_t *qb__model_bytes(const struct qb_model_file *file, size_t *size)
{
	*size = file->size;
	return file->bytes;
}

/* ---- plain files ---- */

static enum qb_err open_plain(struct qb_model_file *f, int fd, uint64_t size, const char *path,
	struct qb_errbuf *eb)
{
	char real[PATH_MAX], *slash;

	if (size > MODEL_MAX_BYTES) {
		return qb_fail(eb, QB_EFORMAT, "the file has %" PRIu64 " bytes, and an ONNX file ends at 2 GiB: keep "
			"the weights in external data", size);
	}
	if (!realpath(path, real)) {
		return qb_fail(eb, QB_EIO, "the file cannot be found: %s", strerror(errno));
	}
	slash = strrchr(real, '/');
	f->folder = strndup(real, slash == real ? 1 : (size_t)(slash - real));
	f->map = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (f->map == MAP_FAILED) {
		f->map = NULL;
		return qb_fail(eb, QB_EIO, "the file could not be mapped: %s", strerror(errno));
	}
	if (!f->folder) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while opening the file");
	}
	f->bytes = f->map;
	f->size = (size_t)size;
	return QB_OK;
}

/* ---- archives ---- */

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcasecmp(s + n - m, end) == 0;
}

static bool holds_pickle(zip_t *zip)
{
	for (zip_int64_t i = 0; i < zip_get_num_entries(zip, 0); i++) {
		const char *name = zip_get_name(zip, (zip_uint64_t)i, 0);

		if (name && ends_with(name, ".pkl")) {
			return true;
		}
	}
	return false;
}

static enum qb_err find_model(struct qb_model_file *f, zip_stat_t *st, struct qb_errbuf *eb)
{
	zip_int64_t count = zip_get_num_entries(f->zip, 0);
	int found = 0;

	for (zip_int64_t i = 0; i < count; i++) {
		const char *name = zip_get_name(f->zip, (zip_uint64_t)i, 0);

		/* Finder's copies of resource forks are not models. */
		if (name && ends_with(name, ".onnx") && strncmp(name, "__MACOSX/", 9) != 0) {
			found++;
			if (zip_stat_index(f->zip, (zip_uint64_t)i, 0, st) != 0) {
				return qb_fail(eb, QB_EFORMAT, "entry %s of the zip archive cannot be read", name);
			}
		}
	}
	if (found != 1) {
		return qb_fail(eb, QB_EFORMAT, "the file is a zip archive with %d .onnx files; it must hold exactly one "
			"and its data files%s", found, !found && holds_pickle(f->zip) ?
			" (this one looks like torch.save's: export the network with torch.onnx.export)" : "");
	}
	if (!(st->valid & ZIP_STAT_SIZE) || !(st->valid & ZIP_STAT_NAME) || st->size > MODEL_MAX_BYTES) {
		return qb_fail(eb, QB_EFORMAT, "the .onnx in the zip archive is larger than 2 GiB: keep its weights in "
			"external data");
	}
	return QB_OK;
}

static enum qb_err open_archive(struct qb_model_file *f, const char *path, struct qb_errbuf *eb)
{
	zip_stat_t st;
	const char *slash;
	struct zip_file *in;
	zip_int64_t got;

	f->zip = qb_zip_open(path, "the file", eb);
	if (!f->zip) {
		return QB_EFORMAT;
	}
	QB_TRY(find_model(f, &st, eb));
	slash = strrchr(st.name, '/');
	f->folder = strndup(st.name, slash ? (size_t)(slash - st.name) + 1 : 0);
	f->heap = malloc((size_t)st.size + 1);
	if (!f->folder || !f->heap) {
		return qb_fail(eb, QB_ENOMEM, "out of memory: the zip archive holds an .onnx of %" PRIu64 " bytes",
			(uint64_t)st.size);
	}
	in = zip_fopen_index(f->zip, st.index, 0);
	got = in ? zip_fread(in, f->heap, st.size) : -1;
	if (in) {
		zip_fclose(in);
	}
	if (got < 0 || (zip_uint64_t)got != st.size) {
		return qb_fail(eb, QB_EFORMAT, "%s in the zip archive is damaged", st.name);
	}
	f->bytes = f->heap;
	f->size = (size_t)st.size;
	return QB_OK;
}

enum qb_err qb__model_open(struct qb_model_file **out, const char *path, struct qb_errbuf *eb)
{
	enum qb_err err = QB_OK;
	struct qb_model_file *f = NULL;
	struct stat st;
	uint8_t head[4] = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		return qb_fail(eb, QB_EIO, "the file cannot be opened: %s", strerror(errno));
	}
	f = calloc(1, sizeof(*f));
	if (!f) {
		err = qb_fail(eb, QB_ENOMEM, "out of memory while opening the file");
		goto out;
	}
	for (int i = 0; i < CACHED; i++) {
		f->cached[i].fd = -1;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		err = qb_fail(eb, QB_EIO, "it is not a regular file");
		goto out;
	}
	if (st.st_size == 0) {
		err = qb_fail(eb, QB_EFORMAT, "the file is empty");
		goto out;
	}
	if (pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) && memcmp(head, "PK\3\4", 4) == 0) {
		err = open_archive(f, path, eb);
	} else {
		err = open_plain(f, fd, (uint64_t)st.st_size, path, eb);
	}
out:
	close(fd);
	if (err == QB_OK) {
		*out = f;
	} else {
		qb__model_close(&f);
	}
	return err;
}

/* ---- external data ---- */

/* Relative, and no component that climbs. */
static bool location_ok(const char *s)
{
	if (!*s || *s == '/' || strlen(s) >= PATH_MAX / 2) {
		return false;
	}
	while (*s) {
		size_t n = strcspn(s, "/\\");

		if (n == 2 && s[0] == '.' && s[1] == '.') {
			return false;
		}
		s += n;
		s += *s != '\0';
	}
	return true;
}

static enum qb_err data_open_plain(struct qb_model_file *f, const char *location, struct data_file *d,
	struct qb_errbuf *eb)
{
	char path[2 * PATH_MAX], real[PATH_MAX];
	size_t n = strcmp(f->folder, "/") == 0 ? 0 : strlen(f->folder);
	struct stat st;

	snprintf(path, sizeof(path), "%.*s/%s", (int)n, f->folder, location);
	if (!realpath(path, real)) {
		return qb_fail(eb, QB_EIO, "external data %s: %s; upload a .zip of the model and its data files",
			location, strerror(errno));
	}
	/* A symbolic link may point anywhere; what counts is where it ends. */
	if (strncmp(real, f->folder, n) != 0 || real[n] != '/') {
		return qb_fail(eb, QB_EONNX, "external data %s leads out of the model's folder", location);
	}
	d->fd = open(real, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (d->fd < 0 || fstat(d->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		return qb_fail(eb, QB_EIO, "external data %s is not a file that can be read", location);
	}
	d->size = (uint64_t)st.st_size;
	return QB_OK;
}

static enum qb_err data_open_zip(struct qb_model_file *f, const char *location, struct data_file *d,
	struct qb_errbuf *eb)
{
	char path[PATH_MAX];
	zip_stat_t st;
	int n;

	while (strncmp(location, "./", 2) == 0) {
		location += 2;
	}
	n = snprintf(path, sizeof(path), "%s%s", f->folder, location);
	if (n >= (int)sizeof(path) || zip_stat(f->zip, path, 0, &st) != 0 || !(st.valid & ZIP_STAT_SIZE)) {
		return qb_fail(eb, QB_EONNX, "external data %s is not in the archive", location);
	}
	d->zip = zip_fopen_index(f->zip, st.index, 0);
	if (!d->zip) {
		return qb_fail(eb, QB_EFORMAT, "external data %s in the archive is damaged", location);
	}
	d->size = st.size;
	return QB_OK;
}

static enum qb_err data_find(struct qb_model_file *f, const char *location, struct data_file **out,
	struct qb_errbuf *eb)
{
	struct data_file *d;
	enum qb_err err;

	for (int i = 0; i < CACHED; i++) {
		if (f->cached[i].location && strcmp(f->cached[i].location, location) == 0) {
			*out = &f->cached[i];
			return QB_OK;
		}
	}
	if (!location_ok(location)) {
		return qb_fail(eb, QB_EONNX, "external data \"%.200s\" is not a path inside the model's folder",
			location);
	}
	d = &f->cached[f->turn++ % CACHED];
	data_close(d);
	err = f->zip ? data_open_zip(f, location, d, eb) : data_open_plain(f, location, d, eb);
	if (err == QB_OK && !(d->location = strdup(location))) {
		err = qb_fail(eb, QB_ENOMEM, "out of memory while opening external data");
	}
	if (err != QB_OK) {
		data_close(d);
		return err;
	}
	*out = d;
	return QB_OK;
}

enum qb_err qb__model_data_size(struct qb_model_file *file, const char *location, uint64_t *size,
	struct qb_errbuf *eb)
{
	struct data_file *d;

	QB_TRY(data_find(file, location, &d, eb));
	*size = d->size;
	return QB_OK;
}

static enum qb_err read_plain(struct data_file *d, uint64_t offset, size_t size, uint8_t *dst,
	struct qb_errbuf *eb)
{
	while (size) {
		ssize_t n = pread(d->fd, dst, size, (off_t)offset);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return qb_fail(eb, QB_EIO, "external data %s could not be read", d->location);
		}
		dst += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return QB_OK;
}

static enum qb_err read_zip(struct qb_model_file *f, struct data_file *d, uint64_t offset, size_t size,
	uint8_t *dst, struct qb_errbuf *eb)
{
	uint8_t skipped[16384];

	if (offset < d->at) { /* a deflated stream goes forwards only */
		struct data_file again = { .fd = -1 };

		QB_TRY(data_open_zip(f, d->location, &again, eb));
		zip_fclose(d->zip);
		d->zip = again.zip;
		d->at = 0;
	}
	while (d->at < offset) {
		zip_uint64_t want = QB_MIN(offset - d->at, sizeof(skipped));
		zip_int64_t n = zip_fread(d->zip, skipped, want);

		if (n <= 0) {
			return qb_fail(eb, QB_EFORMAT, "external data %s in the archive is damaged", d->location);
		}
		d->at += (uint64_t)n;
	}
	while (size) {
		zip_int64_t n = zip_fread(d->zip, dst, size);

		if (n <= 0) {
			return qb_fail(eb, QB_EFORMAT, "external data %s in the archive is damaged", d->location);
		}
		d->at += (uint64_t)n;
		dst += n;
		size -= (size_t)n;
	}
	return QB_OK;
}

enum qb_err qb__model_data_read(struct qb_model_file *file, const char *location, uint64_t offset,
	size_t size, void *dst, struct qb_errbuf *eb)
{
	struct data_file *d;

	QB_TRY(data_find(file, location, &d, eb));
	if (offset > d->size || size > d->size - offset) {
		return qb_fail(eb, QB_EONNX, "external data %s has %" PRIu64 " bytes; bytes %" PRIu64 " to %" PRIu64
			" are asked of it", location, d->size, offset, offset + size);
	}
	return d->zip ? read_zip(file, d, offset, size, dst, eb) : read_plain(d, offset, size, dst, eb);
}
