/* SPDX-License-Identifier: Apache-2.0
 *
 * The size of a model under a scheme.
 */
#ifndef QB_QUANT_MODEL_BYTES_H
#define QB_QUANT_MODEL_BYTES_H

#include "core/quant/quantization.h"

/* Bytes of all parameters: quantized ones packed at their bits plus scales and zero points, the rest as float32.
 * quantization NULL: all float32. */
size_t qb_model_bytes(const struct qb_graph *graph, const struct qb_quantization *quantization);

#endif
