# SPDX-License-Identifier: Apache-2.0
# The dashboard in a real browser, against a server of made-up numbers.
skip() {
	echo "skipped: $1"
	exit 77
}
command -v node >/dev/null || skip "there is no node; install nodejs"
chromium=${CHROMIUM:-$(command -v chromium || true)}
[ -n "$chromium" ] || skip "there is no chromium; install chromium"
[ -f "$top_builddir/web/dist/index.html" ] || skip "the dashboard is not built here (configure found no npm)"
exec node "$top_srcdir/tests/web/browser.mjs" "$top_builddir/web/app" "$top_builddir/web/dist" "$top_builddir/web/pictures" "$chromium"
