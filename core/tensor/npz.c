/* SPDX-License-Identifier: Apache-2.0
 *
 * .npz: a zip, stored or deflated, of .npy files.
 */
#include <string.h>
#include <zip.h>

#include "core/tensor/archive_kinds.h"
#include "core/tensor/npy.h"

enum qb_err qb__npz_read(zip_file_t *f, void *dst, size_t n, const char *name,
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

	QB_TRY(qb__npz_read(f, prefix, sizeof(prefix), name, eb));
	QB_TRY(qb_npy_prefix(prefix, &at, &n, eb));
	/* Version 1 has its text two bytes earlier than what was read. */
	ahead = sizeof(prefix) - at;
	memcpy(header, prefix + at, ahead);
	QB_TRY(qb__npz_read(f, header + ahead, n - ahead, name, eb));
	*header_bytes = at + n;
	return qb_npy_header(header, n, e, arena, eb);
}

static enum qb_err open_member(struct qb_archive *a, zip_t *zip, zip_uint64_t index,
	struct qb_errbuf *eb)
{
	zip_stat_t st;
	zip_file_t *f;
	struct qb_archive_entry *e = &a->entry[a->count];
	struct qb_archive_place *p = &a->place[a->count];
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
	*p = (struct qb_archive_place){.offset = header_bytes, .zip_index = index, .bytes = qb__archive_entry_bytes(e)};
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

enum qb_err qb__npz_open(struct qb_archive *a, struct qb_errbuf *eb)
{
	zip_t *zip = qb_zip_open(a->path, "the .npz", eb);
	zip_int64_t n = zip ? zip_get_num_entries(zip, 0) : 0;
	enum qb_err err = zip ? QB_OK : QB_EFORMAT;

	if (err == QB_OK) {
		err = qb__archive_make_entries(a, (size_t)n, eb);
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
