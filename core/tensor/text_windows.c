/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tensor/text_windows.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/random.h"
#include "core/base/random_stream.h"
#include "core/tensor/backcopy.h"

struct fed {
	enum qb_dtype dtype;
	enum qb_text_role role;
};

struct qb_text_windows {
	const struct qb_text *text;
	const struct qb_tokens *tokens;
	struct qb_text_config config;
	struct qb_text_plan plan;
	bool training;
	int inputs;
	struct fed *fed; /* [inputs] */
	struct qb_backcopy *backcopy;
};

/* One window as it is made. */
struct window {
	const struct qb_text_windows *w;
	const struct qb_window_draw *at;
	void *const *input; /* or NULL */
	double *labels;     /* or NULL */
};

enum draw { DRAW_WHETHER, DRAW_HOW, DRAW_TOKEN, DRAWS = 4 };

/* Of the tokens that are to be found (Devlin et al., 2019): become the mask, become any token; the rest stays. */
static const double MASKED = 0.8, REPLACED = 0.1;

/* Below the 48 bits of a stream's epoch, above every epoch of training. */
static const int64_t EVALUATION = ((int64_t)1 << 48) - 1;

struct qb_window_draw qb_window_of_evaluation(int64_t window)
{
	return (struct qb_window_draw){.epoch = EVALUATION, .window = window};
}

static double draw(const struct qb_window_draw *at, enum qb_draw_purpose purpose, int64_t i)
{
	return qb_random_uniform(at->seed, qb_draw_stream(purpose, at->epoch), (uint64_t)i);
}

/* ---- places ---- */

static void put(enum qb_dtype dtype, void *row, int64_t i, int64_t v)
{
	switch (dtype) {
	case QB_I64:
		((int64_t *)row)[i] = v;
		break;
	case QB_I32:
		((int32_t *)row)[i] = (int32_t)v;
		break;
	case QB_BOOL:
		((uint8_t *)row)[i] = v != 0;
		break;
	default:
		((float *)row)[i] = (float)v;
		break;
	}
}

static void put_place(const struct window *x, int64_t t, int64_t token, int64_t label)
{
	const struct qb_text_windows *w = x->w;

	for (int i = 0; x->input && i < w->inputs; i++) {
		const struct fed *f = &w->fed[i];
		int64_t v = f->role == QB_TEXT_TOKENS ? token : f->role == QB_TEXT_ATTENTION ? token != w->plan.padding
			: f->role == QB_TEXT_POSITIONS ? t : 0;

		put(f->dtype, x->input[i], t, v);
	}
	if (x->labels) {
		x->labels[t] = (double)label;
	}
}

/* ---- tasks ---- */

/* Where the window begins, and its first place that counts. */
struct extent {
	int64_t first, counts;
};

static struct extent extent_of(const struct window *x)
{
	const struct qb_text_windows *w = x->w;
	const struct qb_text_shape *s = qb_text_shape(w->text);
	int64_t length = w->plan.length, i = x->at->window;
	int64_t last = s->tokens - length - (w->config.task == QB_TEXT_CAUSAL ? 1 : 0); /* place where the last one begins */

	if (s->row) {
		return (struct extent){i * length, 0};
	}
	if (!w->training) {
		int64_t first = i * length < last ? i * length : last;

		return (struct extent){first, i * length - first};
	}
	if (w->config.windows == QB_TEXT_STRIDED) {
		return (struct extent){i * (w->config.stride ? w->config.stride : length), 0};
	}
	return (struct extent){(int64_t)(draw(x->at, QB_DRAW_WINDOW, i) * (double)(last + 1)), 0};
}

static int64_t mask_token(const struct window *x, int64_t place, int64_t token)
{
	const struct qb_text_plan *p = &x->w->plan;
	double how = draw(x->at, QB_DRAW_MASK, place + DRAW_HOW);

	if (how < MASKED) {
		return p->mask;
	}
	return how < MASKED + REPLACED ? (int64_t)(draw(x->at, QB_DRAW_MASK, place + DRAW_TOKEN) * (double)p->words) : token;
}

static void make_masked(const struct window *x)
{
	const struct qb_text_plan *p = &x->w->plan;
	struct extent e = extent_of(x);

	for (int64_t t = 0; t < p->length; t++) {
		int64_t token = qb_token_at(x->w->tokens, e.first + t), place = (x->at->window * p->length + t) * DRAWS;
		bool found = t >= e.counts && token != p->padding &&
			draw(x->at, QB_DRAW_MASK, place + DRAW_WHETHER) < x->w->config.mask;

		put_place(x, t, found ? mask_token(x, place, token) : token, found ? token : QB_TEXT_IGNORE);
	}
}

static void make_causal(const struct window *x)
{
	const struct qb_text_plan *p = &x->w->plan;
	struct extent e = extent_of(x);
	bool whole = !qb_text_shape(x->w->text)->row; /* a row ends where it ends, a text goes on behind its windows */

	for (int64_t t = 0; t < p->length; t++) {
		int64_t next = whole || t + 1 < p->length ? qb_token_at(x->w->tokens, e.first + t + 1) : p->padding;

		put_place(x, t, qb_token_at(x->w->tokens, e.first + t), t >= e.counts && next != p->padding ? next : QB_TEXT_IGNORE);
	}
}

/* A made sequence, token by token; both negative at its begin. */
struct walk {
	int64_t before, last;
};

static int64_t walk_next(const struct qb_text_windows *w, const struct qb_window_draw *at, const struct walk *k, int64_t t)
{
	return qb_backcopy_next(w->backcopy, k->before, k->last, draw(at, QB_DRAW_SEQUENCE, at->window * w->plan.length + t));
}

static void make_sequence(const struct window *x)
{
	const struct qb_text_plan *p = &x->w->plan;
	struct walk k = {-1, -1};

	for (int64_t t = 0; t < p->length; t++) {
		int64_t next = walk_next(x->w, x->at, &k, t);

		put_place(x, t, k.last < 0 ? p->start : k.last, next);
		k = (struct walk){k.last, next};
	}
}

/* By enum qb_text_task. */
static void (*const make[])(const struct window *x) = {
	[QB_TEXT_MASKED] = make_masked, [QB_TEXT_CAUSAL] = make_causal, [QB_TEXT_BIGRAM_BACKCOPY] = make_sequence};

void qb_text_window(const struct qb_text_windows *w, const struct qb_window_draw *at, void *const *input, double *labels)
{
	const struct window x = {w, at, input, labels};

	make[w->config.task](&x);
}

/* ---- the set ---- */

static enum qb_err take_inputs(struct qb_text_windows *w, const struct qb_input_spec *input, int inputs, struct qb_errbuf *eb)
{
	w->inputs = inputs;
	w->fed = calloc((size_t)inputs + 1, sizeof(*w->fed));
	if (!w->fed) {
		return qb_fail(eb, QB_ENOMEM, "no memory for windows of a text");
	}
	for (int i = 0; i < inputs; i++) {
		w->fed[i] = (struct fed){input[i].dtype, qb_text_role(&w->plan, input, i)};
	}
	return QB_OK;
}

enum qb_err qb_text_windows_create(struct qb_text_windows **out, const struct qb_text *text, const struct qb_text_config *c,
	bool training, const struct qb_input_spec *input, int inputs, struct qb_errbuf *eb)
{
	struct qb_text_windows *w = calloc(1, sizeof(*w));
	enum qb_err err;

	if (!w) {
		return qb_fail(eb, QB_ENOMEM, "no memory for windows of a text");
	}
	w->text = text;
	w->tokens = qb_text_tokens(text);
	w->config = *c;
	w->training = training;
	QB_TRY_OUT(qb_text_plan(&w->plan, qb_text_shape(text), c, training, input, inputs, eb));
	QB_TRY_OUT(take_inputs(w, input, inputs, eb));
	if (c->task == QB_TEXT_BIGRAM_BACKCOPY) {
		QB_TRY_OUT(qb_backcopy_create(&w->backcopy, text, c->triggers, eb));
	}
	*out = w;
	w = NULL;
out:
	qb_text_windows_destroy(&w);
	return err;
}

void qb_text_windows_destroy(struct qb_text_windows **windows)
{
	if (*windows) {
		qb_backcopy_destroy(&(*windows)->backcopy);
		free((*windows)->fed);
		free(*windows);
		*windows = NULL;
	}
}

const struct qb_text_plan *qb_text_windows_plan(const struct qb_text_windows *w)
{
	return &w->plan;
}

const struct qb_text_config *qb_text_windows_config(const struct qb_text_windows *w)
{
	return &w->config;
}

const struct qb_text_shape *qb_text_windows_shape(const struct qb_text_windows *w)
{
	return qb_text_shape(w->text);
}

const struct qb_backcopy *qb_text_windows_backcopy(const struct qb_text_windows *w)
{
	return w->backcopy;
}

void qb_text_windows_survey(const struct qb_text_windows *w, int64_t count, struct qb_backcopy_survey *out)
{
	const struct qb_text_plan *p = &w->plan;
	int64_t copied = 0;
	double nats = 0;

	for (int64_t i = 0; i < count; i++) {
		const struct qb_window_draw at = qb_window_of_evaluation(i);
		struct walk k = {-1, -1};

		for (int64_t t = 0; t < p->length; t++) {
			int64_t next = walk_next(w, &at, &k, t);

			copied += k.last >= 0 && qb_backcopy_is_trigger(w->backcopy, k.last);
			nats += qb_backcopy_nats(w->backcopy, k.before, k.last, next);
			k = (struct walk){k.last, next};
		}
	}
	*out = (struct qb_backcopy_survey){(double)copied / (double)(count * p->length), nats / (double)(count * p->length)};
}
