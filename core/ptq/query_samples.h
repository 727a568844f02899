/* SPDX-License-Identifier: Apache-2.0
 *
 * The first samples of a data set in memory, with room for a network's outputs: what a latency query needs.
 */
#ifndef QB_PTQ_QUERY_SAMPLES_H
#define QB_PTQ_QUERY_SAMPLES_H

#include "core/graph/graph.h"
#include "core/tensor/dataset.h"

/* Opens a data file for a model's inputs, whose free dimensions (the length of a text) become those of the data, and
 * prepares the model. */
enum qb_err qb_open_data(struct qb_dataset **out, const char *path, struct qb_graph *model,
	const struct qb_preprocess *preprocess, struct qb_errbuf *eb);

struct qb_sample;

/* As many rows as the bound graph takes at a time. */
enum qb_err qb_sample_create(struct qb_sample **out, const struct qb_graph *graph,
	const struct qb_dataset *data, struct qb_errbuf *eb);
void qb_sample_destroy(struct qb_sample **sample);
const void *const *qb_sample_inputs(const struct qb_sample *sample);
void *const *qb_sample_outputs(const struct qb_sample *sample);

#endif
