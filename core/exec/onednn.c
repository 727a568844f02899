/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/onednn.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/onednn_step.h"
#include "core/exec/plan.h"

bool qb_dnn_is_present(void)
{
	return true;
}

static dnnl_engine_t engine;

static void make_engine(void)
{
	dnnl_engine_create(&engine, dnnl_cpu, 0);
}

dnnl_engine_t qb__dnn_engine(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_engine);
	return engine;
}

enum qb_err qb__dnn_check(dnnl_status_t status, const char *what, struct qb_errbuf *eb)
{
	switch (status) {
	case dnnl_success:
		return QB_OK;
	case dnnl_out_of_memory:
		return qb_fail(eb, QB_ENOMEM, "%s: no memory", what);
	case dnnl_unimplemented:
		return qb_fail(eb, QB_EUNSUPPORTED, "%s: oneDNN has no implementation", what);
	default:
		return qb_fail(eb, QB_EINTERNAL, "%s: oneDNN failed with status %d", what, (int)status);
	}
}

/* Layouts */

dnnl_memory_desc_t qb__dnn_md(const struct qb_layout *l)
{
	dnnl_memory_desc_t md;
	dnnl_blocking_desc_t *b = &md.format_desc.blocking;

	_Static_assert(QB_LAYOUT_DIMS == DNNL_MAX_NDIMS, "as many dimensions");
	memset(&md, 0, sizeof(md));
	md.ndims = l->ndim;
	md.data_type = dnnl_f32;
	md.format_kind = dnnl_blocked;
	memcpy(md.dims, l->dim, sizeof(md.dims));
	memcpy(md.padded_dims, l->padded, sizeof(md.padded_dims));
	memcpy(b->strides, l->stride, sizeof(b->strides));
	b->inner_nblks = l->blocks;
	for (int i = 0; i < l->blocks; i++) {
		b->inner_idxs[i] = l->block[i].dim;
		b->inner_blks[i] = l->block[i].size;
	}
	return md;
}

/* Memory */

struct qb_memory {
	dnnl_memory_t memory;
	void *data;
};

enum qb_err qb__memory_create(struct qb_memory **out, const struct qb_layout *l, void *data, struct qb_errbuf *eb)
{
	struct qb_memory *m = calloc(1, sizeof(*m));
	dnnl_memory_desc_t md = qb__dnn_md(l);
	enum qb_err err;

	if (!m) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a weight");
	}
	m->data = data;
	err = qb__dnn_check(dnnl_memory_create(&m->memory, &md, qb__dnn_engine(), data), "memory", eb);
	if (err != QB_OK) {
		free(m);
		return err;
	}
	*out = m;
	return QB_OK;
}

void qb__memory_destroy(struct qb_memory **memory)
{
	if (*memory) {
		dnnl_memory_destroy((*memory)->memory);
	}
	free(*memory);
	*memory = NULL;
}

void *qb__memory_data(const struct qb_memory *m)
{
	return m->data;
}

/* Primitives */

void qb__primitive_destroy(struct qb_primitive **p)
{
	if (*p) {
		dnnl_primitive_destroy((*p)->primitive);
	}
	*p = NULL;
}

size_t qb__primitive_scratch(const struct qb_primitive *p)
{
	return p->scratch_bytes;
}

enum qb_err qb__primitive_create(struct qb_primitive *p, const_dnnl_primitive_desc_t pd, const char *what,
	struct qb_errbuf *eb)
{
	const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);

	for (int i = 0; i < p->args; i++) {
		p->has_weights = p->has_weights || p->arg[i].at.buffer < 0;
	}
	if (scratch) {
		p->scratch = *scratch;
		p->scratch_bytes = dnnl_memory_desc_get_size(scratch);
	}
	return qb__dnn_check(dnnl_primitive_create(&p->primitive, pd), what, eb);
}

enum qb_err qb__reorder_create(struct qb_primitive **out, struct qb_arena *arena, const struct qb_layout *from,
	const struct qb_layout *to, struct qb_errbuf *eb)
{
	const dnnl_memory_desc_t a = qb__dnn_md(from), b = qb__dnn_md(to);
	struct qb_primitive *p = qb_arena_alloc(arena, 1, sizeof(*p));
	dnnl_primitive_desc_t pd = NULL;
	enum qb_err err;

	if (!p) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	*p = (struct qb_primitive){.args = 2, .arg = {{.arg = DNNL_ARG_FROM, .at.layout = *from},
		{.arg = DNNL_ARG_TO, .written = true, .at.layout = *to}}};
	QB_TRY(qb__dnn_check(dnnl_reorder_primitive_desc_create(&pd, &a, qb__dnn_engine(), &b, qb__dnn_engine(), NULL),
		"reorder", eb));
	err = qb__primitive_create(p, pd, "reorder", eb);
	dnnl_primitive_desc_destroy(pd);
	*out = err == QB_OK ? p : NULL;
	return err;
}

static enum qb_err run_reorder(const struct qb_primitive *p, dnnl_stream_t stream, const void *src, void *dst,
	struct qb_errbuf *eb)
{
	const dnnl_memory_desc_t from = qb__dnn_md(&p->arg[0].at.layout), to = qb__dnn_md(&p->arg[1].at.layout);
	dnnl_memory_t a = NULL, b = NULL;
	dnnl_status_t s = dnnl_memory_create(&a, &from, qb__dnn_engine(), (void *)src);

	s = s ? s : dnnl_memory_create(&b, &to, qb__dnn_engine(), dst);
	if (!s) {
		const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, a}, {DNNL_ARG_TO, b}};

		s = dnnl_primitive_execute(p->primitive, stream, 2, args);
		s = s ? s : dnnl_stream_wait(stream);
	}
	dnnl_memory_destroy(a);
	dnnl_memory_destroy(b);
	return qb__dnn_check(s, "reorder", eb);
}

enum qb_err qb__reorder_now(const struct qb_layout *from, const void *src, const struct qb_layout *to, void *dst,
	struct qb_errbuf *eb)
{
	struct qb_arena *arena = qb_arena_create();
	struct qb_primitive *p = NULL;
	dnnl_stream_t stream = NULL;
	enum qb_err err = QB_OK;

	if (!arena) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a reorder");
	}
	QB_TRY_OUT(qb__reorder_create(&p, arena, from, to, eb));
	QB_TRY_OUT(qb__dnn_check(dnnl_stream_create(&stream, qb__dnn_engine(), dnnl_stream_default_flags), "reorder", eb));
	err = run_reorder(p, stream, src, dst, eb);
out:
	dnnl_stream_destroy(stream);
	qb__primitive_destroy(&p);
	qb_arena_destroy(&arena);
	return err;
}

/* Steps */

enum qb_err qb__dnn_add_step(struct qb_builder *b, struct qb_step *s, struct qb_errbuf *eb)
{
	const struct qb_primitive *p = s->primitive;

	s->kind = QB_STEP_PRIMITIVE;
	QB_TRY(qb__ids(b, &s->read, NULL, p->args, eb));
	QB_TRY(qb__ids(b, &s->write, NULL, p->args, eb));
	for (int i = 0; i < p->args; i++) {
		(p->arg[i].written ? s->write : s->read).id[i] = p->arg[i].at.buffer;
	}
	return qb__add_step(b, s, eb);
}

enum qb_err qb__add_reorder(struct qb_builder *b, const struct qb_place *from, const struct qb_place *to,
	struct qb_errbuf *eb)
{
	struct qb_step s = {.node = b->node, .what = "reorder", .implementation = "oneDNN reorder"};
	enum qb_err err;

	QB_TRY(qb__reorder_create(&s.primitive, b->plan->arena, &from->layout, &to->layout, eb));
	s.primitive->arg[0].at.buffer = from->buffer;
	s.primitive->arg[1].at.buffer = to->buffer;
	err = qb__dnn_add_step(b, &s, eb);
	if (err != QB_OK) {
		qb__primitive_destroy(&s.primitive);
	}
	return err;
}

/* Sessions */

struct qb_dnn_session {
	const struct qb_plan *plan;
	dnnl_stream_t stream;
	dnnl_exec_arg_t **exec; /* [steps]: arguments of primitives, their memory owned but for weights'; else NULL */
};

/* Memory of the session as argument `at` of a primitive. */
static enum qb_err bind_memory(dnnl_exec_arg_t *at, int arg, const dnnl_memory_desc_t *md, void *data, struct qb_errbuf *eb)
{
	at->arg = arg;
	return qb__dnn_check(dnnl_memory_create(&at->memory, md, qb__dnn_engine(), data), "session", eb);
}

/* Scratch is the last argument, where there is any. */
static int arguments(const struct qb_primitive *p)
{
	return p->args + (p->scratch_bytes > 0);
}

static enum qb_err bind_primitive(dnnl_exec_arg_t *exec, const struct qb_session *s, const struct qb_primitive *p,
	struct qb_errbuf *eb)
{
	for (int a = 0; a < p->args; a++) {
		const struct qb_place *at = &p->arg[a].at;
		dnnl_memory_desc_t md = qb__dnn_md(&at->layout);

		if (at->buffer < 0) {
			exec[a] = (dnnl_exec_arg_t){p->arg[a].arg, s->plan->weight[QB_CALL_WEIGHT(at->buffer)].memory->memory};
			continue;
		}
		QB_TRY(bind_memory(&exec[a], p->arg[a].arg, &md, qb_session_buffer(s, at->buffer), eb));
	}
	return arguments(p) > p->args ? bind_memory(&exec[p->args], DNNL_ARG_SCRATCHPAD, &p->scratch, s->scratch, eb) : QB_OK;
}

enum qb_err qb__dnn_session_create(struct qb_dnn_session **out, const struct qb_session *s, struct qb_errbuf *eb)
{
	struct qb_dnn_session *d = calloc(1, sizeof(*d));
	enum qb_err err = QB_OK;

	if (d) {
		d->plan = s->plan;
		d->exec = calloc((size_t)s->plan->steps + 1, sizeof(*d->exec));
	}
	if (!d || !d->exec) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for a session");
		goto out;
	}
	QB_TRY_OUT(qb__dnn_check(dnnl_stream_create(&d->stream, qb__dnn_engine(), dnnl_stream_default_flags), "session", eb));
	for (int i = 0; i < s->plan->steps; i++) {
		const struct qb_primitive *p = s->plan->step[i].primitive;

		if (p) {
			d->exec[i] = calloc((size_t)arguments(p), sizeof(**d->exec));
			QB_TRY_OUT(d->exec[i] ? bind_primitive(d->exec[i], s, p, eb)
					      : qb_fail(eb, QB_ENOMEM, "no memory for a session"));
		}
	}
	*out = d;
	d = NULL;
out:
	qb__dnn_session_destroy(&d);
	return err;
}

void qb__dnn_session_destroy(struct qb_dnn_session **session)
{
	struct qb_dnn_session *d = *session;

	if (!d) {
		return;
	}
	for (int i = 0; d->exec && i < d->plan->steps; i++) {
		const struct qb_primitive *p = d->plan->step[i].primitive;

		for (int a = 0; d->exec[i] && a < arguments(p); a++) {
			if (a == p->args || p->arg[a].at.buffer >= 0) {
				dnnl_memory_destroy(d->exec[i][a].memory);
			}
		}
		free(d->exec[i]);
	}
	free(d->exec);
	dnnl_stream_destroy(d->stream);
	free(d);
	*session = NULL;
}

enum qb_err qb__dnn_run(const struct qb_session *s, int i, const struct qb_overlay *overlay, struct qb_errbuf *eb)
{
	const struct qb_step *step = &s->plan->step[i];
	const struct qb_primitive *p = step->primitive;
	dnnl_exec_arg_t *exec = s->dnn->exec[i], patched[QB_DNN_ARGS + 1];

	if (overlay && p->has_weights) {
		memcpy(patched, exec, (size_t)arguments(p) * sizeof(*exec));
		for (int a = 0; a < p->args; a++) {
			int buffer = p->arg[a].at.buffer;

			if (buffer < 0 && overlay->memory[QB_CALL_WEIGHT(buffer)]) {
				patched[a].memory = overlay->memory[QB_CALL_WEIGHT(buffer)]->memory;
			}
		}
		exec = patched;
	}
	return qb__dnn_check(dnnl_primitive_execute(p->primitive, s->dnn->stream, arguments(p), exec),
		step->node ? step->node->name : "output", eb);
}

enum qb_err qb__dnn_reorder(const struct qb_session *s, const struct qb_primitive *reorder, const void *src, void *dst,
	struct qb_errbuf *eb)
{
	return run_reorder(reorder, s->dnn->stream, src, dst, eb);
}

enum qb_err qb__dnn_bind(const struct qb_session *s, struct qb_errbuf *eb)
{
	const struct qb_plan *plan = s->plan;

	for (int i = 0; i < plan->steps; i++) {
		const struct qb_primitive *p = plan->step[i].primitive;

		for (int a = 0; p && a < p->args; a++) {
			int buffer = p->arg[a].at.buffer;

			if (buffer > 0 && s->bound[buffer]) {
				QB_TRY(qb__dnn_check(dnnl_memory_set_data_handle(s->dnn->exec[i][a].memory, s->bound[buffer]), "session", eb));
			}
		}
	}
	return QB_OK;
}
