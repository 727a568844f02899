/* SPDX-License-Identifier: Apache-2.0
 *
 * The attributes of FakeQuantize and FakeQuantizeGradient.
 */
#ifndef QB_OPS_FAKE_QUANTIZE_H
#define QB_OPS_FAKE_QUANTIZE_H

#include "core/graph/graph.h"
#include "core/kernels/quantize/fake_quantize.h"

struct qb_fake_quantize_node {
	struct qb_format format;
	enum qb_estimator estimator;
	float factor;
	int axis;            /* -1: per tensor */
	int zeros;           /* of zero; 0: there are none */
	const int64_t *zero; /* borrowed */
};
/* QB_EINVAL names the node. */
enum qb_err qb_fake_quantize_node(const struct qb_node *n, struct qb_fake_quantize_node *out, struct qb_errbuf *eb);

#endif
