# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/experiment/experiment.c \
	core/experiment/experiment.h \
	core/experiment/jobs/diagnose_job.c \
	core/experiment/jobs/diagnose_mixed.c \
	core/experiment/jobs/diagnose_mixed.h \
	core/experiment/jobs/hwcost_job.c \
	core/experiment/jobs/inspect_job.c \
	core/experiment/jobs/kinds.h \
	core/experiment/jobs/ptq_job.c \
	core/experiment/jobs/ptq_latency.c \
	core/experiment/jobs/ptq_latency.h \
	core/experiment/jobs/sqnr_job.c \
	core/experiment/jobs/tensor_job.c \
	core/experiment/jobs/tensor_source.c \
	core/experiment/jobs/tensor_source.h \
	core/experiment/jobs/tensor_survey.c \
	core/experiment/jobs/tensor_survey.h \
	core/experiment/question.c \
	core/experiment/question.h \
	core/experiment/report/describe.c \
	core/experiment/report/describe.h \
	core/experiment/report/error_rows.c \
	core/experiment/report/error_rows.h \
	core/experiment/report/export.c \
	core/experiment/report/export.h \
	core/experiment/report/report.c \
	core/experiment/report/sensitivity_rows.c \
	core/experiment/report/sensitivity_rows.h \
	core/experiment/report/tensor_rows.c \
	core/experiment/report/tensor_rows.h \
	core/experiment/rounding.c \
	core/experiment/rounding.h \
	core/experiment/spec/distributions.c \
	core/experiment/spec/distributions.h \
	core/experiment/spec/job_schema.c \
	core/experiment/spec/job_schema.h \
	core/experiment/spec/ptq_spec.c \
	core/experiment/spec/ptq_spec.h \
	core/experiment/spec/scheme_spec.c \
	core/experiment/spec/scheme_spec.h \
	core/experiment/spec/uploads_check.c \
	core/experiment/spec/uploads_check.h

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
