/* SPDX-License-Identifier: Apache-2.0
 *
 * What single layers do: every layer alone under each scheme, and every layer but one.
 */
#ifndef QB_MIXED_SENSITIVITY_H
#define QB_MIXED_SENSITIVITY_H

#include "core/mixed/mixture.h"

struct qb_sensitivity {
	int layers, schemes;
	bool alone; /* were layers tried one by one? Else only[] and but[] are zeros */
	struct qb_mixture_result floats, all; /* no layer quantized, and all under the first scheme */
	struct qb_mixture_result *only;       /* [schemes][layers]: this layer and no other */
	struct qb_mixture_result *but;        /* [layers]: all under the first scheme but this one */
};

/* Tells of every layer (counted from 0; -1: all together) before it is tried; its error ends the work. */
typedef enum qb_err qb_sensitivity_heard(void *arg, int layer, double fraction, struct qb_errbuf *eb);

struct qb_sensitivity_options {
	int schemes;
	bool alone;
	size_t model_bytes; /* what one set of weights takes, from which follows how many mixtures run at a time */
	qb_sensitivity_heard *heard;
	void *arg;
};

enum qb_err qb_sensitivity_create(struct qb_sensitivity **out, struct qb_mixture_eval *eval,
	const struct qb_mixture_layers *layers, const struct qb_sensitivity_options *opt, struct qb_errbuf *eb);
void qb_sensitivity_destroy(struct qb_sensitivity **sensitivity);

#endif
