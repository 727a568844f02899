/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/ort.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* Positions in OrtApi, which never change once published. */
enum {
	ERROR_MESSAGE = 2, CREATE_ENV = 3, CREATE_SESSION = 7, RUN = 9, CREATE_OPTIONS = 10,
	SET_OPTIMIZATION = 23, SET_INTRA_THREADS = 24, SET_INTER_THREADS = 25, INPUT_NAME = 36,
	OUTPUT_NAME = 37, TENSOR_WITH_DATA = 49, TENSOR_DATA = 51, CPU_MEMORY = 69,
	DEFAULT_ALLOCATOR = 78, RELEASE_VALUE = 96,
};
enum { API_VERSION = 13, ALL_OPTIMIZATIONS = 99, ERRORS_ONLY = 3, PUTS_MAX = 16 };

/* Without a prototype on purpose: the library's header is not ours to demand, and every slot takes other arguments. */
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
typedef void *call_fn();

struct api_base {
	const void *const *(*get_api)(uint32_t version);
	const char *(*version)(void);
};

struct ort {
	const void *const *api;
	void *env, *options, *session, *memory, *allocator;
	int inputs;
	char *input_name[PUTS_MAX], *output_name;
	void *input[PUTS_MAX], *output;
};

static call_fn *slot(const struct ort *o, int i)
{
	call_fn *fn;

	memcpy(&fn, &o->api[i], sizeof(fn));
	return fn;
}

static enum qb_err check(const struct ort *o, void *status, const char *what,
	struct qb_errbuf *eb)
{
	if (!status) {
		return QB_OK;
	}
	return qb_fail(eb, QB_EINTERNAL, "ONNX Runtime: %s: %s", what,
		(const char *)slot(o, ERROR_MESSAGE)(status));
}

#define TRY_CALL(o, i, ...) QB_TRY(check(o, slot(o, i)(__VA_ARGS__), #i, eb))

/* ONNX's codes of element types. */
static int element(enum qb_dtype t)
{
	switch (t) {
	case QB_F32:
		return 1;
	case QB_U8:
		return 2;
	case QB_I8:
		return 3;
	case QB_I32:
		return 6;
	case QB_I64:
		return 7;
	default:
		return 0;
	}
}

static enum qb_err take_inputs(struct ort *o, const struct qb_graph *g, const void *const *in,
	struct qb_errbuf *eb)
{
	if (g->inputs > PUTS_MAX) {
		return qb_fail(eb, QB_EUNSUPPORTED, "more than %d inputs", PUTS_MAX);
	}
	o->inputs = g->inputs;
	for (int i = 0; i < g->inputs; i++) {
		const struct qb_value *v = g->input[i];
		size_t bytes = qb_dtype_bytes(v->dtype);

		for (int k = 0; k < v->shape.ndim; k++) {
			bytes *= (size_t)v->shape.dim[k];
		}
		TRY_CALL(o, INPUT_NAME, o->session, (size_t)i, o->allocator, &o->input_name[i]);
		TRY_CALL(o, TENSOR_WITH_DATA, o->memory, in[i], bytes, v->shape.dim,
			(size_t)v->shape.ndim, element(v->dtype), &o->input[i]);
	}
	return QB_OK;
}

static enum qb_err start(struct ort *o, const char *model, int threads, struct qb_errbuf *eb)
{
	TRY_CALL(o, CREATE_ENV, ERRORS_ONLY, "quantbench", &o->env);
	TRY_CALL(o, CREATE_OPTIONS, &o->options);
	TRY_CALL(o, SET_OPTIMIZATION, o->options, ALL_OPTIMIZATIONS);
	TRY_CALL(o, SET_INTRA_THREADS, o->options, threads);
	TRY_CALL(o, SET_INTER_THREADS, o->options, 1);
	TRY_CALL(o, CREATE_SESSION, o->env, model, o->options, &o->session);
	TRY_CALL(o, CPU_MEMORY, 0, 0, &o->memory);
	TRY_CALL(o, DEFAULT_ALLOCATOR, &o->allocator);
	TRY_CALL(o, OUTPUT_NAME, o->session, (size_t)0, o->allocator, &o->output_name);
	return QB_OK;
}

/* NULL: dlerror says why. */
static const struct api_base *base_of(const char *library)
{
	const struct api_base *(*get)(void) = NULL;
	void *handle = dlopen(library, RTLD_NOW), *symbol = handle ? dlsym(handle, "OrtGetApiBase") : NULL;

	memcpy(&get, &symbol, sizeof(get));
	return symbol ? get() : NULL;
}

enum qb_err ort_create(struct ort **out, const char *library, const char *model, int threads,
	const struct qb_graph *graph, const void *const *in, struct qb_errbuf *eb)
{
	struct ort *o = calloc(1, sizeof(*o));
	const struct api_base *base;
	enum qb_err err = QB_OK;

	if (!o) {
		return qb_fail(eb, QB_ENOMEM, "no memory for ONNX Runtime");
	}
	base = base_of(library);
	if (!base) {
		err = qb_fail(eb, QB_EIO, "%s: %s", library, dlerror());
		goto out;
	}
	o->api = base->get_api(API_VERSION);
	QB_TRY_OUT(start(o, model, threads, eb));
	QB_TRY_OUT(take_inputs(o, graph, in, eb));
	*out = o;
	o = NULL;
out:
	free(o);
	return err;
}

/* The process ends soon after: the library's own objects go with it. */
void ort_destroy(struct ort **ort)
{
	free(*ort);
	*ort = NULL;
}

enum qb_err ort_run(void *arg, struct qb_errbuf *eb)
{
	struct ort *o = arg;

	if (o->output) {
		slot(o, RELEASE_VALUE)(o->output);
		o->output = NULL;
	}
	TRY_CALL(o, RUN, o->session, NULL, (const char *const *)o->input_name, o->input,
		(size_t)o->inputs, (const char *const *)&o->output_name, (size_t)1, &o->output);
	return QB_OK;
}

const float *ort_output(const struct ort *o)
{
	void *data = NULL;

	return slot(o, TENSOR_DATA)(o->output, &data) ? NULL : data;
}

const char *ort_version(const char *library)
{
	const struct api_base *base = base_of(library);

	return base ? base->version() : NULL;
}
