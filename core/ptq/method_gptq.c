/* SPDX-License-Identifier: Apache-2.0
 *
 * GPTQ on the layers of a scheme, one after the other (core/ptq/gptq.h), with the Hessian of the inputs that the network
 * quantized so far feeds them.
 */
#include <stdlib.h>

#include "core/base/size.h"
#include "core/ptq/layer_inputs.h"
#include "core/ptq/gptq.h"

/* Rows of weights that one thread rounds at a time; rows of the Hessian that one adds to. */
enum { CHUNK = 32, ROW_BLOCK = 128 };

struct params {
	struct qb_gptq_options opt;
	int64_t positions;
};

static void set_defaults(void *params)
{
	*(struct params *)params = (struct params){qb_gptq_defaults, 65536};
}

static const struct qb_field fields[] = {
	{"damping", QB_FIELD_REAL, offsetof(struct params, opt.damping), 0, 1,
		.summary = "of the mean of the Hessian's diagonal, added to it"},
	{"block", QB_FIELD_INT, offsetof(struct params, opt.block), 1, 65536,
		.summary = "columns between updates of all the rest"},
	{"act_order", QB_FIELD_BOOL, offsetof(struct params, opt.act_order), 0, 0,
		.summary = "columns by falling diagonal of the Hessian"},
	{"positions", QB_FIELD_LONG, offsetof(struct params, positions), 1, 100000000,
		.summary = "im2col rows that the Hessian sums over, at most"},
	{.name = NULL},
};

/* Hessians: one a group of what is fed alike. */

struct sums {
	const struct qb_layer *l;
	int threads;
	int64_t n, row_blocks;
	const float *x;      /* [groups][n][k] of the batch at work */
	struct qb_hessian *h; /* [groups] */
};

static enum qb_err add_row_block(void *arg, int thread, int64_t item, struct qb_errbuf *eb)
{
	const struct sums *s = arg;
	int64_t g = item / s->row_blocks, k = s->l->k, from = item % s->row_blocks * ROW_BLOCK;

	(void)thread;
	return qb_hessian_update(&s->h[g], s->x + g * s->n * k, s->n, from, QB_MIN(from + ROW_BLOCK, k), eb);
}

static enum qb_err add_batch(void *arg, const float *x, const float *xq, int64_t n, struct qb_errbuf *eb)
{
	struct sums *s = arg;

	(void)x;
	s->x = xq;
	s->n = n;
	return qb_team_run(s->threads, s->l->groups * s->row_blocks, add_row_block, s, eb);
}

static void sums_fini(struct sums *s)
{
	for (int64_t g = 0; s->h && g < s->l->groups; g++) {
		qb_hessian_fini(&s->h[g]);
	}
	free(s->h);
}

static enum qb_err sums_init(struct sums *s, const struct qb_method_weights *m, const struct params *p,
	const struct qb_layer *l, struct qb_errbuf *eb)
{
	*s = (struct sums){.l = l, .threads = m->calibration->stream->threads,
		.row_blocks = (l->k + ROW_BLOCK - 1) / ROW_BLOCK, .h = calloc((size_t)l->groups, sizeof(*s->h))};
	if (!s->h) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the Hessians of %s", l->linear.node->name);
	}
	for (int64_t g = 0; g < l->groups; g++) {
		QB_TRY(qb_hessian_init(&s->h[g], l->k, eb));
	}
	return qb_layer_stream(m, l, p->positions, add_batch, s, eb);
}

/* Rounding */

struct rounding {
	const struct params *params;
	const struct qb_layer *l;
	const struct sums *sums;
	struct qb_gptq **gptq; /* [groups] */
	float *w, *out;        /* [rows, k] */
	struct qb_blocks blocks; /* of out */
	int64_t chunks;        /* of a group */
	double (*loss)[2];     /* [groups * chunks] */
};

static enum qb_err factor_group(void *arg, int thread, int64_t item, struct qb_errbuf *eb)
{
	struct rounding *r = arg;

	(void)thread;
	return qb_gptq_create(&r->gptq[item], &r->sums->h[item], &r->params->opt, eb);
}

static enum qb_err round_chunk(void *arg, int thread, int64_t item, struct qb_errbuf *eb)
{
	struct rounding *r = arg;
	int64_t group = item / r->chunks, per_group = r->l->rows / r->l->groups, begin = item % r->chunks * CHUNK;
	int64_t first = group * per_group + begin, rows = QB_MIN(CHUNK, per_group - begin);

	int64_t per_row = qb_block_count(r->l->q, 1, 1, r->l->k);
	struct qb_blocks blocks = {r->blocks.scale + first * per_row, r->blocks.zero + first * per_row};

	(void)thread;
	return qb_gptq_round(r->gptq[group], &(struct qb_gptq_rows){.q = r->l->q, .first = first, .rows = rows,
		.w = r->w + first * r->l->k, .out = r->out + first * r->l->k, .h = &r->sums->h[group],
		.blocks = per_row ? &blocks : NULL},
		r->loss[item], eb);
}

static void rounding_fini(struct rounding *r)
{
	free(r->w);
	free(r->out);
	free(r->loss);
	qb_blocks_fini(&r->blocks);
}

static void report_layer(const struct rounding *r, json_t *layers)
{
	double loss[2] = {0};

	for (int64_t i = 0; i < r->l->groups * r->chunks; i++) {
		loss[0] += r->loss[i][0];
		loss[1] += r->loss[i][1];
	}
	json_array_append_new(layers, json_pack("{s:s, s:f, s:f, s:I}", "layer", r->l->linear.node->name,
		"nearest_loss", loss[0] / (double)r->l->rows, "loss", loss[1] / (double)r->l->rows, "positions",
		(json_int_t)r->sums->h[0].samples));
}

static enum qb_err round_layer(struct qb_method_weights *m, const struct params *params, const struct qb_layer *l,
	const struct sums *sums, struct qb_gptq **gptq, json_t *layers, struct qb_errbuf *eb)
{
	size_t n = (size_t)(l->rows * l->k);
	struct rounding r = {.params = params, .l = l, .sums = sums, .gptq = gptq, .w = calloc(n, sizeof(float)),
		.out = calloc(n, sizeof(float)), .chunks = (l->rows / l->groups + CHUNK - 1) / CHUNK};
	enum qb_err err;

	r.loss = calloc((size_t)(l->groups * r.chunks), sizeof(*r.loss));
	if (!r.w || !r.out || !r.loss) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for the weights of %s", l->linear.node->name);
		goto out;
	}
	QB_TRY_OUT(qb_blocks_init(&r.blocks, qb_block_count(l->q, 1, l->rows, l->k), eb));
	QB_TRY_OUT(qb_layer_weights(m, l, r.w, NULL, eb));
	QB_TRY_OUT(qb_team_run(sums->threads, l->groups * r.chunks, round_chunk, &r, eb));
	QB_TRY_OUT(qb_layer_set(m, l, r.out, &r.blocks, eb));
	report_layer(&r, layers);
out:
	rounding_fini(&r);
	return err;
}

static enum qb_err round_alike(struct qb_method_weights *m, const void *params, const struct qb_layer *l, int count,
	json_t *layers, struct qb_errbuf *eb)
{
	const struct params *p = params;
	struct sums sums = {0};
	struct rounding r = {.params = p, .l = l, .sums = &sums,
		.gptq = calloc((size_t)l->groups, sizeof(*r.gptq))};
	enum qb_err err;

	if (!r.gptq) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for %s", l->linear.node->name);
		goto out;
	}
	QB_TRY_OUT(sums_init(&sums, m, p, l, eb));
	QB_TRY_OUT(qb_team_run(sums.threads, l->groups, factor_group, &r, eb));
	for (int i = 0; err == QB_OK && i < count; i++) {
		err = round_layer(m, p, &l[i], &sums, r.gptq, layers, eb);
	}
out:
	for (int64_t g = 0; r.gptq && g < l->groups; g++) {
		qb_gptq_destroy(&r.gptq[g]);
	}
	free(r.gptq);
	sums_fini(&sums);
	return err == QB_OK ? err : qb_fail_in(eb, err, "layer %s", l->linear.node->name);
}

static enum qb_err run(struct qb_method_weights *m, const void *params, struct qb_errbuf *eb)
{
	return qb_layers_each(m, params, round_alike, eb);
}

const struct qb_method qb_method_gptq = {
	.named = {.name = "gptq", .summary = "Rounds weights column by column, making good in the rest what each rounding did",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults},
	.stage = QB_METHOD_WEIGHTS, .weights = run,
};
