# SPDX-License-Identifier: Apache-2.0
# The dashboard in a real browser, against a server of made-up numbers.
. "$top_srcdir/tests/web/need.sh"
types=$top_builddir/web/types.json
echo '{"ask": "types"}' | "$top_builddir/quantbench-worker" --serve > "$types" || exit 1
exec node "$top_srcdir/tests/web/browser.mjs" "$top_builddir/web/app" "$top_builddir/web/dist" "$top_builddir/web/pictures" "$chromium" \
	"$types"
