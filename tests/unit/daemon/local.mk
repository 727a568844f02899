# SPDX-License-Identifier: Apache-2.0
# Parts of the daemon that are functions of their arguments alone.
check_PROGRAMS += tests/unit/daemon/test_host
tests_unit_daemon_test_host_SOURCES = tests/unit/daemon/test_host.c daemon/http/host.c
tests_unit_daemon_test_host_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_daemon_test_host_LDADD = $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/daemon/test_scheduler
tests_unit_daemon_test_scheduler_SOURCES = tests/unit/daemon/test_scheduler.c daemon/scheduler.c
tests_unit_daemon_test_scheduler_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_daemon_test_scheduler_LDADD = $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/daemon/test_oom
tests_unit_daemon_test_oom_SOURCES = tests/unit/daemon/test_oom.c daemon/oom.c daemon/util.c
tests_unit_daemon_test_oom_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_daemon_test_oom_LDADD = $(CMOCKA_LIBS) $(JANSSON_LIBS) $(NETTLE_LIBS)
