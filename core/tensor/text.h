/* SPDX-License-Identifier: Apache-2.0
 *
 * The tokens of a text in memory, in the smallest integers that hold them: the bytes of a plain text, or an array of integers.
 */
#ifndef QB_TENSOR_TEXT_H
#define QB_TENSOR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

enum {
	QB_TEXT_BYTES = 256,               /* of a plain text every byte is a token */
	QB_TEXT_LARGEST_TOKEN = 0xffffff, /* that is read; vocabularies are far smaller */
};

/* Tokens as they are kept. */
struct qb_tokens {
	int width; /* bytes of one: 1, 2 or 4 */
	void *data;
};

static inline int64_t qb_token_at(const struct qb_tokens *t, int64_t i)
{
	return t->width == 1 ? ((const uint8_t *)t->data)[i] : t->width == 2 ? ((const uint16_t *)t->data)[i]
		: ((const uint32_t *)t->data)[i];
}

/* Room for count tokens up to the largest; false without memory. Freed by free(data). */
bool qb_tokens_alloc(struct qb_tokens *t, int64_t count, int64_t largest);
void qb_token_put(const struct qb_tokens *t, int64_t i, int64_t token);

struct qb_text_shape {
	bool plain;
	int64_t tokens;  /* in all */
	int64_t row;     /* tokens of a row of an array [N, T]; 0: it is one text */
	int64_t largest; /* token */
};

struct qb_text;

/* Is a file of this name a plain text (.txt)? Arrays are known by their first bytes, but any bytes may begin a text. */
bool qb_text_is_plain(const char *name);
/* A plain text, or the array "tokens" [L] or [N, T] of a .npy (whatever its name), .npz or .safetensors file. */
enum qb_err qb_text_open(struct qb_text **out, const char *path, bool plain, struct qb_errbuf *eb);
/* Leaves the part between two shares of it, in whole tokens or rows; the largest token stays that of all of it. */
void qb_text_keep(struct qb_text *text, double from, double to);
void qb_text_close(struct qb_text **text);
const struct qb_text_shape *qb_text_shape(const struct qb_text *text);
const struct qb_tokens *qb_text_tokens(const struct qb_text *text);

#endif
