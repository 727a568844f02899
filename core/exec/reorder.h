/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies of elements from one layout to another.
 */
#ifndef QB_EXEC_REORDER_H
#define QB_EXEC_REORDER_H

#include "core/base/arena.h"
#include "core/exec/layout.h"

struct qb_reorder;

/* Of layouts of the same dimensions; memory is the arena's. NULL: no memory. */
struct qb_reorder *qb_reorder_create(struct qb_arena *arena, const struct qb_layout *from, const struct qb_layout *to);
/* x in the layout `from`, y in `to`, whose padding becomes zeros. By as many threads as the calling one may use. */
void qb_reorder_run(const struct qb_reorder *r, const float *x, float *y);

#endif
