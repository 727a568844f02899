/* SPDX-License-Identifier: Apache-2.0
 *
 * What a diagnosis tells of tensors: a row each with its worst channels, and the largest channels of all activations.
 */
#ifndef QB_EXPERIMENT_REPORT_ERROR_ROWS_H
#define QB_EXPERIMENT_REPORT_ERROR_ROWS_H

#include <jansson.h>

#include "core/ptq/error_terms.h"
#include "core/mixed/mixture.h"

/* terms: of the scheme that row belongs to, whose quantizers are q. New reference. */
json_t *qb_error_rows(const struct qb_error_terms *terms, const struct qb_sweep_row *row,
	const struct qb_quantization *q, const struct qb_mixture_layers *layers);

/* The channels of activations with the largest magnitudes, one entry a channel. *out is a new reference. */
enum qb_err qb_error_rows_largest(json_t **out, const struct qb_error_terms *terms,
	const struct qb_mixture_layers *layers, struct qb_errbuf *eb);

#endif
