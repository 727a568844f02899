/* SPDX-License-Identifier: Apache-2.0
 *
 * What a survey finds out channel by channel. x: the elements [first, first + n) of the tensor.
 */
#ifndef QB_JOBS_TENSOR_CHANNELS_H
#define QB_JOBS_TENSOR_CHANNELS_H

#include "core/experiment/jobs/tensor_chunks.h"

/* low, high [channels] become those of x, too. */
void qb__channel_extents(const struct qb_chunks *g, float *low, float *high, int64_t first, int64_t n, const float *x);

struct qb_channel_reader {
	const struct qb_chunks *g;
	struct qb_tensor_source_reader *reader;
	float *chunk, *column; /* [QB_CHUNK] */
};
/* lo, hi [formats][channels] of least error, in constant memory: a few channels in each pass over what holds them. */
enum qb_err qb__channel_ranges(const struct qb_channel_reader *r, const struct qb_survey_options *opt, float *lo, float *hi,
	struct qb_errbuf *eb);

/* Adds to sums what q, of all channels, makes of x; y [n]: scratch. */
void qb__channel_measure(const struct qb_chunks *g, const struct qb_quantizer *q, int64_t first, int64_t n, const float *x, float *y,
	struct qb_qdq_sums *sums);

#endif
