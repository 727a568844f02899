/* SPDX-License-Identifier: Apache-2.0
 *
 * How a survey cuts a tensor, and which channels the elements of a chunk belong to.
 */
#ifndef QB_JOBS_TENSOR_CHUNKS_H
#define QB_JOBS_TENSOR_CHUNKS_H

#include "core/experiment/jobs/tensor_survey.h"

/* A chunk and its quantized copy stay in the second-level cache while every format passes over them. */
enum { QB_CHUNK = 32768 };

/* The tensor as [outer, channels, inner], cut into chunks of whole lines, or of parts of a line that is longer. A line
 * runs along the innermost dimension, as blocks do. */
struct qb_chunks {
	int64_t elements, outer, channels, inner, line;
	int64_t chunks, lines_a_chunk, chunks_a_line, part;
};

/* axis: of channels, -1: none. Parts of lines are whole blocks of every format; chunks is 0 where none is that small. */
struct qb_chunks qb__chunks_of(const struct qb_tensor_source_tensor *t, int axis, const struct qb_survey_options *opt);
/* The i-th chunk: its first element and how many it has. */
void qb__chunk_at(const struct qb_chunks *g, int64_t i, int64_t *first, int64_t *n);

/* A part of a chunk whose elements belong to neighbouring channels: x[k * width] of channel + k; with width 0 a row, or
 * several, of one element a channel. */
struct qb_chunk_run {
	int64_t at, channel, channels, width, rows;
};

/* The run that begins at element `at` of the chunk that begins at `first` and holds n. */
struct qb_chunk_run qb__chunk_run_at(const struct qb_chunks *g, int64_t first, int64_t n, int64_t at);
int64_t qb__chunk_run_size(const struct qb_chunk_run *r);

#endif
