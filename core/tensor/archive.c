/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tensor/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "core/base/arena.h"
#include "core/base/size.h"
#include "core/tensor/npy.h"

enum kind { NPY, NPZ, SAFETENSORS };
enum { ENTRIES_MAX = 1 << 16 };

/* Where an entry's elements are: an offset in the file, or behind a header in member `zip_index` of a zip. */
struct place {
	uint64_t offset;
	zip_uint64_t zip_index;
	size_t bytes;
	char *transposed; /* of an array in Fortran order, once it was opened: its rows, bytes as stored */
};

struct qb_archive {
	struct qb_arena *arena;
	const char *path;
	enum kind kind;
	int count;
	struct qb_archive_entry *entry;
	struct place *place;
};

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

/* Files */

static enum qb_err read_at(int fd, void *dst, size_t n, uint64_t at, const char *path,
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

static enum qb_err make_entries(struct qb_archive *a, size_t count, struct qb_errbuf *eb)
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

static size_t entry_bytes(const struct qb_archive_entry *e)
{
	struct qb_tensor t = {.ndim = e->ndim};

	memcpy(t.dim, e->dim, sizeof(t.dim));
	return e->unreadable ? 0 : qb_tensor_size(&t) * qb_dtype_bytes(e->dtype);
}

/* .npy */

static enum qb_err open_npy(struct qb_archive *a, int fd, uint64_t size, struct qb_errbuf *eb)
{
	unsigned char prefix[QB_NPY_PREFIX];
	char header[QB_NPY_HEADER_MAX];
	size_t at, n;

	QB_TRY(make_entries(a, 1, eb));
	QB_TRY(read_at(fd, prefix, sizeof(prefix), 0, a->path, eb));
	QB_TRY(qb_npy_prefix(prefix, &at, &n, eb));
	QB_TRY(read_at(fd, header, n, at, a->path, eb));
	QB_TRY(qb_npy_header(header, n, &a->entry[0], a->arena, eb));
	a->entry[0].name = "x";
	a->place[0] = (struct place){.offset = at + n, .bytes = entry_bytes(&a->entry[0])};
	if (!a->entry[0].unreadable && size - at - n != a->place[0].bytes) {
		return qb_fail(eb, QB_EFORMAT,
			"the array needs %zu bytes and the file has %llu for it; it is truncated or damaged",
			a->place[0].bytes, (unsigned long long)(size - at - n));
	}
	a->count = 1;
	return QB_OK;
}

/* .npz */

static enum qb_err read_member(zip_file_t *f, void *dst, size_t n, const char *name,
	struct qb_errbuf *eb)
{
	size_t done = 0;

	while (done < n) {
		zip_int64_t r = zip_fread(f, (char *)dst + done, n - done);

		if (r < 0) {
			return qb_fail(eb, QB_EFORMAT, "%s: damaged: %s", name, zip_file_strerror(f));
		}
		if (r == 0) {
			return qb_fail(eb, QB_EFORMAT, "%s: ends %zu bytes too early", name, n - done);
		}
		done += (size_t)r;
	}
	return QB_OK;
}

static enum qb_err member_header(zip_file_t *f, struct qb_archive_entry *e, struct qb_arena *arena,
	size_t *header_bytes, const char *name, struct qb_errbuf *eb)
{
	unsigned char prefix[QB_NPY_PREFIX];
	char header[QB_NPY_HEADER_MAX + 2];
	size_t at, n, ahead;

	QB_TRY(read_member(f, prefix, sizeof(prefix), name, eb));
	QB_TRY(qb_npy_prefix(prefix, &at, &n, eb));
	/* Version 1 has its text two bytes earlier than what was read. */
	ahead = sizeof(prefix) - at;
	memcpy(header, prefix + at, ahead);
	QB_TRY(read_member(f, header + ahead, n - ahead, name, eb));
	*header_bytes = at + n;
	return qb_npy_header(header, n, e, arena, eb);
}

static enum qb_err open_member(struct qb_archive *a, zip_t *zip, zip_uint64_t index,
	struct qb_errbuf *eb)
{
	zip_stat_t st;
	zip_file_t *f;
	struct qb_archive_entry *e = &a->entry[a->count];
	struct place *p = &a->place[a->count];
	size_t len, header_bytes = 0;
	enum qb_err err;

	if (zip_stat_index(zip, index, 0, &st)) {
		return qb_fail(eb, QB_EFORMAT, "the zip is damaged: %s", zip_strerror(zip));
	}
	len = strlen(st.name);
	if (len < 5 || strcmp(st.name + len - 4, ".npy")) {
		return QB_OK;
	}
	f = zip_fopen_index(zip, index, 0);
	if (!f) {
		return qb_fail(eb, QB_EFORMAT, "%.100s: %s", st.name, zip_strerror(zip));
	}
	err = member_header(f, e, a->arena, &header_bytes, st.name, eb);
	zip_fclose(f);
	if (err != QB_OK) {
		return qb_fail_in(eb, err, "%.100s", st.name);
	}
	*p = (struct place){.offset = header_bytes, .zip_index = index, .bytes = entry_bytes(e)};
	if (!e->unreadable && st.size != p->offset + p->bytes) {
		return qb_fail(eb, QB_EFORMAT, "%.100s: needs %zu bytes and holds %llu", st.name,
			p->bytes, (unsigned long long)(st.size - header_bytes));
	}
	e->name = qb_arena_strndup(a->arena, st.name, len - 4);
	a->count++;
	return e->name ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the name of an array");
}

zip_t *qb_zip_open(const char *path, const char *what, struct qb_errbuf *eb)
{
	int code;
	zip_t *zip = zip_open(path, ZIP_RDONLY, &code);

	if (!zip) {
		zip_error_t e;

		zip_error_init_with_code(&e, code);
		qb_fail(eb, QB_EFORMAT, "%s is not a zip archive that can be read: %s", what, zip_error_strerror(&e));
		zip_error_fini(&e);
	}
	return zip;
}

static enum qb_err open_npz(struct qb_archive *a, struct qb_errbuf *eb)
{
	zip_t *zip = qb_zip_open(a->path, "the .npz", eb);
	zip_int64_t n = zip ? zip_get_num_entries(zip, 0) : 0;
	enum qb_err err = zip ? QB_OK : QB_EFORMAT;

	if (err == QB_OK) {
		err = make_entries(a, (size_t)n, eb);
	}
	for (zip_int64_t i = 0; err == QB_OK && i < n; i++) {
		err = open_member(a, zip, (zip_uint64_t)i, eb);
	}
	if (err == QB_OK && a->count == 0) {
		err = qb_fail(eb, QB_EFORMAT, "the zip holds no .npy array");
	}
	if (zip) {
		zip_discard(zip);
	}
	return err;
}

/* .safetensors: a length, that much JSON, the elements. */

static enum qb_err skip_tensor(struct qb_archive *a, struct qb_archive_entry *e, const char *name,
	const char *dtype, struct qb_errbuf *eb)
{
	e->name = qb_arena_strdup(a->arena, name);
	e->unreadable = qb_arena_printf(a->arena, "%.20s", dtype);
	a->count++;
	return e->name && e->unreadable ? QB_OK
					: qb_fail(eb, QB_ENOMEM, "no memory for the name of a tensor");
}

static enum qb_err tensor_entry(struct qb_archive *a, const char *name, const json_t *v,
	uint64_t data_at, uint64_t data_bytes, struct qb_errbuf *eb)
{
	struct qb_archive_entry *e = &a->entry[a->count];
	const char *dtype = json_string_value(json_object_get(v, "dtype"));
	const json_t *shape = json_object_get(v, "shape"), *at = json_object_get(v, "data_offsets");
	json_int_t begin = json_integer_value(json_array_get(at, 0));
	json_int_t end = json_integer_value(json_array_get(at, 1));
	struct qb_tensor t = {0};
	size_t bytes;

	if (!dtype || !json_is_array(shape) || json_array_size(shape) > QB_MAX_DIMS ||
		json_array_size(at) != 2) {
		return qb_fail(eb, QB_EFORMAT,
			"tensor %.100s: the header needs dtype, shape (up to %d dimensions) and data_offsets",
			name, QB_MAX_DIMS);
	}
	e->dtype = t.dtype = qb_dtype_from_safetensors(dtype);
	e->ndim = t.ndim = (int)json_array_size(shape);
	for (int i = 0; i < e->ndim; i++) {
		const json_t *d = json_array_get(shape, (size_t)i);

		e->dim[i] = t.dim[i] = json_is_integer(d) ? json_integer_value(d) : -1;
	}
	if (e->dtype == QB_DTYPE_NONE) {
		/* The file's other tensors can be read all the same. */
		for (int i = 0; i < e->ndim; i++) {
			e->dim[i] = QB_MAX(e->dim[i], 0);
		}
		return skip_tensor(a, e, name, dtype, eb);
	}
	if (qb_tensor_bytes(&t, &bytes, eb) != QB_OK) {
		return qb_fail_in(eb, QB_EFORMAT, "tensor %.100s", name);
	}
	if (begin < 0 || end < begin || (uint64_t)end > data_bytes ||
		(uint64_t)(end - begin) != bytes) {
		return qb_fail(eb, QB_EFORMAT,
			"tensor %.100s: needs %zu bytes; its offsets %lld to %lld do not fit a file with "
			"%llu", name, bytes, (long long)begin, (long long)end,
			(unsigned long long)data_bytes);
	}
	a->place[a->count] = (struct place){.offset = data_at + (uint64_t)begin, .bytes = bytes};
	e->name = qb_arena_strdup(a->arena, name);
	a->count++;
	return e->name ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the name of a tensor");
}

static int by_offset(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->offset != y->offset) {
		return x->offset < y->offset ? -1 : 1;
	}
	return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static enum qb_err check_overlaps(const struct qb_archive *a, struct qb_errbuf *eb)
{
	struct place *p = malloc(((size_t)a->count + 1) * sizeof(*p));
	enum qb_err err = QB_OK;

	if (!p) {
		return qb_fail(eb, QB_ENOMEM, "no memory to check %d tensors", a->count);
	}
	memcpy(p, a->place, (size_t)a->count * sizeof(*p));
	qsort(p, (size_t)a->count, sizeof(*p), by_offset);
	for (int i = 1; i < a->count && err == QB_OK; i++) {
		if (p[i].offset < p[i - 1].offset + p[i - 1].bytes) {
			err = qb_fail(eb, QB_EFORMAT, "two tensors overlap at byte %llu of the file",
				(unsigned long long)p[i].offset);
		}
	}
	free(p);
	return err;
}

static enum qb_err open_safetensors(struct qb_archive *a, int fd, uint64_t size,
	struct qb_errbuf *eb)
{
	unsigned char length[8];
	uint64_t n = 0;
	char *text = NULL;
	const char *name;
	json_t *header = NULL, *v;
	enum qb_err err;

	QB_TRY(read_at(fd, length, 8, 0, a->path, eb));
	for (int i = 7; i >= 0; i--) {
		n = n << 8 | length[i];
	}
	if (n > size - 8 || n > 100000000) {
		return qb_fail(eb, QB_EFORMAT, "the safetensors header claims %llu bytes",
			(unsigned long long)n);
	}
	text = malloc((size_t)n + 1);
	if (!text) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a header of %llu bytes",
			(unsigned long long)n);
	}
	QB_TRY_OUT(read_at(fd, text, (size_t)n, 8, a->path, eb));
	header = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(header)) {
		err = qb_fail(eb, QB_EFORMAT, "the safetensors header is no JSON object");
		goto out;
	}
	QB_TRY_OUT(make_entries(a, json_object_size(header) + 1, eb));
	json_object_foreach(header, name, v) {
		if (strcmp(name, "__metadata__")) {
			QB_TRY_OUT(tensor_entry(a, name, v, 8 + n, size - 8 - n, eb));
		}
	}
	err = check_overlaps(a, eb);
out:
	json_decref(header);
	free(text);
	return err;
}

/* Archives */

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
	QB_TRY(read_at(fd, magic, sizeof(magic), 0, a->path, eb));
	if (!memcmp(magic, "\x93NUMPY", 6)) {
		a->kind = NPY;
		return open_npy(a, fd, (uint64_t)st.st_size, eb);
	}
	if (!memcmp(magic, "PK\x03\x04", 4) || !memcmp(magic, "PK\x05\x06", 4)) {
		a->kind = NPZ;
		return open_npz(a, eb);
	}
	if (magic[8] == '{') {
		a->kind = SAFETENSORS;
		return open_safetensors(a, fd, (uint64_t)st.st_size, eb);
	}
	return qb_fail(eb, QB_EFORMAT,
		"the file is neither .npy, .npz nor .safetensors; save arrays with numpy.savez");
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
	return archive->kind != NPZ;
}

/* Arrays */

static enum qb_err rewind_array(struct qb_array *r, struct qb_errbuf *eb)
{
	const struct place *p = &r->archive->place[r->entry];
	char header[4096];

	r->next = 0;
	if (r->archive->kind != NPZ) {
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

		QB_TRY(read_member(r->member, header, n, r->archive->entry[r->entry].name, eb));
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

		QB_TRY(read_member(r->member, sink, n, r->archive->entry[r->entry].name, eb));
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

	if (a->kind != NPZ) {
		return read_at(array->fd, dst, count, a->place[array->entry].offset + first, a->path, eb);
	}
	if (first < array->next) {
		QB_TRY(rewind_array(array, eb));
	}
	QB_TRY(skip(array, first - array->next, eb));
	QB_TRY(read_member(array->member, dst, count, a->entry[array->entry].name, eb));
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

static enum qb_err read_turned(struct qb_array *r, char *rows, struct qb_errbuf *eb)
{
	enum { PIECE = 64 << 10 };
	const struct qb_archive_entry *e = &r->archive->entry[r->entry];
	size_t bytes = r->archive->place[r->entry].bytes, width = qb_dtype_bytes(e->dtype);
	struct walk w = {.at = 0};
	char piece[PIECE];
	int64_t stride = 1;

	for (int k = e->ndim - 1; k >= 0; k--) {
		w.stride[k] = stride;
		stride *= e->dim[k];
	}
	for (size_t at = 0; at < bytes; at += PIECE) {
		size_t n = QB_MIN(bytes - at, (size_t)PIECE);

		QB_TRY(read_stored(r, at, n, piece, eb));
		scatter(&w, e, piece, n / width, rows);
	}
	return QB_OK;
}

/* Once for all who open the array. */
static enum qb_err turn(struct qb_array *r, struct qb_errbuf *eb)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct place *p = &r->archive->place[r->entry];
	enum qb_err err = QB_OK;
	char *rows;

	pthread_mutex_lock(&lock);
	if (!p->transposed) {
		rows = malloc(p->bytes + 1);
		err = rows ? read_turned(r, rows, eb)
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
	if (archive->kind == NPZ) {
		r->zip = qb_zip_open(archive->path, "the .npz", eb);
		err = r->zip ? rewind_array(r, eb) : QB_EFORMAT;
	} else {
		r->fd = open(archive->path, O_RDONLY | O_CLOEXEC);
		if (r->fd < 0) {
			err = qb_fail(eb, QB_EIO, "%s: %s", archive->path, strerror(errno));
		}
	}
	if (err == QB_OK && e->fortran) {
		err = turn(r, eb);
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
