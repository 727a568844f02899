# SPDX-License-Identifier: Apache-2.0
# The list of ten thousand jobs in a real browser, against a real daemon whose worker does what it is told.
. "$top_srcdir/tests/web/need.sh"
command -v python3 >/dev/null || skip "python3: install it"
exec node "$top_srcdir/tests/web/jobs.mjs" "$top_builddir" "$top_srcdir" "$chromium"
