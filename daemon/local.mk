# SPDX-License-Identifier: Apache-2.0
sbin_PROGRAMS += quantbenchd
quantbenchd_SOURCES = \
	common/beside.c common/beside.h \
	common/bytes.c common/bytes.h \
	common/json_text.c common/json_text.h \
	common/result_csv.c common/result_csv.h \
	common/sandbox.c common/sandbox.h common/sandbox_calls.c common/sandbox_root.c \
	daemon/backup_command.c daemon/backup_command.h \
	daemon/audit.c daemon/audit.h \
	daemon/best.c daemon/best.h \
	daemon/blobs.c daemon/blobs.h \
	daemon/cgroup.c daemon/cgroup.h \
	daemon/checkpoints.c daemon/checkpoints.h \
	daemon/config_command.c daemon/config_command.h \
	daemon/deliveries.c daemon/deliveries.h \
	daemon/dispatcher.c daemon/dispatcher.h \
	daemon/engine.c daemon/engine.h \
	daemon/engine_info.c daemon/engine_info.h \
	daemon/export.c daemon/export.h \
	daemon/grid.c daemon/grid.h \
	daemon/health.c daemon/health.h \
	daemon/hub.c daemon/hub.h \
	daemon/inputs.c daemon/inputs.h \
	daemon/jobs.c daemon/jobs.h \
	daemon/filters.c daemon/filters.h daemon/job_list.c daemon/job_list.h daemon/metric_list.c daemon/metric_list.h \
	daemon/labels.c daemon/labels.h \
	daemon/daemon.h \
	daemon/log.c \
	daemon/json_order.c daemon/json_order.h \
	daemon/launcher.c daemon/launcher.h \
	daemon/loop.c daemon/loop.h \
	daemon/loopback.c daemon/loopback.h \
	daemon/main.c \
	daemon/oom.c daemon/oom.h \
	daemon/orphans.c daemon/orphans.h \
	daemon/options.c daemon/options.h \
	daemon/record.c daemon/record.h \
	daemon/retention.c daemon/retention.h \
	daemon/worker_run.c daemon/worker_run.h daemon/worker_run_end.c \
	daemon/worker_processes.c daemon/worker_processes.h \
	daemon/scheduler.c daemon/scheduler.h \
	daemon/schema.c daemon/schema.h \
	daemon/size.c daemon/size.h \
	daemon/sql.h \
	daemon/ssh_worker.c daemon/ssh_worker.h \
	daemon/state.c daemon/state.h \
	daemon/storage.c daemon/storage.h \
	daemon/store.c daemon/store.h \
	daemon/store_copy.c daemon/store_copy.h \
	daemon/submission.c daemon/submission.h \
	daemon/targets.c daemon/targets.h \
	daemon/token_command.c daemon/token_command.h \
	daemon/tokens.c daemon/tokens.h \
	daemon/uploads.c daemon/uploads.h \
	daemon/util.c daemon/util.h \
	daemon/validate.c daemon/validate.h \
	daemon/who.h \
	daemon/wish.c daemon/wish.h \
	daemon/worker.c daemon/worker.h \
	daemon/worker_command.c daemon/worker_command.h \
	daemon/workspace.c daemon/workspace.h \
	daemon/http/access.c daemon/http/access.h \
	daemon/http/cache.c daemon/http/cache.h \
	daemon/http/connections.c daemon/http/connections.h \
	daemon/http/events_api.c \
	daemon/http/export_api.c \
	daemon/http/grids_api.c \
	daemon/http/gzip.c daemon/http/gzip.h \
	daemon/http/guard.c daemon/http/guard.h \
	daemon/http/host.c daemon/http/host.h \
	daemon/http/http.h \
	daemon/http/jobs_api.c \
	daemon/http/later.c daemon/http/later.h \
	daemon/http/listen.c daemon/http/listen.h \
	daemon/http/rate.c daemon/http/rate.h \
	daemon/http/reply.c \
	daemon/http/results_api.c \
	daemon/http/server.c \
	daemon/http/session_api.c \
	daemon/http/static.c \
	daemon/http/submit_api.c \
	daemon/http/system_api.c \
	daemon/http/targets_api.c \
	daemon/http/tls.c daemon/http/tls.h \
	daemon/http/tokens_api.c \
	daemon/http/upload.c \
	daemon/http/uploads_api.c
dist_man8_MANS += daemon/quantbenchd.8
dist_man5_MANS += daemon/quantbench.conf.5
nodist_quantbenchd_SOURCES = daemon/embedded.h
quantbenchd_CPPFLAGS = $(AM_CPPFLAGS) $(MHD_CFLAGS) $(LIBUV_CFLAGS) $(SQLITE_CFLAGS) $(SYSTEMD_CFLAGS) $(NETTLE_CFLAGS) $(GNUTLS_CFLAGS) $(ZLIB_CFLAGS) \
	-DQB_DEFAULT_CLIENT='"$(bindir)/quantbench"' \
	-DQB_DEFAULT_STATE='"$(localstatedir)/lib/quantbench"' \
	-DQB_DEFAULT_WEB='"$(pkgdatadir)/web"' \
	-DQB_DEFAULT_WORKER='"$(pkglibexecdir)/quantbench-worker"'
quantbenchd_CFLAGS = $(AM_CFLAGS)
quantbenchd_LDADD = $(MHD_LIBS) $(LIBUV_LIBS) $(SQLITE_LIBS) $(SYSTEMD_LIBS) $(NETTLE_LIBS) $(GNUTLS_LIBS) $(ZLIB_LIBS) $(JANSSON_LIBS)

# Migrations in the order of their numbers, and the API's description, as C strings.
MIGRATIONS = schema/001_init.sql schema/002_inspections.sql schema/003_tokens.sql schema/004_scheduling.sql schema/005_deliveries.sql \
	schema/006_labels.sql schema/007_metric_indexes.sql
EXTRA_DIST += $(MIGRATIONS)
BUILT_SOURCES += daemon/embedded.h
CLEANFILES += daemon/embedded.h
C_STRING = $(SED) -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/'
daemon/embedded.h: $(MIGRATIONS) schema/openapi.yaml
	$(AM_V_GEN)$(MKDIR_P) $(@D) && { \
		echo "static const char *const qb_migrations[] __attribute__((unused)) = {"; \
		for f in $(MIGRATIONS); do $(C_STRING) $(srcdir)/$$f; echo ","; done; \
		echo "};"; \
		echo "static const char qb_openapi[] __attribute__((unused)) ="; \
		$(C_STRING) $(srcdir)/schema/openapi.yaml; \
		echo ";"; \
	} > $@.tmp && mv $@.tmp $@
