/* SPDX-License-Identifier: Apache-2.0
 *
 * Maps of one sequence, thinned to a few cells a side without losing what stands out.
 */
#ifndef QB_PTQ_OUTLIER_MAPS_H
#define QB_PTQ_OUTLIER_MAPS_H

#include "core/ptq/outlier_report.h"

/* x [tokens][channels]; kept: NULL: all. */
bool qb__outlier_map_take(struct qb_outlier_map *m, const float *x, int64_t tokens, int64_t channels, const bool *kept);
void qb__outlier_map_fini(struct qb_outlier_map *m);
/* side: at most so many cells. */
bool qb__attention_map_take(struct qb_attention_map *map, const struct qb_attention_matrix *m, int64_t side);
void qb__attention_map_fini(struct qb_attention_map *m);

#endif
