/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory for the outputs of a node that is evaluated.
 */
#include <string.h>

#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

enum qb_err qb__node_outputs(const struct qb_node *n, struct qb_tensor *out, qb__alloc_fn *alloc,
	void *arg, struct qb_errbuf *eb)
{
	for (int i = 0; i < n->outputs; i++) {
		const struct qb_value *v = n->output[i];
		size_t bytes;

		out[i] = (struct qb_tensor){ 0 };
		if (!v) {
			continue;
		}
		if (!qb_shape_concrete(&v->shape)) {
			char text[256];

			return qb_node_fail(eb, QB_ESHAPE, n, "the shape %s of its output %s depends on data that is "
				"not known", qb_shape_text(&v->shape, text, sizeof(text)), v->name);
		}
		out[i].dtype = v->dtype;
		out[i].ndim = v->shape.ndim;
		memcpy(out[i].dim, v->shape.dim, sizeof(out[i].dim));
		QB_TRY(qb_tensor_bytes(&out[i], &bytes, eb));
		out[i].data = alloc(arg, bytes);
		if (!out[i].data) {
			return qb_node_fail(eb, QB_ENOMEM, n, "out of memory: output %s needs %zu bytes", v->name,
				bytes);
		}
	}
	return QB_OK;
}
