/* SPDX-License-Identifier: Apache-2.0
 *
 * The variants of a sweep: made, calibrated and quantized before its samples are evaluated.
 */
#ifndef QB_PTQ_VARIANT_H
#define QB_PTQ_VARIANT_H

#include "core/ptq/sweep.h"

/* Groups the schemes by the network that they run on: s->variant, and who runs where in s->row. Only the first, the
 * model itself, is complete but for its network. */
enum qb_err qb_variants_create(struct qb_sweep *s, const struct qb_graph *model,
	const struct qb_sweep_options *opt, struct qb_errbuf *eb);
/* With the first variant's network there: rewrites the others, calibrates all that have schemes, makes the
 * quantizers, runs the methods. */
enum qb_err qb_variants_quantize(struct qb_sweep *s, const struct qb_sweep_options *opt,
	const struct qb_calibration *calibration, struct qb_errbuf *eb);
void qb_variants_destroy(struct qb_sweep *s);

#endif
