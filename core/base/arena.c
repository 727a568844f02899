/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/size.h"

enum { ALIGN = 64, BLOCK = 64 * 1024, HUGE_PAGE = 2 << 20, HUGE_FROM = 2 * HUGE_PAGE };

struct block {
	struct block *next;
	size_t used, size; /* of the bytes after this header */
};

struct qb_arena {
	struct block *blocks;
};

static unsigned char *block_bytes(struct block *b)
{
	return (unsigned char *)b + ALIGN;
}

_Static_assert(sizeof(struct block) <= ALIGN, "the header must fit before the first byte");

struct qb_arena *qb_arena_create(void)
{
	return calloc(1, sizeof(struct qb_arena));
}

void qb_arena_destroy(struct qb_arena **arena)
{
	if (!*arena) {
		return;
	}
	for (struct block *b = (*arena)->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(*arena);
	*arena = NULL;
}

/* In huge pages where the system has them: of what does not stay in a cache, much time goes into finding small pages. */
static void *alloc_huge(size_t n)
{
	void *p;

	n = qb_align_up(n, HUGE_PAGE);
	p = aligned_alloc(HUGE_PAGE, n);
#ifdef MADV_HUGEPAGE
	if (p) {
		madvise(p, n, MADV_HUGEPAGE); /* refused where there are none, which is as well */
	}
#endif
	return p;
}

void *qb_aligned_alloc(size_t count, size_t size)
{
	size_t n;

	if (qb_mul_overflows(count, size, &n) || n > SIZE_MAX - HUGE_PAGE) {
		return NULL;
	}
	return n < HUGE_FROM ? aligned_alloc(ALIGN, qb_align_up(n ? n : 1, ALIGN)) : alloc_huge(n);
}

static struct block *block_add(struct qb_arena *arena, size_t size)
{
	size_t total;
	struct block *b;

	if (qb_add_overflows(size, 2 * ALIGN, &total)) {
		return NULL;
	}
	b = qb_aligned_alloc(total, 1);
	if (!b) {
		return NULL;
	}
	b->used = 0;
	b->size = size;
	/* A block of its own for a large request must not hide the half-empty one. */
	if (arena->blocks && size > BLOCK) {
		b->next = arena->blocks->next;
		arena->blocks->next = b;
	} else {
		b->next = arena->blocks;
		arena->blocks = b;
	}
	return b;
}

void *qb_arena_alloc(struct qb_arena *arena, size_t count, size_t size)
{
	size_t n;
	struct block *b = arena->blocks;
	void *p;

	if (qb_mul_overflows(count, size, &n) || n > SIZE_MAX - 4 * ALIGN) {
		return NULL;
	}
	n = qb_align_up(n ? n : 1, ALIGN);
	if (!b || b->size - b->used < n) {
		b = block_add(arena, n > BLOCK ? n : BLOCK);
		if (!b) {
			return NULL;
		}
	}
	p = block_bytes(b) + b->used;
	b->used += n;
	return memset(p, 0, n);
}

char *qb_arena_strndup(struct qb_arena *arena, const char *s, size_t n)
{
	char *p = n < SIZE_MAX ? qb_arena_alloc(arena, n + 1, 1) : NULL;

	if (p) {
		memcpy(p, s, n);
	}
	return p;
}

char *qb_arena_strdup(struct qb_arena *arena, const char *s)
{
	return qb_arena_strndup(arena, s, strlen(s));
}

char *qb_arena_printf(struct qb_arena *arena, const char *fmt, ...)
{
	va_list ap;
	int n;
	char *p;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	p = n < 0 ? NULL : qb_arena_alloc(arena, (size_t)n + 1, 1);
	if (p) {
		va_start(ap, fmt);
		vsnprintf(p, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	return p;
}
