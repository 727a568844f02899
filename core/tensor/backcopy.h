/* SPDX-License-Identifier: Apache-2.0
 *
 * The bigram-backcopy task (Guo et al., "Active-Dormant Attention Heads", 2024): behind a start token, tokens drawn from the bigram
 * table of a text; but after a trigger, one of the text's most frequent tokens, comes the token before the trigger.
 *
 * The first token is no trigger, so that no two triggers follow each other. The text is taken as a ring, so that every token has
 * a follower.
 */
#ifndef QB_TENSOR_BACKCOPY_H
#define QB_TENSOR_BACKCOPY_H

#include "core/tensor/text.h"

enum { QB_BACKCOPY_TRIGGERS = 16, QB_BACKCOPY_LARGEST_TOKEN = 0xfffff };

struct qb_backcopy;

/* Its memory is that of the text and 8 bytes a token of the vocabulary (while it is made 8 bytes more a token of the text). Fails where the text has no tokens but triggers. */
enum qb_err qb_backcopy_create(struct qb_backcopy **out, const struct qb_text *text, int triggers, struct qb_errbuf *eb);
void qb_backcopy_destroy(struct qb_backcopy **backcopy);

/* In ascending order. */
int qb_backcopy_triggers(const struct qb_backcopy *b, const int64_t **trigger);
bool qb_backcopy_is_trigger(const struct qb_backcopy *b, int64_t token);

/* The token after `last`, before which `before` was; last negative: the first of a sequence. u: uniform on [0, 1). */
int64_t qb_backcopy_next(const struct qb_backcopy *b, int64_t before, int64_t last, double u);
/* -log of the probability with which next follows. */
double qb_backcopy_nats(const struct qb_backcopy *b, int64_t before, int64_t last, int64_t next);

#endif
