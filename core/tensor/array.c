/* SPDX-License-Identifier: Apache-2.0
 *
 * One array of an archive as a stream of rows.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include "core/base/size.h"
#include "core/tensor/archive_kinds.h"

struct qb_array {
	const struct qb_archive *archive;
	int entry;
	size_t row_bytes;
	int64_t rows;
	uint64_t next; /* the byte that a streaming read gives next */
	int fd;
	zip_t *zip;
	zip_file_t *member;
};

static enum qb_err rewind_array(struct qb_array *r, struct qb_errbuf *eb)
{
	const struct qb_archive_place *p = &r->archive->place[r->entry];
	char header[4096];

	r->next = 0;
	if (r->archive->kind != QB_ARCHIVE_NPZ) {
		return QB_OK;
	}
	if (r->member) {
		zip_fclose(r->member);
	}
	r->member = zip_fopen_index(r->zip, p->zip_index, 0);
	if (!r->member) {
		return qb_fail(eb, QB_EFORMAT, "%s: %s", r->archive->entry[r->entry].name,
			zip_strerror(r->zip));
	}
	for (uint64_t left = p->offset; left;) {
		size_t n = left < sizeof(header) ? (size_t)left : sizeof(header);

		QB_TRY(qb__npz_read(r->member, header, n, r->archive->entry[r->entry].name, eb));
		left -= n;
	}
	return QB_OK;
}

void qb_array_close(struct qb_array **array)
{
	struct qb_array *r = *array;

	if (!r) {
		return;
	}
	if (r->member) {
		zip_fclose(r->member);
	}
	if (r->zip) {
		zip_discard(r->zip);
	}
	if (r->fd >= 0) {
		close(r->fd);
	}
	free(r);
	*array = NULL;
}

static enum qb_err skip(struct qb_array *r, uint64_t bytes, struct qb_errbuf *eb)
{
	char sink[16384];

	while (bytes) {
		size_t n = bytes < sizeof(sink) ? (size_t)bytes : sizeof(sink);

		QB_TRY(qb__npz_read(r->member, sink, n, r->archive->entry[r->entry].name, eb));
		bytes -= n;
	}
	return QB_OK;
}

static void swap_bytes(void *data, size_t n, size_t width)
{
	unsigned char *p = data;

	for (size_t i = 0; i < n; i++, p += width) {
		for (size_t k = 0; k < width / 2; k++) {
			unsigned char c = p[k];

			p[k] = p[width - 1 - k];
			p[width - 1 - k] = c;
		}
	}
}

/* first and count are bytes as the file has them. */
static enum qb_err read_stored(struct qb_array *array, uint64_t first, size_t count, void *dst,
	struct qb_errbuf *eb)
{
	const struct qb_archive *a = array->archive;

	if (a->kind != QB_ARCHIVE_NPZ) {
		return qb__read_at(array->fd, dst, count, a->place[array->entry].offset + first, a->path, eb);
	}
	if (first < array->next) {
		QB_TRY(rewind_array(array, eb));
	}
	QB_TRY(skip(array, first - array->next, eb));
	QB_TRY(qb__npz_read(array->member, dst, count, a->entry[array->entry].name, eb));
	array->next = first + count;
	return QB_OK;
}

/* Where a walk along the file stands: the index of each dimension, and the element in row-major order. */
struct walk {
	int64_t index[QB_MAX_DIMS], stride[QB_MAX_DIMS], at;
};

/* n elements of the file, first dimension fastest, to their places in rows. */
static void scatter(struct walk *w, const struct qb_archive_entry *e, const char *src, size_t n, char *rows)
{
	size_t width = qb_dtype_bytes(e->dtype);

	for (size_t i = 0; i < n; i++) {
		memcpy(rows + (size_t)w->at * width, src + i * width, width);
		for (int k = 0; k < e->ndim; k++) {
			w->at += w->stride[k];
			if (++w->index[k] < e->dim[k]) {
				break;
			}
			w->at -= w->stride[k] * e->dim[k];
			w->index[k] = 0;
		}
	}
}

static enum qb_err read_transposed(struct qb_array *r, char *rows, struct qb_errbuf *eb)
{
	enum { CHUNK = 64 << 10 };
	const struct qb_archive_entry *e = &r->archive->entry[r->entry];
	size_t bytes = r->archive->place[r->entry].bytes, width = qb_dtype_bytes(e->dtype);
	struct walk w = {.at = 0};
	char chunk[CHUNK];
	int64_t stride = 1;

	for (int k = e->ndim - 1; k >= 0; k--) {
		w.stride[k] = stride;
		stride *= e->dim[k];
	}
	for (size_t at = 0; at < bytes; at += CHUNK) {
		size_t n = QB_MIN(bytes - at, (size_t)CHUNK);

		QB_TRY(read_stored(r, at, n, chunk, eb));
		scatter(&w, e, chunk, n / width, rows);
	}
	return QB_OK;
}

/* Once for all who open the array. */
static enum qb_err transpose(struct qb_array *r, struct qb_errbuf *eb)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct qb_archive_place *p = &r->archive->place[r->entry];
	enum qb_err err = QB_OK;
	char *rows;

	pthread_mutex_lock(&lock);
	if (!p->transposed) {
		rows = malloc(p->bytes + 1);
		err = rows ? read_transposed(r, rows, eb)
			: qb_fail(eb, QB_ENOMEM, "array %.100s: is stored in Fortran order and needs %zu bytes of memory to be "
				"transposed; save numpy.ascontiguousarray() of it", r->archive->entry[r->entry].name, p->bytes);
		if (err == QB_OK) {
			p->transposed = rows;
		} else {
			free(rows);
		}
	}
	pthread_mutex_unlock(&lock);
	return err;
}

enum qb_err qb_array_open(struct qb_array **out, const struct qb_archive *archive, int entry,
	struct qb_errbuf *eb)
{
	struct qb_array *r = calloc(1, sizeof(*r));
	const struct qb_archive_entry *e = &archive->entry[entry];
	enum qb_err err = QB_OK;

	if (!r) {
		return qb_fail(eb, QB_ENOMEM, "no memory to read %s", e->name);
	}
	if (e->unreadable) {
		free(r);
		return qb_fail(eb, QB_EUNSUPPORTED,
			"array %.100s: its type %s cannot be read; save it as numbers, such as float32", e->name,
			e->unreadable);
	}
	r->archive = archive;
	r->entry = entry;
	r->fd = -1;
	r->rows = e->ndim ? e->dim[0] : 1;
	r->row_bytes = r->rows ? archive->place[entry].bytes / (size_t)r->rows : 0;
	if (archive->kind == QB_ARCHIVE_NPZ) {
		r->zip = qb_zip_open(archive->path, "the .npz", eb);
		err = r->zip ? rewind_array(r, eb) : QB_EFORMAT;
	} else {
		r->fd = open(archive->path, O_RDONLY | O_CLOEXEC);
		if (r->fd < 0) {
			err = qb_fail(eb, QB_EIO, "%s: %s", archive->path, strerror(errno));
		}
	}
	if (err == QB_OK && e->fortran) {
		err = transpose(r, eb);
	}
	if (err != QB_OK) {
		qb_array_close(&r);
		return err;
	}
	*out = r;
	return QB_OK;
}

/* first and count are bytes of the array's rows. */
static enum qb_err read_bytes(struct qb_array *array, uint64_t first, size_t count, void *dst,
	struct qb_errbuf *eb)
{
	const struct qb_archive_entry *e = &array->archive->entry[array->entry];
	const char *transposed = array->archive->place[array->entry].transposed;
	size_t width = qb_dtype_bytes(e->dtype);

	if (transposed) {
		memcpy(dst, transposed + first, count);
	} else {
		QB_TRY(read_stored(array, first, count, dst, eb));
	}
	if (e->big_endian && width > 1) {
		swap_bytes(dst, count / width, width);
	}
	return QB_OK;
}

static enum qb_err outside(const struct qb_array *array, const char *what, int64_t first,
	int64_t count, int64_t all, struct qb_errbuf *eb)
{
	return qb_fail(eb, QB_EINVAL, "%s: %s %lld to %lld are outside its %lld",
		array->archive->entry[array->entry].name, what, (long long)first,
		(long long)(first + count), (long long)all);
}

enum qb_err qb_array_read(struct qb_array *array, int64_t first, int64_t count, void *dst,
	struct qb_errbuf *eb)
{
	if (first < 0 || count < 0 || first > array->rows - count) {
		return outside(array, "rows", first, count, array->rows, eb);
	}
	return read_bytes(array, (uint64_t)first * array->row_bytes,
		(size_t)count * array->row_bytes, dst, eb);
}

enum qb_err qb_array_read_elements(struct qb_array *array, int64_t first, int64_t count, void *dst,
	struct qb_errbuf *eb)
{
	size_t width = qb_dtype_bytes(array->archive->entry[array->entry].dtype);
	int64_t all = (int64_t)(array->archive->place[array->entry].bytes / width);

	if (first < 0 || count < 0 || first > all - count) {
		return outside(array, "elements", first, count, all, eb);
	}
	return read_bytes(array, (uint64_t)first * width, (size_t)count * width, dst, eb);
}
