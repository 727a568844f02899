# SPDX-License-Identifier: Apache-2.0
# The daemon as a program, with a worker that misbehaves when it is told to; and results of real ones.
check_SCRIPTS += tests/api/test_daemon.py tests/api/test_log.py tests/api/test_results.py tests/api/test_storage.py
EXTRA_DIST += tests/api/test_daemon.py tests/api/test_log.py tests/api/test_results.py tests/api/test_storage.py tests/api/fake_worker.py
