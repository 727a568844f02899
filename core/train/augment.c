/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/augment.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/random.h"
#include "core/base/random_stream.h"
#include "core/train/augment_warp.h"

/* A sample as [channels, height, width]; of sound, height is time. */
struct extents {
	int64_t channels, height, width;
};

static struct extents extents_of(int ndim, const int64_t *dim)
{
	if (ndim == 3) {
		return (struct extents){dim[0], dim[1], dim[2]};
	}
	return (struct extents){ndim == 2 ? dim[0] : 1, ndim ? dim[ndim - 1] : 1, 1};
}

enum qb_err qb_augment_check(const struct qb_augment_config *c, int ndim, const int64_t *dim, struct qb_errbuf *eb)
{
	struct extents e = extents_of(ndim, dim);

	if ((c->flip || c->crop || qb_augment_resamples(c)) && ndim != 3) {
		return qb_fail(eb, QB_EINVAL, "augment: flip, crop, rotate, shear, scale and brightness are for images [N,C,H,W]; "
			"samples here have %d dimensions", ndim);
	}
	if (c->shift && (ndim < 1 || ndim > 3)) {
		return qb_fail(eb, QB_EINVAL, "augment.shift: it moves samples of 1 to 3 dimensions; those here have %d", ndim);
	}
	if (c->crop > e.height || c->crop > e.width || c->shift > e.height) {
		return qb_fail(eb, QB_EINVAL, "augment: a move of %" PRId64 " leaves nothing of samples of [%" PRId64 ",%" PRId64
			"]", c->crop > c->shift ? c->crop : c->shift, e.height, e.width);
	}
	return QB_OK;
}

bool qb_augment_moves(const struct qb_augment_config *c)
{
	return c->flip || c->crop || c->shift;
}

double qb_augment_draw(const struct qb_augment_sample *s, enum qb_augment_drawn which)
{
	return qb_random_uniform(s->seed, qb_draw_stream(QB_DRAW_AUGMENT, s->epoch),
		(uint64_t)s->sample * QB_AUGMENT_DRAWS + which);
}

/* Uniform on [-reach, reach]. */
static int64_t draw_offset(const struct qb_augment_sample *s, enum qb_augment_drawn which, int64_t reach)
{
	return reach ? (int64_t)(qb_augment_draw(s, which) * (double)(2 * reach + 1)) - reach : 0;
}

/* One row of width elements; from: of the sample, or NULL for a row of zeros. */
static void move_row(const char *from, char *out, int64_t width, int64_t dx, bool flip, size_t bytes)
{
	int64_t first = dx < 0 ? -dx : 0, last = dx > 0 ? width - dx : width;

	memset(out, 0, (size_t)width * bytes);
	if (!from || first >= last) {
		return;
	}
	if (!flip) {
		memcpy(out + (size_t)first * bytes, from + (size_t)(first + dx) * bytes, (size_t)(last - first) * bytes);
		return;
	}
	for (int64_t x = first; x < last; x++) {
		memcpy(out + (size_t)(width - 1 - x) * bytes, from + (size_t)(x + dx) * bytes, bytes);
	}
}

void qb_augment_move(const struct qb_augment_config *c, const struct qb_augment_sample *s, const void *src, void *out)
{
	struct extents e = extents_of(s->ndim, s->dim);
	size_t row = (size_t)e.width * s->element_bytes;
	bool flip = c->flip && qb_augment_draw(s, QB_AUGMENT_FLIP) < 0.5;
	int64_t dx = draw_offset(s, QB_AUGMENT_X, c->crop);
	int64_t dy = draw_offset(s, QB_AUGMENT_Y, c->crop) + draw_offset(s, QB_AUGMENT_SHIFT, c->shift);

	for (int64_t i = 0; i < e.channels * e.height; i++) {
		int64_t y = i % e.height + dy;
		const char *from = y >= 0 && y < e.height ? (const char *)src + (size_t)(i + dy) * row : NULL;

		move_row(from, (char *)out + (size_t)i * row, e.width, dx, flip, s->element_bytes);
	}
}

void qb_augment_noise(const struct qb_augment_config *c, const struct qb_augment_sample *s, float *x, size_t n)
{
	uint64_t stream = qb_draw_stream(QB_DRAW_NOISE, s->epoch), first = (uint64_t)s->sample * n;

	for (size_t i = 0; i < n && c->noise > 0; i++) {
		x[i] += (float)(c->noise * qb_random_normal(s->seed, stream, first + i));
	}
}
