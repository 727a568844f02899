/* SPDX-License-Identifier: Apache-2.0
 *
 * The sequences of a data set through a network in float, and chosen values of it, one sequence at a time: what reports on
 * transformers are made of. Padding is told apart where the network takes a mask. Results that are kept by slot and added up when
 * a window closes do not depend on the number of threads.
 */
#ifndef QB_PTQ_SEQUENCES_H
#define QB_PTQ_SEQUENCES_H

#include "core/graph/attention.h"
#include "core/graph/residual.h"
#include "core/tensor/dataset.h"

struct qb_sequences {
	struct qb_graph *graph;  /* bound to `batch`: to choose values of */
	struct qb_attention_list attention;
	struct qb_residual_stream stream;
	int64_t batch, tokens;   /* sequences that run at a time; tokens of one, padding included */
	int padding;             /* the input that says which tokens are padding; -1: none do */
	int64_t count;           /* sequences that will run */
	int64_t slots;           /* batches of a window */
	int threads;
	/* private */
	const struct qb_graph *model;
	const struct qb_dataset *data;
};

/* One sequence of a value that was chosen. */
struct qb_sequence {
	int64_t slot;     /* of the window */
	int thread;
	int64_t number;   /* of the sequence, from 0, in the order of the data */
	int value;        /* value->index of the bound graph */
	const float *x;   /* the value's elements of this sequence, without the batch; of rank 4 channels (dimension 1) innermost */
	const bool *kept; /* [tokens]: false: padding. NULL: all count */
};

struct qb_sequence_work {
	void (*see)(void *arg, const struct qb_sequence *s); /* in several threads; for one slot in one at a time */
	void (*close)(void *arg, int64_t slots);             /* slots [0, slots) are done, in the order of the data */
	enum qb_err (*progress)(void *arg, double share, struct qb_errbuf *eb); /* its error ends the run; or NULL */
	void *arg;
};

/* model: prepared. samples: the data's first; 0: all. Fails with QB_EUNSUPPORTED where there are no tokens: neither a residual stream
 * nor attention. */
enum qb_err qb_sequences_create(struct qb_sequences **out, const struct qb_graph *model, const struct qb_dataset *data,
	int64_t samples, int threads, struct qb_errbuf *eb);
void qb_sequences_destroy(struct qb_sequences **s);
/* chosen[value->index] of the bound graph. */
enum qb_err qb_sequences_run(struct qb_sequences *s, const bool *chosen, const struct qb_sequence_work *work, struct qb_errbuf *eb);

#endif
