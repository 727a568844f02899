/* SPDX-License-Identifier: Apache-2.0
 *
 * A table from names to pointers, for the importers. Names are borrowed.
 */
#ifndef QB_GRAPH_NAMES_H
#define QB_GRAPH_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct qb_names {
	struct qb_names_slot *slot;
	size_t used, size; /* size is a power of two, or 0 */
};

void qb_names_fini(struct qb_names *t);
void *qb_names_get(const struct qb_names *t, const char *name);
/* Sets or replaces; false when memory ends. item is not NULL. */
bool qb_names_set(struct qb_names *t, const char *name, void *item);

#endif
