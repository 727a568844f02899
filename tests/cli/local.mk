# SPDX-License-Identifier: Apache-2.0
check_SCRIPTS += tests/cli/test_run.py tests/cli/test_client.py
EXTRA_DIST += tests/cli/test_run.py tests/cli/test_client.py tests/cli/fake_worker.py
