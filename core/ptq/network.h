/* SPDX-License-Identifier: Apache-2.0
 *
 * A network at one batch size: bound, placed, planned, with its schemes laid over the float plan.
 */
#ifndef QB_PTQ_NETWORK_H
#define QB_PTQ_NETWORK_H

#include <jansson.h>

#include "core/exec/exec.h"
#include "core/graph/graph.h"
#include "core/quant/quantization.h"

struct qb_network {
	int64_t batch;
	struct qb_graph *graph;
	struct qb_placement *placement;
	bool *observed; /* quantized activations, which observers read */
	struct qb_plan *plan;
	int schemes;
	struct qb_quantization **quantization; /* [schemes] */
	struct qb_overlay **overlay;           /* [schemes] */
};

/* Binds the prepared model to a batch and plans it; threads: of one step. */
enum qb_err qb_network_create(struct qb_network **out, const struct qb_graph *model,
	int64_t batch, int threads, struct qb_errbuf *eb);
/* The same, whose observed values are those of which chosen[value->index] holds, by the indices of the model bound to that batch,
 * instead of those that are quantized. */
enum qb_err qb_network_create_observing(struct qb_network **out, const struct qb_graph *model,
	int64_t batch, int threads, const bool *chosen, struct qb_errbuf *eb);
/* A network for float alone, frozen. Nothing can be observed or quantized, so all that can be fused is. */
enum qb_err qb_network_create_frozen(struct qb_network **out, const struct qb_graph *model,
	int64_t batch, int threads, struct qb_errbuf *eb);
/* A network for the last samples of the data, fewer than a batch of `main`: its values have the same indices, its
 * quantizers are those of `main`, if there are any yet. */
enum qb_err qb_network_create_rest(struct qb_network **out, const struct qb_graph *model,
	int64_t rest, const struct qb_network *main, struct qb_errbuf *eb);
void qb_network_destroy(struct qb_network **network);

/* Quantizers of each scheme from the calibrated observers [values], and their overlays. */
enum qb_err qb_network_quantize(struct qb_network *n, const struct qb_scheme *const *scheme, int schemes,
	struct qb_observer *const *observer, struct qb_errbuf *eb);
/* The same quantizers as another network of the same model, which keeps them and must live longer. */
enum qb_err qb_network_quantize_like(struct qb_network *n, const struct qb_network *other,
	struct qb_errbuf *eb);

/* One of them alone, of a network whose graph is `of`: by the names of values. */
enum qb_err qb_network_quantize_as(struct qb_network *n, const struct qb_quantization *q,
	const struct qb_graph *of, struct qb_errbuf *eb);

/* Whether inputs have dimensions besides the batch that are free, until data says them. */
bool qb_model_is_free(const struct qb_graph *model);
/* [sentence] of what was changed in a network before it ran; NULL: nothing. New. */
json_t *qb_model_notes(const struct qb_graph *model);
/* The batch that the model itself demands, or 0 when it is free. */
int64_t qb_model_batch(const struct qb_graph *model);

#endif
