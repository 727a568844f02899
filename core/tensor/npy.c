/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tensor/npy.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

enum qb_err qb_npy_prefix(const unsigned char prefix[QB_NPY_PREFIX], size_t *header_at,
	size_t *header_bytes, struct qb_errbuf *eb)
{
	int major = prefix[6];

	if (memcmp(prefix, "\x93NUMPY", 6)) {
		return qb_fail(eb, QB_EFORMAT, "the file is no .npy: it does not begin with \\x93NUMPY");
	}
	if (major < 1 || major > 3) {
		return qb_fail(eb, QB_EFORMAT, "the .npy has version %d; 1 to 3 can be read", major);
	}
	*header_at = major == 1 ? 10 : 12;
	*header_bytes = major == 1 ? (size_t)prefix[8] | (size_t)prefix[9] << 8
				   : (size_t)prefix[8] | (size_t)prefix[9] << 8 |
			(size_t)prefix[10] << 16 | (size_t)prefix[11] << 24;
	if (*header_bytes < 10 || *header_bytes > QB_NPY_HEADER_MAX) {
		return qb_fail(eb, QB_EFORMAT, "the .npy header has %zu bytes; 10 to %d make sense",
			*header_bytes, QB_NPY_HEADER_MAX);
	}
	return QB_OK;
}

/* What follows 'key': in the header, or NULL. */
static const char *find_key(const char *text, const char *key)
{
	const char *p = text;
	size_t n = strlen(key);

	while ((p = strstr(p, key))) {
		if (p > text && (p[-1] == '\'' || p[-1] == '"') && p[n] == p[-1]) {
			p += n + 1;
			while (isspace((unsigned char)*p)) {
				p++;
			}
			if (*p == ':') {
				p++;
				while (isspace((unsigned char)*p)) {
					p++;
				}
				return p;
			}
		}
		p++;
	}
	return NULL;
}

/* numpy's name of a type that is none of ours; descr is as the header has it, from its quote on. */
static const char *type_name(struct qb_arena *arena, const char *descr)
{
	static const struct {
		const char *code, *name;
	} names[] = {{"U", "str"}, {"S", "bytes"}, {"a", "bytes"}, {"O", "object"}, {"c8", "complex64"},
		{"c16", "complex128"}, {"M8", "datetime64"}, {"m8", "timedelta64"}, {"V", "void"},
		{"f16", "float128"}, {"c32", "complex256"}};
	size_t n;

	if (*descr != '\'' && *descr != '"') {
		return "structured";
	}
	descr++;
	n = strcspn(descr, "'\"");
	for (size_t i = 0; n > 1 && i < QB_COUNT(names); i++) {
		if (!strncmp(descr + 1, names[i].code, strlen(names[i].code))) {
			return names[i].name;
		}
	}
	return qb_arena_printf(arena, "%.*s", (int)QB_MIN(n, (size_t)20), descr);
}

static enum qb_err read_descr(const char *p, struct qb_archive_entry *entry, struct qb_arena *arena,
	struct qb_errbuf *eb)
{
	static const struct {
		const char *code;
		enum qb_dtype dtype;
	} codes[] = {{"f4", QB_F32}, {"f8", QB_F64}, {"f2", QB_F16}, {"u1", QB_U8}, {"i1", QB_I8},
		{"u2", QB_U16}, {"i2", QB_I16}, {"u4", QB_U32}, {"i4", QB_I32}, {"u8", QB_U64},
		{"i8", QB_I64}, {"b1", QB_BOOL}};

	if (!p || !*p || !strchr("'\"[(", *p)) {
		return qb_fail(eb, QB_EFORMAT, "the .npy header has no type (descr %.24s)", p ? p : "missing");
	}
	for (size_t i = 0; strnlen(p, 5) == 5 && p[4] == p[0] && i < QB_COUNT(codes); i++) {
		if (strchr("<>|=", p[1]) && !memcmp(p + 2, codes[i].code, 2)) {
			entry->dtype = codes[i].dtype;
			entry->big_endian = p[1] == '>';
			return QB_OK;
		}
	}
	entry->unreadable = type_name(arena, p);
	return entry->unreadable ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the name of a type");
}

static enum qb_err read_shape(const char *p, struct qb_archive_entry *entry, struct qb_arena *arena,
	struct qb_errbuf *eb)
{
	int ndim = 0;

	if (!p || *p++ != '(') {
		return qb_fail(eb, QB_EFORMAT, "the .npy header has no shape");
	}
	for (;;) {
		char *end;
		long long d;

		while (isspace((unsigned char)*p) || *p == ',') {
			p++;
		}
		if (*p == ')' && ndim > QB_MAX_DIMS) {
			entry->unreadable = qb_arena_printf(arena, "%s in %d dimensions",
				entry->unreadable ? entry->unreadable : qb_dtype_name(entry->dtype), ndim);
			return entry->unreadable ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the name of a type");
		}
		if (*p == ')') {
			return QB_OK;
		}
		if (!isdigit((unsigned char)*p)) {
			return qb_fail(eb, QB_EFORMAT, "the shape in the .npy header is broken at \"%.12s\"",
				p);
		}
		d = strtoll(p, &end, 10);
		if (ndim < QB_MAX_DIMS) {
			entry->dim[entry->ndim++] = d;
		}
		ndim++;
		p = end;
	}
}

enum qb_err qb_npy_header(const char *text, size_t n, struct qb_archive_entry *entry,
	struct qb_arena *arena, struct qb_errbuf *eb)
{
	char copy[QB_NPY_HEADER_MAX + 1];
	struct qb_tensor t = {0};
	const char *order;
	size_t bytes;

	memcpy(copy, text, n);
	copy[n] = '\0';
	if (strlen(copy) != n || copy[0] != '{') {
		return qb_fail(eb, QB_EFORMAT, "the .npy header is no Python dictionary");
	}
	QB_TRY(read_descr(find_key(copy, "descr"), entry, arena, eb));
	QB_TRY(read_shape(find_key(copy, "shape"), entry, arena, eb));
	order = find_key(copy, "fortran_order");
	if (!order || (strncmp(order, "False", 5) && strncmp(order, "True", 4))) {
		return qb_fail(eb, QB_EFORMAT, "the .npy header lacks fortran_order");
	}
	entry->fortran = order[0] == 'T' && entry->ndim > 1;
	if (entry->unreadable) {
		entry->dtype = QB_DTYPE_NONE;
		return QB_OK;
	}
	t.dtype = entry->dtype;
	t.ndim = entry->ndim;
	memcpy(t.dim, entry->dim, sizeof(t.dim));
	return qb_tensor_bytes(&t, &bytes, eb);
}
