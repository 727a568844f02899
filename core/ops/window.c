/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ops/window.h"

#include <inttypes.h>

#include "core/ops/operands.h"

/* Keeps sums and products of a few of these far from overflow. */
#define LARGEST ((int64_t)1 << 30)

static enum qb_err read_list(const struct qb_node *n, const char *name, int count, int64_t fallback,
	int64_t least, int64_t *out, struct qb_errbuf *eb)
{
	const int64_t *ints;
	int have = qb_node_ints(n, name, &ints);

	if (have && have != count) {
		return qb_node_fail(eb, QB_ESHAPE, n, "%s has %d entries, not %d", name, have, count);
	}
	for (int i = 0; i < count; i++) {
		out[i] = have ? ints[i] : fallback;
		if (out[i] < least || out[i] > LARGEST) {
			return qb_node_fail(eb, QB_EONNX, n, "%s holds %" PRId64 "; at least %" PRId64 " is needed", name,
				out[i], least);
		}
	}
	return QB_OK;
}

static enum qb_err read_window(struct qb_window *w, const struct qb_node *n, int ndim, const int64_t *in,
	const int64_t *kernel, struct qb_errbuf *eb)
{
	int64_t pads[2 * QB_WINDOW_DIMS];

	*w = (struct qb_window){ .ndim = ndim };
	QB_TRY(read_list(n, "strides", ndim, 1, 1, w->stride, eb));
	QB_TRY(read_list(n, "dilations", ndim, 1, 1, w->dilation, eb));
	QB_TRY(read_list(n, "pads", 2 * ndim, 0, 0, pads, eb));
	if (qb_node_attr(n, "kernel_shape")) {
		QB_TRY(read_list(n, "kernel_shape", ndim, 1, 1, w->kernel, eb));
	} else if (!kernel) {
		return qb_node_fail(eb, QB_EONNX, n, "kernel_shape is missing");
	}
	for (int i = 0; i < ndim; i++) {
		if (kernel && qb_node_attr(n, "kernel_shape") && !qb_dim_compatible(kernel[i], w->kernel[i])) {
			return qb_node_fail(eb, QB_ESHAPE, n, "kernel_shape says %" PRId64 ", the weight %" PRId64,
				w->kernel[i], kernel[i]);
		}
		if (kernel && kernel[i] != QB_DIM_UNKNOWN) {
			w->kernel[i] = kernel[i];
		}
		if (w->kernel[i] < 1 || w->kernel[i] > LARGEST) {
			return qb_node_fail(eb, QB_ESHAPE, n, "the kernel's size %" PRId64 " is not positive",
				w->kernel[i]);
		}
		if (qb_dim_number(in[i]) && in[i] > LARGEST) {
			return qb_node_fail(eb, QB_ESHAPE, n, "an image side of %" PRId64 " is larger than any memory",
				in[i]);
		}
		w->in[i] = qb_dim_number(in[i]) ? in[i] : QB_DIM_UNKNOWN;
		w->lo[i] = pads[i];
		w->hi[i] = pads[i + ndim];
	}
	return QB_OK;
}

enum auto_pad { PAD_EXPLICIT, PAD_UPPER, PAD_LOWER, PAD_VALID };

static enum qb_err read_auto_pad(const struct qb_node *n, enum auto_pad *out, struct qb_errbuf *eb)
{
	const char *s = qb_node_string(n, "auto_pad", "NOTSET");

	if (strcmp(s, "NOTSET") == 0 || !*s) {
		*out = PAD_EXPLICIT;
	} else if (strcmp(s, "SAME_UPPER") == 0) {
		*out = PAD_UPPER;
	} else if (strcmp(s, "SAME_LOWER") == 0) {
		*out = PAD_LOWER;
	} else if (strcmp(s, "VALID") == 0) {
		*out = PAD_VALID;
	} else {
		return qb_node_fail(eb, QB_EONNX, n, "auto_pad \"%.40s\" is not one of NOTSET, SAME_UPPER, "
			"SAME_LOWER, VALID", s);
	}
	return QB_OK;
}

static void split_pad(struct qb_window *w, int i, int64_t total, bool upper)
{
	w->lo[i] = upper ? total / 2 : total - total / 2;
	w->hi[i] = total - w->lo[i];
}

static enum qb_err slide(struct qb_window *w, const struct qb_node *n, bool ceil_mode,
	struct qb_errbuf *eb)
{
	enum auto_pad mode;

	QB_TRY(read_auto_pad(n, &mode, eb));
	for (int i = 0; i < w->ndim; i++) {
		int64_t extent = qb_window_extent(w, i), room;

		if (mode == PAD_VALID) {
			w->lo[i] = w->hi[i] = 0;
		}
		if (w->in[i] == QB_DIM_UNKNOWN) {
			w->out[i] = QB_DIM_UNKNOWN;
			continue;
		}
		if (mode == PAD_UPPER || mode == PAD_LOWER) {
			w->out[i] = (w->in[i] + w->stride[i] - 1) / w->stride[i];
			room = (w->out[i] - 1) * w->stride[i] + extent - w->in[i];
			split_pad(w, i, QB_MAX(room, 0), mode == PAD_UPPER);
			continue;
		}
		room = w->in[i] + w->lo[i] + w->hi[i] - extent;
		if (room < 0) {
			return qb_node_fail(eb, QB_ESHAPE, n, "the window, %" PRId64 " wide, is larger than the padded "
				"image, %" PRId64, extent, w->in[i] + w->lo[i] + w->hi[i]);
		}
		w->out[i] = (room + (ceil_mode ? w->stride[i] - 1 : 0)) / w->stride[i] + 1;
		/* A window that begins in the padding at the end is left out. */
		if (ceil_mode && (w->out[i] - 1) * w->stride[i] >= w->in[i] + w->lo[i]) {
			w->out[i]--;
		}
	}
	return QB_OK;
}

enum qb_err qb_window_conv(struct qb_window *w, const struct qb_node *n, int ndim, const int64_t *in,
	const int64_t *kernel, struct qb_errbuf *eb)
{
	QB_TRY(read_window(w, n, ndim, in, kernel, eb));
	return slide(w, n, false, eb);
}

enum qb_err qb_window_pool(struct qb_window *w, const struct qb_node *n, int ndim, const int64_t *in,
	struct qb_errbuf *eb)
{
	QB_TRY(read_window(w, n, ndim, in, NULL, eb));
	return slide(w, n, qb_node_int(n, "ceil_mode", 0) != 0, eb);
}

enum qb_err qb_window_transposed(struct qb_window *w, const struct qb_node *n, int ndim, const int64_t *in,
	const int64_t *kernel, struct qb_errbuf *eb)
{
	int64_t extra[QB_WINDOW_DIMS];
	const int64_t *shape;
	int have = qb_node_ints(n, "output_shape", &shape);
	enum auto_pad mode;

	QB_TRY(read_window(w, n, ndim, in, kernel, eb));
	QB_TRY(read_list(n, "output_padding", ndim, 0, 0, extra, eb));
	QB_TRY(read_auto_pad(n, &mode, eb));
	if (have && have != ndim) {
		/* Some exporters put batch and channels before the spatial sizes. */
		if (have != ndim + 2) {
			return qb_node_fail(eb, QB_ESHAPE, n, "output_shape has %d entries, not %d", have, ndim);
		}
		shape += 2;
	}
	for (int i = 0; i < ndim; i++) {
		int64_t full;

		if (w->in[i] == QB_DIM_UNKNOWN) {
			w->out[i] = have ? shape[i] : QB_DIM_UNKNOWN;
			continue;
		}
		if (mode == PAD_VALID) {
			w->lo[i] = w->hi[i] = 0;
		}
		full = w->stride[i] * (w->in[i] - 1) + extra[i] + qb_window_extent(w, i);
		if (have || mode == PAD_UPPER || mode == PAD_LOWER) {
			w->out[i] = have ? shape[i] : w->in[i] * w->stride[i];
			split_pad(w, i, QB_MAX(full - w->out[i], 0), mode == PAD_UPPER);
		} else {
			w->out[i] = full - w->lo[i] - w->hi[i];
		}
		if (w->out[i] < 1 || w->out[i] > LARGEST) {
			return qb_node_fail(eb, QB_ESHAPE, n, "its output would be %" PRId64 " wide", w->out[i]);
		}
	}
	return QB_OK;
}
