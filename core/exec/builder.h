/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator says to a plan under construction (core/exec builds it): where its inputs are, which layouts it
 * wants, which function computes it, or which primitive of oneDNN (core/exec/onednn.h). A buffer is a piece of a session's
 * arena.
 */
#ifndef QB_EXEC_BUILDER_H
#define QB_EXEC_BUILDER_H

#include "core/exec/layout.h"
#include "core/exec/lower/lowered.h"
#include "core/graph/graph.h"
#include "core/quant/quantizer.h"

struct qb_builder;

/* A weight of the plan, among buffers. */
#define QB_CALL_WEIGHT(id) (-1 - (id))

/* Elements in a buffer, whose ids begin at 1, or a weight. layout is meaningful for float32; other types are dense and
 * row-major. */
struct qb_place {
	int buffer;
	struct qb_layout layout;
};

/* The lowered operator that alone reads v, and the one that computes it; NULL where there is none. */
const struct qb_lowered *qb_builder_only_user(const struct qb_builder *b, const struct qb_value *v);
const struct qb_lowered *qb_builder_producer(const struct qb_builder *b, const struct qb_value *v);
/* v is observed: it must be there after its node's step. */
bool qb_builder_is_observed(const struct qb_builder *b, const struct qb_value *v);
/* The step being planned does the work of the operator n, a later one, too: it gets none of its own. */
enum qb_err qb_builder_absorb(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb);
/* Whether a value is anywhere yet. */
bool qb_builder_has(const struct qb_builder *b, const struct qb_value *v);
/* Where the value is. */
const struct qb_place *qb_builder_home(const struct qb_builder *b, const struct qb_value *v);
/* The value in the layout `want`: its home, or a copy that a reorder makes once for all who want it. */
enum qb_err qb_builder_source(struct qb_builder *b, const struct qb_value *v,
	const struct qb_layout *want, struct qb_place *out, struct qb_errbuf *eb);
/* The same, row-major. */
enum qb_err qb_builder_dense(struct qb_builder *b, const struct qb_value *v, struct qb_place *out,
	struct qb_errbuf *eb);
/* The same, in a layout of strides alone: its home, unless that is blocked or has gaps. */
enum qb_err qb_builder_plain(struct qb_builder *b, const struct qb_value *v, struct qb_place *out,
	struct qb_errbuf *eb);
/* Room for what is no node's output. */
enum qb_err qb_builder_room(struct qb_builder *b, size_t bytes, int *buffer, struct qb_errbuf *eb);
/* Room for a node's output in a layout. */
enum qb_err qb_builder_define(struct qb_builder *b, const struct qb_value *v,
	const struct qb_layout *layout, struct qb_place *out, struct qb_errbuf *eb);
/* The output is the input's buffer, seen in another shape. */
enum qb_err qb_builder_alias(struct qb_builder *b, const struct qb_value *v, int buffer,
	const struct qb_layout *layout, struct qb_errbuf *eb);
/* A constant in the layout `want`; `as` describes its row-major data. *id names it in an argument. A quantized scheme
 * replaces it. */
enum qb_err qb_builder_weight(struct qb_builder *b, const struct qb_value *v,
	const struct qb_layout *as, const struct qb_layout *want, int *id,
	struct qb_errbuf *eb);
/* An operand in the layout `want`, `as` describing its row-major elements in the same dimensions: a constant as a weight,
 * anything else reordered in every run. */
enum qb_err qb_builder_operand(struct qb_builder *b, const struct qb_value *v, const struct qb_layout *as,
	const struct qb_layout *want, struct qb_place *out, struct qb_errbuf *eb);
/* The same as a call declares it among what it reads, row-major or channels last. */
enum qb_err qb_builder_read(struct qb_builder *b, const struct qb_value *v, bool channels_last, int *read, struct qb_errbuf *eb);

/* A constant in a form that no layout describes: make writes it into zeroed memory from row-major numbers, the scheme's in
 * their turn. context is copied. */
typedef void qb_weight_fn(const void *context, const float *numbers, float *to);
enum qb_err qb_builder_made_weight(struct qb_builder *b, const struct qb_value *v, qb_weight_fn *make,
	const void *context, size_t context_bytes, size_t numbers, int *id, struct qb_errbuf *eb);

/* A step that calls a function. Life and place of every buffer follow from what the steps declare here. */
enum { QB_CALL_READS = 9, QB_CALL_WRITES = 4, QB_CALL_SCRATCH = 2 };
/* Where the operands lie, in the order in which the step declares them; NULL where it declares none. */
struct qb_operands {
	const void *read[QB_CALL_READS];
	void *write[QB_CALL_WRITES], *scratch[QB_CALL_SCRATCH];
};
typedef void qb_call_fn(const void *context, const struct qb_operands *at);
struct qb_call {
	const char *name;
	qb_call_fn *fn;
	const void *context; /* copied into the plan */
	size_t context_bytes;
	int reads[QB_CALL_READS];   /* buffers and weights; 0: none */
	int writes[QB_CALL_WRITES]; /* buffers; one that is read too is changed in place */
	size_t scratch[QB_CALL_SCRATCH]; /* bytes of memory for the call alone, 64-byte aligned, its contents undefined */
};
#define QB_CONTEXT(c) .context = &(c), .context_bytes = sizeof(c)
enum qb_err qb_builder_call(struct qb_builder *b, const struct qb_node *n, const struct qb_call *call,
	struct qb_errbuf *eb);

/* The sum of a value over the shards of a batch, which the shards wait for (core/exec/shards.h); float32 or float64. */
enum qb_err qb_builder_shard_sum(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb);

/* Integer plans. A quantized value lies as bytes, u for scale * (u - zero): channels last for images [N,C,H,W], which
 * are what windows slide over and what such images are made into; row-major otherwise. `stride` bytes hold the channels
 * of one pixel: a multiple of 4 unless there are fewer than 4. */
struct qb_bytes {
	int buffer;
	int64_t pixels, channels, stride;
	int64_t inner; /* pixels of one image; 1 where bytes are row-major. The row-major index of channel c of pixel p is
	                * (p / inner * channels + c) * inner + p % inner */
	float scale;
	int zero, top; /* bytes are 0 to top */
};
/* The value as bytes, quantized from float where it is not there yet. QB_EUNSUPPORTED when it has no integer
 * quantizer. */
enum qb_err qb_builder_bytes(struct qb_builder *b, const struct qb_value *v, struct qb_bytes *out,
	struct qb_errbuf *eb);
/* Is or will the value be bytes? *out, if not NULL, then says which, but for the buffer. */
bool qb_builder_has_bytes(const struct qb_builder *b, const struct qb_value *v, struct qb_bytes *out);
/* Where the value lies as bytes; NULL where it is none yet. */
const struct qb_bytes *qb_builder_home_bytes(const struct qb_builder *b, const struct qb_value *v);
enum qb_err qb_builder_define_bytes(struct qb_builder *b, const struct qb_value *v,
	struct qb_bytes *out, struct qb_errbuf *eb);
/* Is the value an output of the network, read by nothing else and observed by nobody? Its step may then write *out, row-major
 * floats, itself: what the bytes *q (of no buffer) say. QB_EUNSUPPORTED otherwise. */
enum qb_err qb_builder_define_dequantized(struct qb_builder *b, const struct qb_value *v, struct qb_bytes *q,
	struct qb_place *out, struct qb_errbuf *eb);
/* The output is the input's bytes under another shape; QB_EUNSUPPORTED when they would lie otherwise. */
enum qb_err qb_builder_alias_bytes(struct qb_builder *b, const struct qb_value *v,
	const struct qb_value *of, struct qb_errbuf *eb);
/* The quantizer of a weight, NULL when it has none that integers can hold. */
const struct qb_quantizer *qb_builder_weight_quantizer(const struct qb_builder *b,
	const struct qb_value *w);
/* The integers of a quantized weight in its own layout; lives as long as the plan. */
const int8_t *qb_builder_weight_codes(struct qb_builder *b, const struct qb_value *w);
/* The numbers that the scheme runs with in place of a float constant, a bias above all; they live as long as the plan. */
enum qb_err qb_builder_constant(struct qb_builder *b, const struct qb_value *v, const float **out, struct qb_errbuf *eb);
/* Memory that lives as long as the plan, zeroed, 64-byte aligned. */
void *qb_builder_alloc(struct qb_builder *b, size_t count, size_t size);
int qb_builder_threads(const struct qb_builder *b);
/* Is the plan frozen: no scheme will replace its weights and no value is observed? Then everything may be fused and
 * prepacked. */
bool qb_builder_is_frozen(const struct qb_builder *b);
bool qb_builder_is_training(const struct qb_builder *b);

/* The plain path: qb_lowered_eval on row-major buffers. */
enum qb_err qb_builder_eval(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb);

#endif
