# SPDX-License-Identifier: Apache-2.0
check_SCRIPTS += tests/web/browser.sh tests/web/jobs.sh tests/web/lab.sh tests/web/login.sh tests/web/check-imports.sh tests/web/functions.sh tests/web/types.sh
EXTRA_DIST += tests/web/browser.sh tests/web/jobs.sh tests/web/lab.sh tests/web/login.sh tests/web/need.sh tests/web/check-imports.sh tests/web/functions.sh tests/web/types.sh \
	tests/web/harness.mjs \
	tests/web/browser.mjs tests/web/jobs.mjs tests/web/lab.mjs tests/web/login.mjs tests/web/mock.mjs
