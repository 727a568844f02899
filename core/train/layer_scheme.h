/* SPDX-License-Identifier: Apache-2.0
 *
 * Schemes as papers of quantization-aware training have them: the first and the last layer at 8 bits, and only what layers multiply
 * quantized.
 */
#ifndef QB_TRAIN_LAYER_SCHEME_H
#define QB_TRAIN_LAYER_SCHEME_H

#include "core/quant/placement.h"
#include "core/quant/scheme.h"

struct qb_layer_scheme_options {
	bool ends_at_8_bits; /* weights and input of the first and the last layer, the last one's output */
	bool layers_only;    /* inputs of Conv, ConvTranspose, Gemm and MatMul; sums, pools and what the network gives out stay float */
};

/* base with more layers, for a prepared and bound graph. Those that base names itself keep what it says. The rows added, and the
 * names of tensors in them (borrowed from g), are freed by qb_layer_scheme_fini. */
enum qb_err qb_layer_scheme(struct qb_scheme *out, const struct qb_scheme *base, const struct qb_graph *g,
	const struct qb_placement *p, const struct qb_layer_scheme_options *opt, struct qb_errbuf *eb);
void qb_layer_scheme_fini(struct qb_scheme *s);

#endif
