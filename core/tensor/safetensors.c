/* SPDX-License-Identifier: Apache-2.0
 *
 * .safetensors: the length of the header, the header as JSON, the elements.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/tensor/archive_kinds.h"

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
	a->place[a->count] = (struct qb_archive_place){.offset = data_at + (uint64_t)begin, .bytes = bytes};
	e->name = qb_arena_strdup(a->arena, name);
	a->count++;
	return e->name ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the name of a tensor");
}

static int by_offset(const void *a, const void *b)
{
	const struct qb_archive_place *x = a, *y = b;

	if (x->offset != y->offset) {
		return x->offset < y->offset ? -1 : 1;
	}
	return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static enum qb_err check_overlaps(const struct qb_archive *a, struct qb_errbuf *eb)
{
	struct qb_archive_place *p = malloc(((size_t)a->count + 1) * sizeof(*p));
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

enum qb_err qb__safetensors_open(struct qb_archive *a, int fd, uint64_t size,
	struct qb_errbuf *eb)
{
	unsigned char length[8];
	uint64_t n = 0;
	char *text = NULL;
	const char *name;
	json_t *header = NULL, *v;
	enum qb_err err;

	QB_TRY(qb__read_at(fd, length, 8, 0, a->path, eb));
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
	QB_TRY_OUT(qb__read_at(fd, text, (size_t)n, 8, a->path, eb));
	header = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(header)) {
		err = qb_fail(eb, QB_EFORMAT, "the safetensors header is no JSON object");
		goto out;
	}
	QB_TRY_OUT(qb__archive_make_entries(a, json_object_size(header) + 1, eb));
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
