/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of archives, for the files that read one kind each: what they fill in, and what they read with.
 */
#ifndef QB_TENSOR_ARCHIVE_KINDS_H
#define QB_TENSOR_ARCHIVE_KINDS_H

#include "core/base/arena.h"
#include "core/tensor/archive.h"

struct zip_file;

/* Where an entry's elements are: an offset in the file, or behind a header in member `zip_index` of a zip. */
struct qb_archive_place {
	uint64_t offset, zip_index;
	size_t bytes;
	char *transposed; /* of an array in Fortran order, once it was opened: its rows, bytes as stored */
};

struct qb_archive {
	struct qb_arena *arena;
	const char *path;
	enum { QB_ARCHIVE_NPY, QB_ARCHIVE_NPZ, QB_ARCHIVE_SAFETENSORS } kind;
	int count;
	struct qb_archive_entry *entry; /* [count] */
	struct qb_archive_place *place; /* [count] */
};

/* n bytes of the file from `at` on; QB_EFORMAT where it ends before. */
enum qb_err qb__read_at(int fd, void *dst, size_t n, uint64_t at, const char *path, struct qb_errbuf *eb);
/* Room for so many entries; a->count stays 0. */
enum qb_err qb__archive_make_entries(struct qb_archive *a, size_t count, struct qb_errbuf *eb);
/* What the entry's shape and type need; 0 for one that cannot be read. */
size_t qb__archive_entry_bytes(const struct qb_archive_entry *e);

/* Fill in a's entries and places; size: the file's bytes. */
enum qb_err qb__npz_open(struct qb_archive *a, struct qb_errbuf *eb);
enum qb_err qb__safetensors_open(struct qb_archive *a, int fd, uint64_t size, struct qb_errbuf *eb);

/* The next n bytes of a zip's member, which is called name in errors. */
enum qb_err qb__npz_read(struct zip_file *f, void *dst, size_t n, const char *name, struct qb_errbuf *eb);

#endif
