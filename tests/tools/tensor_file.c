/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/tools/tensor_file.h"

#include <stdio.h>
#include <stdlib.h>

static bool read_tensor(FILE *f, struct qb_tensor *t)
{
	int32_t head[2];
	size_t bytes;

	if (fread(head, sizeof(head), 1, f) != 1 || head[1] < 0 || head[1] > QB_MAX_DIMS) {
		return false;
	}
	t->dtype = qb_dtype_from_onnx(head[0]);
	t->ndim = head[1];
	if (t->ndim && fread(t->dim, sizeof(t->dim[0]), (size_t)t->ndim, f) != (size_t)t->ndim) {
		return false;
	}
	if (t->dtype == QB_DTYPE_NONE || qb_tensor_bytes(t, &bytes, NULL) != QB_OK) {
		return false;
	}
	t->data = malloc(bytes + 1);
	if (!t->data || (bytes && fread(t->data, bytes, 1, f) != 1)) {
		return false;
	}
	for (size_t i = 0; t->dtype == QB_I4 && i < bytes; i++) { /* ml_dtypes leaves the upper half empty */
		((uint8_t *)t->data)[i] = (uint8_t)(((((uint8_t *)t->data)[i] & 15) ^ 8) - 8);
	}
	return true;
}

static bool write_tensor(FILE *f, const struct qb_tensor *t)
{
	int32_t head[2] = { qb_dtype_to_onnx(t->dtype), t->ndim };
	size_t bytes = qb_tensor_size(t) * qb_dtype_bytes(t->dtype);

	return fwrite(head, sizeof(head), 1, f) == 1 &&
		fwrite(t->dim, sizeof(t->dim[0]), (size_t)t->ndim, f) == (size_t)t->ndim &&
		(!bytes || fwrite(t->data, bytes, 1, f) == 1);
}

enum qb_err run_files(const struct qb_graph *g, run_fn *run, const char *in_path, const char *out_path,
	struct qb_errbuf *eb)
{
	struct qb_tensor *in = calloc((size_t)g->inputs + 1, sizeof(*in));
	struct qb_tensor *out = calloc((size_t)g->outputs + 1, sizeof(*out));
	const struct qb_tensor **args = calloc((size_t)g->inputs + 1, sizeof(*args));
	FILE *f = fopen(in_path, "rb");
	enum qb_err err = QB_OK;

	for (int i = 0; i < g->inputs && err == QB_OK; i++) {
		if (!f || !read_tensor(f, &in[i])) {
			err = qb_fail(eb, QB_EIO, "%s holds no tensor for input %s", in_path, g->input[i]->name);
		}
		args[i] = &in[i];
	}
	if (f) {
		fclose(f);
	}
	if (err == QB_OK) {
		err = run(g, args, out, eb);
	}
	f = err == QB_OK ? fopen(out_path, "wb") : NULL;
	for (int i = 0; i < g->outputs && err == QB_OK; i++) {
		if (!f || !write_tensor(f, &out[i])) {
			err = qb_fail(eb, QB_EIO, "%s could not be written", out_path);
		}
	}
	if (f) {
		fclose(f);
	}
	for (int i = 0; i < g->inputs; i++) {
		free(in[i].data);
	}
	for (int i = 0; i < g->outputs; i++) {
		free(out[i].data);
	}
	free(in);
	free(out);
	free(args);
	return err;
}
