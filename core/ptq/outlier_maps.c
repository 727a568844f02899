/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/outlier_maps.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/size.h"

/* Cell i of n things holds [i * n / cells, (i + 1) * n / cells). */
static int64_t begin_of(int64_t i, int64_t n, int64_t cells)
{
	return i * n / cells;
}

/* The tokens that count, in their order; returns how many. */
static int64_t list_tokens(int64_t *token, int64_t tokens, const bool *kept)
{
	int64_t n = 0;

	for (int64_t t = 0; t < tokens; t++) {
		if (!kept || kept[t]) {
			token[n++] = t;
		}
	}
	return n;
}

static float channel_max(const float *x, int64_t channels, int64_t channel, const int64_t *token, int64_t n)
{
	float most = 0;

	for (int64_t i = 0; i < n; i++) {
		most = fmaxf(most, fabsf(x[token[i] * channels + channel]));
	}
	return most;
}

/* The channel of [from, to) with the largest magnitude. */
static int64_t pick_channel(const float *x, int64_t channels, int64_t from, int64_t to, const int64_t *token, int64_t n)
{
	int64_t best = from;
	float most = -1;

	for (int64_t c = from; c < to; c++) {
		float a = channel_max(x, channels, c, token, n);

		if (a > most) {
			most = a;
			best = c;
		}
	}
	return best;
}

static float largest(const float *x, int64_t channels, int64_t channel, const int64_t *token, int64_t n)
{
	float best = 0;

	for (int64_t i = 0; i < n; i++) {
		float v = x[token[i] * channels + channel];

		best = i == 0 || fabsf(v) > fabsf(best) ? v : best;
	}
	return best;
}

void qb__outlier_map_fini(struct qb_outlier_map *m)
{
	free(m->position);
	free(m->channel);
	free(m->value);
	*m = (struct qb_outlier_map){0};
}

static void fill_map(struct qb_outlier_map *m, const float *x, int64_t channels, const int64_t *token, int64_t n)
{
	for (int64_t c = 0; c < m->channels; c++) {
		m->channel[c] = pick_channel(x, channels, begin_of(c, channels, m->channels), begin_of(c + 1, channels, m->channels),
			token, n);
	}
	for (int64_t p = 0; p < m->positions; p++) {
		int64_t from = begin_of(p, n, m->positions), to = begin_of(p + 1, n, m->positions);

		m->position[p] = token[from];
		for (int64_t c = 0; c < m->channels; c++) {
			m->value[p * m->channels + c] = largest(x, channels, m->channel[c], token + from, to - from);
		}
	}
}

bool qb__outlier_map_take(struct qb_outlier_map *m, const float *x, int64_t tokens, int64_t channels, const bool *kept)
{
	int64_t *token = calloc((size_t)tokens, sizeof(*token)), n;
	bool ok;

	if (!token) {
		return false;
	}
	n = list_tokens(token, tokens, kept);
	m->positions = QB_MIN(n, (int64_t)QB_MAP_SIDE);
	m->channels = QB_MIN(channels, (int64_t)QB_MAP_SIDE);
	m->position = calloc((size_t)m->positions + 1, sizeof(*m->position));
	m->channel = calloc((size_t)m->channels + 1, sizeof(*m->channel));
	m->value = calloc((size_t)(m->positions * m->channels) + 1, sizeof(*m->value));
	ok = m->position && m->channel && m->value;
	if (ok) {
		fill_map(m, x, channels, token, n);
	}
	free(token);
	return ok;
}

void qb__attention_map_fini(struct qb_attention_map *m)
{
	free(m->position);
	free(m->value);
	*m = (struct qb_attention_map){0};
}

static void fill_attention(struct qb_attention_map *map, const struct qb_attention_matrix *m, const int64_t *token, int64_t n)
{
	for (int64_t q = 0; q < n; q++) {
		for (int64_t k = 0; k < n; k++) {
			/* The cell of i is the last that begins at or before it. */
			int64_t row = ((q + 1) * map->positions - 1) / n, column = ((k + 1) * map->positions - 1) / n;
			float *cell = &map->value[row * map->positions + column];

			*cell = fmaxf(*cell, m->p[token[q] * m->row + token[k] * m->column]);
		}
	}
	for (int64_t i = 0; i < map->positions; i++) {
		map->position[i] = token[begin_of(i, n, map->positions)];
	}
}

bool qb__attention_map_take(struct qb_attention_map *map, const struct qb_attention_matrix *m, int64_t side)
{
	int64_t *token = calloc((size_t)m->tokens, sizeof(*token)), n;
	bool ok;

	if (!token) {
		return false;
	}
	n = list_tokens(token, m->tokens, m->kept);
	map->positions = QB_MIN(n, side);
	map->position = calloc((size_t)map->positions + 1, sizeof(*map->position));
	map->value = calloc((size_t)(map->positions * map->positions) + 1, sizeof(*map->value));
	ok = map->position && map->value;
	if (ok) {
		fill_attention(map, m, token, n);
	}
	free(token);
	return ok;
}
