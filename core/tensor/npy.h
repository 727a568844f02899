/* SPDX-License-Identifier: Apache-2.0
 *
 * The header of a .npy file, versions 1 to 3 (NumPy Enhancement Proposal 1 and numpy.lib.format).
 */
#ifndef QB_TENSOR_NPY_H
#define QB_TENSOR_NPY_H

#include "core/base/arena.h"
#include "core/tensor/archive.h"

enum { QB_NPY_PREFIX = 12, QB_NPY_HEADER_MAX = 65536 };

/* prefix: the first bytes of the file; *header_at and *header_bytes: where the header's text is. */
enum qb_err qb_npy_prefix(const unsigned char prefix[QB_NPY_PREFIX], size_t *header_at,
	size_t *header_bytes, struct qb_errbuf *eb);

/* text: the header, a Python dictionary; sets type, shape and order of *entry. What numpy can hold and we cannot (strings,
 * objects, records) is no error but unreadable, by a name in the arena. */
enum qb_err qb_npy_header(const char *text, size_t n, struct qb_archive_entry *entry,
	struct qb_arena *arena, struct qb_errbuf *eb);

#endif
