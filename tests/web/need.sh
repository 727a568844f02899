# SPDX-License-Identifier: Apache-2.0
# What tests of the dashboard need; sets chromium.
skip() {
	echo "SKIP: lacks $1"
	exit 77
}
command -v node >/dev/null || skip "node: install nodejs"
chromium=${CHROMIUM:-$(command -v chromium || true)}
[ -n "$chromium" ] || skip "chromium: install it"
[ -f "$top_builddir/web/dist/index.html" ] || skip "dashboard: it is not built here (configure found no npm)"
