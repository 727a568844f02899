# SPDX-License-Identifier: Apache-2.0
# The dashboard in a real browser that has to log in, against a real daemon.
. "$top_srcdir/tests/web/need.sh"
exec node "$top_srcdir/tests/web/login.mjs" "$top_builddir" "$top_builddir/web/app" "$top_builddir/web/dist" "$top_srcdir" "$chromium"
