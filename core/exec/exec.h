/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a network. A plan is made once for a bound graph: primitives, layouts and prepared weights, immutable
 * and shared by threads. A session is one thread's memory for it: one arena for all activations.
 *
 * The simulated run of a scheme is the float plan with an overlay: other weights and quantize-dequantize on chosen
 * values. Layouts are then the same, so quantized and float tensors compare element by element.
 */
#ifndef QB_EXEC_EXEC_H
#define QB_EXEC_EXEC_H

#include "core/exec/threads.h"
#include "core/graph/graph.h"
#include "core/quant/quantizer.h"
#include "core/quant/quantization.h"

struct qb_plan;
struct qb_overlay;
struct qb_session;

/* What a plan is for. */
enum qb_plan_mode {
	QB_PLAN_OBSERVED, /* values are observed and schemes laid over it: their weights replace the plan's */
	QB_PLAN_FROZEN,   /* float alone, for latency: everything may be fused and prepacked */
	QB_PLAN_TRAINING, /* of one shard of a batch (core/exec/shards.h): weights may be inputs or computed, nothing is observed,
	                   * fused or replaced. Inputs are read and outputs written where the caller has them */
};

/* graph is bound and prepared, and outlives the plan. threads: how many a step may use (1 when samples are spread
 * over sessions). observed[value->index]: values that must be visible to observers and references (NULL: none, as in a plan
 * that is not observed). */
enum qb_err qb_plan_create(struct qb_plan **out, const struct qb_graph *graph, enum qb_plan_mode mode, int threads,
	const bool *observed, struct qb_errbuf *eb);
void qb_plan_destroy(struct qb_plan **plan);
size_t qb_plan_bytes(const struct qb_plan *plan);          /* prepared weights */
size_t qb_plan_session_bytes(const struct qb_plan *plan);  /* one session's arena */

/* One scheme on a float plan: quantized weights in the plan's layouts. */
enum qb_err qb_overlay_create(struct qb_overlay **out, const struct qb_plan *plan,
	const struct qb_quantization *q, struct qb_errbuf *eb);
void qb_overlay_destroy(struct qb_overlay **overlay);
/* Takes a constant's elements from the quantization again, after a method changed them. */
enum qb_err qb_overlay_refresh(struct qb_overlay *overlay, const struct qb_value *constant,
	struct qb_errbuf *eb);

/* keep: observed values keep their own memory until the next run, so that the session can be a reference. */
enum qb_err qb_session_create(struct qb_session **out, const struct qb_plan *plan, bool keep,
	struct qb_errbuf *eb);
void qb_session_destroy(struct qb_session **session);
/* From now on runs fail where a step writes what it does not declare, and what a step may not rely on is filled with NaNs
 * before it: scratch, values that no step has written yet, and those after their last user. Slow: for tests. */
enum qb_err qb_session_check_steps(struct qb_session *session, struct qb_errbuf *eb);

/* Called for each observed value as it is produced (before quantization), in the plan's own layout: an
 * unordered set of n elements, padding excluded. */
typedef void qb_observe_fn(void *arg, int value_index, float *x, size_t n);

struct qb_run {
	const void *const *input;         /* one a graph input, dense row-major, of the input's dtype */
	void *const *output;              /* one a graph output, dense row-major; of a training plan NULL where it is not wanted */
	const struct qb_overlay *overlay; /* NULL: float */
	const struct qb_session *reference; /* the float run of the same inputs (keep), or NULL */
	struct qb_qdq_sums *sums;         /* [graph->values], added to for every quantized activation, or NULL */
	qb_observe_fn *observe;           /* or NULL */
	void *observe_arg;
	bool ordered;   /* the observer sees elements channels last, without padding */
	bool quantized; /* it sees them after quantization */
	int steps;      /* only the first steps, and no outputs (output may be NULL); 0: all */
	int64_t *step_ns; /* [steps]: time spent in each is added, or NULL */
	bool inject;    /* an integer plan goes on with what the observer leaves in x */
};
enum qb_err qb_session_run(struct qb_session *session, const struct qb_run *run,
	struct qb_errbuf *eb);

/* Real integer execution of an int8 scheme: u8/s8 activations, s8 weights, requantised outputs. Values whose node
 * stays float are dequantized for it. The observer of an integer plan sees dequantized values. */
enum qb_err qb_plan_create_int8(struct qb_plan **out, const struct qb_graph *graph, int threads,
	const struct qb_quantization *q, const bool *observed, struct qb_errbuf *eb);
/* Is int8 execution of this quantization possible at all (formats, granularity, this CPU)? QB_EUNSUPPORTED says why not. */
enum qb_err qb_int8_check(const struct qb_quantization *q, struct qb_errbuf *eb);

/* What was planned, for results and for "why is it slower": one entry a step. */
struct qb_step_info {
	const struct qb_node *node;
	const char *kind;      /* "int8", "float", "quantize", "dequantize", "reorder" */
	const char *implementation;
	double macs;
	const char *why_float; /* in an integer plan: why this step is none; NULL where it is one, or a conversion */
};
int qb_plan_steps(const struct qb_plan *plan);
struct qb_step_info qb_plan_step(const struct qb_plan *plan, int i);
/* So many steps make all values for which wanted[value->index]: for qb_run.steps. */
int qb_plan_steps_for(const struct qb_plan *plan, const bool *wanted);

#endif
