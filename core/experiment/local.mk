# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/experiment/calibration.c core/experiment/calibration.h \
	core/experiment/channels.c core/experiment/channels.h \
	core/experiment/describe.c core/experiment/describe.h \
	core/experiment/described.c core/experiment/described.h \
	core/experiment/diagnose.c \
	core/experiment/distributions.c core/experiment/distributions.h \
	core/experiment/experiment.c core/experiment/experiment.h \
	core/experiment/export.c core/experiment/export.h \
	core/experiment/fault_rows.c core/experiment/fault_rows.h \
	core/experiment/faults.c core/experiment/faults.h \
	core/experiment/fields.c core/experiment/fields.h \
	core/experiment/gates.c core/experiment/gates.h \
	core/experiment/greedy.c core/experiment/greedy.h \
	core/experiment/hwcost.c \
	core/experiment/inspect.c \
	core/experiment/kinds.h \
	core/experiment/job_schema.c core/experiment/job_schema.h \
	core/experiment/layer.c core/experiment/layer.h \
	core/experiment/layer_costs.c core/experiment/layer_costs.h \
	core/experiment/method.c core/experiment/method.h \
	core/experiment/method_adaround.c \
	core/experiment/method_bias_correction.c \
	core/experiment/method_batch_norm_reestimation.c \
	core/experiment/method_cross_layer_equalization.c \
	core/experiment/method_high_bias_absorption.c \
	core/experiment/method_gptq.c \
	core/experiment/method_smoothquant.c \
	core/experiment/mixed.c core/experiment/mixed.h \
	core/experiment/mixture.c core/experiment/mixture.h \
	core/experiment/network.c core/experiment/network.h \
	core/experiment/params.c core/experiment/params.h \
	core/experiment/profile.c core/experiment/profile.h \
	core/experiment/plain.c core/experiment/plain.h \
	core/experiment/ptq.c \
	core/experiment/ptq_latency.c core/experiment/ptq_latency.h \
	core/experiment/ptq_spec.c core/experiment/ptq_spec.h \
	core/experiment/question.c core/experiment/question.h \
	core/experiment/report.c \
	core/experiment/rounding.c core/experiment/rounding.h \
	core/experiment/scheme_spec.c core/experiment/scheme_spec.h \
	core/experiment/sample.c core/experiment/sample.h \
	core/experiment/sensitivity.c core/experiment/sensitivity.h \
	core/experiment/source.c core/experiment/source.h \
	core/experiment/sqnr.c \
	core/experiment/stream.c core/experiment/stream.h \
	core/experiment/survey.c core/experiment/survey.h \
	core/experiment/sweep.c core/experiment/sweep.h \
	core/experiment/tensor.c \
	core/experiment/tensor_rows.c core/experiment/tensor_rows.h \
	core/experiment/variant.c core/experiment/variant.h

# The JSON Schemas of the kinds of job, and what they have in common, as C strings.
JOB_SCHEMAS = schema/jobs/common.json schema/jobs/diagnose.json schema/jobs/hwcost.json schema/jobs/inspect.json \
	schema/jobs/ptq.json schema/jobs/sqnr.json schema/jobs/tensor.json
EXTRA_DIST += $(JOB_SCHEMAS)
nodist_libquantbench_a_SOURCES += core/experiment/schemas.h
BUILT_SOURCES += core/experiment/schemas.h
CLEANFILES += core/experiment/schemas.h
core/experiment/schemas.h: $(JOB_SCHEMAS) core/experiment/local.mk
	$(AM_V_GEN)$(MKDIR_P) $(@D) && for f in $(JOB_SCHEMAS); do \
		n=`basename $$f .json`; \
		echo "static const char qb__schema_$$n[] ="; \
		$(SED) -e 's/[\\"]/\\&/g' -e 's/^ *//' -e 's/.*/"&\\n"/' $(srcdir)/$$f; \
		echo ";"; \
	done > $@.tmp && mv $@.tmp $@
