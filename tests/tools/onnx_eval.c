/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs an ONNX network by the operators' plain C, for tests in Python.
 *   onnx_eval [--prepare] [--print] MODEL.onnx [INPUTS OUTPUTS]
 * INPUTS and OUTPUTS are files of tensors in the graph's order, each: int32 ONNX element type, int32 rank,
 * int64 dimensions, the data. Exit 1 with the error's code and text on stderr.
 */
#include <stdio.h>
#include <string.h>

#include "core/graph/graph.h"
#include "tests/tools/tensor_file.h"

int main(int argc, char **argv)
{
	struct qb_graph *g = NULL;
	struct qb_errbuf eb = { 0 };
	bool prepare = false, print = false;
	enum qb_err err;
	int at = 1;

	for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
		prepare |= strcmp(argv[at], "--prepare") == 0;
		print |= strcmp(argv[at], "--print") == 0;
	}
	if (argc - at != 1 && argc - at != 3) {
		fprintf(stderr, "usage: onnx_eval [--prepare] [--print] MODEL.onnx [INPUTS OUTPUTS]\n");
		return 2;
	}
	err = qb_graph_import(&g, argv[at], &eb);
	if (err == QB_OK && prepare) {
		err = qb_graph_prepare(g, &eb);
	}
	if (err == QB_OK && print) {
		qb_graph_print(g, stdout);
	}
	if (err == QB_OK && argc - at == 3) {
		err = run_files(g, qb_graph_eval, argv[at + 1], argv[at + 2], &eb);
	}
	qb_graph_destroy(&g);
	if (err != QB_OK) {
		fprintf(stderr, "%s: %s\n", qb_err_name(err), eb.text);
	}
	return err == QB_OK ? 0 : 1;
}
