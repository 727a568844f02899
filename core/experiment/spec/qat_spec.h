/* SPDX-License-Identifier: Apache-2.0
 *
 * What a qat job asks for: a training, a scheme, and how its quantizers learn.
 */
#ifndef QB_EXPERIMENT_SPEC_QAT_SPEC_H
#define QB_EXPERIMENT_SPEC_QAT_SPEC_H

#include "core/experiment/spec/train_method_spec.h"
#include "core/experiment/spec/train_spec.h"
#include "core/train/layer_scheme.h"
#include "core/train/qat.h"

struct qb_qat_spec {
	struct qb_train_spec train;  /* first; its part `ptq` has the scheme, calibration, latency and exports */
	struct qb_train_method_list methods;
	struct qb_qat_config config; /* methods set */
	int ranges;                  /* enum qb_qat_ranges */
	int first_last;              /* enum qb_first_last */
	int placement;               /* enum qb_qat_placement */
	struct {
		const json_t *methods, *schemes;
		int epochs;              /* of a stage; 0: those of the job */
	} start;
	int stages;                  /* trainings before the job's own: schemes 1 ... stages of train.ptq, in order */
	struct qb_optimizer_spec quantizers; /* of scales and offsets */
	struct {
		const json_t *scheme, *method, *start;
	} asked;
	json_t *ptq_job_spec;        /* the description of a ptq job of that scheme */
	struct qb_job ptq_job;
};

enum qb_first_last { QB_ENDS_8BIT, QB_ENDS_SAME };
enum qb_qat_placement { QB_PLACE_LAYERS, QB_PLACE_ALL };

void qb_qat_spec_defaults(void *out);
extern const struct qb_field qb_qat_fields[];

/* Borrows from the job; qb_qat_spec_fini frees the rest, also after an error. */
enum qb_err qb_qat_spec_parse(struct qb_qat_spec *out, const struct qb_job *job, struct qb_errbuf *eb);
void qb_qat_spec_fini(struct qb_qat_spec *s);

struct qb_train_config qb_qat_spec_train_config(const struct qb_qat_spec *s);
struct qb_layer_scheme_options qb_qat_spec_layers(const struct qb_qat_spec *s);

#endif
