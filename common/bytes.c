/* SPDX-License-Identifier: Apache-2.0 */
#include "common/bytes.h"

#include <stdlib.h>
#include <string.h>

bool qb_bytes_add(struct qb_bytes *b, const void *from, size_t n)
{
	if (b->size - b->used <= n) {
		size_t size = 2 * (b->used + n) + 1024;
		char *at = realloc(b->at, size);

		if (!at) {
			return false;
		}
		b->at = at;
		b->size = size;
	}
	memcpy(b->at + b->used, from, n);
	b->used += n;
	b->at[b->used] = '\0';
	return true;
}
