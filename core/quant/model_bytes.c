/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/model_bytes.h"

#include "core/quant/weight.h"

/* Codes are packed, and so are the zero points of blocks. */
static size_t quantized_bytes(const struct qb_quantizer *q, const struct qb_value *v, int axis)
{
	const struct qb_format *f = &q->format;
	size_t bits = (size_t)f->bits, bytes = (qb_value_size(v) * bits + 7) / 8;

	if (f->block) {
		int64_t outer, channels, inner;
		size_t blocks;

		qb_weight_extents(v, axis, &outer, &channels, &inner);
		blocks = (size_t)qb_block_count(q, 1, channels, outer * inner);
		return bytes + blocks * (f->block_scale == QB_SCALE_F32 ? 4 : 1) + (f->asymmetric ? (blocks * bits + 7) / 8 : 0);
	}
	return f->real_scale ? bytes + (size_t)q->channels * (sizeof(float) + (q->zero ? 1 : 0)) : bytes;
}

static size_t imported_block_bytes(const struct qb_imported *c, size_t n)
{
	size_t scales = qb_tensor_size(c->scale);
	bool half = c->code == QB_I4 || c->code == QB_U4;

	return (half ? (n + 1) / 2 : n * qb_dtype_bytes(c->code)) + scales * sizeof(float) +
		(c->zero ? (half ? (scales + 1) / 2 : scales) : 0);
}

size_t qb_model_bytes(const struct qb_graph *graph, const struct qb_quantization *quantization)
{
	size_t bytes = 0;

	for (int i = 0; i < graph->values; i++) {
		const struct qb_value *v = graph->value[i];

		if (!v->constant || !qb_value_is_used(v)) {
			continue;
		}
		if (quantization && quantization->scheme.imported && v->imported && v->imported->block) {
			bytes += imported_block_bytes(v->imported, qb_value_size(v));
		} else if (quantization && quantization->q[i]) {
			bytes += quantized_bytes(quantization->q[i], v, quantization->axis[i]);
		} else {
			bytes += qb_value_size(v) * qb_dtype_bytes(v->constant->dtype);
		}
	}
	return bytes;
}
