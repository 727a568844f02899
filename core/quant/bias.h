/* SPDX-License-Identifier: Apache-2.0
 *
 * Biases beside integers. Integer kernels add a bias to their sums, so they hold it as an int32 code of the sums' scale,
 * that of the input times that of the weight; so do exported files, and so does the simulation.
 */
#ifndef QB_QUANT_BIAS_H
#define QB_QUANT_BIAS_H

#include "core/quant/quantization.h"

/* bias [g->values]: which constants are biases that may have codes. A Conv's or Gemm's of one dimension, which nothing else
 * reads; those of other layers stay float, for ONNX has them as an Add or keeps them float. */
void qb_biases_find(struct qb_bias *bias, const struct qb_graph *g);

/* The scale of each code [elements of the bias] under q; false where the bias stays float: its input or its weight is no
 * integer of at most 8 bits, or a code would leave int32. Under the file's own quantization a bias has codes only where the
 * file's elements are on them. scale may be NULL. */
bool qb_bias_scales(const struct qb_quantization *q, const struct qb_value *bias, float *scale);

/* The code of a number that qb_bias_scales found to fit, and the number of a code as DequantizeLinear has it. */
int32_t qb_bias_code(float x, float scale);
float qb_bias_number(int32_t code, float scale);

/* Chooses the scales that no range decides so that biases keep their precision: those of channels whose weights are all 0,
 * and those of inputs of which nothing but 0 was seen. Makes weights' scales larger where a code would leave int32, which costs
 * nothing: such a bias is millions of times larger than the sums. */
enum qb_err qb_bias_fit_scales(struct qb_quantization *q, const struct qb_graph *g, const struct qb_placement *p,
	struct qb_observer *const *observer, struct qb_errbuf *eb);

#endif
