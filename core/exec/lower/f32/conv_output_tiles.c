/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/lower/f32/conv_output_tiles.h"

#include "core/base/size.h"

enum { FEW_ROWS = 13 }; /* fewer than this wait for weights */

/* Outputs [from, from + count) of one side, whose windows have kernel elements [first, last) inside. */
struct stretch {
	int64_t from, count, first, last;
};

static void elements_inside(const struct qb_dense *d, int side, int64_t out, int64_t *first, int64_t *last)
{
	int64_t at = out * d->stride[side] - d->pad[side], in = side ? d->width : d->height;

	*first = QB_MIN(at >= 0 ? 0 : (-at + d->dilation[side] - 1) / d->dilation[side], d->kernel[side] - 1);
	*last = at >= in ? 0 : QB_MIN((in - at - 1) / d->dilation[side] + 1, d->kernel[side]);
	*last = QB_MAX(*last, *first + 1); /* one at least, for there is no sum of nothing */
}

/* Returns how many, 0 where they are too many. */
static int find_stretches(const struct qb_dense *d, int side, struct stretch *s, int most)
{
	int64_t outs = side ? d->out_width : d->out_height, first, last;
	int n = 0;

	for (int64_t o = 0; o < outs; o++) {
		elements_inside(d, side, o, &first, &last);
		if (n && s[n - 1].first == first && s[n - 1].last == last) {
			s[n - 1].count++;
		} else if (n == most) {
			return 0;
		} else {
			s[n++] = (struct stretch){o, 1, first, last};
		}
	}
	return n;
}

static int find_tiles(const struct qb_dense *d, struct qb__output_tile *tile)
{
	enum { MOST = 5 };
	struct stretch v[MOST], h[MOST];
	int rows = find_stretches(d, 0, v, MOST), columns = find_stretches(d, 1, h, MOST);

	_Static_assert(MOST * MOST <= QB__OUTPUT_TILES_MAX, "room for all");
	for (int i = 0; i < rows * columns; i++) {
		const struct stretch *y = &v[i / columns], *x = &h[i % columns];
		struct qb__output_tile *a = &tile[i];

		*a = (struct qb__output_tile){.y = y->from, .x = x->from, .height = y->count, .width = x->count};
		for (int64_t k = y->first * d->kernel[1]; k < y->last * d->kernel[1]; k++) {
			if (k % d->kernel[1] >= x->first && k % d->kernel[1] < x->last) {
				a->element[a->kernel_elements++] = (uint8_t)k;
			}
		}
	}
	return rows * columns;
}

/* Products of rows with the weights of a kernel element, or the wait for those. */
static int64_t cost_of(const struct qb_dense *d, const struct qb__output_tile *tile, int tiles)
{
	int64_t sum = 0;

	for (int i = 0; i < tiles; i++) {
		sum += tile[i].kernel_elements * QB_MAX(d->images * tile[i].height * tile[i].width, (int64_t)FEW_ROWS);
	}
	return sum;
}

int qb__output_tiles(const struct qb_dense *d, struct qb__output_tile *tile)
{
	int64_t kernel_elements = d->kernel[0] * d->kernel[1], depth = d->channels / d->groups;
	struct qb__output_tile all = {.height = d->out_height, .width = d->out_width, .kernel_elements = kernel_elements};
	int tiles = kernel_elements > 1 && kernel_elements <= QB__KERNEL_ELEMENTS_MAX && depth >= QB__FEW_CHANNELS &&
			kernel_elements * depth >= 256
		? find_tiles(d, tile) : 0;

	if (tiles && 8 * cost_of(d, tile, tiles) <= 7 * cost_of(d, &all, 1)) {
		return tiles;
	}
	for (int64_t t = 0; t < QB_MIN(kernel_elements, (int64_t)QB__KERNEL_ELEMENTS_MAX); t++) {
		all.element[t] = (uint8_t)t;
	}
	tile[0] = all;
	return 1;
}

int64_t qb_dense_cost(const struct qb_dense *d)
{
	struct qb__output_tile tile[QB__OUTPUT_TILES_MAX];

	return cost_of(d, tile, qb__output_tiles(d, tile));
}
