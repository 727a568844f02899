/* SPDX-License-Identifier: Apache-2.0
 *
 * The first samples of a data set in memory, with buffers for a network's outputs: the data of a latency query.
 */
#ifndef QB_PTQ_QUERY_SAMPLES_H
#define QB_PTQ_QUERY_SAMPLES_H

#include "core/graph/graph.h"
#include "core/tensor/dataset.h"

/* What of a file becomes samples. */
struct qb_data_source {
	const char *path;
	const struct qb_preprocess *preprocess; /* of arrays */
	const struct qb_text_config *text;      /* windows of tokens; NULL: arrays named after the inputs */
	bool plain;                             /* core/tensor/text.h */
	double from, to;                        /* the part of a text, as shares of it; to 0: its end */
};

/* Opens a data file for a model's inputs, whose free dimensions (the length of a text) become those of the data, and
 * prepares the model. */
enum qb_err qb_open_data(struct qb_dataset **out, const struct qb_data_source *source, struct qb_graph *model,
	struct qb_errbuf *eb);

/* The same for a model that is not prepared, and stays so: for training, whose windows of a text are others than those of
 * evaluations. */
enum qb_err qb_open_samples(struct qb_dataset **out, const struct qb_data_source *source, struct qb_graph *model,
	struct qb_errbuf *eb);

/* More data for a model that is prepared, of the shapes that it has. */
enum qb_err qb_open_more_data(struct qb_dataset **out, const struct qb_data_source *source, const struct qb_graph *model,
	struct qb_errbuf *eb);

struct qb_query_samples;

/* As many rows as the bound graph takes at a time. */
enum qb_err qb_query_samples_create(struct qb_query_samples **out, const struct qb_graph *graph,
	const struct qb_dataset *data, struct qb_errbuf *eb);
void qb_query_samples_destroy(struct qb_query_samples **sample);
const void *const *qb_query_samples_inputs(const struct qb_query_samples *sample);
void *const *qb_query_samples_outputs(const struct qb_query_samples *sample);

#endif
