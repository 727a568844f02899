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
#include "core/quant/range.h"

#define QB_GRANULARITY_NAMES(X) \
	X(QB_PER_TENSOR, "per_tensor") \
	X(QB_PER_CHANNEL, "per_channel") \
	X(QB_PER_BLOCK, "per_block")
enum qb_granularity {
#define X(id, name) id,
	QB_GRANULARITY_NAMES(X)
#undef X
};
const char *qb_granularity_name(enum qb_granularity g); /* "per_tensor" ... */

struct qb_scheme_part {
	bool quantized; /* false: float32 */
	bool any_split; /* fp8_auto: each tensor gets E2, E3, E4 or E5, whichever has the least squared error on it */
	struct qb_format format;
	enum qb_granularity granularity;
	struct qb_range_options range;
};

/* What any_split chooses among. */
enum { QB_SCHEME_SPLITS = 4 };
extern const char *const qb_scheme_splits[QB_SCHEME_SPLITS];

/* What is said of some layers alone. name is that of a tensor, of a node (its weights and its outputs), or a pattern
 * with * and ? over both. Where several apply, a tensor's name goes before a node's, that before a pattern, and
 * earlier before later. */
struct qb_scheme_layer {
	const char *name;
	struct qb_scheme_part weights, activations;
};

struct qb_scheme {
	char name[QB_FORMAT_NAME_MAX];
	bool imported; /* named "carried" in jobs; the parts then say what the file has, once there are quantizers */
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

#endif
