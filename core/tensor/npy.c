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

static enum qb_err read_descr(const char *p, struct qb_archive_entry *entry,
	struct qb_errbuf *eb)
{
	static const struct {
		const char *code;
		enum qb_dtype dtype;
	} codes[] = {{"f4", QB_F32}, {"f8", QB_F64}, {"f2", QB_F16}, {"u1", QB_U8}, {"i1", QB_I8},
		{"u2", QB_U16}, {"i2", QB_I16}, {"u4", QB_U32}, {"i4", QB_I32}, {"u8", QB_U64},
		{"i8", QB_I64}, {"b1", QB_BOOL}};
	char order;

	if (!p || (*p != '\'' && *p != '"') || strnlen(p, 5) < 5 || p[4] != p[0]) {
		return qb_fail(eb, QB_EFORMAT,
			"the array's type is not one number a cell (descr %.24s); save it as float32, "
			"uint8 or int64", p ? p : "missing");
	}
	order = p[1];
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (!memcmp(p + 2, codes[i].code, 2)) {
			entry->dtype = codes[i].dtype;
		}
	}
	if (entry->dtype == QB_DTYPE_NONE || !strchr("<>|=", order)) {
		return qb_fail(eb, QB_EFORMAT,
			"arrays of type %.*s cannot be read; save them as float32, float16, uint8, int8, "
			"int32 or int64", (int)QB_MIN(strcspn(p, ",}"), (size_t)6), p);
	}
	entry->big_endian = order == '>';
	return QB_OK;
}

static enum qb_err read_shape(const char *p, struct qb_archive_entry *entry, struct qb_errbuf *eb)
{
	if (!p || *p++ != '(') {
		return qb_fail(eb, QB_EFORMAT, "the .npy header has no shape");
	}
	for (;;) {
		char *end;
		long long d;

		while (isspace((unsigned char)*p) || *p == ',') {
			p++;
		}
		if (*p == ')') {
			return QB_OK;
		}
		if (!isdigit((unsigned char)*p)) {
			return qb_fail(eb, QB_EFORMAT, "the shape in the .npy header is broken at \"%.12s\"",
				p);
		}
		d = strtoll(p, &end, 10);
		if (entry->ndim == QB_MAX_DIMS) {
			return qb_fail(eb, QB_EFORMAT, "the array has more than %d dimensions",
				QB_MAX_DIMS);
		}
		entry->dim[entry->ndim++] = d;
		p = end;
	}
}

enum qb_err qb_npy_header(const char *text, size_t n, struct qb_archive_entry *entry,
	struct qb_errbuf *eb)
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
	QB_TRY(read_descr(find_key(copy, "descr"), entry, eb));
	QB_TRY(read_shape(find_key(copy, "shape"), entry, eb));
	order = find_key(copy, "fortran_order");
	if (!order || (strncmp(order, "False", 5) && strncmp(order, "True", 4))) {
		return qb_fail(eb, QB_EFORMAT, "the .npy header lacks fortran_order");
	}
	if (order[0] == 'T' && entry->ndim > 1) {
		return qb_fail(eb, QB_EFORMAT,
			"the array is stored in Fortran order; save numpy.ascontiguousarray() of it");
	}
	t.dtype = entry->dtype;
	t.ndim = entry->ndim;
	memcpy(t.dim, entry->dim, sizeof(t.dim));
	return qb_tensor_bytes(&t, &bytes, eb);
}
