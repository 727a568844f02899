/* SPDX-License-Identifier: Apache-2.0
 *
 * DepthToSpace and SpaceToDepth: permute blocks of pixels with channels.
 */
#include <inttypes.h>

#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

enum qb_err qb__infer_depth_space(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	int64_t b = qb_node_int(n, "blocksize", 0);
	bool to_space = strcmp(n->type, "DepthToSpace") == 0;
	struct qb_shape y = *x;

	(void)g;
	QB_TRY(qb__op_need_rank(n, 0, 4, 4, eb));
	if (b < 1 || b > 1 << 15) {
		return qb_node_fail(eb, QB_EONNX, n, "blocksize is %" PRId64, b);
	}
	if (x->known) {
		y.dim[1] = to_space ? qb_dim_div(x->dim[1], b * b) : qb_dim_mul(x->dim[1], b * b);
		for (int i = 2; i < 4; i++) {
			y.dim[i] = to_space ? qb_dim_mul(x->dim[i], b) : qb_dim_div(x->dim[i], b);
		}
		for (int i = 1; i < 4; i++) {
			if (y.dim[i] == QB_DIM_UNKNOWN && qb_dim_number(x->dim[i])) {
				return qb_node_fail(eb, QB_ESHAPE, n, "dimension %d of %" PRId64 " does not divide by the "
					"blocks of %" PRId64, i, x->dim[i], b);
			}
		}
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

enum qb_err qb__eval_depth_space(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t b = qb_node_int(n, "blocksize", 1);
	bool to_space = strcmp(n->type, "DepthToSpace") == 0;
	bool crd = strcmp(qb_node_string(n, "mode", "DCR"), "CRD") == 0;
	const struct qb_tensor *deep = to_space ? in[0] : &out[0], *wide = to_space ? &out[0] : in[0];
	int64_t c = wide->dim[1], h = deep->dim[2], w = deep->dim[3];
	size_t size = qb_dtype_bytes(in[0]->dtype);

	(void)eb;
	for (int64_t i = 0; i < (int64_t)qb_tensor_size(wide); i++) {
		int64_t x = i % wide->dim[3], y = i / wide->dim[3] % wide->dim[2];
		int64_t ch = i / wide->dim[3] / wide->dim[2] % c, s = i / wide->dim[3] / wide->dim[2] / c;
		int64_t block = y % b * b + x % b, depth = crd ? ch * b * b + block : block * c + ch;
		int64_t j = ((s * c * b * b + depth) * h + y / b) * w + x / b;

		memcpy((char *)out[0].data + (size_t)(to_space ? i : j) * size,
			(const char *)in[0]->data + (size_t)(to_space ? j : i) * size, size);
	}
	return QB_OK;
}
