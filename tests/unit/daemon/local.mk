# SPDX-License-Identifier: Apache-2.0
# Parts of the daemon that are functions of their arguments alone.
check_PROGRAMS += tests/unit/daemon/test_host
tests_unit_daemon_test_host_SOURCES = tests/unit/daemon/test_host.c daemon/http/host.c daemon/loopback.c
tests_unit_daemon_test_host_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_daemon_test_host_LDADD = $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/daemon/test_connections
tests_unit_daemon_test_connections_SOURCES = tests/unit/daemon/test_connections.c daemon/http/connections.c daemon/loopback.c
tests_unit_daemon_test_connections_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_daemon_test_connections_LDADD = $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/daemon/test_scheduler
tests_unit_daemon_test_scheduler_SOURCES = tests/unit/daemon/test_scheduler.c daemon/scheduler.c
tests_unit_daemon_test_scheduler_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_daemon_test_scheduler_LDADD = $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/daemon/test_cgroup
tests_unit_daemon_test_cgroup_SOURCES = tests/unit/daemon/test_cgroup.c daemon/cgroup.c daemon/oom.c daemon/util.c daemon/log.c
tests_unit_daemon_test_cgroup_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_daemon_test_cgroup_LDADD = $(CMOCKA_LIBS) $(JANSSON_LIBS) $(NETTLE_LIBS)
check_PROGRAMS += tests/unit/daemon/test_oom
tests_unit_daemon_test_oom_SOURCES = tests/unit/daemon/test_oom.c daemon/oom.c daemon/util.c
tests_unit_daemon_test_oom_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_daemon_test_oom_LDADD = $(CMOCKA_LIBS) $(JANSSON_LIBS) $(NETTLE_LIBS)
VALIDATION = daemon/json_order.c daemon/schema.c daemon/validate.c
check_PROGRAMS += tests/unit/daemon/test_validate
tests_unit_daemon_test_validate_SOURCES = tests/unit/daemon/test_validate.c $(VALIDATION)
tests_unit_daemon_test_validate_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_daemon_test_validate_LDADD = $(CMOCKA_LIBS) $(JANSSON_LIBS) -lm
# schema_suite is no test by itself: test_schema_suite.py runs it.
noinst_PROGRAMS += tests/unit/daemon/schema_suite
tests_unit_daemon_schema_suite_SOURCES = tests/unit/daemon/schema_suite.c $(VALIDATION)
tests_unit_daemon_schema_suite_CFLAGS = $(AM_CFLAGS)
tests_unit_daemon_schema_suite_LDADD = $(JANSSON_LIBS) -lm
check_SCRIPTS += tests/unit/daemon/test_schema_suite.py
EXTRA_DIST += tests/unit/daemon/test_schema_suite.py
check_PROGRAMS += tests/unit/daemon/test_workspace
tests_unit_daemon_test_workspace_SOURCES = tests/unit/daemon/test_workspace.c daemon/worker_processes.c daemon/util.c \
	daemon/workspace.c
tests_unit_daemon_test_workspace_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_daemon_test_workspace_LDADD = $(CMOCKA_LIBS) $(JANSSON_LIBS) $(NETTLE_LIBS)
check_PROGRAMS += tests/unit/daemon/test_loopback
tests_unit_daemon_test_loopback_SOURCES = tests/unit/daemon/test_loopback.c daemon/loopback.c
tests_unit_daemon_test_loopback_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_daemon_test_loopback_LDADD = $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/daemon/test_targets
tests_unit_daemon_test_targets_SOURCES = tests/unit/daemon/test_targets.c daemon/size.c daemon/targets.c daemon/util.c
tests_unit_daemon_test_targets_CPPFLAGS = $(AM_CPPFLAGS) -DQB_DEFAULT_WORKER='"/w/quantbench-worker"'
tests_unit_daemon_test_targets_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_daemon_test_targets_LDADD = $(CMOCKA_LIBS) $(JANSSON_LIBS) $(NETTLE_LIBS)
