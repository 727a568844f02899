/* SPDX-License-Identifier: Apache-2.0
 *
 * What a Pad puts around a tensor.
 */
#ifndef QB_OPS_PAD_H
#define QB_OPS_PAD_H

#include "core/ops/op.h"

enum qb_pad_mode { QB_PAD_CONSTANT, QB_PAD_REFLECT, QB_PAD_EDGE, QB_PAD_WRAP };

struct qb_pad {
	bool known; /* false: its amounts are computed */
	enum qb_pad_mode mode;
	int64_t lo[QB_MAX_DIMS], hi[QB_MAX_DIMS]; /* elements before and behind; less than 0: cut off */
};

/* Of a node whose input has `rank` dimensions. in: its inputs, or NULL where only constants are there. */
enum qb_err qb_pad_read(struct qb_pad *p, const struct qb_node *n, const struct qb_tensor *const in[], int rank, struct qb_errbuf *eb);

#endif
