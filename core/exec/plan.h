/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a plan, for the files of core/exec.
 */
#ifndef QB_EXEC_PLAN_H
#define QB_EXEC_PLAN_H

#include "core/exec/exec.h"
#include "core/exec/builder.h"
#include "core/exec/onednn.h"

enum qb_step_kind {
	QB_STEP_PRIMITIVE,
	QB_STEP_CALL,
	QB_STEP_EVAL,
	QB_STEP_OBSERVE,
	QB_STEP_SHARD_SUM, /* reads one buffer and writes one of the same size; the identity where there is one shard */
};

/* Ids of buffers and, below 0, of weights (QB_CALL_WEIGHT); 0 where an optional operand is absent. */
struct qb_ids {
	int n, *id;
};

struct qb_step {
	enum qb_step_kind kind;
	const struct qb_node *node;
	const char *what, *implementation;
	const char *why_float; /* of a float step in an integer plan */
	const struct qb_lowered *lowered; /* of an evaluation */
	int common; /* 0: each shard's own. Else it is run once for all of them, after those of lower numbers (core/exec/plan_common.c) */
	struct qb_ids read, write, scratch; /* of an evaluation: one an input, then the residual; one an output */
	/* primitive */
	struct qb_primitive *primitive;
	/* sum over shards */
	enum qb_dtype dtype;
	/* call */
	qb_call_fn *fn;
	void *context;
	/* observer */
	int value;
	struct qb_place place;
	size_t numbers;      /* in the buffer, padding included */
	bool padded;
	struct qb_layout scratch_layout;    /* channels last, without padding */
	struct qb_primitive *to_scratch, *from_scratch; /* reorders; NULL where place is that already */
	const struct qb_bytes *bytes;       /* in an integer plan */
};

/* Inputs and outputs of a training plan lie where the caller has them, not in the arena. What is the same in all shards they have
 * once. */
enum qb_bound { QB_BOUND_NOT, QB_BOUND_INPUT, QB_BOUND_OUTPUT, QB_BOUND_COMMON };

/* Life of a buffer, from the first step that writes it (0: or the caller) to the last that reads or writes it, and where it
 * lies. */
struct qb_buffer {
	size_t bytes;
	int first, last; /* -1: in no step yet */
	bool observed;
	enum qb_bound bound;
	size_t offset[2]; /* [0] reused memory, [1] observed values kept */
};

/* A value's layouts: home and copies. */
struct qb_copy {
	int value;
	struct qb_place place;
	struct qb_copy *next;
};

struct qb_weight {
	const struct qb_value *value;
	struct qb_layout as, layout;
	qb_weight_fn *make; /* or NULL: reordered */
	void *context;
	void *data; /* owned unless it is the constant's own */
	bool owned;
	struct qb_memory *memory;
};

struct qb_plan {
	struct qb_arena *arena;
	const struct qb_graph *graph;
	int threads;
	enum qb_plan_mode mode;     /* an integer plan lays its own overlay over the nodes that stay float: observed */
	int steps, steps_cap;
	struct qb_step *step;
	int buffers, buffers_cap;
	struct qb_buffer *buffer;   /* [0] is none */
	int weights, weights_cap;
	struct qb_weight *weight;
	struct qb_copy **home;      /* [values]: home first, then copies */
	int *input;                 /* [graph inputs]: buffers */
	struct qb_place *output;    /* [graph outputs]: row-major */
	size_t arena_bytes[2];
	size_t scratch_bytes;       /* of primitives */
	size_t observer_scratch_bytes;
	size_t unwanted_bytes;      /* of bound outputs, for which offset[0] is their place where nobody wants them */
	size_t common_bytes;        /* of what all shards have once, for which offset[0] is its place */
	int common_stages;          /* the largest qb_step.common */
	/* integer plans */
	const struct qb_quantization *quantization;
	struct qb_bytes **bytes;    /* [values]: NULL where float */
	bool *image;                /* [values]: of four dimensions, channels last as bytes */
	struct qb_overlay *overlay; /* quantized weights of the nodes that stay float */
};

struct qb_overlay {
	const struct qb_plan *plan;
	const struct qb_quantization *quantization;
	float **constant;         /* [values]: quantized weights, row-major; NULL elsewhere */
	void **data;              /* [weights]: the same in the plan's layouts */
	struct qb_memory **memory; /* [weights] */
};

struct qb_session {
	const struct qb_plan *plan;
	bool keep;
	unsigned char *arena;
	void *scratch, *observer_scratch;
	struct qb_dnn_session *dnn;
	unsigned char *before;    /* the arena before a step, where steps are checked; else NULL */
	void **bound;             /* [buffers]: the caller's memory, NULL of those in the arena; or NULL: there are none */
	unsigned char *unwanted;  /* outputs that the caller does not want; NULL until there is one */
	unsigned char *common;    /* what all shards have once: theirs, or a lone session's own, NULL until it runs */
	bool lent;                /* it is theirs, and its steps are not this session's to run */
};

/* The buffer's memory in a session. */
static inline void *qb_session_buffer(const struct qb_session *s, int buffer)
{
	if (s->bound && s->bound[buffer]) {
		return s->bound[buffer];
	}
	return s->arena + s->plan->buffer[buffer].offset[s->keep];
}

struct qb_builder {
	struct qb_plan *plan;
	const bool *observed;
	struct qb_lowered_list lowered;
	const struct qb_node *node; /* at work */
	bool *absorbed;             /* [nodes]: by steps of operators before them; NULL: none */
};

/* Room in a plan under construction. */
enum qb_err qb__add_buffer(struct qb_builder *b, size_t bytes, int *id, struct qb_errbuf *eb);
/* Finds the steps that give the same in all shards, and where those write. */
enum qb_err qb__plan_common(struct qb_plan *plan, struct qb_errbuf *eb);
/* step declares what it reads, writes and has as scratch. */
enum qb_err qb__add_step(struct qb_builder *b, const struct qb_step *step, struct qb_errbuf *eb);
/* Of an integer plan: a value that is there as bytes alone, as float. */
enum qb_err qb__need_float(struct qb_builder *b, const struct qb_value *v, struct qb_errbuf *eb);
/* The reorder of an image of few channels from row-major to channels last by a step of our own; QB_EUNSUPPORTED of other
 * values and layouts. */
enum qb_err qb__add_channels_last(struct qb_builder *b, const struct qb_value *v, const struct qb_place *from,
	const struct qb_place *to, struct qb_errbuf *eb);
/* A list in the plan's memory; NULL ids: none yet. */
enum qb_err qb__ids(struct qb_builder *b, struct qb_ids *out, const int *id, int n, struct qb_errbuf *eb);
/* Does a step of an earlier operator do the work of n? */
static inline bool qb__is_absorbed(const struct qb_builder *b, const struct qb_node *n)
{
	return b->absorbed && b->absorbed[n->index];
}
/* Plans one operator in float, its inputs having homes. */
enum qb_err qb__plan_float(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb);
enum qb_err qb__place_inputs(struct qb_builder *b, struct qb_errbuf *eb);
enum qb_err qb__place_outputs(struct qb_builder *b, struct qb_errbuf *eb);

/* A constant's numbers in the weight's form. */
enum qb_err qb__lay_weight(const struct qb_weight *w, const float *numbers, void *to, struct qb_errbuf *eb);
void *qb__grow(struct qb_arena *arena, void *array, int count, int *cap, size_t size);
/* A plan that begins as `as`, an arena of its own added, with the steps that build_steps gives it. */
typedef enum qb_err qb__build_fn(struct qb_plan *plan, const bool *observed, struct qb_errbuf *eb);
enum qb_err qb__plan_make(struct qb_plan **out, const struct qb_plan *as, qb__build_fn *build_steps,
	const bool *observed, struct qb_errbuf *eb);
/* Of a session that checks steps: before a run, and before and after a step. */
void qb__check_run(struct qb_session *s);
void qb__check_before(struct qb_session *s, const struct qb_step *step);
enum qb_err qb__check_after(struct qb_session *s, int i, struct qb_errbuf *eb);
/* The parts of qb_session_run: inputs go in, steps [from, to) run, outputs come out. */
enum qb_err qb__session_begin(struct qb_session *s, const struct qb_run *run, struct qb_errbuf *eb);
enum qb_err qb__session_step(struct qb_session *s, const struct qb_run *run, int i, struct qb_errbuf *eb);
enum qb_err qb__session_steps(struct qb_session *s, const struct qb_run *run, int from, int to, struct qb_errbuf *eb);
void qb__session_end(struct qb_session *s, const struct qb_run *run);
enum qb_err qb__plan_layout(struct qb_plan *plan, struct qb_errbuf *eb);

#endif
