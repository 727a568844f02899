/* SPDX-License-Identifier: Apache-2.0
 *
 * Small things around oneDNN's C API.
 */
#include <pthread.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/plan.h"

static dnnl_engine_t engine;

static void make_engine(void)
{
	dnnl_engine_create(&engine, dnnl_cpu, 0);
}

dnnl_engine_t qb_dnn_engine(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_engine);
	return engine;
}

enum qb_err qb_dnn_check(dnnl_status_t status, const char *what, struct qb_errbuf *eb)
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

dnnl_memory_desc_t qb_dnn_dense(const struct qb_shape *s)
{
	dnnl_memory_desc_t md;
	dnnl_dims_t dims, strides;
	int n = QB_MAX(s->ndim, 1);

	memset(&md, 0, sizeof(md));
	for (int i = 0; i < n; i++) {
		dims[i] = s->ndim ? s->dim[i] : 1;
	}
	for (int i = n - 1; i >= 0; i--) {
		strides[i] = i == n - 1 ? 1 : strides[i + 1] * QB_MAX(dims[i + 1], 1);
	}
	dnnl_memory_desc_init_by_strides(&md, n, dims, dnnl_f32, strides);
	return md;
}

dnnl_memory_desc_t qb_dnn_channels_last(const struct qb_shape *s)
{
	static const dnnl_format_tag_t tag[] = {dnnl_acb, dnnl_acdb, dnnl_acdeb};
	dnnl_memory_desc_t dense = qb_dnn_dense(s), md;

	memset(&md, 0, sizeof(md));
	dnnl_memory_desc_init_by_tag(&md, dense.ndims, dense.dims, dnnl_f32, tag[dense.ndims - 3]);
	return md;
}

dnnl_memory_desc_t qb_dnn_any(const dnnl_memory_desc_t *md)
{
	dnnl_memory_desc_t any;

	memset(&any, 0, sizeof(any));
	dnnl_memory_desc_init_by_tag(&any, md->ndims, md->dims, md->data_type,
		dnnl_format_tag_any);
	return any;
}

enum qb_err qb__reorder_create(dnnl_primitive_t *out, const dnnl_memory_desc_t *from,
	const dnnl_memory_desc_t *to, struct qb_errbuf *eb)
{
	dnnl_primitive_desc_t pd = NULL;
	dnnl_status_t s = dnnl_reorder_primitive_desc_create(&pd, from, qb_dnn_engine(), to,
		qb_dnn_engine(), NULL);

	if (s == dnnl_success) {
		s = dnnl_primitive_create(out, pd);
		dnnl_primitive_desc_destroy(pd);
	}
	return qb_dnn_check(s, "reorder", eb);
}

enum qb_err qb__reorder_now(const dnnl_memory_desc_t *from, const void *src,
	const dnnl_memory_desc_t *to, void *dst, struct qb_errbuf *eb)
{
	dnnl_primitive_t p = NULL;
	dnnl_memory_t a = NULL, b = NULL;
	dnnl_stream_t stream = NULL;
	dnnl_status_t s;
	enum qb_err err;

	QB_TRY_OUT(qb__reorder_create(&p, from, to, eb));
	s = dnnl_memory_create(&a, from, qb_dnn_engine(), (void *)src);
	s = s ? s : dnnl_memory_create(&b, to, qb_dnn_engine(), dst);
	s = s ? s : dnnl_stream_create(&stream, qb_dnn_engine(), dnnl_stream_default_flags);
	if (!s) {
		const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, a}, {DNNL_ARG_TO, b}};

		s = dnnl_primitive_execute(p, stream, 2, args);
		s = s ? s : dnnl_stream_wait(stream);
	}
	err = qb_dnn_check(s, "reorder", eb);
out:
	dnnl_stream_destroy(stream);
	dnnl_memory_destroy(a);
	dnnl_memory_destroy(b);
	dnnl_primitive_destroy(p);
	return err;
}

enum qb_err qb__bind_primitives(struct qb_session *s, struct qb_errbuf *eb)
{
	const struct qb_plan *p = s->plan;

	for (int i = 0; i < p->steps; i++) {
		const struct qb_step *step = &p->step[i];

		for (int a = 0; step->kind == QB_STEP_PRIMITIVE && a < step->args; a++) {
			int id = step->arg[a].is_weight ? 0 : step->arg[a].id;

			if (id > 0 && s->bound[id]) {
				QB_TRY(qb_dnn_check(dnnl_memory_set_data_handle(s->exec[i][a].memory, s->bound[id]), "session", eb));
			}
		}
	}
	return QB_OK;
}
