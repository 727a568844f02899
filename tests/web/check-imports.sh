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
exit $bad
