/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/jobs/tensor_source.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/near.h"
#include "core/base/size.h"
#include "core/graph/graph.h"
#include "core/graph/op.h"
#include "core/quant/quantization.h"
#include "core/tensor/archive.h"

/* Raw elements of other types are converted by pieces. */
enum { PIECE_BYTES = 64 << 10 };

struct qb_tensor_source {
	const char *name;
	struct qb_archive *archive; /* one of the two */
	struct qb_graph *graph;
	int count;
	struct qb_tensor_source_tensor *tensor;
	const struct qb_tensor **constant; /* of a graph's tensors */
};

struct qb_tensor_source_reader {
	const struct qb_tensor_source_tensor *tensor;
	struct qb_array *array;
	const struct qb_tensor *constant;
	char piece[PIECE_BYTES];
};

static const char *why_skipped(enum qb_dtype dtype, int64_t elements)
{
	return dtype == QB_BOOL ? "it holds truth values" : !elements ? "it is empty" : NULL;
}

static bool is_number(enum qb_dtype dtype)
{
	return dtype == QB_F32 || dtype == QB_F16 || dtype == QB_BF16 || dtype == QB_F64;
}

static enum qb_err take_archive(struct qb_tensor_source *s, struct qb_errbuf *eb)
{
	s->count = qb_archive_count(s->archive);
	s->tensor = calloc((size_t)s->count + 1, sizeof(*s->tensor));
	if (!s->tensor) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the list of %d arrays", s->count);
	}
	for (int i = 0; i < s->count; i++) {
		const struct qb_archive_entry *e = qb_archive_entry(s->archive, i);
		struct qb_tensor_source_tensor *t = &s->tensor[i];

		*t = (struct qb_tensor_source_tensor){.name = e->name, .dtype = e->dtype, .ndim = e->ndim,
			.elements = 1, .axis = e->ndim ? 0 : -1};
		for (int k = 0; k < e->ndim; k++) {
			t->dim[k] = e->dim[k];
			t->elements *= e->unreadable ? 1 : e->dim[k]; /* no promise holds of what is not read */
		}
		t->skipped = e->unreadable ? "it is of a type that cannot be read"
					   : why_skipped(e->dtype, t->elements);
	}
	return QB_OK;
}

/* Weights that are read plain by operators which quantizers leave alone: recurrent networks, sums of products, tables of
 * embeddings. Those that quantizers are placed on are found by their placement. */
static bool reads_weight(const struct qb_node *n, int input)
{
	static const struct {
		enum qb_op_id op;
		int first, last;
	} readers[] = {{QB_OP_LSTM, 1, 2}, {QB_OP_GRU, 1, 2}, {QB_OP_RNN, 1, 2}, {QB_OP_Einsum, 0, 1 << 30}, {QB_OP_Gather, 0, 0},
		{QB_OP_Conv, 1, 1}, {QB_OP_ConvTranspose, 1, 1}, {QB_OP_Gemm, 0, 1}, {QB_OP_MatMul, 0, 1}};

	for (size_t i = 0; i < QB_COUNT(readers); i++) {
		if (qb_node_is(n, readers[i].op)) {
			return input >= readers[i].first && input <= readers[i].last;
		}
	}
	return false;
}

/* The constant behind operators that only hand it on, in another shape or order. */
static const struct qb_value *constant_behind(const struct qb_value *v)
{
	while (v && !v->constant && v->producer && v->producer->inputs) {
		v = qb_node_has(v->producer, QB_TRAIT_VIEW) ? v->producer->input[0] : NULL;
	}
	return v && v->constant ? v : NULL;
}

/* is_weight [values]. A vector that is looked up or multiplied is arithmetic. */
static void find_weights(const struct qb_graph *g, const struct qb_placement *p, bool *is_weight)
{
	for (int i = 0; i < g->values; i++) {
		is_weight[i] = p->role[i] == QB_ROLE_WEIGHT;
	}
	for (int i = 0; i < g->nodes; i++) {
		const struct qb_node *n = g->node[i];

		for (int k = 0; k < n->inputs; k++) {
			const struct qb_value *w = reads_weight(n, k) ? constant_behind(n->input[k]) : NULL;

			if (w && w->constant->ndim > 1) {
				is_weight[w->index] = true;
			}
		}
	}
}

/* Not biases, running means, shapes and the constants of arithmetic. */
static enum qb_err take_graph(struct qb_tensor_source *s, struct qb_errbuf *eb)
{
	const struct qb_graph *g = s->graph;
	struct qb_placement *placement = NULL;
	bool *is_weight = calloc((size_t)g->values + 1, sizeof(*is_weight));
	enum qb_err err;

	s->tensor = calloc((size_t)g->values + 1, sizeof(*s->tensor));
	s->constant = calloc((size_t)g->values + 1, sizeof(*s->constant));
	if (!s->tensor || !s->constant || !is_weight) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for the list of %d weights", g->values);
		goto out;
	}
	QB_TRY_OUT(qb_placement_create(&placement, g, eb));
	find_weights(g, placement, is_weight);
	for (int i = 0; i < g->values; i++) {
		const struct qb_value *v = g->value[i];
		const struct qb_tensor *c = v->constant;
		struct qb_tensor_source_tensor *t = &s->tensor[s->count];

		if (!c || !is_weight[i] || !is_number(c->dtype)) {
			continue;
		}
		*t = (struct qb_tensor_source_tensor){.name = v->name, .dtype = c->dtype, .ndim = c->ndim,
			.elements = (int64_t)qb_tensor_size(c),
			.axis = placement->role[i] == QB_ROLE_WEIGHT ? placement->weight_axis[i] : 0};
		memcpy(t->dim, c->dim, sizeof(t->dim));
		t->skipped = why_skipped(c->dtype, t->elements);
		s->constant[s->count++] = c;
	}
out:
	free(is_weight);
	qb_placement_destroy(&placement);
	return err;
}

enum qb_err qb_tensor_source_open(struct qb_tensor_source **out, const struct qb_job *job, const char *field,
	struct qb_errbuf *eb)
{
	struct qb_tensor_source *s = calloc(1, sizeof(*s));
	const char *path;
	enum qb_err err;

	if (!s) {
		return qb_fail(eb, QB_ENOMEM, "no memory to open the %s", field);
	}
	QB_TRY_OUT(qb_job_input(job, field, &path, &s->name, eb));
	if (!strcmp(field, "model")) {
		QB_TRY_OUT(qb_job_in_file(qb_graph_import(&s->graph, path, eb), field, s->name, eb));
		QB_TRY_OUT(take_graph(s, eb));
	} else {
		QB_TRY_OUT(qb_job_in_file(qb_archive_open(&s->archive, path, eb), field, s->name, eb));
		QB_TRY_OUT(take_archive(s, eb));
	}
	*out = s;
	s = NULL;
out:
	qb_tensor_source_close(&s);
	return err;
}

void qb_tensor_source_close(struct qb_tensor_source **source)
{
	struct qb_tensor_source *s = *source;

	if (s) {
		qb_archive_close(&s->archive);
		qb_graph_destroy(&s->graph);
		free(s->tensor);
		free(s->constant);
		free(s);
		*source = NULL;
	}
}

const char *qb_tensor_source_name(const struct qb_tensor_source *source)
{
	return source->name;
}

int qb_tensor_source_count(const struct qb_tensor_source *source)
{
	return source->count;
}

const struct qb_tensor_source_tensor *qb_tensor_source_tensor(const struct qb_tensor_source *source, int i)
{
	return &source->tensor[i];
}

int qb_tensor_source_find(const struct qb_tensor_source *source, const char *name)
{
	for (int i = 0; i < source->count; i++) {
		if (!strcmp(source->tensor[i].name, name)) {
			return i;
		}
	}
	return -1;
}

void qb_tensor_source_near(const struct qb_tensor_source *source, const char *name, struct qb_errbuf *eb)
{
	const char **names = calloc((size_t)source->count + 1, sizeof(*names));

	for (int i = 0; names && i < source->count; i++) {
		names[i] = source->tensor[i].name;
	}
	qb_near_note(eb, names ? name : NULL, names, source->count);
	free(names);
}

bool qb_tensor_source_seekable(const struct qb_tensor_source *source)
{
	return !source->archive || qb_archive_seekable(source->archive);
}

enum qb_err qb_tensor_source_reader_open(struct qb_tensor_source_reader **out, const struct qb_tensor_source *source,
	int i, struct qb_errbuf *eb)
{
	struct qb_tensor_source_reader *r = calloc(1, sizeof(*r));
	enum qb_err err = QB_OK;

	if (!r) {
		return qb_fail(eb, QB_ENOMEM, "no memory to read %.100s", source->tensor[i].name);
	}
	r->tensor = &source->tensor[i];
	if (source->archive) {
		err = qb_array_open(&r->array, source->archive, i, eb);
	} else {
		r->constant = source->constant[i];
	}
	if (err != QB_OK) {
		free(r);
		return err;
	}
	*out = r;
	return QB_OK;
}

void qb_tensor_source_reader_close(struct qb_tensor_source_reader **reader)
{
	if (*reader) {
		qb_array_close(&(*reader)->array);
		free(*reader);
		*reader = NULL;
	}
}

enum qb_err qb_tensor_source_read(struct qb_tensor_source_reader *r, int64_t first, int64_t count, float *dst,
	struct qb_errbuf *eb)
{
	enum qb_dtype dtype = r->tensor->dtype;
	size_t width = qb_dtype_bytes(dtype);
	int64_t step = (int64_t)(PIECE_BYTES / width);

	if (r->constant) {
		qb_convert_to_f32(dtype, (const char *)r->constant->data + (size_t)first * width, dst,
			(size_t)count);
		return QB_OK;
	}
	if (dtype == QB_F32) {
		return qb_array_read_elements(r->array, first, count, dst, eb);
	}
	for (int64_t i = 0; i < count; i += step) {
		int64_t n = QB_MIN(step, count - i);

		QB_TRY(qb_array_read_elements(r->array, first + i, n, r->piece, eb));
		qb_convert_to_f32(dtype, r->piece, dst + i, (size_t)n);
	}
	return QB_OK;
}
