# SPDX-License-Identifier: Apache-2.0
# The dashboard in a real browser, against a real daemon with a real worker on the demo's network.
. "$top_srcdir/tests/web/need.sh"
exec node "$top_srcdir/tests/web/lab.mjs" "$top_builddir" "$top_srcdir" "$chromium"
