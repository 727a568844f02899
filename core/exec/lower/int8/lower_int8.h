/* SPDX-License-Identifier: Apache-2.0
 *
 * What the integer steps share.
 */
#ifndef QB_EXEC_LOWER_INT8_LOWER_INT8_H
#define QB_EXEC_LOWER_INT8_LOWER_INT8_H

#include "core/exec/builder.h"
#include "core/kernels/int8/kernels.h"
#include "core/exec/lower/int8/weight.h"
#include "core/ops/window.h"

/* The bytes an activation may leave: the quantizer's own, and the fused activation's bounds. */
void qb__byte_bounds(const struct qb_lowered *op, const struct qb_bytes *y, int *lo, int *hi);

bool qb__same_shape(const struct qb_shape *a, const struct qb_shape *b);
/* The operand's row-major index for the output's, as broadcasting has it. */
int64_t qb__broadcast_index(const struct qb_shape *y, const struct qb_shape *operand, int64_t index);

/* [256] bytes of y's scale for those of x's, living as long as the plan; *out is NULL where they are the same. */
enum qb_err qb__requantize(struct qb_builder *b, const struct qb_bytes *x, const struct qb_bytes *y,
	const uint8_t **out, struct qb_errbuf *eb);

/* The mean of all pixels of each image, which are the node's first input. */
enum qb_err qb__plan_int8_pixel_mean(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb);

/* Of a sum of scores that are bytes and a mask that stays float, on its way into a Softmax and nowhere else: which input
 * the scores are; -1 where n is none. Such a sum has no step of its own. */
int qb__int8_masked_scores(const struct qb_builder *b, const struct qb_lowered *op);

/* The sum of what a layer computes and another operand (a residual connection), fused into the layer's step: as its own
 * step would have it, with the same two roundings, a piece at a time while the piece is in the cache. */
struct qb__int8_residual {
	void (*add)(const struct qb_int8_add *p, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n);
	struct qb_int8_add p;
	bool second; /* the layer's output is the second operand */
	int other;   /* the other operand's buffer */
	const struct qb_node *node;
};

static inline void qb__int8_add_residual(const struct qb__int8_residual *r, const uint8_t *own, const uint8_t *other,
	uint8_t *y, size_t n)
{
	r->add(&r->p, r->second ? other : own, r->second ? own : other, y, n);
}

/* The sum that alone uses the output of the layer n, its other operand being bytes already; its add is NULL where there is
 * none. */
struct qb__int8_residual qb__int8_find_residual(const struct qb_builder *b, const struct qb_lowered *op);
/* What the step of the layer n writes: its output, or that of its fused sum, whose other operand it reads second. */
enum qb_err qb__int8_declare_output(struct qb_builder *b, const struct qb_lowered *op, const struct qb__int8_residual *r,
	struct qb_call *call, struct qb_errbuf *eb);

/* A 3 x 3 convolution by Winograd F(4 x 4, 3 x 3); QB_EUNSUPPORTED where that is not exact or not faster. */
enum qb_err qb__plan_int8_filtered(struct qb_builder *b, const struct qb_lowered *op, const struct qb__int8_weight *w,
	const struct qb_window *win, const struct qb_bytes *x, const struct qb_bytes *y, struct qb_errbuf *eb);

/* A convolution many of whose kernel elements are outside the image; QB_EUNSUPPORTED where they are too few. */
enum qb_err qb__plan_int8_tiles(struct qb_builder *b, const struct qb_lowered *op, const struct qb__int8_weight *w,
	const struct qb_window *win, const struct qb_bytes *x, const struct qb_bytes *y, struct qb_errbuf *eb);

enum qb_err qb__plan_int8_depthwise(struct qb_builder *b, const struct qb_lowered *op, const struct qb__int8_weight *w,
	const struct qb_window *win, const struct qb_bytes *x, const struct qb_bytes *y, struct qb_errbuf *eb);

#endif
