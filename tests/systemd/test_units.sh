#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The units: understood by systemd, as closed as they promise to be, and open to what workers need for their sandbox.
set -eu
command -v systemd-analyze >/dev/null && command -v systemd-sysusers >/dev/null ||
	{ echo "SKIP: lacks systemd: systemd-analyze looks at the units"; exit 77; }
service=$top_builddir/systemd/quantbench.service
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

fail() {
	echo "$1"
	exit 1
}

# The programs that the units name are not installed here.
mkdir -p "$root/units"
sed "s|^ExecStart=[^ ]*|ExecStart=/bin/true|" "$service" > "$root/units/quantbench.service"
cp "$top_srcdir/systemd/quantbench.socket" "$root/units"
said=$(systemd-analyze verify --man=no "$root/units/quantbench.service" "$root/units/quantbench.socket" 2>&1 | grep -F "$root" || true)
[ -z "$said" ] || fail "$said"

systemd-analyze security --offline=true --threshold=20 "$service" > "$root/exposure" || fail "$(tail -n 1 "$root/exposure")"
tail -n 1 "$root/exposure"

# systemd before 254 has no group for these, and a filter without them would end every worker.
for call in seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self open_tree fsopen fsconfig fsmount move_mount \
	mount_setattr pivot_root umount2; do
	grep -qE "^SystemCallFilter=.*\\b$call\\b" "$service" || fail "SystemCallFilter= lacks $call"
done

# Cgroups of workers: below the service's, which is then not read-only.
grep -q '^Delegate=memory pids cpu' "$service" && ! grep -q '^ProtectControlGroups=y' "$service" || fail "workers can have no cgroups"

# A reload takes nothing that a small system lacks, as procps is.
env --default-signal=HUP sleep 60 & MAINPID=$! # nohup may run the tests
export MAINPID
reload=$(sed -n 's/^ExecReload=//p' "$service" | sed 's/\$\$/$/g')
mkdir "$root/bin" && ln -s /bin/sh "$root/bin/sh"
case $reload in /bin/sh\ *) PATH=$root/bin; export PATH; eval "$reload" ;; *) fail "ExecReload= is no shell's: $reload" ;; esac
PATH=/usr/sbin:/usr/bin:/sbin:/bin
wait $MAINPID 2>/dev/null && fail "ExecReload= sends no signal" || [ $? = 129 ] || fail "ExecReload= sends no SIGHUP"

mkdir -p "$root/etc"
systemd-sysusers --root="$root" "$(realpath "$top_builddir/systemd/sysusers.d/quantbench.conf")"
grep -q '^quantbench:.*:quantbench server:' "$root/etc/passwd" || fail "systemd-sysusers made no user"
[ "$(id -u)" != 0 ] || {
	systemd-tmpfiles --root="$root" --create "$(realpath "$top_builddir/systemd/tmpfiles.d/quantbench.conf")"
	[ "$(find "$root" -type d -path '*/lib/quantbench' -perm 750 | wc -l)" = 1 ] || fail "systemd-tmpfiles made no state folder"
}
