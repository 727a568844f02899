/* SPDX-License-Identifier: Apache-2.0
 *
 * A scheme says what is quantized and how: weights and activations, each with a format, a granularity and a
 * range method, and what stays float. Names: a format for both (int8, E4, mxfp4), wBaA (w4a8: int4 weights, int8
 * activations; 32 bits are float), WEIGHTS/ACTIVATIONS (int4/E4, int8/float32), float32, or fields of a job. "carried" is
 * the quantization that the network's own file brings: exactly its scales and zero points, on exactly its values.
 */
#ifndef QB_QUANT_SCHEME_H
#define QB_QUANT_SCHEME_H

#include "core/format/format.h"
#include "core/graph/graph.h"
#include "core/quant/quantizer.h"
#include "core/quant/range.h"

enum qb_granularity { QB_PER_TENSOR, QB_PER_CHANNEL, QB_PER_BLOCK };
const char *qb_granularity_name(enum qb_granularity g); /* "per_tensor" ... */

struct qb_scheme_part {
	bool quantized; /* false: float32 */
	bool any_split; /* fp8_auto: each tensor gets E2, E3, E4 or E5, whichever has the least squared error on it */
	struct qb_format format;
	enum qb_granularity granularity;
	struct qb_range_options range;
};

/* What is said of some layers alone. name is that of a tensor, of a node (its weights and its outputs), or a pattern
 * with * and ? over both. Where several apply, a tensor's name goes before a node's, that before a pattern, and
 * earlier before later. */
struct qb_scheme_layer {
	const char *name;
	struct qb_scheme_part weights, activations;
};

struct qb_scheme {
	char name[QB_FORMAT_NAME_MAX];
	bool carried; /* the parts then say what the file has, once there are quantizers */
	struct qb_scheme_part weights, activations; /* of all layers but those in: */
	int layers;
	const struct qb_scheme_layer *layer; /* borrowed */
};

enum qb_err qb_scheme_parse(struct qb_scheme *out, const char *name, struct qb_errbuf *eb);
/* The format of a part: "float32", "fp8_auto", or what qb_format_parse knows. Leaves granularity and range. */
enum qb_err qb_scheme_part_parse(struct qb_scheme_part *out, const char *format,
	struct qb_errbuf *eb);

/* What an integer format means for activations: affine, with a zero point, as the field does. */
struct qb_format qb_activation_format(const struct qb_format *f);

/* Which values of a prepared graph are quantized: role[value->index]. The same for every scheme.
 *
 * The rule is that of AIMET and of the FP8 papers:
 * - weights: constants that feed the weight input of a Conv or ConvTranspose, or either operand of a Gemm or MatMul.
 *   Biases (which int8 execution holds in 32 bits) and all other constants stay float;
 * - activations: the output of every operator of class MATMUL or ELTWISE after fusion, and whatever else feeds one of
 *   them (the network's inputs among it), directly or through operators that only move values;
 * - an operator that only moves values shares the quantizer of its input. One that joins several (Concat) has
 *   a quantizer of its own unless all it joins share one;
 * - a Softmax whose output feeds no quantized operator stays float: it is the answer, not a step on the way.
 * - masks of attention, which are arithmetic on integer inputs, and scores on the way into a Softmax once a mask is added
 *   stay float: no grid holds both scores and -1e38.
 * Only float32 values have quantizers. */
enum qb_role { QB_ROLE_FLOAT, QB_ROLE_WEIGHT, QB_ROLE_ACTIVATION };
struct qb_placement {
	int values;
	enum qb_role *role;
	int *weight_axis;   /* channel axis of a weight */
	int *shares;        /* index of the value whose quantizer this one shares (pooling, reshape), or -1 */
};
enum qb_err qb_placement_create(struct qb_placement **out, const struct qb_graph *g,
	struct qb_errbuf *eb);
void qb_placement_destroy(struct qb_placement **p);

/* part[value->index]: what each quantizer of its own follows, NULL where the value stays float or shares a quantizer.
 * A layer of the scheme that names nothing is an error that lists near names. */
enum qb_err qb_scheme_parts(const struct qb_scheme *s, const struct qb_graph *g,
	const struct qb_placement *p, const struct qb_scheme_part **part, struct qb_errbuf *eb);

/* The quantizers of one scheme on one graph: q[value->index], NULL where float. */
struct qb_quantization {
	struct qb_scheme scheme;
	int values;
	struct qb_quantizer **q;
	bool *shared; /* q[i] belongs to another value; this one is on its grid already */
	int *axis;    /* channel axis of a weight */
	float **constant; /* [values], NULL where untouched: what a method decided that a constant becomes. Of a quantized
	                   * weight: numbers on the grid of q[i]; of a bias: any numbers */
};
/* observer[value->index] for activations (filled by a calibration pass; NULL for weights). */
enum qb_err qb_quantization_create(struct qb_quantization **out, const struct qb_scheme *s,
	const struct qb_graph *g, const struct qb_placement *p,
	struct qb_observer *const *observer, struct qb_errbuf *eb);
void qb_quantization_destroy(struct qb_quantization **q);

/* Does the scheme run with other numbers than those that the file holds for this constant? */
bool qb_quantization_changes(const struct qb_quantization *q, const struct qb_value *constant);
/* y = the numbers that the scheme runs with, in the constant's own layout: what a method decided, else the quantized
 * weight, else the constant itself. Adds to sums if not NULL (against the constant). Simulation, integer plans, sizes
 * and files all take constants from here. */
enum qb_err qb_quantization_constant(const struct qb_quantization *q, const struct qb_value *constant,
	float *y, struct qb_qdq_sums *sums, struct qb_errbuf *eb);
/* Decides: copies y. */
enum qb_err qb_quantization_override(struct qb_quantization *q, const struct qb_value *constant,
	const float *y, struct qb_errbuf *eb);

/* Whether any value of the graph carries a quantizer of the file's. */
bool qb_graph_carries(const struct qb_graph *g);
/* The quantizer that v carries, which has scales. QB_EUNSUPPORTED for blocks, whose values lie on the grid already. */
enum qb_err qb_quantizer_carried(struct qb_quantizer *q, const struct qb_value *v,
	struct qb_errbuf *eb);
/* The format of such codes: int8 and the like, e4m3fn and the like. */
enum qb_err qb_format_of_codes(struct qb_format *out, enum qb_dtype code, struct qb_errbuf *eb);

/* A weight seen as [outer, channels, inner] around its channel axis. */
void qb_weight_extents(const struct qb_value *w, int axis, int64_t *outer, int64_t *channels,
	int64_t *inner);
/* y = Q(weight), in the weight's own layout; adds to sums if not NULL. Blocks run along all that one output channel
 * sums over. */
enum qb_err qb_quantize_weight(const struct qb_quantizer *q, const struct qb_value *w, int axis,
	float *y, struct qb_qdq_sums *sums, struct qb_errbuf *eb);

#endif
