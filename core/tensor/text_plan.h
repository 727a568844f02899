/* SPDX-License-Identifier: Apache-2.0
 *
 * What windows a text is cut into for a network, and which tokens there are, from sizes alone: what opening a text and
 * checking a job before it runs have in common.
 */
#ifndef QB_TENSOR_TEXT_PLAN_H
#define QB_TENSOR_TEXT_PLAN_H

#include "core/tensor/binding.h"
#include "core/tensor/text.h"

/* name, summary */
#define QB_TEXT_TASKS(X) \
	X(MASKED, "masked", "some tokens are masked and to be found (BERT)") \
	X(CAUSAL, "causal", "the next token of each") \
	X(BIGRAM_BACKCOPY, "bigram_backcopy", "sequences made from the text's bigrams, in which a token after a trigger is copied")
#define QB_TEXT_ORDERS(X) \
	X(RANDOM, "random", "windows that begin anywhere, anew each epoch") \
	X(STRIDED, "strided", "windows every so many tokens, in another order each epoch")

enum qb_text_task {
#define X(id, name, summary) QB_TEXT_##id,
	QB_TEXT_TASKS(X)
#undef X
};
enum qb_text_order {
#define X(id, name, summary) QB_TEXT_##id,
	QB_TEXT_ORDERS(X)
#undef X
};
/* By their kinds; NULL at the end. */
extern const char *const qb_text_task_names[], *const qb_text_order_names[];

enum {
	QB_TEXT_IGNORE = -100,  /* the label of a place that does not count */
	QB_TEXT_LENGTH = 128,   /* of windows, where nothing else says */
	QB_TEXT_INPUTS = 5,     /* of a network at most: tokens, and those of core/tensor/text_plan.c's table */
};

struct qb_text_config {
	int task;            /* enum qb_text_task */
	int64_t length;      /* tokens of a window; 0: the network's, or the rows', or QB_TEXT_LENGTH */
	int windows;         /* enum qb_text_order: of training */
	int64_t stride;      /* of strided windows; 0: length */
	int64_t sequences;   /* random windows of an epoch, and made sequences; 0: tokens / length */
	double mask;         /* share of the tokens that are to be found */
	int64_t vocabulary;  /* tokens of an array that are no specials; 0: one more than the largest. Of plain texts QB_TEXT_BYTES */
	int64_t mask_token, start_token, padding_token; /* -1: the vocabulary's first, second, third beyond it */
	int triggers;        /* of bigram_backcopy */
};

/* BERT's shares, windows that begin anywhere, specials behind the vocabulary. */
void qb_text_config_init(struct qb_text_config *c);

struct qb_text_plan {
	int64_t length, count;        /* tokens of a window; windows: of an epoch, or of the whole text */
	int64_t words;                /* tokens that are no specials */
	int64_t mask, start, padding; /* tokens; padding stands in given rows alone and never counts */
	int64_t vocabulary;           /* that a network needs, whichever the task */
	int64_t largest;              /* token that this task can feed or ask for */
	int tokens_input;             /* the input that takes tokens */
};

/* training: windows to train on; else those that evaluate all of the text. Fails with the field of the job's "text" that is at
 * fault, or where the inputs are none for tokens. */
enum qb_err qb_text_plan(struct qb_text_plan *out, const struct qb_text_shape *text, const struct qb_text_config *c, bool training,
	const struct qb_input_spec *input, int inputs, struct qb_errbuf *eb);

/* What the inputs of transformers beside their tokens are fed. */
enum qb_text_role { QB_TEXT_TOKENS, QB_TEXT_ATTENTION /* 1, at padding 0 */, QB_TEXT_ZEROS /* of one segment */, QB_TEXT_POSITIONS };
enum qb_text_role qb_text_role(const struct qb_text_plan *plan, const struct qb_input_spec *input, int i);

#endif
