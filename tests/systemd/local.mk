# SPDX-License-Identifier: Apache-2.0
check_SCRIPTS += tests/systemd/test_units.sh
EXTRA_DIST += tests/systemd/test_units.sh tests/systemd/booted.py
