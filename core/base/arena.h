/* SPDX-License-Identifier: Apache-2.0
 *
 * One arena per job or per graph: everything in it is freed at once.
 * Not thread safe; a thread that allocates has its own.
 */
#ifndef QB_BASE_ARENA_H
#define QB_BASE_ARENA_H

#include <stddef.h>

struct qb_arena;

struct qb_arena *qb_arena_create(void);
void qb_arena_destroy(struct qb_arena **arena);

/* 64-byte aligned, zeroed; NULL when memory ends or count * size overflows. */
void *qb_arena_alloc(struct qb_arena *arena, size_t count, size_t size);
char *qb_arena_strdup(struct qb_arena *arena, const char *s);
char *qb_arena_strndup(struct qb_arena *arena, const char *s, size_t n);
char *qb_arena_printf(struct qb_arena *arena, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* 64-byte aligned memory outside any arena; freed with free(). NULL on overflow. */
void *qb_aligned_alloc(size_t count, size_t size);

#endif
