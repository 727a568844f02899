# SPDX-License-Identifier: Apache-2.0
# What tests of the dashboard need; sets chromium.
skip() {
	echo "skipped: $1"
	exit 77
}
command -v node >/dev/null || skip "there is no node; install nodejs"
chromium=${CHROMIUM:-$(command -v chromium || true)}
[ -n "$chromium" ] || skip "there is no chromium; install chromium"
[ -f "$top_builddir/web/dist/index.html" ] || skip "the dashboard is not built here (configure found no npm)"
