/* SPDX-License-Identifier: Apache-2.0
 *
 * Sliding windows over channels-last images: where the inputs of an output pixel lie, one a kernel element.
 */
#ifndef QB_EXEC_LOWER_INDIRECTION_H
#define QB_EXEC_LOWER_INDIRECTION_H

#include "core/exec/builder.h"
#include "core/ops/window.h"

enum { QB_KERNEL_ELEMENTS_MAX = 256 };

struct qb_pixels {
	int64_t images, ih, iw, oh, ow, kh, kw, sh, sw, dh, dw, top, left, kernel_elements;
	int64_t stride;            /* bytes of an input pixel */
	const uint8_t *pad;        /* the pixel outside */
	const int64_t *element_offset; /* [kernel_elements]: bytes from the first input, where all are inside */
};

/* For a window over n's first input [N,C,H,W]; pad_bytes of value pad_byte stand for the pixels outside, with room for
 * a run along an output row. QB_EUNSUPPORTED beyond QB_KERNEL_ELEMENTS_MAX kernel elements. */
enum qb_err qb_pixels_init(struct qb_pixels *p, struct qb_builder *b, const struct qb_node *n,
	const struct qb_window *w, int64_t stride, int pad_byte, struct qb_errbuf *eb);

static inline int64_t qb_pixels_image_bytes(const struct qb_pixels *p)
{
	return p->ih * p->iw * p->stride;
}

/* Input pixel (iy, ix), or the one outside. */
static inline const uint8_t *qb_pixel_at(const struct qb_pixels *p, const uint8_t *image, int64_t iy,
	int64_t ix)
{
	return iy < 0 || iy >= p->ih || ix < 0 || ix >= p->iw
		? p->pad : image + (iy * p->iw + ix) * p->stride;
}

/* row [kernel elements]: the inputs of output pixel (oy, ox). */
void qb_pixel_pointers(const struct qb_pixels *p, const uint8_t *image, int64_t oy, int64_t ox,
	const uint8_t **row);

/* Calls fn for runs of an output row whose inputs move on together: run(arg, inputs of the first pixel, ox, pixels). */
typedef void qb_pixel_run_fn(const void *arg, const uint8_t *const *row, int64_t ox, int64_t pixels,
	void *out);
void qb_pixel_runs(const struct qb_pixels *p, const uint8_t *image, int64_t oy, qb_pixel_run_fn *run,
	const void *arg, void *out);

#endif
