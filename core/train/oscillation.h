/* SPDX-License-Identifier: Apache-2.0
 *
 * Oscillations of weights between two integers, and freezing (Nagel et al., ICML 2022, sections 2 and 4). One tracker follows the
 * integers of one weight, step by step of training; evaluations are not steps. A step, in this order:
 *   d is the change of an integer since the last step; o = 1 where d and the last change that was not 0 have opposite signs;
 *   f = m o + (1 - m) f;
 *   where f exceeds the threshold, the integer freezes at round(EMA), EMA that of before this step;
 *   EMA = m integer + (1 - m) EMA, which begins at the integers when freezing first becomes active.
 * Nothing thaws.
 */
#ifndef QB_TRAIN_OSCILLATION_H
#define QB_TRAIN_OSCILLATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

struct qb_oscillation {
	size_t n;
	float momentum;
	bool started;      /* there are integers of a last step */
	bool freezing;     /* EMA has begun */
	int64_t frozen;    /* how many are */
	int16_t *integer;  /* [n]: of the last step; of the frozen the pinned one */
	int8_t *direction; /* [n]: of the last change, 0: there was none */
	uint8_t *pinned;   /* [n]: frozen? */
	float *frequency;  /* [n] */
	float *average;    /* [n]: EMA */
};

enum qb_err qb_oscillation_init(struct qb_oscillation *o, size_t n, double momentum, struct qb_errbuf *eb);
void qb_oscillation_fini(struct qb_oscillation *o);

/* One step of training with these integers [n]; threshold INFINITY: nothing freezes yet. What is frozen has its pinned integer in
 * `integer` afterwards. */
void qb_oscillation_step(struct qb_oscillation *o, const int16_t *integer, double threshold);

/* Weights whose frequency exceeds the threshold and that are not frozen, and their mean frequency. */
struct qb_oscillation_summary {
	int64_t weights, oscillating, frozen;
	double mean_frequency;
};
struct qb_oscillation_summary qb_oscillation_summary(const struct qb_oscillation *o, double threshold);
/* Adds a summary to another: of layers to a network. */
void qb_oscillation_add(struct qb_oscillation_summary *to, const struct qb_oscillation_summary *s);

/* count[bins], added to: weights by frequency, of [0, most] in equal bins; what is above is in the last. */
void qb_oscillation_frequencies(const struct qb_oscillation *o, double most, int bins, int64_t *count);

/* State for checkpoints: plain bytes of a size that does not change. load checks what they hold. */
size_t qb_oscillation_bytes(const struct qb_oscillation *o);
void qb_oscillation_save(const struct qb_oscillation *o, void *bytes);
enum qb_err qb_oscillation_load(struct qb_oscillation *o, const void *bytes, struct qb_errbuf *eb);

/* Where latent weights lie between the integers: count[bins], added to, of v - floor(v) for v = w / scale + 1/2, so that the middle
 * is an integer and the ends are thresholds. Channels of w as [outer, channels, inner]. What is beyond the range [n, p] is left
 * out. */
struct qb_latent {
	const float *w, *scale;
	int64_t outer, channels, inner;
	double n, p;
};
void qb_latent_histogram(const struct qb_latent *l, int bins, int64_t *count);

#endif
