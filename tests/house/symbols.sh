#!/bin/bash
# core and session are pure: no clock, socket, file, thread or randomness. Read from what their libraries import.
# usage: symbols.sh BUILD_DIR
set -euo pipefail
build=$1
allowed=$(sed -E 's/^#.*//; /^$/d' "$(dirname "$0")/symbols.allowed" | paste -sd'|')
defines() { nm --defined-only "$1" 2>/dev/null | awk 'NF == 3 {print $3}'; }
ours=$(for lib in common/base/libsumu_base common/core/libsumu_core common/session/libsumu_session proto/libsumu_proto; do
        defines "$build/$lib.a"
done | sort -u)
bad=0
for room in core session; do
        imports=$(nm -u "$build/common/$room/libsumu_$room.a" | awk 'NF == 2 && $1 == "U" {print $2}' | sort -u)
        strange=$(echo "$imports" | grep -vxFf <(echo "$ours") | grep -vxE "$allowed" || true)
        [ -z "$strange" ] || { echo "$room imports what it may not:"; echo "$strange"; bad=1; }
        if echo "$imports" | grep -qxE 'log_event|log_init'; then echo "$room logs"; bad=1; fi
done
exit $bad
