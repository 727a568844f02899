/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tensor/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/size.h"
#include "core/tensor/archive.h"
#include "core/tensor/archive_kinds.h"

enum { CHUNK = 1 << 16 };

struct qb_text {
	struct qb_text_shape shape;
	struct qb_tokens tokens;
	void *memory; /* of all tokens that were read */
};

bool qb_tokens_alloc(struct qb_tokens *t, int64_t count, int64_t largest)
{
	size_t bytes;

	t->width = largest <= UINT8_MAX ? 1 : largest <= UINT16_MAX ? 2 : 4;
	t->data = qb_mul_overflows((size_t)count, (size_t)t->width, &bytes) ? NULL : malloc(bytes + 1);
	return t->data;
}

void qb_token_put(const struct qb_tokens *t, int64_t i, int64_t token)
{
	switch (t->width) {
	case 1:
		((uint8_t *)t->data)[i] = (uint8_t)token;
		break;
	case 2:
		((uint16_t *)t->data)[i] = (uint16_t)token;
		break;
	default:
		((uint32_t *)t->data)[i] = (uint32_t)token;
		break;
	}
}

bool qb_text_is_plain(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && !strcasecmp(dot, ".txt");
}

/* ---- plain ---- */

static enum qb_err read_plain(struct qb_text *t, int fd, const char *path, struct qb_errbuf *eb)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		return qb_fail(eb, QB_EIO, "%s: is not a regular file", path);
	}
	if (st.st_size == 0) {
		return qb_fail(eb, QB_EFORMAT, "the text is empty");
	}
	t->shape = (struct qb_text_shape){.plain = true, .tokens = st.st_size};
	if (!qb_tokens_alloc(&t->tokens, st.st_size, QB_TEXT_BYTES - 1)) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a text of %lld bytes", (long long)st.st_size);
	}
	QB_TRY(qb__read_at(fd, t->tokens.data, (size_t)st.st_size, 0, path, eb));
	for (int64_t i = 0; i < t->shape.tokens; i++) {
		t->shape.largest = QB_MAX(t->shape.largest, qb_token_at(&t->tokens, i));
	}
	return QB_OK;
}

static enum qb_err open_plain(struct qb_text *t, const char *path, struct qb_errbuf *eb)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum qb_err err;

	if (fd < 0) {
		return qb_fail(eb, QB_EIO, "%s: %s", path, strerror(errno));
	}
	err = read_plain(t, fd, path, eb);
	close(fd);
	return err;
}

/* ---- arrays ---- */

static enum qb_err find_tokens(const struct qb_archive *a, int *entry, struct qb_errbuf *eb)
{
	const struct qb_archive_entry *e;

	*entry = qb_archive_find(a, "tokens");
	if (*entry < 0 && qb_archive_count(a) == 1 && !strcmp(qb_archive_entry(a, 0)->name, "x")) {
		*entry = 0; /* a .npy */
	}
	if (*entry < 0) {
		return qb_fail(eb, QB_EFORMAT, "it has no array \"tokens\"; a text is a file .txt, or an array of integers \"tokens\", "
			"[L] or [N, T]");
	}
	e = qb_archive_entry(a, *entry);
	if (e->unreadable || !qb_dtype_is_integer(e->dtype) || e->dtype == QB_BOOL || e->ndim < 1 || e->ndim > 2) {
		return qb_fail(eb, QB_EFORMAT, "array \"%.60s\" is %.60s with %d dimensions; tokens are integers, [L] or [N, T]", e->name,
			e->unreadable ? e->unreadable : qb_dtype_name(e->dtype), e->ndim);
	}
	return QB_OK;
}

static enum qb_err check_token(int64_t token, int64_t at, struct qb_errbuf *eb)
{
	return token >= 0 && token <= QB_TEXT_LARGEST_TOKEN ? QB_OK : qb_fail(eb, QB_EFORMAT, "token %" PRId64 " at place %" PRId64
		" is none: tokens are numbers from 0 to %d", token, at, QB_TEXT_LARGEST_TOKEN);
}

/* All elements in their order: the first time to find the largest, the second, with memory, to keep them. */
static enum qb_err pass(struct qb_text *t, struct qb_array *array, enum qb_dtype type, struct qb_errbuf *eb)
{
	char *chunk = malloc(CHUNK * qb_dtype_bytes(type));
	enum qb_err err = chunk ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory to read tokens");

	for (int64_t first = 0; err == QB_OK && first < t->shape.tokens; first += CHUNK) {
		int64_t count = QB_MIN(CHUNK, t->shape.tokens - first);

		err = qb_array_read_elements(array, first, count, chunk, eb);
		for (int64_t i = 0; err == QB_OK && i < count; i++) {
			int64_t token = qb_integer_at(type, chunk, (size_t)i);

			if (t->tokens.data) {
				qb_token_put(&t->tokens, first + i, token);
			} else {
				err = check_token(token, first + i, eb);
				t->shape.largest = QB_MAX(t->shape.largest, token);
			}
		}
	}
	free(chunk);
	return err;
}

static enum qb_err read_array(struct qb_text *t, const struct qb_archive *a, struct qb_errbuf *eb)
{
	const struct qb_archive_entry *e;
	struct qb_array *array = NULL;
	enum qb_err err;
	int entry;

	QB_TRY(find_tokens(a, &entry, eb));
	e = qb_archive_entry(a, entry);
	t->shape = (struct qb_text_shape){.tokens = e->dim[0] * (e->ndim == 2 ? e->dim[1] : 1), .row = e->ndim == 2 ? e->dim[1] : 0};
	if (t->shape.tokens == 0) {
		return qb_fail(eb, QB_EFORMAT, "array \"%.60s\" holds no tokens", e->name);
	}
	QB_TRY_OUT(qb_array_open(&array, a, entry, eb));
	QB_TRY_OUT(pass(t, array, e->dtype, eb));
	if (!qb_tokens_alloc(&t->tokens, t->shape.tokens, t->shape.largest)) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for %" PRId64 " tokens", t->shape.tokens);
		goto out;
	}
	err = pass(t, array, e->dtype, eb);
out:
	qb_array_close(&array);
	return err;
}

static enum qb_err open_array(struct qb_text *t, const char *path, struct qb_errbuf *eb)
{
	struct qb_archive *a = NULL;
	enum qb_err err;

	QB_TRY(qb_archive_open(&a, path, eb));
	err = read_array(t, a, eb);
	qb_archive_close(&a);
	return err;
}

enum qb_err qb_text_open(struct qb_text **out, const char *path, bool plain, struct qb_errbuf *eb)
{
	struct qb_text *t = calloc(1, sizeof(*t));
	enum qb_err err;

	if (!t) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a text");
	}
	err = plain ? open_plain(t, path, eb) : open_array(t, path, eb);
	t->memory = t->tokens.data;
	if (err != QB_OK) {
		qb_text_close(&t);
		return err;
	}
	*out = t;
	return QB_OK;
}

void qb_text_keep(struct qb_text *t, double from, double to)
{
	int64_t unit = t->shape.row ? t->shape.row : 1, units = t->shape.tokens / unit;
	int64_t first = llround(from * (double)units), last = llround(to * (double)units);

	t->tokens.data = (char *)t->tokens.data + (size_t)(first * unit) * (size_t)t->tokens.width;
	t->shape.tokens = (last - first) * unit;
}

void qb_text_close(struct qb_text **text)
{
	if (*text) {
		free((*text)->memory);
		free(*text);
		*text = NULL;
	}
}

const struct qb_text_shape *qb_text_shape(const struct qb_text *text)
{
	return &text->shape;
}

const struct qb_tokens *qb_text_tokens(const struct qb_text *text)
{
	return &text->tokens;
}
