# SPDX-License-Identifier: Apache-2.0
bin_PROGRAMS += quantbench
quantbench_SOURCES = \
	common/beside.c common/beside.h \
	common/bytes.c common/bytes.h \
	common/json_text.c common/json_text.h \
	common/result_csv.c common/result_csv.h \
	cli/check.c \
	cli/cli.h \
	cli/drop.c cli/drop.h \
	cli/export.c \
	cli/explain.c cli/explain.h \
	cli/grid.c cli/grid.h \
	cli/http.c cli/http.h \
	cli/job_help.c \
	cli/jobs.c \
	cli/jobspec.c cli/jobspec.h \
	cli/labels.c cli/labels.h \
	cli/format_results.c cli/format_results.h \
	cli/main.c \
	cli/metric.c cli/metric.h \
	cli/options.c \
	cli/outlier_results.c cli/outlier_results.h \
	cli/post.c \
	cli/progress.c cli/progress.h \
	cli/results.c cli/results.h \
	cli/run.c cli/run.h \
	cli/served_job.c cli/served_job.h \
	cli/sha256.c cli/sha256.h \
	cli/table.c cli/table.h \
	cli/training_results.c cli/training_results.h \
	cli/uploads.c cli/uploads.h \
	cli/verify.c \
	cli/worker.c cli/worker.h
quantbench_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS) $(NETTLE_CFLAGS) -DPKGLIBEXECDIR='"$(pkglibexecdir)"'
quantbench_CFLAGS = $(AM_CFLAGS)
quantbench_LDADD = $(CURL_LIBS) $(NETTLE_LIBS) $(JANSSON_LIBS)
dist_man1_MANS = cli/quantbench.1
# Of what `quantbench help` prints; tests/cli/test_man.py tells when it has to be made again.
dist_man5_MANS += cli/quantbench-jobs.5
EXTRA_DIST += cli/make_jobs_man.py
# What the shells offer; Debian's zsh looks into vendor-completions.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = cli/completion/quantbench cli/completion/quantbenchd
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = cli/completion/_quantbench
