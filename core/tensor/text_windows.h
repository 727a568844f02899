/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows of a text for a network, made one by one as they are asked for: where they begin, what is masked, what is to be found.
 * A window is a function of (seed, epoch, number) alone.
 *
 * Windows that evaluate a text lie one behind the other. The last one is moved back so that it ends with the text; what the window
 * before it has counted is there to be read, and does not count again. Of a causal task every token but the text's first counts
 * once, of a masked one every token may be masked once.
 */
#ifndef QB_TENSOR_TEXT_WINDOWS_H
#define QB_TENSOR_TEXT_WINDOWS_H

#include "core/tensor/text_plan.h"

struct qb_text_windows;

/* The text outlives it. */
enum qb_err qb_text_windows_create(struct qb_text_windows **out, const struct qb_text *text, const struct qb_text_config *c,
	bool training, const struct qb_input_spec *input, int inputs, struct qb_errbuf *eb);
void qb_text_windows_destroy(struct qb_text_windows **windows);
const struct qb_text_plan *qb_text_windows_plan(const struct qb_text_windows *w);
const struct qb_text_config *qb_text_windows_config(const struct qb_text_windows *w);
const struct qb_text_shape *qb_text_windows_shape(const struct qb_text_windows *w);
/* Of bigram_backcopy; else NULL. */
const struct qb_backcopy *qb_text_windows_backcopy(const struct qb_text_windows *w);

struct qb_window_draw {
	uint64_t seed;
	int64_t epoch, window;
};
/* The draw of evaluations: the same whatever a job's seed, none that training has. */
struct qb_window_draw qb_window_of_evaluation(int64_t window);

/* Window at->window in [0, count), into one row of each input in its own type, and its labels [length], QB_TEXT_IGNORE where a place
 * does not count (either NULL: not wanted). Safe in several threads. */
void qb_text_window(const struct qb_text_windows *w, const struct qb_window_draw *at, void *const *input, double *labels);

/* Of the sequences [0, count) of bigram_backcopy as they evaluate. */
struct qb_backcopy_survey {
	double copied; /* share of places whose next token is a copy */
	double nats;   /* loss of whoever knows the text's bigrams and the triggers: the least there is */
};
void qb_text_windows_survey(const struct qb_text_windows *w, int64_t count, struct qb_backcopy_survey *out);

#endif
