/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/lower/int8/weight.h"

#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/int8/lower_int8.h"

static float weight_scale(const struct qb__int8_weight *w, int64_t o)
{
	return w->q->scale[o % w->q->channels]; /* groups of a transposed convolution share theirs */
}

enum qb_err qb__int8_requant(struct qb_builder *b, struct qb_requant *r,
	const struct qb__int8_weight *w, const struct qb_lowered *op, const struct qb_bytes *x,
	const struct qb_bytes *y, struct qb_errbuf *eb)
{
	/* A group's outputs begin anywhere. */
	size_t room = qb_align_up((size_t)w->outputs, 64) + 64;
	float *multiplier = qb_builder_alloc(b, room, sizeof(*multiplier));
	float *offset = qb_builder_alloc(b, room, sizeof(*offset));

	if (!multiplier || !offset) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t o = 0; o < w->outputs; o++) {
		multiplier[o] = (float)((double)x->scale * weight_scale(w, o) / y->scale);
		offset[o] = (float)((w->bias ? (double)w->bias[o] / y->scale : 0) + y->zero);
	}
	r->multiplier = multiplier;
	r->offset = offset;
	qb__byte_bounds(op, y, &r->lo, &r->hi);
	return QB_OK;
}

enum qb_err qb__int8_load_weight(struct qb_builder *b, const struct qb_node *n, int axis,
	struct qb__int8_weight *w, struct qb_errbuf *eb)
{
	w->q = qb_builder_weight_quantizer(b, n->input[1]);
	if (w->q && w->q->channels > 1 && w->q->axis != axis) {
		return QB_EUNSUPPORTED;
	}
	w->codes = w->q ? qb_builder_weight_codes(b, n->input[1]) : NULL;
	w->bias = NULL;
	if (n->inputs > 2 && n->input[2]) {
		if (!n->input[2]->constant || n->input[2]->dtype != QB_F32) {
			return QB_EUNSUPPORTED;
		}
		QB_TRY(qb_builder_constant(b, n->input[2], &w->bias, eb));
	}
	return w->codes && w->k <= QB_INT8_K_MAX ? QB_OK : QB_EUNSUPPORTED;
}

enum qb_err qb__int8_pad(struct qb_builder *b, const struct qb_int8_form *form, int zero, int64_t elements,
	const void **out, struct qb_errbuf *eb)
{
	const size_t room = (size_t)elements + 128;
	uint8_t *line = qb_builder_alloc(b, room, 1);
	void *pad = qb_builder_alloc(b, room, (size_t)form->element_bytes);

	if (!line || !pad) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	memset(line, zero, room);
	form->expand(line, pad, elements);
	*out = pad;
	return QB_OK;
}
