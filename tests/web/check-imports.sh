# SPDX-License-Identifier: Apache-2.0
# Imports of the dashboard go down only; each line below: a folder, and those that it may import from.
cd "$top_srcdir/web/src" || exit 1
bad=0
while read -r folder allowed; do
	for target in base api charts pages; do
		case " $folder $allowed " in *" $target "*) continue ;; esac
		if grep -n "from '\.\./$target/" "$folder"/*; then
			echo "$folder/ may not import from $target/"
			bad=1
		fi
	done
done <<TABLE
base
api base
charts base
pages base api charts
TABLE
if grep -nE '\bfetch\(|XMLHttpRequest\(' base/* charts/* pages/*; then
	echo "only api/ talks to the server"
	bad=1
fi
for file in */*.ts; do
	for name in $(sed -nE 's/^export (async )?(const|let|function|class) ([A-Za-z0-9_]+).*/\3/p' "$file"); do
		if ! grep -rlw --include='*.ts' --include='*.svelte' "$name" . ../tests | grep -qv "^\./$file\$"; then
			echo "$file exports $name, which nobody imports"
			bad=1
		fi
	done
done
exit $bad
