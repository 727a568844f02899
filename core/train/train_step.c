/* SPDX-License-Identifier: Apache-2.0
 *
 * One step: the batch's shards run, gradients are added up in the order of the shards, and the optimizer moves the parameters.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/train/trainer_state.h"

/* ---- what is done to every parameter ---- */

/* Elements of parameters that a thread takes at a time; one of a table of embeddings may have more than all others together. */
enum { PIECE = 1 << 16, FEW_ELEMENTS = 1 << 18 };

/* Elements [from, to) of a parameter; `piece` counts through all parameters. */
typedef void piece_fn(struct qb_trainer *t, const struct qb_parameter *p, size_t from, size_t to, int64_t piece, const void *arg);

struct each {
	struct qb_trainer *t;
	piece_fn *fn;
	const void *arg;
};

static int64_t pieces_of(const struct qb_parameter *p)
{
	return (int64_t)((p->size + PIECE - 1) / PIECE);
}

static int64_t count_pieces(const struct qb_trainer *t)
{
	int64_t pieces = 0;

	for (int i = 0; i < t->graph->training.parameters; i++) {
		pieces += pieces_of(t->graph->training.parameter[i]);
	}
	return pieces;
}

static enum qb_err do_piece(void *arg, int thread, int64_t item, struct qb_errbuf *eb)
{
	const struct each *e = arg;
	struct qb_parameter *const *p = e->t->graph->training.parameter;
	int64_t at = item;
	size_t from;

	(void)thread, (void)eb;
	while (at >= pieces_of(*p)) {
		at -= pieces_of(*p++);
	}
	from = (size_t)at * PIECE;
	e->fn(e->t, *p, from, QB_MIN(from + PIECE, (*p)->size), item, e->arg);
	return QB_OK;
}

/* On all threads where there is enough to do; elements do not depend on each other. */
static enum qb_err for_each(struct qb_trainer *t, piece_fn *fn, const void *arg, struct qb_errbuf *eb)
{
	struct each e = {t, fn, arg};
	size_t elements = 0;

	for (int i = 0; i < t->graph->training.parameters; i++) {
		elements += t->graph->training.parameter[i]->size;
	}
	return qb_team_run(elements < FEW_ELEMENTS ? 1 : t->config.threads, count_pieces(t), do_piece, &e, eb);
}

/* ---- room ---- */

enum { OUTPUT_ALIGN = 64 };

/* Sums of batch norms are the same in all shards: the first one's are kept. */
static bool is_kept(const struct qb_trainer *t, int64_t shard, int output)
{
	int first_sums = 1;

	for (int i = 0; i < t->graph->training.parameters; i++) {
		first_sums += t->graph->gradient[i] >= 0;
	}
	return !shard || output < first_sums || output >= first_sums + t->graph->norms;
}

/* Outputs of a shard: its loss, gradients and watched values. One piece of memory, for large ones are of large pages. */
static bool take_outputs(struct qb_trainer *t, int64_t shard)
{
	const struct qb_graph *g = t->graph->training.graph;
	size_t bytes = 0;
	unsigned char *at;

	for (int i = 0; i < g->outputs; i++) {
		bytes += is_kept(t, shard, i) ? qb_align_up(qb_value_bytes(g->output[i]), OUTPUT_ALIGN) : 0;
	}
	t->output[shard] = qb__trainer_take(t, (size_t)g->outputs, sizeof(void *));
	at = qb__trainer_take(t, bytes, 1);
	if (!t->output[shard] || !at) {
		return false;
	}
	for (int i = 0; i < g->outputs; i++) {
		if (is_kept(t, shard, i)) {
			t->output[shard][i] = at;
			at += qb_align_up(qb_value_bytes(g->output[i]), OUTPUT_ALIGN);
		}
	}
	return true;
}

static bool take_state(struct qb_trainer *t, const struct qb_parameter *p)
{
	struct qb_parameter_state *s = &t->state[p->index];
	bool steps = p->group < QB_PARAMETER_GROUPS, fits = true;
	int slots = steps ? qb_optimizer_slots(&t->config.optimizer[p->group]) : 0;

	for (int k = 0; k < slots; k++) {
		s->slot[k] = qb__trainer_take(t, p->size, sizeof(float));
		fits &= s->slot[k] != NULL;
	}
	/* Running statistics too: those of the averaged weights are nearer to the average than to the last ones. */
	if (t->config.ema > 0) {
		s->average = qb__trainer_take(t, p->size, sizeof(float));
		fits &= s->average != NULL;
	}
	s->best = qb__trainer_take(t, p->size, sizeof(float));
	s->held = qb__trainer_take(t, p->size, sizeof(float));
	if (p->group == QB_PARAMETERS_STATISTICS) {
		s->ran = qb__trainer_take(t, p->size, sizeof(float));
		fits &= s->ran != NULL;
	}
	t->bytes += p->size * sizeof(float) * (p->gradient ? 2 : 1);
	fits = fits && s->best && s->held;
	if (fits && s->average) {
		memcpy(s->average, p->value, p->size * sizeof(float));
	}
	return fits;
}

enum qb_err qb__train_step_create(struct qb_trainer *t, struct qb_errbuf *eb)
{
	int parameters = t->graph->training.parameters;
	bool fits = true;

	t->output = qb__trainer_take(t, (size_t)t->shard_count, sizeof(*t->output));
	t->state = qb__trainer_take(t, (size_t)parameters, sizeof(*t->state));
	for (int64_t s = 0; t->output && fits && s < t->shard_count; s++) {
		fits = take_outputs(t, s);
	}
	for (int i = 0; t->state && fits && i < parameters; i++) {
		fits = take_state(t, t->graph->training.parameter[i]);
	}
	t->squares = qb__trainer_take(t, (size_t)count_pieces(t), sizeof(*t->squares));
	return t->output && t->state && t->squares && fits ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for gradients and optimizer of %d "
		"parameters in %" PRId64 " shards", parameters, t->shard_count);
}

/* ---- running ---- */

enum qb_err qb__train_run_shards(struct qb_trainer *t, struct qb_errbuf *eb)
{
	const struct qb_shards_run run = {.threads = t->config.threads, .input = (const void *const *const *)t->fed,
		.output = (void *const *const *)t->output, .step_ns = t->step_ns};

	for (int i = 0; i < t->graph->training.parameters; i++) {
		const struct qb_parameter *p = t->graph->training.parameter[i];

		for (int64_t s = 0; p->input >= 0 && s < t->shard_count; s++) {
			t->fed[s][p->input] = p->fed;
		}
	}
	return qb_shards_run(t->shards, &run, eb);
}

/* ---- gradients ---- */

enum { ADDED_AT_ONCE = 2048 };

/* Of all shards, in their order, to what is there or (first) in its place. Some elements at a time, so that their sums stay in the
 * nearest cache. */
static void add_shards(struct qb_trainer *t, const struct qb_parameter *p, size_t from, size_t to, int64_t piece, const void *arg)
{
	int output = t->graph->gradient[p->index];
	const bool *first = arg;

	(void)piece;
	if (output < 0 && p->gradient && *first) {
		memset(p->gradient + from, 0, (to - from) * sizeof(*p->gradient));
	}
	for (size_t i = from, n; output >= 0 && i < to; i += n) {
		n = QB_MIN((size_t)ADDED_AT_ONCE, to - i);
		if (*first) {
			memcpy(p->gradient + i, (const float *)t->output[0][output] + i, n * sizeof(*p->gradient));
		}
		for (int64_t s = *first; s < t->shard_count; s++) {
			qb_add_gradient(p->gradient + i, (const float *)t->output[s][output] + i, n);
		}
	}
}

/* Runs the batch that was read; its loss is added to *loss, gradients to those of the parameters, but for the first of a step. */
static enum qb_err run_batch(struct qb_trainer *t, bool first, double *loss, struct qb_errbuf *eb)
{
	double sum = -t->entropy;

	QB_TRY(qb__train_run_shards(t, eb));
	for (int64_t s = 0; s < t->shard_count; s++) {
		sum += *(const float *)t->output[s][0];
	}
	*loss += sum;
	return for_each(t, add_shards, &first, eb);
}

/* Loss and gradients of the batches of a step. */
static enum qb_err accumulate(struct qb_trainer *t, int64_t step, double *loss, struct qb_errbuf *eb)
{
	*loss = 0;
	for (int64_t run = 0; run < t->config.accumulation; run++) {
		QB_TRY(qb__train_batch_read(t, step, run, eb));
		QB_TRY(run_batch(t, run == 0, loss, eb));
		if (isfinite(*loss)) {
			qb__train_follow_statistics(t, t->config.batch_norm_momentum);
		}
	}
	return QB_OK;
}

enum qb_err qb_trainer_gradients(struct qb_trainer *t, double *loss, struct qb_errbuf *eb)
{
	double sum = 0;

	for (int64_t run = 0; run < t->config.accumulation; run++) {
		if (t->config.accumulation > 1) {
			QB_TRY(qb__train_batch_read(t, t->at.step, run, eb));
		}
		QB_TRY(run_batch(t, run == 0, &sum, eb));
	}
	*loss = sum;
	return QB_OK;
}

const void *qb_trainer_watched(const struct qb_trainer *t, int watch, int64_t shard)
{
	return t->output[shard][t->graph->watch[watch]];
}

/* ---- the step ---- */

static void square(struct qb_trainer *t, const struct qb_parameter *p, size_t from, size_t to, int64_t piece, const void *arg)
{
	(void)arg;
	t->squares[piece] = p->gradient ? qb_sum_of_squares(p->gradient + from, to - from) : 0;
}

/* Of all gradients together, added up in the order of their pieces. */
static enum qb_err gradient_norm(struct qb_trainer *t, double *norm, struct qb_errbuf *eb)
{
	int64_t pieces = count_pieces(t);
	double sum = 0;

	QB_TRY(for_each(t, square, NULL, eb));
	for (int64_t i = 0; i < pieces; i++) {
		sum += t->squares[i];
	}
	*norm = sqrt(sum);
	return QB_OK;
}

struct move {
	double rate, clip; /* factors of the rate and of gradients */
};

static void move_parameter(struct qb_trainer *t, const struct qb_parameter *p, size_t from, size_t to, int64_t piece, const void *arg)
{
	const struct move *m = arg;
	const struct qb_optimizer_config *o;
	float *slot[QB_OPTIMIZER_SLOTS] = {NULL};

	(void)piece;
	if (p->group >= QB_PARAMETER_GROUPS) {
		return;
	}
	o = &t->config.optimizer[p->group];
	for (size_t i = from; m->clip != 1 && i < to; i++) {
		p->gradient[i] = (float)(p->gradient[i] * m->clip);
	}
	for (int i = 0; i < qb_optimizer_slots(o); i++) {
		slot[i] = t->state[p->index].slot[i] + from;
	}
	if (o->rate > 0) {
		qb_optimizer_step(o, m->rate, t->at.step + 1, to - from, p->gradient + from, p->value + from, slot);
	}
}

static void average_parameter(struct qb_trainer *t, const struct qb_parameter *p, size_t from, size_t to, int64_t piece,
	const void *arg)
{
	const struct qb_parameter_state *s = &t->state[p->index];

	(void)piece, (void)arg;
	if (s->average) {
		qb_moving_average(t->config.ema, s->average + from, p->value + from, to - from);
	}
}

enum qb_err qb__train_step(struct qb_trainer *t, const struct qb_train_position *at, struct qb_train_step *out,
	struct qb_errbuf *eb)
{
	const struct qb_train_hooks *h = &t->hooks;
	double loss, penalty = 0, norm;
	struct move move;

	if (h->before_step) {
		QB_TRY(h->before_step(h->arg, t, at, eb));
	}
	QB_TRY(accumulate(t, at->step, &loss, eb));
	if (h->after_gradients) {
		QB_TRY(h->after_gradients(h->arg, t, at, &penalty, eb));
	}
	QB_TRY(gradient_norm(t, &norm, eb));
	if (!isfinite(loss + penalty) || !isfinite(norm)) {
		return qb__train_diverged(t, at, loss + penalty, norm, eb);
	}
	move = (struct move){at->rate, qb_clip_factor(norm, t->config.clip_norm)};
	QB_TRY(for_each(t, move_parameter, &move, eb));
	if (h->after_step) {
		QB_TRY(h->after_step(h->arg, t, at, eb));
	}
	if (t->config.ema > 0) {
		QB_TRY(for_each(t, average_parameter, NULL, eb));
	}
	*out = (struct qb_train_step){.at = *at, .loss = loss + penalty, .gradient_norm = norm,
		.rate = at->rate * t->config.optimizer[QB_PARAMETERS_WEIGHTS].rate};
	return QB_OK;
}
