/* SPDX-License-Identifier: Apache-2.0
 *
 * A scheme as a network of its own: QuantizeLinear and DequantizeLinear on what it quantizes.
 */
#ifndef QB_QUANT_QDQ_H
#define QB_QUANT_QDQ_H

#include "core/quant/quantization.h"

/* A copy of the prepared model (which must outlive it) with the quantizers that q has for `bound`, the same network at
 * one batch: weights are codes and a DequantizeLinear, activations pass a pair, biases beside integers are int32.
 * QB_EUNSUPPORTED names what ONNX cannot say. */
enum qb_err qb_qdq_graph(struct qb_graph **out, const struct qb_graph *model,
	const struct qb_graph *bound, const struct qb_quantization *q, struct qb_errbuf *eb);

/* The element type of ONNX whose codes are exactly the format's, QB_DTYPE_NONE if there is none. */
enum qb_dtype qb_format_codes(const struct qb_format *f);

/* Whether `model`, another form of the network, has every value that the scheme quantizes or changes. */
bool qb_qdq_fits(const struct qb_graph *model, const struct qb_graph *bound, const struct qb_quantization *q);

#endif
