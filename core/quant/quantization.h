/* SPDX-License-Identifier: Apache-2.0
 *
 * A scheme on a network: the quantizer of every value, and what constants become.
 */
#ifndef QB_QUANT_QUANTIZATION_H
#define QB_QUANT_QUANTIZATION_H

#include "core/quant/placement.h"
#include "core/quant/quantizer.h"
#include "core/quant/scheme.h"
#include "core/quant/observer.h"

/* A constant that is a bias with codes of its own (core/quant/bias.h): the values of its layer by index, and what the layer
 * multiplies its sums by in units of the bias (Gemm's alpha / beta). factor 0: it is none. */
struct qb_bias {
	int input, weight;
	double factor;
};

/* The quantizers of one scheme on one graph: q[value->index], NULL where float. */
struct qb_quantization {
	struct qb_scheme scheme;
	bool borrows; /* quantizers and constants belong to other quantizations */
	int values;
	struct qb_quantizer **q;
	const struct qb_scheme_part **part; /* what each quantizer of its own follows; NULL where it follows a file */
	bool *shared; /* q[i] belongs to another value; this one is on its grid already */
	int *axis;    /* channel axis of a weight */
	float **constant; /* [values], NULL where untouched: what a method decided that a constant becomes. Of a quantized
	                   * weight: elements on the grid of q[i]; of a bias: any */
	struct qb_blocks *blocks; /* [values], of a decided weight in blocks: what these have, [channels][blocks of a row], or nothing */
	struct qb_bias *bias;
};

/* An empty one, without quantizers yet. */
enum qb_err qb_quantization_init(struct qb_quantization *q, const struct qb_graph *g, const struct qb_scheme *s,
	struct qb_errbuf *eb);
void qb_quantization_fini(struct qb_quantization *q);

/* observer[value->index] for activations (filled by a calibration pass; NULL for weights). */
enum qb_err qb_quantization_create(struct qb_quantization **out, const struct qb_scheme *s,
	const struct qb_graph *g, const struct qb_placement *p,
	struct qb_observer *const *observer, struct qb_errbuf *eb);
void qb_quantization_destroy(struct qb_quantization **q);

/* Does the scheme run with other elements than those that the file holds for this constant? */
bool qb_quantization_changes(const struct qb_quantization *q, const struct qb_value *constant);
/* y = the elements that the scheme runs with, in the constant's own layout: what a method decided, else the quantized
 * weight, else the constant itself; of a bias with codes what these say. Adds to sums if not NULL (against the constant). Simulation, integer plans, sizes
 * and files all take constants from here. */
enum qb_err qb_quantization_constant(const struct qb_quantization *q, const struct qb_value *constant,
	float *y, struct qb_qdq_sums *sums, struct qb_errbuf *eb);
/* Decides: copies y. */
enum qb_err qb_quantization_override(struct qb_quantization *q, const struct qb_value *constant,
	const float *y, struct qb_errbuf *eb);
/* With y of a weight in blocks: copies what count of these have, without which no codes can be told from y. */
enum qb_err qb_quantization_override_blocks(struct qb_quantization *q, const struct qb_value *constant,
	const struct qb_blocks *blocks, int64_t count, struct qb_errbuf *eb);

#endif
