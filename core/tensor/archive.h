/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of named arrays: .npy (NEP 1), .npz (stored or deflated zip of .npy) and .safetensors,
 * read as a stream of rows in constant memory. The kind is recognised by the file's first bytes, not its name.
 */
#ifndef QB_TENSOR_ARCHIVE_H
#define QB_TENSOR_ARCHIVE_H

#include "core/tensor/tensor.h"

struct qb_archive;
struct qb_array; /* one array being read, from its first row to its last */

struct qb_archive_entry {
	const char *name; /* without ".npy"; "x" for a bare .npy file */
	enum qb_dtype dtype;
	int ndim;
	int64_t dim[QB_MAX_DIMS];
	bool big_endian;        /* as stored; qb_array_read gives the machine's order */
	bool fortran;           /* stored first dimension fastest; qb_array_read gives rows all the same */
	const char *unreadable; /* NULL, or the name of a type that is none of ours (str, object): dtype is then NONE */
};

enum qb_err qb_archive_open(struct qb_archive **out, const char *path, struct qb_errbuf *eb);
void qb_archive_close(struct qb_archive **archive);
int qb_archive_count(const struct qb_archive *archive);
const struct qb_archive_entry *qb_archive_entry(const struct qb_archive *archive, int i);
/* Index of the entry, or -1. */
int qb_archive_find(const struct qb_archive *archive, const char *name);

struct zip;
/* NULL and the error where it is none that can be read; what: "the .npz", as people know it. */
struct zip *qb_zip_open(const char *path, const char *what, struct qb_errbuf *eb);

/* Whether rows anywhere are read as fast as the next ones: not inside a .npz. */
bool qb_archive_seekable(const struct qb_archive *archive);

/* An array in Fortran order is transposed as a whole, in memory that the archive keeps.
 *
 * A row is one index of the first dimension (a 0-d array has one row). Each qb_array is
 * independent of the others and may be used from its own thread. */
enum qb_err qb_array_open(struct qb_array **out, const struct qb_archive *archive, int entry,
	struct qb_errbuf *eb);
void qb_array_close(struct qb_array **array);
/* Reads rows [first, first + count) in the array's own dtype into dst, which holds
 * count * row bytes. Reading forwards streams; going backwards reopens. */
enum qb_err qb_array_read(struct qb_array *array, int64_t first, int64_t count, void *dst,
	struct qb_errbuf *eb);
/* The same for elements in row-major order, for arrays whose rows may be larger than memory. */
enum qb_err qb_array_read_elements(struct qb_array *array, int64_t first, int64_t count, void *dst,
	struct qb_errbuf *eb);

#endif
