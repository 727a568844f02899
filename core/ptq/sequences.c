/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/sequences.h"

#include <stdlib.h>

#include "core/base/size.h"
#include "core/graph/padding_input.h"
#include "core/ptq/stream.h"
#include "core/ptq/sweep.h"

enum { WINDOW_BATCHES_A_THREAD = 2 };

/* ---- what there is ---- */

static enum qb_err find_tokens(struct qb_sequences *s, struct qb_errbuf *eb)
{
	QB_TRY(qb_graph_find_attention(&s->attention, s->graph, eb));
	QB_TRY(qb_graph_find_residual(&s->stream, s->graph, &s->attention, eb));
	if (s->stream.count) {
		s->tokens = s->stream.at[0].value->shape.dim[1];
	} else if (s->attention.count) {
		s->tokens = s->attention.at[0].queries;
	}
	if (s->tokens < 1) {
		return qb_fail(eb, QB_EUNSUPPORTED, "the network has neither attention nor a residual stream of tokens, [batch, tokens, "
			"channels]; outliers are reported of transformers, and the diagnose job looks into any network");
	}
	s->padding = qb_graph_padding_input(s->graph, &s->attention, s->tokens);
	return QB_OK;
}

static enum qb_err create(struct qb_sequences *s, int64_t samples, struct qb_errbuf *eb)
{
	int64_t rows = qb_dataset_rows(s->data), count = qb_dataset_count(s->data);

	samples = samples ? QB_MIN(samples, count) : count;
	QB_TRY(qb_sweep_batch(&s->batch, s->model, &samples, rows, eb));
	if (samples > count) {
		return qb_fail_field(eb, QB_EJOB, "", "data", "has %lld sequences, and the model takes %lld at a time",
			(long long)(count * rows), (long long)s->batch);
	}
	s->count = samples * rows;
	s->slots = qb_stream_window(s->data, s->batch, (int64_t)WINDOW_BATCHES_A_THREAD * s->threads);
	QB_TRY(qb_graph_bind(&s->graph, s->model, s->batch, eb));
	return find_tokens(s, eb);
}

enum qb_err qb_sequences_create(struct qb_sequences **out, const struct qb_graph *model, const struct qb_dataset *data,
	int64_t samples, int threads, struct qb_errbuf *eb)
{
	struct qb_sequences *s = calloc(1, sizeof(*s));
	enum qb_err err;

	if (!s) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a run over sequences");
	}
	*s = (struct qb_sequences){.model = model, .data = data, .threads = threads, .padding = -1};
	err = create(s, samples, eb);
	if (err != QB_OK) {
		qb_sequences_destroy(&s);
		return err;
	}
	*out = s;
	return QB_OK;
}

void qb_sequences_destroy(struct qb_sequences **sequences)
{
	struct qb_sequences *s = *sequences;

	if (s) {
		qb_graph_destroy(&s->graph);
		free(s);
		*sequences = NULL;
	}
}

/* ---- the run ---- */

struct pass {
	struct qb_sequences *s;
	const struct qb_sequence_work *work;
	const struct qb_network *network;
	struct qb_lane *lane;
	bool *kept;     /* [threads][batch][tokens] */
	float *mask;    /* [threads][tokens] */
	int64_t closed; /* sequences of windows before this one */
};

/* One batch on its thread. */
struct seen {
	const struct pass *pass;
	const struct qb_batch *batch;
	const bool *kept; /* [batch][tokens], or NULL */
};

static void see(void *arg, int value, float *x, size_t n)
{
	const struct seen *t = arg;
	const struct pass *p = t->pass;
	size_t size = n / (size_t)p->network->batch;
	struct qb_sequence one = {.slot = t->batch->slot, .thread = t->batch->thread, .value = value};

	for (int64_t r = 0; r < p->network->batch; r++) {
		one.number = p->closed + t->batch->slot * p->network->batch + r;
		one.x = x + (size_t)r * size;
		one.kept = t->kept ? t->kept + r * p->s->tokens : NULL;
		p->work->see(p->work->arg, &one);
	}
}

/* A mask is 1 where a token counts, or, added to scores as it is, 0 there and far below elsewhere. */
static void read_mask(const float *mask, int64_t tokens, bool *kept)
{
	bool added = false;

	for (int64_t t = 0; t < tokens; t++) {
		added = added || mask[t] < 0;
	}
	for (int64_t t = 0; t < tokens; t++) {
		kept[t] = added ? mask[t] >= 0 : mask[t] != 0;
	}
}

static const bool *kept_tokens(const struct pass *p, const struct qb_batch *b)
{
	int64_t tokens = p->s->tokens, batch = p->network->batch;
	bool *kept = p->kept + (int64_t)b->thread * p->s->batch * tokens;
	float *mask = p->mask + (int64_t)b->thread * tokens;
	enum qb_dtype type;

	if (p->s->padding < 0) {
		return NULL;
	}
	type = p->s->graph->input[p->s->padding]->dtype;
	for (int64_t r = 0; r < batch; r++) {
		const char *from = (const char *)b->input[p->s->padding] + (size_t)(r * tokens) * qb_dtype_bytes(type);

		qb_convert_to_f32(type, from, mask, (size_t)tokens);
		read_mask(mask, tokens, kept + r * tokens);
	}
	return kept;
}

static enum qb_err run_batch(void *arg, const struct qb_batch *b, struct qb_errbuf *eb)
{
	const struct pass *p = arg;
	struct qb_lane *l = &p->lane[b->thread];
	struct seen seen = {p, b, kept_tokens(p, b)};
	struct qb_run run = {.input = b->input, .output = l->scratch, .observe = see, .observe_arg = &seen, .ordered = true};

	return qb_session_run(l->work, &run, eb);
}

static enum qb_err close_window(void *arg, int64_t batches, const double *labels, struct qb_errbuf *eb)
{
	struct pass *p = arg;

	(void)labels;
	(void)eb;
	p->work->close(p->work->arg, batches);
	p->closed += batches * p->network->batch;
	return QB_OK;
}

static enum qb_err heard(void *arg, double share, struct qb_errbuf *eb)
{
	const struct pass *p = arg;

	return p->work->progress ? p->work->progress(p->work->arg, share, eb) : QB_OK;
}

static enum qb_err run_rows(struct pass *p, struct qb_stream *stream, int64_t first, int64_t batch, int64_t batches,
	const bool *chosen, struct qb_errbuf *eb)
{
	const struct qb_stream_work work = {run_batch, close_window, heard, p};
	struct qb_network *n = NULL;
	enum qb_err err;

	QB_TRY(qb_network_create_observing(&n, p->s->model, batch, 1, chosen, eb));
	p->network = n;
	err = n->graph->values == p->s->graph->values ? qb_lanes_create(&p->lane, n, p->s->threads, false, eb)
		: qb_fail(eb, QB_EINTERNAL, "the network has %d values at batch %lld and %d at %lld", n->graph->values, (long long)batch,
			p->s->graph->values, (long long)p->s->batch);
	if (err == QB_OK) {
		err = qb_stream_run(stream, first, batch, batches, &work, eb);
	}
	qb_lanes_destroy(&p->lane, n, p->s->threads);
	qb_network_destroy(&n);
	return err;
}

enum qb_err qb_sequences_run(struct qb_sequences *s, const bool *chosen, const struct qb_sequence_work *work, struct qb_errbuf *eb)
{
	struct pass p = {.s = s, .work = work};
	struct qb_stream *stream = NULL;
	int64_t rest = s->count % s->batch;
	int before = qb_threads_use(1);
	enum qb_err err;

	p.kept = calloc((size_t)(s->threads * s->batch * s->tokens), sizeof(*p.kept));
	p.mask = calloc((size_t)(s->threads * s->tokens), sizeof(*p.mask));
	if (!p.kept || !p.mask) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for a run over sequences of %lld tokens", (long long)s->tokens);
		goto out;
	}
	QB_TRY_OUT(qb_stream_create(&stream, s->data, s->graph, s->batch, s->slots, s->threads, eb));
	QB_TRY_OUT(run_rows(&p, stream, 0, s->batch, s->count / s->batch, chosen, eb));
	if (rest) {
		QB_TRY_OUT(run_rows(&p, stream, s->count - rest, rest, 1, chosen, eb));
	}
out:
	qb_stream_destroy(&stream);
	free(p.kept);
	free(p.mask);
	qb_threads_use(before);
	return err;
}
