/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes a network by name: build_network DESCRIPTION SEED OUT.onnx, where the description is the JSON of a job's
 * "network" with "classes" and "input", and prints its multiply-accumulates a sample.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/experiment/spec/network_spec.h"

static enum qb_err build(const json_t *description, uint64_t seed, const char *path, struct qb_errbuf *eb)
{
	struct qb_network_spec spec;
	struct qb_graph *g = NULL;
	int64_t macs = 0;
	enum qb_err err;

	QB_TRY_OUT(qb_network_spec_read(&spec, description, "network", eb));
	QB_TRY_OUT(qb_network_spec_build(&g, &spec, NULL, seed, eb));
	for (int i = 0; i < g->nodes; i++) {
		macs += qb_node_macs(g->node[i]);
	}
	printf("%lld\n", (long long)-macs); /* a multiple of the batch, which is -1 */
	err = qb_graph_export(g, path, eb);
out:
	qb_graph_destroy(&g);
	qb_network_spec_fini(&spec);
	return err;
}

int main(int argc, char **argv)
{
	struct qb_errbuf eb = {0};
	json_t *description;
	enum qb_err err;

	if (argc != 4) {
		fprintf(stderr, "usage: build_network DESCRIPTION SEED OUT.onnx\n");
		return 2;
	}
	description = json_loads(argv[1], JSON_DECODE_ANY, NULL);
	err = build(description, strtoull(argv[2], NULL, 10), argv[3], &eb);
	json_decref(description);
	if (err != QB_OK) {
		fprintf(stderr, "%s: %s\n", qb_err_name(err), eb.text);
	}
	return err == QB_OK ? 0 : 1;
}
