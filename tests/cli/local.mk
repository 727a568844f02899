# SPDX-License-Identifier: Apache-2.0
check_SCRIPTS += tests/cli/test_completion.sh tests/cli/test_check.py tests/cli/test_csv.py tests/cli/test_man.py tests/cli/test_run.py tests/cli/test_client.py tests/cli/test_end_to_end.py tests/cli/test_readme.py
EXTRA_DIST += tests/cli/test_completion.sh tests/cli/test_check.py tests/cli/test_csv.py tests/cli/test_man.py tests/cli/test_run.py tests/cli/test_client.py tests/cli/test_end_to_end.py tests/cli/test_readme.py tests/cli/fake_worker.py
