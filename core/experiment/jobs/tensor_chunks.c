/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/jobs/tensor_chunks.h"

#include "core/base/size.h"

static int64_t common_multiple(int64_t a, int64_t b)
{
	int64_t x = a, y = b;

	while (y) {
		int64_t rest = x % y;

		x = y;
		y = rest;
	}
	return a / x * b;
}

/* Elements of a part of a line: whole blocks of every format; 0 where none is that small. */
static int64_t part_of(const struct qb_survey_options *opt)
{
	int64_t blocks = opt->block;

	for (int i = 0; i < opt->formats && blocks <= QB_CHUNK; i++) {
		blocks = opt->format[i].block ? common_multiple(blocks, opt->format[i].block) : blocks;
	}
	return QB_CHUNK / blocks * blocks;
}

struct qb_chunks qb__chunks_of(const struct qb_tensor_source_tensor *t, int axis,
	const struct qb_survey_options *opt)
{
	struct qb_chunks g = {.elements = t->elements, .outer = 1, .channels = 1, .inner = 1,
		.line = t->ndim ? t->dim[t->ndim - 1] : 1, .part = part_of(opt)};

	for (int i = 0; i < t->ndim; i++) {
		*(i < axis ? &g.outer : i == axis ? &g.channels : &g.inner) *= t->dim[i];
	}
	if (axis < 0) {
		g.outer = g.elements / g.line;
		g.inner = g.line;
	}
	g.lines_a_chunk = g.line <= QB_CHUNK ? QB_CHUNK / g.line : 0;
	if (g.lines_a_chunk) {
		g.chunks = (g.elements / g.line + g.lines_a_chunk - 1) / g.lines_a_chunk;
	} else if (g.part) {
		g.chunks_a_line = (g.line + g.part - 1) / g.part;
		g.chunks = g.elements / g.line * g.chunks_a_line;
	}
	return g;
}

void qb__chunk_at(const struct qb_chunks *g, int64_t i, int64_t *first, int64_t *n)
{
	if (g->lines_a_chunk) {
		*first = i * g->lines_a_chunk * g->line;
		*n = QB_MIN(g->lines_a_chunk * g->line, g->elements - *first);
	} else {
		int64_t at = i % g->chunks_a_line * g->part;

		*first = i / g->chunks_a_line * g->line + at;
		*n = QB_MIN(g->part, g->line - at);
	}
}

struct qb_chunk_run qb__chunk_run_at(const struct qb_chunks *g, int64_t first, int64_t n, int64_t at)
{
	struct qb_chunk_run r = {.at = at};
	int64_t from = first + at;

	if (g->inner > 1) {
		int64_t row = from / g->inner, left = n - at, whole;

		r.channel = row % g->channels;
		whole = QB_MIN(left / g->inner, g->channels - r.channel);
		r.channels = whole > 0 && from % g->inner == 0 ? whole : 1;
		r.width = whole > 0 && from % g->inner == 0 ? g->inner : QB_MIN(left, g->inner - from % g->inner);
		r.rows = 1;
	} else {
		r.channel = from % g->channels;
		r.channels = QB_MIN(n - at, g->channels - r.channel);
		r.rows = r.channels == g->channels ? (n - at) / g->channels : 1;
	}
	return r;
}

int64_t qb__chunk_run_size(const struct qb_chunk_run *r)
{
	return r->channels * (r->width ? r->width : r->rows);
}
