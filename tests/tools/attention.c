/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints the attentions of a network, one a line, for tests in Python.
 *   attention [--prepare] MODEL.onnx
 *   attention MODEL.onnx VARIANT SEED OUT.onnx    makes them a variant first, the JSON of a job's "attention"
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/experiment/spec/attention_spec.h"

static const char *name_of(const struct qb_node *n)
{
	return n ? n->name : "-";
}

static void print_dim(const char *name, int64_t d)
{
	if (d == QB_DIM_UNKNOWN) {
		printf(" %s=?", name);
	} else {
		printf(" %s=%" PRId64, name, d);
	}
}

static void print_attention(const struct qb_attention *a)
{
	printf("softmax=%s scores=%s context=%s query=%s key=%s value=%s output=%s", a->softmax->name, a->scores->name,
		a->context->name, name_of(a->query), name_of(a->key), name_of(a->value), name_of(a->output));
	printf(" input=%s probabilities=%s merged=%s", a->input ? a->input->name : "-", a->probabilities->name,
		a->merged ? a->merged->name : "-");
	print_dim("heads", a->heads);
	print_dim("width", a->width);
	print_dim("value_width", a->value_width);
	print_dim("queries", a->queries);
	print_dim("keys", a->keys);
	printf(" causal=%d clipped=%d gated=%d\n", a->causal, a->clipped, a->gated);
}

static enum qb_err rewrite(struct qb_graph *g, const char *variant, const char *seed, const char *out, struct qb_errbuf *eb)
{
	json_t *v = json_loads(variant, JSON_DECODE_ANY, NULL);
	struct qb_attention_spec spec;
	enum qb_err err;

	QB_TRY_OUT(qb_attention_spec_read(&spec, v, "attention", eb));
	QB_TRY_OUT(qb_attention_spec_apply(&spec, g, strtoull(seed, NULL, 10), "attention", eb));
	err = qb_graph_export(g, out, eb);
out:
	qb_attention_spec_fini(&spec);
	json_decref(v);
	return err;
}

int main(int argc, char **argv)
{
	bool prepare = argc > 1 && !strcmp(argv[1], "--prepare");
	struct qb_graph *g = NULL;
	struct qb_attention_list list = {0};
	struct qb_errbuf eb = {0};
	enum qb_err err;

	if (argc != 2 + prepare && (prepare || argc != 5)) {
		fprintf(stderr, "usage: attention [--prepare] MODEL.onnx [VARIANT SEED OUT.onnx]\n");
		return 2;
	}
	QB_TRY_OUT(qb_graph_import(&g, argv[1 + prepare], &eb));
	QB_TRY_OUT(prepare ? qb_graph_prepare(g, &eb) : QB_OK);
	QB_TRY_OUT(argc == 5 ? rewrite(g, argv[2], argv[3], argv[4], &eb) : QB_OK);
	QB_TRY_OUT(qb_graph_find_attention(&list, g, &eb));
	for (int i = 0; i < list.count; i++) {
		print_attention(&list.at[i]);
	}
out:
	qb_graph_destroy(&g);
	if (err != QB_OK) {
		fprintf(stderr, "%s: %s\n", qb_err_name(err), eb.text);
	}
	return err == QB_OK ? 0 : 1;
}
