# SPDX-License-Identifier: Apache-2.0
# The client for Python against a server and a worker of this build.
PYTHON_TESTS = tests/python/test_client.py tests/python/test_local.py tests/python/test_progress.py tests/python/test_torch.py \
	tests/python/test_types.py tests/python/test_wheel.py
check_SCRIPTS += $(PYTHON_TESTS)
EXTRA_DIST += $(PYTHON_TESTS) tests/python/served.py
