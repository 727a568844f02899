/* SPDX-License-Identifier: Apache-2.0
 *
 * A small residual network with batch norms, data for it, and the quantizers of a scheme where its training starts: for tests of
 * quantization-aware training. What goes wrong ends the program.
 */
#ifndef QB_TEST_SMALL_QAT_H
#define QB_TEST_SMALL_QAT_H

#include "core/exec/exec.h"
#include "core/train/layer_scheme.h"

enum { SAMPLES = 64, IMAGE = 3 * 8 * 8, CLASSES = 4, BATCH = 16 };

/* x [64,3,8,8] around the mean of its class, once they are written; the file has y [64] beside. */
extern float qat_samples[SAMPLES * IMAGE];
bool qat_write_data(const char *path);

struct qat_start {
	struct qb_graph *network, *prepared, *bound;
	struct qb_placement *placement;
	struct qb_scheme base, scheme;
	struct qb_quantization *quantization; /* calibrated on the first batch */
};
/* opt may be NULL: the scheme as it is named. */
struct qat_start qat_start(const char *scheme, const struct qb_layer_scheme_options *opt);
/* Of a network of 784 weights in place of the residual one. */
struct qat_start qat_start_mlp(const char *scheme);
void qat_start_fini(struct qat_start *s);

/* A plan of the bound graph under a quantization, for one batch; y [BATCH, CLASSES]. */
void qat_simulate(const struct qb_graph *bound, const struct qb_quantization *q, const float *x, float *y);

#endif
