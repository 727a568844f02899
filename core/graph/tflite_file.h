/* SPDX-License-Identifier: Apache-2.0
 *
 * A TFLite file's tensors, and the values and nodes that the importer makes of them.
 *
 * TFLite images are [N,H,W,C] and its convolutions' weights end with the input channels; here every tensor of four
 * dimensions is [N,C,H,W] from the start, the network's inputs and outputs included, so that all that follows sees ONNX's
 * operators. Operators that depend on the order (a Reshape of an image) get Transposes around them.
 */
#ifndef QB_GRAPH_TFLITE_FILE_H
#define QB_GRAPH_TFLITE_FILE_H

#include "core/graph/flatbuffer.h"
#include "core/graph/graph.h"
#include "core/graph/names.h"

/* Fields by number (TFLite's schema.fbs, version 3). */
enum tfl_model { TFL_MODEL_VERSION = 0, TFL_MODEL_CODES = 1, TFL_MODEL_SUBGRAPHS = 2, TFL_MODEL_BUFFERS = 4 };
enum tfl_graph { TFL_GRAPH_TENSORS = 0, TFL_GRAPH_INPUTS = 1, TFL_GRAPH_OUTPUTS = 2, TFL_GRAPH_OPERATORS = 3 };
enum tfl_operator { TFL_OP_CODE = 0, TFL_OP_INPUTS = 1, TFL_OP_OUTPUTS = 2, TFL_OP_OPTIONS = 4 };

/* A convolution between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND: which tensors it goes between as a dilated one. */
struct tfl_dilation {
	int32_t x, y;
	int64_t rate[2], pads[4]; /* as ONNX's Conv has them */
};

struct tfl_tensor {
	const char *name;
	enum qb_dtype dtype;       /* as stored */
	int ndim;
	int64_t dim[QB_MAX_DIMS];  /* as stored */
	const uint8_t *data;       /* NULL: computed */
	size_t bytes;
	int scales;                /* 0: not quantized */
	float *scale;
	int32_t *zero;             /* [scales] */
	int axis;                  /* of the scales, when there are several */
	struct qb_value *value;    /* what it is in our graph; NULL until it is needed */
	int uses, user;            /* how many operators and outputs read it, and the last of those operators */
	const struct tfl_dilation *dilation; /* beside the convolution that this became */
};

struct tfl {
	struct qb_graph *g;
	struct qb_fb fb;
	struct qb_fb_table model, graph;
	int tensors;
	struct tfl_tensor *tensor;
	struct qb_names known;     /* of tensors */
	int names;                 /* invented so far */
	size_t copied;             /* elements of constants so far */
	struct qb_errbuf *eb;
};

/* An operator at work. */
struct tfl_op {
	struct tfl *im;
	const char *type;          /* TFLite's name */
	int code;
	int inputs, outputs;
	int32_t input[64], output[64]; /* tensors; -1: absent */
	struct qb_fb_table options;
};

enum { TFL_OPSET = 18 };

enum qb_err qb__tfl_out_of_memory(const struct tfl *im);
enum qb_err qb__tfl_damaged(const struct tfl *im);
enum qb_err qb__tfl_fail(const struct tfl_op *op, enum qb_err code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* im->tensor, all of them. */
enum qb_err qb__tfl_read_tensors(struct tfl *im);
/* Operator i, its edges checked; the type is not known yet. */
enum qb_err qb__tfl_read_operator(struct tfl *im, size_t i, struct tfl_op *op);

/* The order of the axes of a tensor of four dimensions: image[i] is which of [N,H,W,C] is axis i of [N,C,H,W]. */
extern const int qb__tfl_image[4];

/* A tensor as a value: computed ones as they stand in the graph; constants as floats (dequantized; carrying their
 * quantizer), with their axes in the order `perm` (NULL: as stored) and in the shape dim[ndim] after that (ndim -1: its
 * own). */
enum qb_err qb__tfl_value(struct tfl *im, int tensor, struct qb_value **out);
enum qb_err qb__tfl_constant(struct tfl *im, int tensor, const int *perm, int ndim, const int64_t *dim,
	struct qb_value **out);
/* The integers of a constant; *count at most max. */
enum qb_err qb__tfl_ints(const struct tfl_op *op, int input, int64_t *out, int max, int *count);

/* New values and nodes. */
struct qb_value *qb__tfl_temporary(struct tfl *im, const char *of, enum qb_dtype dtype);
struct qb_value *qb__tfl_floats(struct tfl *im, const char *of, int count, const float *x);
struct qb_value *qb__tfl_longs(struct tfl *im, const char *of, int count, const int64_t *x);
/* NULL when memory ends. */
struct qb_node *qb__tfl_node(struct tfl *im, enum qb_op_id kind, int inputs,
	struct qb_value *const *in, struct qb_value *out);

/* For the operators' files. */
enum qb_err qb__tfl_no_memory(const struct tfl_op *op);
const struct tfl_tensor *qb__tfl_in(const struct tfl_op *op, int i);
const struct tfl_tensor *qb__tfl_out(const struct tfl_op *op);
/* Four dimensions; of them, one pixel an image: channels first and last are then the same elements in the same order. */
bool qb__tfl_is_image(const struct tfl_tensor *t);
bool qb__tfl_is_pixel(const struct tfl_tensor *t);
/* An axis of [N,H,W,C] as ours. */
int64_t qb__tfl_image_axis(int64_t axis);

#endif
