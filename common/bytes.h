/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes that grow.
 */
#ifndef QB_COMMON_BYTES_H
#define QB_COMMON_BYTES_H

#include <stdbool.h>
#include <stddef.h>

/* used of them, and a zero behind, which does not count. All zero: none yet. at is for free(). */
struct qb_bytes {
	char *at;
	size_t used, size;
};

/* false where memory ends: then nothing is added. */
bool qb_bytes_add(struct qb_bytes *b, const void *from, size_t n);

#endif
