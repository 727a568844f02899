/* SPDX-License-Identifier: Apache-2.0
 *
 * "Did you mean": the names that a mistyped one is nearest to.
 */
#ifndef QB_BASE_NEAR_H
#define QB_BASE_NEAR_H

#include <stddef.h>

#include "core/base/err.h"

/* Insertions, deletions and replacements between two words, ignoring case; the first 255 bytes of each count. */
int qb_near_distance(const char *a, const char *b);

/* "x, y, z": up to three different names of names[count], nearest first; entries may be NULL. */
const char *qb_near(const char *word, const char *const *names, int count, char *out, size_t size);

/* Adds those names to the error already in eb. word may be NULL: nothing is near then. */
void qb_near_note(struct qb_errbuf *eb, const char *word, const char *const *names, int count);

#endif
