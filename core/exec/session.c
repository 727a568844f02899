/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/size.h"
#include "core/exec/plan.h"
#include "core/graph/op.h"
#include "core/kernels/int8/kernels.h"

/* What the caller has: inputs, and outputs of which one is written where it lies. */

/* Where outputs go that the caller does not want. */
static enum qb_err find_room(struct qb_session *s, struct qb_errbuf *eb)
{
	if (!s->unwanted) {
		s->unwanted = qb_aligned_alloc(s->plan->unwanted_bytes, 1);
	}
	return s->unwanted ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for %zu bytes of outputs that are not wanted",
		s->plan->unwanted_bytes);
}

/* What is the same in all shards; a lone session is one. */
static enum qb_err bind_common(struct qb_session *s, struct qb_errbuf *eb)
{
	const struct qb_plan *p = s->plan;

	if (!s->common) {
		s->common = qb_aligned_alloc(p->common_bytes, 1);
	}
	if (!s->common) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %zu bytes that shards have in common", p->common_bytes);
	}
	for (int i = 1; i < p->buffers; i++) {
		if (p->buffer[i].bound == QB_BOUND_COMMON) {
			s->bound[i] = s->common + p->buffer[i].offset[0];
		}
	}
	return QB_OK;
}

static enum qb_err bind(struct qb_session *s, const struct qb_run *run, struct qb_errbuf *eb)
{
	const struct qb_plan *p = s->plan;

	for (int i = 0; i < p->graph->inputs; i++) {
		s->bound[p->input[i]] = (void *)run->input[i];
	}
	for (int i = p->graph->outputs - 1; i >= 0; i--) { /* of several that are one buffer the first has it */
		int id = p->output[i].buffer;

		if (id <= 0 || p->buffer[id].bound != QB_BOUND_OUTPUT) {
			continue;
		}
		if (run->output && run->output[i]) {
			s->bound[id] = run->output[i];
			continue;
		}
		QB_TRY(find_room(s, eb));
		s->bound[id] = s->unwanted + p->buffer[id].offset[0];
	}
	QB_TRY(bind_common(s, eb));
	return qb__dnn_bind(s, eb);
}

/* Sessions */

enum qb_err qb_session_create(struct qb_session **out, const struct qb_plan *plan, bool keep,
	struct qb_errbuf *eb)
{
	struct qb_session *s = calloc(1, sizeof(*s));
	enum qb_err err = QB_OK;

	if (!s) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a session");
	}
	s->plan = plan;
	s->keep = keep;
	s->arena = qb_aligned_alloc(plan->arena_bytes[keep], 1);
	s->scratch = qb_aligned_alloc(plan->scratch_bytes, 1);
	/* Two: one for the value, one for its reference. */
	s->observer_scratch = qb_aligned_alloc(qb_align_up(plan->observer_scratch_bytes, 64), 2);
	s->bound = plan->mode == QB_PLAN_TRAINING ? calloc((size_t)plan->buffers + 1, sizeof(*s->bound)) : NULL;
	if (!s->arena || !s->scratch || !s->observer_scratch || (plan->mode == QB_PLAN_TRAINING && !s->bound)) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for a session of %zu bytes",
			plan->arena_bytes[keep]);
		goto out;
	}
	/* Padding of blocked layouts must be numbers. */
	memset(s->arena, 0, plan->arena_bytes[keep]);
	QB_TRY_OUT(qb__dnn_session_create(&s->dnn, s, eb));
	*out = s;
	s = NULL;
out:
	qb_session_destroy(&s);
	return err;
}

void qb_session_destroy(struct qb_session **session)
{
	struct qb_session *s = *session;

	if (!s) {
		return;
	}
	qb__dnn_session_destroy(&s->dnn);
	free(s->arena);
	free(s->scratch);
	free(s->observer_scratch);
	free(s->before);
	free(s->bound);
	free(s->unwanted);
	if (!s->lent) {
		free(s->common);
	}
	free(s);
	*session = NULL;
}

/* Steps */

static struct qb_tensor tensor_of(const struct qb_value *v, void *data)
{
	struct qb_tensor t = {.dtype = v->dtype, .ndim = v->shape.ndim, .data = data};

	memcpy(t.dim, v->shape.dim, (size_t)t.ndim * sizeof(*t.dim));
	return t;
}

/* A constant as the overlay has it: matrix products and convolutions may fall back to plain C too. */
static void *constant_data(const struct qb_overlay *overlay, const struct qb_value *v)
{
	void *q = overlay ? overlay->constant[v->index] : NULL;

	return q ? q : v->constant->data;
}

static enum qb_err run_eval(struct qb_session *s, const struct qb_step *step,
	const struct qb_overlay *overlay, struct qb_errbuf *eb)
{
	enum { MANY = 64 };
	const struct qb_node *n = step->node;
	struct qb_tensor in[MANY], out[MANY], residual;
	const struct qb_tensor *arg[MANY];

	if (n->inputs > MANY || n->outputs > MANY) {
		return qb_fail(eb, QB_EUNSUPPORTED, "node %s has %d inputs and %d outputs; up to %d run",
			n->name, n->inputs, n->outputs, MANY);
	}
	for (int i = 0; i < n->inputs; i++) {
		arg[i] = n->input[i] ? &in[i] : NULL;
		if (n->input[i]) {
			in[i] = tensor_of(n->input[i],
				step->read.id[i] ? qb_session_buffer(s, step->read.id[i])
						 : constant_data(overlay, n->input[i]));
		}
	}
	memset(out, 0, (size_t)QB_MAX(n->outputs, 1) * sizeof(*out));
	for (int i = 0; i < n->outputs; i++) {
		if (n->output[i]) {
			out[i] = tensor_of(n->output[i], qb_session_buffer(s, step->write.id[i]));
			memset(out[i].data, 0, qb_value_bytes(n->output[i]));
		}
	}
	if (step->lowered->residual) {
		residual = tensor_of(step->lowered->residual, qb_session_buffer(s, step->read.id[n->inputs]));
	}
	return qb_lowered_eval(step->lowered, arg, step->lowered->residual ? &residual : NULL, out, eb);
}

/* A weight's numbers in the plan's layout: the overlay's where it has some. */
static void *weight_data(const struct qb_session *s, const struct qb_overlay *overlay, int id)
{
	return overlay && overlay->memory[id] ? qb__memory_data(overlay->memory[id]) : s->plan->weight[id].data;
}

static void run_call(struct qb_session *s, const struct qb_step *step,
	const struct qb_overlay *overlay)
{
	struct qb_operands at = {0};

	for (int i = 0; i < step->read.n; i++) {
		int id = step->read.id[i];

		at.read[i] = id < 0 ? weight_data(s, overlay, QB_CALL_WEIGHT(id)) : id ? qb_session_buffer(s, id) : NULL;
	}
	for (int i = 0; i < step->write.n; i++) {
		at.write[i] = step->write.id[i] ? qb_session_buffer(s, step->write.id[i]) : NULL;
	}
	/* Scratch of no bytes is an address too. */
	for (int i = 0; i < step->scratch.n; i++) {
		at.scratch[i] = step->scratch.id[i] ? qb_session_buffer(s, step->scratch.id[i]) : s->scratch;
	}
	step->fn(step->context, &at);
}

/* Observers */

/* The value without padding, channels innermost, in half `half` of the scratch. */
static enum qb_err unpad(struct qb_session *s, const struct qb_step *t, const float *x, int half,
	float **out, struct qb_errbuf *eb)
{
	if (!t->to_scratch) {
		*out = (float *)x;
		return QB_OK;
	}
	*out = (float *)((char *)s->observer_scratch +
		(size_t)half * qb_align_up(s->plan->observer_scratch_bytes, 64));
	return qb__dnn_reorder(s, t->to_scratch, x, *out, eb);
}

static enum qb_err observe(struct qb_session *s, const struct qb_step *t, const struct qb_run *run,
	const float *x, struct qb_errbuf *eb)
{
	float *dense = (float *)x;
	size_t n = t->numbers;

	if (t->padded || run->ordered) {
		QB_TRY(unpad(s, t, x, 0, &dense, eb));
		n = qb_layout_elements(&t->scratch_layout);
	}
	run->observe(run->observe_arg, t->value, dense, n);
	return QB_OK;
}

/* Per tensor any layout will do, for zeros stay zeros and add nothing to the sums. */
static enum qb_err quantize(struct qb_session *s, const struct qb_step *t, const struct qb_run *run,
	const struct qb_quantizer *q, float *x, struct qb_errbuf *eb)
{
	struct qb_qdq_sums unused = {0}, *sums = run->sums ? &run->sums[t->value] : &unused;
	const float *ref =
		run->reference ? qb_session_buffer(run->reference, t->place.buffer) : NULL;
	int64_t n = (int64_t)t->numbers, channels;
	float *y = x, *r = (float *)ref;

	if (q->channels == 1 && !q->format.block) {
		if (run->sums) {
			qb_qdq_measure(q, x, ref, x, 1, 1, n, sums);
		} else {
			qb_qdq(q, x, x, 1, 1, n);
		}
		return QB_OK;
	}
	QB_TRY(unpad(s, t, x, 0, &y, eb));
	if (ref) {
		QB_TRY(unpad(s, t, ref, 1, &r, eb));
	}
	n = (int64_t)qb_layout_elements(&t->scratch_layout);
	channels = t->scratch_layout.ndim == 4 || t->scratch_layout.ndim == 5
		? t->scratch_layout.dim[1] : t->scratch_layout.dim[t->scratch_layout.ndim - 1];
	if (q->format.block) {
		qb_qdq_measure(q, y, r, y, n / channels, 1, channels, sums);
	} else {
		qb_qdq_measure(q, y, r, y, n / channels, channels, 1, sums);
	}
	return t->from_scratch ? qb__dnn_reorder(s, t->from_scratch, y, x, eb) : QB_OK;
}

/* Index of channel c of pixel p among the elements that an observer sees: dimension 1 of four or five is innermost, as in
 * channels_last of plan.c. */
static int64_t observed_index(const struct qb_step *t, const struct qb_shape *s, int64_t p,
	int64_t c)
{
	const struct qb_bytes *q = t->bytes;
	int64_t i = (p / q->inner * q->channels + c) * q->inner + p % q->inner, rest = 1;

	if (s->ndim != 4 && s->ndim != 5) {
		return i;
	}
	for (int k = 2; k < s->ndim; k++) {
		rest *= s->dim[k];
	}
	return (i / (rest * s->dim[1]) * rest + i % rest) * s->dim[1] + i / rest % s->dim[1];
}

/* Bytes of an integer plan as floats, and back where the observer may change them. */
static void observe_bytes(struct qb_session *s, const struct qb_step *t, const struct qb_run *run)
{
	const struct qb_int8_kernels *k = qb_int8_kernels();
	const struct qb_shape *shape = &s->plan->graph->value[t->value]->shape;
	const struct qb_bytes *q = t->bytes;
	uint8_t *u = qb_session_buffer(s, q->buffer);
	float *x = s->observer_scratch;

	for (int64_t p = 0; p < q->pixels; p++) {
		for (int64_t c = 0; c < q->channels; c++) {
			k->dequantize(u + p * q->stride + c, x + observed_index(t, shape, p, c), 1, q->scale, q->zero);
		}
	}
	run->observe(run->observe_arg, t->value, x, (size_t)(q->pixels * q->channels));
	for (int64_t p = 0; run->inject && p < q->pixels; p++) {
		for (int64_t c = 0; c < q->channels; c++) {
			k->quantize(x + observed_index(t, shape, p, c), u + p * q->stride + c, 1, q->scale, q->zero,
				q->top);
		}
	}
}

static enum qb_err run_observer(struct qb_session *s, const struct qb_step *t, const struct qb_run *run,
	struct qb_errbuf *eb)
{
	float *x;

	if (t->bytes) {
		if (run->observe) {
			observe_bytes(s, t, run);
		}
		return QB_OK;
	}
	x = qb_session_buffer(s, t->place.buffer);

	if (run->observe && !run->quantized) {
		QB_TRY(observe(s, t, run, x, eb));
	}
	if (run->overlay) {
		const struct qb_quantization *q = run->overlay->quantization;

		if (q->q[t->value] && !q->shared[t->value]) {
			QB_TRY(quantize(s, t, run, q->q[t->value], x, eb));
		}
	}
	return run->observe && run->quantized ? observe(s, t, run, x, eb) : QB_OK;
}

static enum qb_err dispatch_step(struct qb_session *s, int i, const struct qb_run *run,
	const struct qb_overlay *overlay, struct qb_errbuf *eb)
{
	const struct qb_step *step = &s->plan->step[i];

	switch (step->kind) {
	case QB_STEP_PRIMITIVE:
		return qb__dnn_run(s, i, overlay, eb);
	case QB_STEP_CALL:
		run_call(s, step, overlay);
		return QB_OK;
	case QB_STEP_EVAL:
		return run_eval(s, step, overlay, eb);
	case QB_STEP_OBSERVE:
		return run_observer(s, step, run, eb);
	case QB_STEP_SHARD_SUM:
		memcpy(qb_session_buffer(s, step->write.id[0]), qb_session_buffer(s, step->read.id[0]),
			s->plan->buffer[step->read.id[0]].bytes);
		return QB_OK;
	}
	return QB_OK;
}

static enum qb_err run_step(struct qb_session *s, int i, const struct qb_run *run,
	const struct qb_overlay *overlay, struct qb_errbuf *eb)
{
	if (!s->before) {
		return dispatch_step(s, i, run, overlay, eb);
	}
	qb__check_before(s, &s->plan->step[i]);
	QB_TRY(dispatch_step(s, i, run, overlay, eb));
	return qb__check_after(s, i, eb);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

enum qb_err qb__session_begin(struct qb_session *s, const struct qb_run *run, struct qb_errbuf *eb)
{
	const struct qb_plan *p = s->plan;

	if (s->bound) {
		QB_TRY(bind(s, run, eb));
	}
	if (s->before) {
		qb__check_run(s);
	}
	for (int i = 0; !s->bound && i < p->graph->inputs; i++) {
		memcpy(qb_session_buffer(s, p->input[i]), run->input[i], qb_value_bytes(p->graph->input[i]));
	}
	return QB_OK;
}

enum qb_err qb__session_step(struct qb_session *s, const struct qb_run *run, int i, struct qb_errbuf *eb)
{
	const struct qb_overlay *overlay = s->plan->overlay ? s->plan->overlay : run->overlay;
	int64_t start = run->step_ns ? now_ns() : 0;

	QB_TRY(run_step(s, i, run, overlay, eb));
	if (run->step_ns) {
		run->step_ns[i] += now_ns() - start;
	}
	return QB_OK;
}

enum qb_err qb__session_steps(struct qb_session *s, const struct qb_run *run, int from, int to, struct qb_errbuf *eb)
{
	for (int i = from; i < to; i++) {
		if (!s->lent || !s->plan->step[i].common) {
			QB_TRY(qb__session_step(s, run, i, eb));
		}
	}
	return QB_OK;
}

void qb__session_end(struct qb_session *s, const struct qb_run *run)
{
	const struct qb_plan *p = s->plan;
	const struct qb_graph *g = p->graph;

	for (int i = 0; run->output && i < g->outputs; i++) {
		const void *from = p->output[i].buffer < 0
			? g->output[i]->constant->data
			: qb_session_buffer(s, p->output[i].buffer);

		if (run->output[i] && run->output[i] != from) {
			memcpy(run->output[i], from, qb_value_bytes(g->output[i]));
		}
	}
}

enum qb_err qb_session_run(struct qb_session *session, const struct qb_run *run,
	struct qb_errbuf *eb)
{
	qb_threads_use(session->plan->threads);
	QB_TRY(qb__session_begin(session, run, eb));
	QB_TRY(qb__session_steps(session, run, 0, run->steps ? run->steps : session->plan->steps, eb));
	if (!run->steps) {
		qb__session_end(session, run);
	}
	return QB_OK;
}
