/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/lower/indirection.h"

#include <string.h>

#include "core/base/size.h"

enum qb_err qb_pixels_init(struct qb_pixels *p, struct qb_builder *b, const struct qb_node *n,
	const struct qb_window *w, int64_t stride, int pad_byte, struct qb_errbuf *eb)
{
	const struct qb_shape *out = &n->output[0]->shape;
	size_t pad_bytes;
	uint8_t *pad;
	int64_t *offset;

	*p = (struct qb_pixels){.images = n->input[0]->shape.dim[0], .ih = w->in[0], .iw = w->in[1],
		.oh = out->dim[2], .ow = out->dim[3], .kh = w->kernel[0], .kw = w->kernel[1],
		.sh = w->stride[0], .sw = w->stride[1], .dh = w->dilation[0], .dw = w->dilation[1],
		.top = w->lo[0], .left = w->lo[1], .kernel_elements = w->kernel[0] * w->kernel[1],
		.stride = stride};
	if (p->kernel_elements > QB_KERNEL_ELEMENTS_MAX) {
		return QB_EUNSUPPORTED;
	}
	pad_bytes = (size_t)(p->ow * p->sw * stride) + 64;
	pad = qb_builder_alloc(b, pad_bytes, 1);
	offset = qb_builder_alloc(b, (size_t)p->kernel_elements, sizeof(*offset));
	if (!pad || !offset) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	memset(pad, pad_byte, pad_bytes);
	for (int64_t t = 0; t < p->kernel_elements; t++) {
		offset[t] = (t / p->kw * p->dh * p->iw + t % p->kw * p->dw) * stride;
	}
	p->pad = pad;
	p->element_offset = offset;
	return QB_OK;
}

void qb_pixel_pointers(const struct qb_pixels *p, const uint8_t *image, int64_t oy, int64_t ox,
	const uint8_t **row)
{
	int64_t y = oy * p->sh - p->top, x = ox * p->sw - p->left;

	if (y >= 0 && x >= 0 && y + (p->kh - 1) * p->dh < p->ih && x + (p->kw - 1) * p->dw < p->iw) {
		const uint8_t *first = image + (y * p->iw + x) * p->stride;

		for (int64_t t = 0; t < p->kernel_elements; t++) {
			row[t] = first + p->element_offset[t];
		}
		return;
	}
	for (int64_t ky = 0; ky < p->kh; ky++) {
		for (int64_t kx = 0; kx < p->kw; kx++) {
			*row++ = qb_pixel_at(p, image, y + ky * p->dh, x + kx * p->dw);
		}
	}
}

/* Columns [*from, *to) of an output row have all their inputs inside the input's columns. */
static void inner_columns(const struct qb_pixels *p, int64_t *from, int64_t *to)
{
	int64_t reach = (p->kw - 1) * p->dw, last = p->iw - 1 - reach + p->left;

	*from = QB_MIN((p->left + p->sw - 1) / p->sw, p->ow);
	*to = last < 0 ? *from : QB_MIN(last / p->sw + 1, p->ow);
	*to = QB_MAX(*to, *from);
}

void qb_pixel_runs(const struct qb_pixels *p, const uint8_t *image, int64_t oy, qb_pixel_run_fn *run,
	const void *arg, void *out)
{
	const uint8_t *row[QB_KERNEL_ELEMENTS_MAX];
	int64_t from, to;

	inner_columns(p, &from, &to);
	for (int64_t ox = 0, n; ox < p->ow; ox += n) {
		n = ox == from && to > from ? to - from : 1;
		qb_pixel_pointers(p, image, oy, ox, row);
		/* An input above or below the image reads on from the pixels outside, which go on. */
		run(arg, row, ox, n, out);
	}
}
