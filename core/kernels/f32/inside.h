/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QB_KERNELS_F32_INSIDE_H
#define QB_KERNELS_F32_INSIDE_H

#include <stdint.h>

#include "core/base/size.h"

/* Of n places, the first at `at` and each `step` > 0 behind the one before it, those with numbers [*from, *to) lie in [0, last]. */
static inline void qb_f32_inside(int64_t at, int64_t step, int64_t n, int64_t last, int64_t *from, int64_t *to)
{
	*from = at >= 0 ? 0 : QB_MIN((-at + step - 1) / step, n);
	*to = at > last ? *from : QB_MAX(QB_MIN((last - at) / step + 1, n), *from);
}

#endif
