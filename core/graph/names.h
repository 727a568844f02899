/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of a file's tensors and nodes, for the importers.
 */
#ifndef QB_GRAPH_NAMES_H
#define QB_GRAPH_NAMES_H

#include <stdbool.h>
#include <stddef.h>

enum { QB_NAME_BYTES_MAX = 4096 };
/* Names reach JSON, SQLite and pages: UTF-8 (RFC 3629) without control characters, of bounded length. */
bool qb_name_ok(const char *s);

/* A table from names to pointers. Names are borrowed. */
struct qb_names {
	struct qb_names_slot *slot;
	size_t used, size; /* size is a power of two, or 0 */
};

void qb_names_fini(struct qb_names *t);
void *qb_names_get(const struct qb_names *t, const char *name);
/* Sets or replaces; false when memory ends. item is not NULL. */
bool qb_names_set(struct qb_names *t, const char *name, void *item);

#endif
