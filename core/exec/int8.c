/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/exec.h"

enum qb_err qb_int8_check(const struct qb_quantization *q, struct qb_errbuf *eb)
{
	return qb_fail(eb, QB_EUNSUPPORTED, "%s: integer execution is not built in", q->scheme.name);
}

enum qb_err qb_plan_create_int8(struct qb_plan **out, const struct qb_graph *graph, int threads,
	const struct qb_quantization *q, const bool *tapped, struct qb_errbuf *eb)
{
	(void)out;
	(void)graph;
	(void)threads;
	(void)tapped;
	return qb_int8_check(q, eb);
}
