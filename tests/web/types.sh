# SPDX-License-Identifier: Apache-2.0
# Types of the dashboard's sources, in Svelte's files too: what Vite builds it does not check.
skip() {
	echo "SKIP: lacks $1"
	exit 77
}
app=$top_builddir/web/app
command -v node >/dev/null || skip "node: install nodejs"
[ -f "$app/node_modules/svelte-check/bin/svelte-check" ] || skip "dashboard: its packages are not installed here (configure found no npm)"
cd "$app" || exit 1
exec node node_modules/svelte-check/bin/svelte-check --tsconfig ./tsconfig.json --fail-on-warnings --output human
