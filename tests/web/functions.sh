# SPDX-License-Identifier: Apache-2.0
# The dashboard's functions of numbers and texts, without a browser.
skip() {
	echo "SKIP: lacks $1"
	exit 77
}
app=$top_builddir/web/app
command -v node >/dev/null || skip "node: install nodejs"
[ -f "$app/node_modules/vitest/vitest.mjs" ] || skip "dashboard: its packages are not installed here (configure found no npm)"
source=$(cd "$top_srcdir" && pwd)
mkdir -p "$app/tests" && cp -f "$source"/web/tests/*.test.ts "$app/tests" || exit 1
echo '{"ask": "types"}' | "$top_builddir/quantbench-worker" --serve > "$app/tests/types.json" || exit 1
cd "$app" || exit 1
exec node node_modules/vitest/vitest.mjs run --dir tests
