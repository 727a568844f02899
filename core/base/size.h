/* SPDX-License-Identifier: Apache-2.0
 *
 * Sizes that come from files multiply and add through these; true means overflow.
 */
#ifndef QB_BASE_SIZE_H
#define QB_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool qb_mul_overflows(size_t a, size_t b, size_t *out)
{
	return __builtin_mul_overflow(a, b, out);
}

static inline bool qb_add_overflows(size_t a, size_t b, size_t *out)
{
	return __builtin_add_overflow(a, b, out);
}

/* n rounded up to a multiple of align (a power of two); n must leave room. */
static inline size_t qb_align_up(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

#define QB_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define QB_MIN(a, b) ((a) < (b) ? (a) : (b))
#define QB_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
