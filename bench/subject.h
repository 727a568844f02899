/* SPDX-License-Identifier: Apache-2.0
 *
 * For benchmarks of whole networks: their inputs, and where a session's time goes.
 */
#ifndef QB_BENCH_SUBJECT_H
#define QB_BENCH_SUBJECT_H

#include "core/exec/exec.h"
#include "core/ptq/query_samples.h"

enum { IO_MAX = 16 };

/* A network's inputs and outputs. */
struct io {
	void *in[IO_MAX], *out[IO_MAX];
	struct qb_dataset *data;
	struct qb_query_samples *sample;
	struct qb_run run; /* on them */
};

/* Of `bound`, made from `model`: MODEL.npz beside MODEL.onnx where there is one; else floats in [-1, 1), and ones for
 * integers. */
enum qb_err io_init(struct io *io, const struct qb_graph *bound, struct qb_graph *model, const char *path,
	struct qb_errbuf *eb);
void io_fini(struct io *io);

/* The least time of each step and its multiply-accumulates a second as a fraction of `peak` (1e9 a second; 0: unknown);
 * steps of a kind in one line, with the time that would be left over if they ran at the peak. */
struct step_report {
	const char *title;
	double peak;
	bool each, kinds;
};
enum qb_err print_steps(const struct step_report *r, const struct qb_plan *plan, struct qb_session *session,
	const struct qb_run *run, struct qb_errbuf *eb);

#endif
