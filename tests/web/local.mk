# SPDX-License-Identifier: Apache-2.0
check_SCRIPTS += tests/web/browser.sh tests/web/check-imports.sh
EXTRA_DIST += tests/web/browser.sh tests/web/check-imports.sh tests/web/browser.mjs tests/web/mock.mjs
